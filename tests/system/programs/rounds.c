// A process that lives long: one round of everything for each line "round" on standard input, with
// blocks, ends of threads, keys and objects to wait at, on all nodes, in new memory each time. All
// that is read is checked, and a round leaves nothing behind: what it leaves in a process all the
// same is gallocy's.
//
//   ranks PID ...    at the start; of each rank
//   round N          after each round
//   heap BYTES ...   for the line "heap": what is allocated from the C library, in each rank
#include <errno.h>
#include <malloc.h>

#include "support.h"

// There in a sanitizer build only, whose allocator the C library's figures do not know.
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

enum { block_count = 100, large_bytes = 3 << 20, check_stride = 61 };

struct Block {
  unsigned char* bytes;
  size_t size_bytes;
};
struct Blocks {
  unsigned seed;
  int next_node;
  struct Block all[block_count];
};

// 0 bytes to 128 KiB, as many of each size in bits; the first is larger than a chunk.
static size_t size_of(int number, unsigned* seed) {
  const size_t most = (size_t)1 << next(seed) % 18;
  return number == 0 ? large_bytes : next(seed) % most;
}

static void check(const unsigned char* bytes, size_t size_bytes, int value) {
  for (size_t at = 0; at < size_bytes; at += check_stride) REQUIRE(bytes[at] == value);
  if (size_bytes > 0) REQUIRE(bytes[size_bytes - 1] == value);
}

static unsigned char* allocate(int number, size_t size_bytes, int next_node) {
  unsigned char* bytes = NULL;
  switch (number % 4) {
    case 0:
      bytes = gallocy_malloc(size_bytes);
      break;
    case 1:
      bytes = gallocy_calloc(1, size_bytes);
      check(bytes, size_bytes, 0);
      break;
    case 2:
      bytes = gallocy_memalign(PAGE, size_bytes);
      REQUIRE((size_t)bytes % PAGE == 0);
      break;
    case 3:
      bytes = gallocy_malloc_on(next_node, size_bytes);
  }
  REQUIRE(bytes != NULL && gallocy_malloc_usable_size(bytes) >= size_bytes);
  return bytes;
}

static void* fill(void* argument) {
  struct Blocks* blocks = argument;
  for (int i = 0; i < block_count; ++i) {
    struct Block* block = &blocks->all[i];
    block->size_bytes = size_of(i, &blocks->seed);
    block->bytes = allocate(i, block->size_bytes, blocks->next_node);
    memset(block->bytes, i, block->size_bytes);
  }
  REQUIRE(gallocy_malloc((size_t)1 << 50) == NULL && errno == ENOMEM);
  return NULL;
}

static void* resize(void* argument) {
  struct Blocks* blocks = argument;
  REQUIRE(gallocy_prefetch(blocks->all[0].bytes, large_bytes) == 0);
  for (int i = 0; i < block_count; ++i) {
    struct Block* block = &blocks->all[i];
    const size_t before = block->size_bytes, after = size_of(i + 1, &blocks->seed);
    block->bytes = gallocy_realloc(block->bytes, after);
    REQUIRE(block->bytes != NULL);
    check(block->bytes, before < after ? before : after, i);
    memset(block->bytes, i, after);
    block->size_bytes = after;
  }
  return NULL;
}

static void free_from(struct Blocks* blocks, int first) {
  for (int i = first; i < block_count; i += 2) {
    check(blocks->all[i].bytes, blocks->all[i].size_bytes, i);
    gallocy_free(blocks->all[i].bytes);
  }
}
static void* free_even(void* blocks) {
  free_from(blocks, 0);
  return NULL;
}
static void* free_odd(void* blocks) {
  free_from(blocks, 1);
  return NULL;
}

static int after(int node) { return (node + 1) % gallocy_node_count(); }

// Each node's blocks go to the next one and come back, on all nodes at the same time.
static void test_blocks(unsigned seed) {
  enum { step_count = 4, max_nodes = 64 };
  void* (*steps[step_count])(void*) = {fill, resize, free_even, free_odd};
  const int nodes = gallocy_node_count();
  pthread_t threads[max_nodes];
  struct Blocks* blocks = gallocy_calloc((size_t)nodes, sizeof *blocks);
  for (int step = 0; step < step_count; ++step) {
    for (int node = 0; node < nodes; ++node) {
      if (step == 0) blocks[node] = (struct Blocks){.seed = seed++, .next_node = after(node)};
      const int where = step == 1 || step == 2 ? after(node) : node;
      threads[node] = start_on(where, steps[step], &blocks[node]);
    }
    for (int node = 0; node < nodes; ++node) join(threads[node]);
  }
  gallocy_free(blocks);
}

