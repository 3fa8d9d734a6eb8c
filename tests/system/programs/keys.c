// Thread-specific data: one key in all ranks, values apart, destructors where the threads end.
#include <errno.h>

#include "support.h"

enum { thread_count = 12 };

struct Plan {
  pthread_key_t key, chained, silent;
  pthread_mutex_t lock;
  long destroyed_sum, destroyed_count, chained_count;
};
static struct Plan* find_plan(void) { return gallocy_lookup("plan"); }

static void destroy(void* value) {
  struct Plan* plan = find_plan();
  REQUIRE(gallocy_pthread_mutex_lock(&plan->lock) == 0);
  plan->destroyed_sum += *(long*)value;
  ++plan->destroyed_count;
  REQUIRE(gallocy_pthread_mutex_unlock(&plan->lock) == 0);
  gallocy_free(value);
  // A destructor that sets a value gets one more round.
  REQUIRE(gallocy_pthread_setspecific(plan->chained, plan) == 0);
}
static void destroy_chained(void* value) {
  struct Plan* plan = value;
  REQUIRE(gallocy_pthread_getspecific(plan->chained) == NULL);
  __atomic_add_fetch(&plan->chained_count, 1, __ATOMIC_SEQ_CST);
}

static void* work(void* argument) {
  struct Plan* plan = find_plan();
  REQUIRE(plan != NULL);
  REQUIRE(gallocy_pthread_getspecific(plan->key) == NULL);
  long* value = gallocy_malloc(sizeof *value);
  *value = (long)argument;
  REQUIRE(gallocy_pthread_setspecific(plan->key, value) == 0);
  REQUIRE(gallocy_pthread_setspecific(plan->silent, (void*)1) == 0);
  usleep(1000);
  REQUIRE(gallocy_pthread_getspecific(plan->key) == value && *value == (long)argument);
  if ((long)argument % 2 != 0) gallocy_pthread_exit(NULL);
  return NULL;
}

static void test_values(void) {
  struct Plan* plan = gallocy_calloc(1, sizeof *plan);
  REQUIRE(gallocy_publish("plan", plan) == 0);
  REQUIRE(gallocy_pthread_key_create(&plan->key, destroy) == 0);
  REQUIRE(gallocy_pthread_key_create(&plan->chained, destroy_chained) == 0);
  REQUIRE(gallocy_pthread_key_create(&plan->silent, NULL) == 0);
  pthread_t threads[thread_count];
  long sum = 0;
  for (long i = 0; i < thread_count; ++i) {
    REQUIRE(gallocy_pthread_create(&threads[i], NULL, work, (void*)(i + 1)) == 0);
    sum += i + 1;
  }
  for (int i = 0; i < thread_count; ++i) REQUIRE(gallocy_pthread_join(threads[i], NULL) == 0);
  REQUIRE(plan->destroyed_count == thread_count && plan->destroyed_sum == sum);
  REQUIRE(plan->chained_count == thread_count);
}

static void* set_deleted(void* key) {
  return (void*)(long)gallocy_pthread_setspecific((pthread_key_t)(long)key, key);
}

static void* delete_it(void* key) {
  return (void*)(long)gallocy_pthread_key_delete((pthread_key_t)(long)key);
}

static void test_deleted(void) {
  pthread_key_t key, next;
  int last = gallocy_node_count() - 1;
  REQUIRE(gallocy_pthread_key_create(&key, NULL) == 0);
  REQUIRE(gallocy_pthread_setspecific(key, &key) == 0);
  REQUIRE(gallocy_pthread_getspecific(key) == &key);
  REQUIRE(run_on(last, delete_it, (void*)(long)key) == NULL);
  REQUIRE(gallocy_pthread_key_delete(key) == EINVAL);
  REQUIRE(gallocy_pthread_setspecific(key, &key) == EINVAL);
  REQUIRE((long)run_on(last, set_deleted, (void*)(long)key) == EINVAL);
  REQUIRE(gallocy_pthread_key_create(&next, NULL) == 0 && next != key);
  REQUIRE(gallocy_pthread_getspecific(next) == NULL);  // not what the old one left
  REQUIRE(gallocy_pthread_key_delete(next) == 0);
  REQUIRE(gallocy_pthread_setspecific((pthread_key_t)-1, &key) == EINVAL);
  REQUIRE(gallocy_pthread_getspecific((pthread_key_t)-1) == NULL);
  REQUIRE(gallocy_pthread_key_create(NULL, NULL) == EINVAL);
}

static void test_many(void) {
  pthread_key_t keys[GALLOCY_KEYS_MAX];
  int count = 0;
  while (count < GALLOCY_KEYS_MAX && gallocy_pthread_key_create(&keys[count], NULL) == 0) ++count;
  REQUIRE(count == GALLOCY_KEYS_MAX - 3);
  REQUIRE(gallocy_pthread_key_create(&keys[0], NULL) == EAGAIN);
  for (int i = 0; i < count; ++i) REQUIRE(gallocy_pthread_setspecific(keys[i], &keys[i]) == 0);
  for (int i = 0; i < count; ++i) REQUIRE(gallocy_pthread_getspecific(keys[i]) == &keys[i]);
  for (int i = 0; i < count; ++i) REQUIRE(gallocy_pthread_key_delete(keys[i]) == 0);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_pthread_setspecific(0, "value") == EINVAL);
  test_values();
  test_deleted();
  test_many();
  printf("OK\n");
  return 0;
}
