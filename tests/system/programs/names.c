// Names: published on one node, found on another; of several that publish one name, one wins.
#include <errno.h>

#include "support.h"

enum { thread_count = 9, name_count = 300 };

static void* find_number(void* name) {
  long* number = gallocy_lookup(name);
  return number != NULL ? (void*)*number : (void*)-1;
}

// Returns whether this thread has won.
static void* compete(void* unused) {
  (void)unused;
  long* mine = gallocy_malloc(sizeof *mine);
  *mine = (long)gallocy_pthread_self();
  const int status = gallocy_publish("contested", mine);
  REQUIRE(status == 0 || status == EEXIST);
  long* winner = gallocy_lookup("contested");
  REQUIRE(winner != NULL && (status == 0) == (winner == mine));
  return (void*)(long)(status == 0);
}

static void test_race(void) {
  pthread_t threads[thread_count];
  long winners = 0;
  for (int i = 0; i < thread_count; ++i)
    REQUIRE(gallocy_pthread_create(&threads[i], NULL, compete, NULL) == 0);
  for (int i = 0; i < thread_count; ++i) {
    void* won;
    REQUIRE(gallocy_pthread_join(threads[i], &won) == 0);
    winners += (long)won;
  }
  REQUIRE(winners == 1);
}

static void test_many(void) {
  long* numbers = gallocy_malloc(name_count * sizeof *numbers);
  char* name = gallocy_malloc(64);
  for (long i = 0; i < name_count; ++i) {
    numbers[i] = i * 7;
    snprintf(name, 64, "number %ld", i);
    REQUIRE(gallocy_publish(name, &numbers[i]) == 0);
  }
  for (long i = 0; i < name_count; i += 50) {
    snprintf(name, 64, "number %ld", i);
    REQUIRE((long)run_on((int)(i / 50) % gallocy_node_count(), find_number, name) == i * 7);
  }
  for (long i = 0; i < name_count; ++i) {
    snprintf(name, 64, "number %ld", i);
    REQUIRE(gallocy_publish(name, NULL) == 0);
    REQUIRE(gallocy_lookup(name) == NULL && errno == ENOENT);
    REQUIRE(gallocy_publish(name, NULL) == ENOENT);
  }
  gallocy_free(name);
  gallocy_free(numbers);
}

static void test_errors(void) {
  long local = 0;
  void* block = gallocy_malloc(16);
  char longest[257];
  memset(longest, 'x', sizeof longest);
  longest[256] = 0;
  REQUIRE(gallocy_publish(longest, block) == EINVAL);
  longest[255] = 0;
  REQUIRE(gallocy_publish(longest, block) == 0 && gallocy_lookup(longest) == block);
  REQUIRE(gallocy_publish("local", &local) == EINVAL && gallocy_last_error()[0] != 0);
  REQUIRE(gallocy_publish("nowhere", (void*)0x550ffff00000) == EINVAL);  // never handed out
  REQUIRE(gallocy_publish("", block) == EINVAL && gallocy_publish(NULL, block) == EINVAL);
  errno = 0;
  REQUIRE(gallocy_lookup(NULL) == NULL && errno == EINVAL);
  REQUIRE(gallocy_lookup("nobody") == NULL && errno == ENOENT);
  errno = 77;
  REQUIRE(gallocy_lookup(longest) == block && errno == 77);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_lookup("too early") == NULL && errno == ENOENT);
  REQUIRE(gallocy_publish("too early", NULL) == ENOENT);
  test_race();
  test_many();
  test_errors();
  printf("OK\n");
  return 0;
}