// All that the threads of a round share; by the name "round" for what has no argument.
struct Round {
  pthread_mutex_t lock, recursive, checked, robust;
  pthread_cond_t changed;
  pthread_rwlock_t table;
  pthread_barrier_t barrier;
  sem_t tokens, never;
  pthread_once_t once;
  pthread_key_t key;
  int once_calls, destroyed, cleaned, begun, ended;
  int count, turn, serial_count, holders, left, right;
};

static struct Round* find_round(void) {
  struct Round* round = gallocy_lookup("round");
  REQUIRE(round != NULL);
  return round;
}

static void add_one(int* count) { __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST); }

static void destroy(void* value) {
  REQUIRE(*(int*)value == 4711);
  add_one(&find_round()->destroyed);
  gallocy_free(value);
}

static void set_value(const struct Round* round) {
  int* value = gallocy_malloc(sizeof *value);
  *value = 4711;
  REQUIRE(gallocy_pthread_getspecific(round->key) == NULL);
  REQUIRE(gallocy_pthread_setspecific(round->key, value) == 0);
  REQUIRE(gallocy_pthread_getspecific(round->key) == value);
}

static void clean(void* round) { add_one(&((struct Round*)round)->cleaned); }

static void* return_it(void* argument) {
  set_value(argument);
  return argument;
}
static void* exit_with_it(void* argument) {
  pthread_cleanup_push(clean, argument);
  set_value(argument);
  gallocy_pthread_exit(argument);
  pthread_cleanup_pop(0);
  return NULL;
}
static void* start_another(void* argument) {
  return run_on(after(gallocy_node()), return_it, argument);
}
static void* end_detached(void* argument) {
  struct Round* round = argument;
  set_value(round);
  set(&round->ended);
  return NULL;
}

static void* sleep_on(void* argument) {
  struct Round* round = argument;
  pthread_cleanup_push(clean, round);
  set_value(round);
  set(&round->begun);
  for (;;) usleep(1000);
  pthread_cleanup_pop(0);
  return NULL;
}
static void* wait_for_token(void* argument) {
  struct Round* round = argument;
  pthread_cleanup_push(clean, round);
  set_value(round);
  set(&round->begun);
  gallocy_sem_wait(&round->never);
  pthread_cleanup_pop(0);
  return NULL;
}
static void clean_and_unlock(void* argument) {
  struct Round* round = argument;
  clean(round);
  REQUIRE(gallocy_pthread_mutex_unlock(&round->lock) == 0);
}
static void* wait_for_change(void* argument) {
  struct Round* round = argument;
  REQUIRE(gallocy_pthread_mutex_lock(&round->lock) == 0);
  pthread_cleanup_push(clean_and_unlock, round);
  set_value(round);
  set(&round->begun);
  for (;;) REQUIRE(gallocy_pthread_cond_wait(&round->changed, &round->lock) == 0);
  pthread_cleanup_pop(0);
  return NULL;
}

static void test_ends(struct Round* round, int node) {
  enum { returned_count = 3, cancelled_count = 3 };
  void* (*returned[returned_count])(void*) = {return_it, exit_with_it, start_another};
  void* (*cancelled[cancelled_count])(void*) = {sleep_on, wait_for_token, wait_for_change};
  round->destroyed = round->cleaned = round->ended = 0;
  for (int i = 0; i < returned_count; ++i) {
    pthread_t thread = start_on(node, returned[i], round);
    REQUIRE(join(thread) == round);
    REQUIRE(gallocy_pthread_join(thread, NULL) == ESRCH);
  }
  REQUIRE(round->destroyed == returned_count && round->cleaned == 1);
  for (int i = 0; i < cancelled_count; ++i) {
    round->begun = 0;
    pthread_t thread = start_on(node, cancelled[i], round);
    wait_for(&round->begun);
    REQUIRE(gallocy_pthread_cancel(thread) == 0);
    REQUIRE(join(thread) == PTHREAD_CANCELED);
  }
  REQUIRE(round->destroyed == returned_count + cancelled_count);
  REQUIRE(round->cleaned == 1 + cancelled_count);
  pthread_t thread = start_on(node, end_detached, round);
  REQUIRE(gallocy_pthread_detach(thread) == 0);
  wait_for(&round->ended);
  int status = EINVAL;
  for (int i = 0; i < 20000 && status == EINVAL; ++i, usleep(500))
    status = gallocy_pthread_join(thread, NULL);
  REQUIRE(status == ESRCH && round->destroyed == returned_count + cancelled_count + 1);
}

