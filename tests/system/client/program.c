/* What the tests run under a fake daemon: the first argument says what to do. Exit 0 = right. */
#include <errno.h>
#include <gallocy/gallocy.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(condition)                                                              \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      printf("line %d: %s (last error: %s)\n", __LINE__, #condition, gallocy_last_error()); \
      fflush(stdout);                                                                  \
      _exit(1);                                                                        \
    }                                                                                  \
  } while (0)

static int join_job(void) {
  const int error = gallocy_init();
  if (error != 0) printf("%d %s\n", error, gallocy_last_error());
  fflush(stdout);
  return error;
}

static void memory(void) {
  errno = 4711;
  char* first = gallocy_malloc(100);
  EXPECT(first != NULL && (uintptr_t)first % 16 == 0);
  memset(first, 7, 100);
  char* zeros = gallocy_calloc(3, 100000);
  EXPECT(zeros != NULL && zeros[0] == 0 && zeros[299999] == 0);
  char* large = gallocy_calloc(1, 20 << 20);
  EXPECT(large != NULL && large[(20 << 20) - 1] == 0);
  EXPECT(errno == 4711);
  EXPECT(gallocy_malloc((size_t)1 << 40) == NULL && errno == ENOMEM);
  EXPECT(strstr(gallocy_last_error(), "no room") != NULL);
  EXPECT(gallocy_calloc(SIZE_MAX, 2) == NULL && errno == ENOMEM);
  gallocy_free(large);
  gallocy_free(zeros);
  gallocy_free(first);
  gallocy_free(NULL);
  EXPECT(gallocy_malloc(100) == first);
  int pipes[2]; /* a system call may fault too */
  char* page = gallocy_malloc(50000);
  EXPECT(pipe(pipes) == 0 && write(pipes[1], "hello", 5) == 5);
  EXPECT(read(pipes[0], page + 20000, 5) == 5 && memcmp(page + 20000, "hello", 5) == 0);
}

struct Shared {
  pthread_mutex_t mutex;
  long count;
  long destroyed;
};

static pthread_key_t key;
static void slow_destructor(void* shared) {
  usleep(20000);
  ((struct Shared*)shared)->destroyed++;
}

static void* add(void* argument) {
  struct Shared* shared = argument;
  EXPECT(gallocy_pthread_self() != 0);
  for (int i = 0; i < 200; ++i) {
    EXPECT(gallocy_pthread_mutex_lock(&shared->mutex) == 0);
    shared->count++;
    EXPECT(gallocy_pthread_mutex_unlock(&shared->mutex) == 0);
  }
  return (void*)gallocy_pthread_self();
}

static void* leave(void* shared) {
  pthread_setspecific(key, shared);
  pthread_exit((void*)42);
}

static void* cancelled(void* unused) {
  (void)unused;
  pthread_cancel(pthread_self());
  pause();
  return NULL;
}

static void* report_mask(void* unused) {
  (void)unused;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  return (void*)(long)(sigismember(&mask, SIGUSR1) * 10 + sigismember(&mask, SIGUSR2));
}

static void threads(void) {
  struct Shared* shared = gallocy_calloc(1, sizeof *shared);
  EXPECT(gallocy_pthread_mutex_init(&shared->mutex, NULL) == 0);
  pthread_t ids[4];
  for (int i = 0; i < 4; ++i) EXPECT(gallocy_pthread_create(&ids[i], NULL, add, shared) == 0);
  for (int i = 0; i < 4; ++i) {
    void* result = NULL;
    EXPECT(gallocy_pthread_join(ids[i], &result) == 0);
    EXPECT(result == (void*)ids[i]);
  }
  EXPECT(shared->count == 800);
  EXPECT(gallocy_pthread_mutex_destroy(&shared->mutex) == 0);
  EXPECT(gallocy_pthread_mutex_lock(&shared->mutex) == EINVAL);

  void* result = NULL;
  pthread_key_create(&key, slow_destructor);
  EXPECT(gallocy_pthread_create(&ids[0], NULL, leave, shared) == 0);
  EXPECT(gallocy_pthread_join(ids[0], &result) == 0 && result == (void*)42);
  EXPECT(shared->destroyed == 1);
  EXPECT(gallocy_pthread_create_on(&ids[0], NULL, cancelled, NULL, 0) == 0);
  EXPECT(gallocy_pthread_join(ids[0], &result) == 0 && result == PTHREAD_CANCELED);
  EXPECT(gallocy_pthread_create(&ids[0], NULL, report_mask, NULL) == 0);
  EXPECT(gallocy_pthread_join(ids[0], &result) == 0 && result == (void*)10);
  EXPECT(gallocy_pthread_join(ids[0], &result) == ESRCH);
  EXPECT(gallocy_pthread_join(gallocy_pthread_self(), NULL) == EDEADLK);
}