static void* leave_it_locked(void* argument) {
  struct Round* round = argument;
  REQUIRE(gallocy_pthread_mutex_lock(&round->robust) == 0);
  return NULL;
}
static void* wait_in_vain(void* argument) {
  struct Round* round = argument;
  const struct timespec soon = after_ms(CLOCK_REALTIME, 3);
  REQUIRE(gallocy_pthread_mutex_timedlock(&round->lock, &soon) == ETIMEDOUT);
  REQUIRE(gallocy_pthread_rwlock_timedwrlock(&round->table, &soon) == ETIMEDOUT);
  REQUIRE(gallocy_sem_timedwait(&round->never, &soon) == -1 && errno == ETIMEDOUT);
  REQUIRE(gallocy_pthread_mutex_lock(&round->checked) == 0);
  REQUIRE(gallocy_pthread_cond_timedwait(&round->changed, &round->checked, &soon) == ETIMEDOUT);
  REQUIRE(gallocy_pthread_mutex_unlock(&round->checked) == 0);
  return NULL;
}

static void test_refusals(struct Round* round, int node) {
  run_on(node, leave_it_locked, round);
  REQUIRE(gallocy_pthread_mutex_lock(&round->robust) == EOWNERDEAD);
  REQUIRE(gallocy_pthread_mutex_consistent(&round->robust) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&round->robust) == 0);
  REQUIRE(gallocy_pthread_mutex_lock(&round->lock) == 0);
  REQUIRE(gallocy_pthread_rwlock_rdlock(&round->table) == 0);
  run_on(node, wait_in_vain, round);
  REQUIRE(gallocy_pthread_rwlock_unlock(&round->table) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&round->lock) == 0);
}

enum { worker_count = 6, pass_count = 10, token_count = 2 };

static void call_once(void) { ++find_round()->once_calls; }

static void use_mutexes(struct Round* round) {
  for (int i = 0; i < 2; ++i) REQUIRE(gallocy_pthread_mutex_lock(&round->recursive) == 0);
  ++round->count;
  for (int i = 0; i < 2; ++i) REQUIRE(gallocy_pthread_mutex_unlock(&round->recursive) == 0);
  while (gallocy_pthread_mutex_trylock(&round->checked) == EBUSY) usleep(100);
  REQUIRE(gallocy_pthread_mutex_lock(&round->checked) == EDEADLK);
  REQUIRE(gallocy_pthread_mutex_unlock(&round->checked) == 0);
}

static void use_table(struct Round* round, int writes) {
  if (writes != 0) {
    REQUIRE(gallocy_pthread_rwlock_wrlock(&round->table) == 0);
    ++round->left;
    ++round->right;
  } else {
    REQUIRE(gallocy_pthread_rwlock_rdlock(&round->table) == 0);
    REQUIRE(round->left == round->right);
  }
  REQUIRE(gallocy_pthread_rwlock_unlock(&round->table) == 0);
}

static void use_tokens(struct Round* round) {
  REQUIRE(gallocy_sem_wait(&round->tokens) == 0);
  REQUIRE(__atomic_add_fetch(&round->holders, 1, __ATOMIC_SEQ_CST) <= token_count);
  __atomic_sub_fetch(&round->holders, 1, __ATOMIC_SEQ_CST);
  REQUIRE(gallocy_sem_post(&round->tokens) == 0);
}

static void await_turn(struct Round* round, int who) {
  REQUIRE(gallocy_pthread_mutex_lock(&round->lock) == 0);
  while (round->turn % worker_count != who)
    REQUIRE(gallocy_pthread_cond_wait(&round->changed, &round->lock) == 0);
  ++round->turn;
  REQUIRE(gallocy_pthread_cond_broadcast(&round->changed) == 0);
  REQUIRE(gallocy_pthread_mutex_unlock(&round->lock) == 0);
}

static void* work(void* argument) {
  struct Round* round = find_round();
  const int who = (int)(long)argument;
  REQUIRE(gallocy_pthread_once(&round->once, call_once) == 0 && round->once_calls == 1);
  for (int pass = 0; pass < pass_count; ++pass) {
    if (gallocy_pthread_barrier_wait(&round->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
      add_one(&round->serial_count);
    use_mutexes(round);
    use_table(round, (pass + who) % 3 == 0);
    use_tokens(round);
    await_turn(round, who);
  }
  return NULL;
}

static void test_objects(struct Round* round) {
  pthread_t threads[worker_count];
  int writes = 0;
  for (int who = 0; who < worker_count; ++who) {
    threads[who] = start_on(who % gallocy_node_count(), work, (void*)(long)who);
    for (int pass = 0; pass < pass_count; ++pass) writes += (pass + who) % 3 == 0;
  }
  for (int who = 0; who < worker_count; ++who) join(threads[who]);
  REQUIRE(round->count == worker_count * pass_count && round->turn == worker_count * pass_count);
  REQUIRE(round->left == writes && round->right == writes);
  REQUIRE(round->serial_count == pass_count && round->once_calls == 1);
}

static void init_mutex(pthread_mutex_t* mutex, int type, int robustness) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, type);
  pthread_mutexattr_setrobust(&attr, robustness);
  REQUIRE(gallocy_pthread_mutex_init(mutex, &attr) == 0);
  pthread_mutexattr_destroy(&attr);
}

// The others are as by their initialisers.
static struct Round* begin_round(void) {
  struct Round* round = gallocy_calloc(1, sizeof *round);
  REQUIRE(round != NULL && gallocy_publish("round", round) == 0);
  init_mutex(&round->recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
  init_mutex(&round->checked, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
  init_mutex(&round->robust, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST);
  REQUIRE(gallocy_pthread_barrier_init(&round->barrier, NULL, worker_count) == 0);
  REQUIRE(gallocy_sem_init(&round->tokens, 0, token_count) == 0);
  REQUIRE(gallocy_sem_init(&round->never, 0, 0) == 0);
  REQUIRE(gallocy_pthread_key_create(&round->key, destroy) == 0);
  return round;
}

static void end_round(struct Round* round) {
  pthread_mutex_t* mutexes[] = {&round->lock, &round->recursive, &round->checked, &round->robust};
  for (int i = 0; i < 4; ++i) REQUIRE(gallocy_pthread_mutex_destroy(mutexes[i]) == 0);
  REQUIRE(gallocy_pthread_cond_destroy(&round->changed) == 0);
  REQUIRE(gallocy_pthread_rwlock_destroy(&round->table) == 0);
  REQUIRE(gallocy_pthread_barrier_destroy(&round->barrier) == 0);
  REQUIRE(gallocy_sem_destroy(&round->tokens) == 0);
  REQUIRE(gallocy_sem_destroy(&round->never) == 0);
  REQUIRE(gallocy_pthread_key_delete(round->key) == 0);
  REQUIRE(gallocy_publish("round", NULL) == 0);
  gallocy_free(round);
}

static void run_round(unsigned seed) {
  test_blocks(seed);
  struct Round* round = begin_round();
  for (int node = 0; node < gallocy_node_count(); ++node) {
    test_ends(round, node);
    test_refusals(round, node);
  }
  test_objects(round);
  end_round(round);
}

static void* pid_here(void* unused) {
  (void)unused;
  return (void*)(long)getpid();
}
static void* heap_here(void* unused) {
  (void)unused;
  if (__sanitizer_get_current_allocated_bytes != NULL)
    return (void*)__sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 info = mallinfo2();
  return (void*)(info.uordblks + info.hblkhd);
}

// What each rank says.
static void print_of_all(const char* what, void* (*function)(void*)) {
  printf("%s", what);
  for (int node = 0; node < gallocy_node_count(); ++node)
    printf(" %lu", (unsigned long)run_on(node, function, NULL));
  printf("\n");
  fflush(stdout);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  print_of_all("ranks", pid_here);
  char line[16];
  for (unsigned count = 0; fgets(line, sizeof line, stdin) != NULL;) {
    if (strcmp(line, "heap\n") == 0) {
      print_of_all("heap", heap_here);
      continue;
    }
    REQUIRE(strcmp(line, "round\n") == 0);
    run_round(++count);
    printf("round %u\n", count);
    fflush(stdout);
  }
  printf("OK\n");
  return 0;
}