static void thread_errors(void) {
  pthread_t id;
  pthread_attr_t attr;
  EXPECT(gallocy_pthread_create(NULL, NULL, add, NULL) == EINVAL);
  EXPECT(gallocy_pthread_create_on(&id, NULL, add, NULL, 17) == EINVAL);
  EXPECT(gallocy_pthread_create_on(&id, NULL, add, NULL, -2) == EINVAL);
  pthread_attr_init(&attr);
  pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
  EXPECT(gallocy_pthread_create(&id, &attr, add, NULL) == ENOTSUP);
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, (size_t)1 << 34);
  EXPECT(gallocy_pthread_create(&id, &attr, add, NULL) == ENOTSUP);
  static char stack[1 << 16] __attribute__((aligned(4096)));
  pthread_attr_init(&attr);
  pthread_attr_setstack(&attr, stack, sizeof stack);
  EXPECT(gallocy_pthread_create(&id, &attr, add, NULL) == ENOTSUP);
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 1 << 16);
  EXPECT(gallocy_pthread_create(&id, &attr, report_mask, NULL) == 0);
  EXPECT(gallocy_pthread_join(id, NULL) == 0);
}

static void* lock_from_outside(void* mutex) {
  return (void*)(long)gallocy_pthread_mutex_lock(mutex);
}

static pthread_mutex_t* mutex_of_type(int type) {
  pthread_mutex_t* mutex = gallocy_malloc(sizeof *mutex);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_settype(&attr, type);
  EXPECT(gallocy_pthread_mutex_init(mutex, &attr) == 0);
  return mutex;
}

static void mutexes(void) {
  pthread_mutex_t local = PTHREAD_MUTEX_INITIALIZER;
  EXPECT(gallocy_pthread_mutex_lock(&local) == EINVAL);
  EXPECT(strstr(gallocy_last_error(), "gallocy_malloc") != NULL);
  EXPECT(gallocy_pthread_mutex_init(&local, NULL) == EINVAL);
  pthread_mutex_t* mutex = gallocy_malloc(sizeof *mutex);
  *mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  EXPECT(gallocy_pthread_mutex_unlock(mutex) == EPERM);
  EXPECT(gallocy_pthread_mutex_lock(mutex) == 0);
  EXPECT(gallocy_pthread_mutex_trylock(mutex) == EBUSY);
  EXPECT(gallocy_pthread_mutex_destroy(mutex) == EBUSY);
  EXPECT(gallocy_pthread_mutex_unlock(mutex) == 0);

  mutex = mutex_of_type(PTHREAD_MUTEX_RECURSIVE);
  EXPECT(gallocy_pthread_mutex_lock(mutex) == 0 && gallocy_pthread_mutex_lock(mutex) == 0);
  mutex = mutex_of_type(PTHREAD_MUTEX_ERRORCHECK);
  EXPECT(gallocy_pthread_mutex_lock(mutex) == 0);
  EXPECT(gallocy_pthread_mutex_lock(mutex) == EDEADLK);

  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  EXPECT(gallocy_pthread_mutex_init(mutex, &attr) == 0);
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
  EXPECT(gallocy_pthread_mutex_init(mutex, &attr) == ENOTSUP);
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  EXPECT(gallocy_pthread_mutex_init(mutex, &attr) == ENOTSUP);

  pthread_t outsider;
  void* result = NULL;
  EXPECT(pthread_create(&outsider, NULL, lock_from_outside, mutex) == 0);
  EXPECT(pthread_join(outsider, &result) == 0 && result == (void*)EPERM);
}

static void fork_child(void) {
  const pid_t child = fork();
  if (child == 0) {
    errno = 0;
    const int right = gallocy_malloc(1) == NULL && errno == EPERM && gallocy_rank() == -1 &&
                      strstr(gallocy_last_error(), "fork") != NULL && gallocy_init() == EPERM;
    _exit(right ? 0 : 1);
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

static void everything(void) {
  EXPECT(gallocy_malloc(1) == NULL && errno == EPERM);
  EXPECT(gallocy_rank() == -1);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &mask, NULL);
  EXPECT(join_job() == 0);
  EXPECT(gallocy_init() == EALREADY);
  EXPECT(gallocy_rank() == 0 && gallocy_size() == 1);
  EXPECT(gallocy_node() == 0 && gallocy_node_count() == 1);
  memory();
  threads();
  thread_errors();
  mutexes();
  fork_child();
  EXPECT(gallocy_finalize() == 0);
  EXPECT(gallocy_finalize() == EPERM);
  EXPECT(gallocy_malloc(1) == NULL && errno == EPERM);
}

/* Rank 1 frees rank 0's block: told by a word in shared memory whose address both know. */
static void* free_it(void* block) {
  gallocy_free(block);
  return NULL;
}

static void free_elsewhere(void) {
  void* block = gallocy_malloc(5000);
  pthread_t id;
  EXPECT(gallocy_pthread_create(&id, NULL, free_it, block) == 0);
  EXPECT(gallocy_pthread_join(id, NULL) == 0);
  EXPECT(gallocy_malloc(5000) == block);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (strcmp(mode, "everything") == 0) {
    everything();
    return 0;
  }
  if (join_job() != 0) return 3;
  if (strcmp(mode, "wait") == 0) pause();
  if (strcmp(mode, "touch") == 0) return *(volatile char*)strtoull(argv[2], NULL, 16);
  if (strcmp(mode, "request") == 0) return gallocy_malloc(1) == NULL;
  if (strcmp(mode, "free-elsewhere") == 0) free_elsewhere();
  if (strcmp(mode, "free-twice") == 0) {
    void* block = gallocy_malloc(64);
    gallocy_free(block);
    gallocy_free(block);
  }
  if (strcmp(mode, "free-stray") == 0) gallocy_free(malloc(5));
  return 0;
}
