/* Shows on each node that libgallocy allocates nothing after gallocy_init. Runs under gallocy-run:
   it needs a daemon. malloc, calloc and realloc are interposed by this executable.
     counting           counts their calls per thread, and looks at the break and the mapped size
     counting abort     such a call ends the process
     counting seccomp   the kernel traps mmap, mremap and brk in all threads
   In each mode positive controls show that what watches is wired. */
#include <errno.h>
#include <fcntl.h>
#include <gallocy/gallocy.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Thread_local long calls;
static volatile int forbidden;
static volatile sig_atomic_t trapped;
static void* volatile sink;

/* A sanitizer brings an allocator of its own, which can't be interposed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);

static void count(void) {
  ++calls;
  if (forbidden) abort();
}
void* malloc(size_t size) { return count(), __libc_malloc(size); }
void* calloc(size_t number, size_t size) { return count(), __libc_calloc(number, size); }
void* realloc(void* block, size_t size) { return count(), __libc_realloc(block, size); }
#endif

static int wired(void) {
  long before = calls;
  sink = malloc(10);
  free(sink);
  if (calls != before + 1) return 0;
  before = calls;
  FILE* file = fdopen(dup(1), "w");
  if (file != NULL) fclose(file);
  return calls > before;
}

/* Size of the address space in pages, without the C library's streams. The mapped size and not
   the resident one: touching the region makes pages resident by design. */
static long mapped_pages(void) {
  char text[128] = {0};
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (read(fd, text, sizeof text - 1) <= 0) return -1;
  close(fd);
  return strtol(text, NULL, 10);
}

/* The daemon of client_test knows mutexes only, and says so. */
static int is_wrong(int status) { return status != 0 && status != ENOSYS; }

static void nothing(void) {}

struct objects {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  pthread_rwlock_t lock;
  sem_t semaphore;
  pthread_once_t once;
};

static const struct timespec past = {0, 0};

static int synchronise(pthread_mutex_t* mutex) {
  struct objects* it = gallocy_calloc(1, sizeof *it);
  int wrong = is_wrong(gallocy_pthread_once(&it->once, nothing));
  wrong += is_wrong(gallocy_pthread_barrier_init(&it->barrier, NULL, 1));
  gallocy_pthread_barrier_wait(&it->barrier);
  wrong += is_wrong(gallocy_pthread_rwlock_rdlock(&it->lock));
  wrong += is_wrong(gallocy_pthread_rwlock_unlock(&it->lock));
  if (gallocy_sem_init(&it->semaphore, 0, 0) == 0) {
    wrong += gallocy_sem_timedwait(&it->semaphore, &past) == 0 || errno != ETIMEDOUT;
    wrong += gallocy_sem_post(&it->semaphore) != 0 || gallocy_sem_wait(&it->semaphore) != 0;
  }
  wrong += gallocy_pthread_mutex_timedlock(mutex, &past) != 0;
  gallocy_pthread_cond_timedwait(&it->condition, mutex, &past);
  wrong += gallocy_pthread_mutex_unlock(mutex) != 0;
  wrong += is_wrong(gallocy_pthread_cond_broadcast(&it->condition));
  gallocy_free(it);
  return wrong;
}

static void* of_the_next_node(size_t size_bytes) {
  void* block = gallocy_malloc_on((gallocy_node() + 1) % gallocy_node_count(), size_bytes);
  return block == NULL ? NULL : memset(block, 0, size_bytes);
}

static int mutexes(pthread_mutex_t* it) {
  int wrong = gallocy_pthread_mutex_init(it, NULL) != 0;
  wrong += gallocy_pthread_mutex_trylock(it) != 0 || gallocy_pthread_mutex_trylock(it) != EBUSY;
  wrong += gallocy_pthread_mutex_clocklock(it, CLOCK_MONOTONIC, &past) != ETIMEDOUT;
  wrong += gallocy_pthread_mutex_consistent(it) != EINVAL;
  return wrong + (gallocy_pthread_mutex_unlock(it) != 0);
}

static int conditions(pthread_cond_t* it, pthread_mutex_t* mutex) {
  int wrong = gallocy_pthread_cond_init(it, NULL) != 0 || gallocy_pthread_mutex_lock(mutex) != 0;
  wrong += gallocy_pthread_cond_clockwait(it, mutex, CLOCK_MONOTONIC, &past) != ETIMEDOUT;
  wrong += gallocy_pthread_mutex_unlock(mutex) != 0 || gallocy_pthread_cond_signal(it) != 0;
  return wrong + (gallocy_pthread_cond_destroy(it) != 0);
}

static int read_write_locks(pthread_rwlock_t* it) {
  int wrong = gallocy_pthread_rwlock_init(it, NULL) != 0;
  wrong += gallocy_pthread_rwlock_wrlock(it) != 0 || gallocy_pthread_rwlock_tryrdlock(it) != EBUSY;
  wrong += gallocy_pthread_rwlock_unlock(it) != 0;
  wrong += gallocy_pthread_rwlock_trywrlock(it) != 0 || gallocy_pthread_rwlock_unlock(it) != 0;
  wrong += gallocy_pthread_rwlock_timedwrlock(it, &past) != 0;
  wrong += gallocy_pthread_rwlock_unlock(it) != 0;
  wrong += gallocy_pthread_rwlock_clockwrlock(it, CLOCK_MONOTONIC, &past) != 0;
  wrong += gallocy_pthread_rwlock_unlock(it) != 0 || gallocy_pthread_rwlock_tryrdlock(it) != 0;
  wrong += gallocy_pthread_rwlock_timedrdlock(it, &past) != 0;
  wrong += gallocy_pthread_rwlock_clockrdlock(it, CLOCK_MONOTONIC, &past) != 0;
  for (int i = 0; i < 3; ++i) wrong += gallocy_pthread_rwlock_unlock(it) != 0;
  return wrong + (gallocy_pthread_rwlock_destroy(it) != 0);
}

static int semaphores_and_barriers(struct objects* it) {
  int value = 0, wrong = gallocy_sem_init(&it->semaphore, 0, 1) != 0;
  wrong += gallocy_sem_getvalue(&it->semaphore, &value) != 0 || value != 1;
  wrong += gallocy_sem_trywait(&it->semaphore) != 0;
  wrong += gallocy_sem_trywait(&it->semaphore) == 0 || errno != EAGAIN;
  wrong += gallocy_sem_clockwait(&it->semaphore, CLOCK_MONOTONIC, &past) == 0 || errno != ETIMEDOUT;
  wrong += gallocy_sem_destroy(&it->semaphore) != 0;
  wrong += gallocy_pthread_barrier_init(&it->barrier, NULL, 1) != 0;
  wrong += gallocy_pthread_barrier_wait(&it->barrier) != PTHREAD_BARRIER_SERIAL_THREAD;
  return wrong + (gallocy_pthread_barrier_destroy(&it->barrier) != 0);
}

static int keys_and_names(struct objects* it) {
  pthread_key_t key;
  int wrong = gallocy_pthread_key_create(&key, free) != 0;
  wrong += gallocy_pthread_setspecific(key, it) != 0 || gallocy_pthread_getspecific(key) != it;
  wrong += gallocy_pthread_setspecific(key, NULL) != 0 || gallocy_pthread_key_delete(key) != 0;
  wrong += gallocy_publish("counted", it) != 0 || gallocy_lookup("counted") != it;
  wrong += gallocy_publish("counted", NULL) != 0 || gallocy_lookup("counted") != NULL;
  wrong += !gallocy_pthread_equal(gallocy_pthread_self(), gallocy_pthread_self());
  return wrong + (gallocy_prefetch(it, sizeof *it) != 0);
}

static int every_kind(void) {
  struct objects* it = of_the_next_node(sizeof *it);
  if (it == NULL) return 1;
  const int wrong = mutexes(&it->mutex) + conditions(&it->condition, &it->mutex) +
                    read_write_locks(&it->lock) + semaphores_and_barriers(it) + keys_and_names(it) +
                    (gallocy_pthread_mutex_destroy(&it->mutex) != 0);
  gallocy_free(it);
  return wrong;
}

/* A thread of this process that is there before anything is counted. */
struct partner {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  int asked;
};

enum { questions = 200 };

static void* answer(void* argument) {
  struct partner* it = argument;
  const long before = calls;
  int wrong = 0;
  for (int i = 0; i < questions; ++i) {
    wrong += gallocy_pthread_mutex_lock(&it->mutex) != 0;
    while (!it->asked && wrong == 0)
      wrong += gallocy_pthread_cond_wait(&it->changed, &it->mutex) != 0;
    it->asked = 0;
    wrong += gallocy_pthread_cond_signal(&it->changed) != 0;
    wrong += gallocy_pthread_mutex_unlock(&it->mutex) != 0;
  }
  return (void*)(calls - before + wrong);
}

static int ask(struct partner* it) {
  int wrong = 0;
  for (int i = 0; i < questions; ++i) {
    wrong += gallocy_pthread_mutex_lock(&it->mutex) != 0;
    it->asked = 1;
    wrong += gallocy_pthread_cond_signal(&it->changed) != 0;
    while (it->asked && wrong == 0)
      wrong += gallocy_pthread_cond_wait(&it->changed, &it->mutex) != 0;
    wrong += gallocy_pthread_mutex_unlock(&it->mutex) != 0;
  }
  return wrong;
}

static struct partner* partner; /* NULL: the daemon is that of client_test */

static int find_partner(void) {
  struct partner* it = of_the_next_node(sizeof *it);
  if (it == NULL) return 0;
  if (gallocy_pthread_cond_signal(&it->changed) == ENOSYS) return 1;
  partner = it;
  return gallocy_pthread_create_on(&it->thread, NULL, answer, it, gallocy_node()) == 0;
}

static int partner_was_right(void) {
  void* wrong = NULL;
  return partner == NULL || (gallocy_pthread_join(partner->thread, &wrong) == 0 && wrong == NULL);
}

static int requests(pthread_mutex_t* mutex) {
  int wrong = 0;
  for (int i = 0; i < 1000; ++i) {
    wrong += gallocy_pthread_mutex_lock(mutex) != 0;
    wrong += gallocy_pthread_mutex_unlock(mutex) != 0;
    void* small = gallocy_malloc(100);
    void* large = gallocy_calloc(1, 100000);
    wrong += small == NULL || large == NULL;
    void* aligned = NULL;
    wrong += gallocy_posix_memalign(&aligned, 256, 300) != 0;
    aligned = gallocy_realloc(aligned, 5000);
    small = gallocy_reallocarray(small, 7, 100);
    wrong += aligned == NULL || gallocy_malloc_usable_size(small) < 700;
    void* near = gallocy_malloc_on(gallocy_home_of(aligned), 3 << 20);
    wrong += near == NULL;
    gallocy_free(near);
    gallocy_free(aligned);
    gallocy_free(large);
    gallocy_free(small);
  }
  for (int i = 0; i < 100; ++i) wrong += synchronise(mutex);
  if (partner == NULL) return wrong;
  for (int i = 0; i < 100; ++i) wrong += every_kind();
  return wrong + ask(partner);
}

static int other_errors(pthread_mutex_t* mutex) {
  int wrong = gallocy_pthread_setspecific(GALLOCY_KEYS_MAX, NULL) != EINVAL;
  wrong += gallocy_pthread_cancel(0) != ESRCH || gallocy_pthread_detach(0) != ESRCH;
  return wrong + (gallocy_publish("", mutex) != EINVAL || gallocy_lookup("") != NULL);
}

static int errors(pthread_mutex_t* mutex) {
  static pthread_mutex_t local = PTHREAD_MUTEX_INITIALIZER;
  int wrong = 0;
  for (int i = 0; i < 100; ++i) {
    wrong += gallocy_pthread_mutex_lock(&local) != EINVAL;
    wrong += gallocy_pthread_mutex_unlock(mutex) != EPERM;
    wrong += gallocy_malloc((size_t)1 << 50) != NULL || errno != ENOMEM;
    wrong += gallocy_calloc(SIZE_MAX, 2) != NULL;
    wrong += gallocy_memalign(3, 8) != NULL || gallocy_aligned_alloc(0, 8) != NULL;
    wrong += gallocy_malloc_on(63, 8) != NULL || gallocy_home_of(&local) != -1;
    wrong += gallocy_reallocarray(NULL, SIZE_MAX, 2) != NULL;
    wrong += gallocy_prefetch(&local, 1) != EINVAL;
    if (partner != NULL) wrong += other_errors(mutex);
    wrong += gallocy_init() != EALREADY;
    wrong += gallocy_last_error()[0] == '\0';
  }
  return wrong;
}

static void* return_argument(void* argument) { return argument; }

/* What the C library allocates for a thread it does on gallocy's own thread, and takes again what
   the last one has left. */
static int threads(int count_of_threads) {
  int wrong = 0;
  for (int i = 0; i < count_of_threads; ++i) {
    pthread_t thread;
    void* result = NULL;
    const int status =
        gallocy_pthread_create_on(&thread, NULL, return_argument, &wrong, gallocy_node());
    if (status == ENOSYS) return 0;
    wrong += status != 0 || gallocy_pthread_join(thread, &result) != 0 || result != &wrong;
  }
  return wrong;
}

static void* wait_for_ever(void* semaphore) { return gallocy_sem_wait(semaphore), NULL; }

static int cancelled_threads(int count_of_threads) {
  if (partner == NULL) return 0;
  sem_t* never = of_the_next_node(sizeof *never);
  int wrong = never == NULL || gallocy_sem_init(never, 0, 0) != 0;
  for (int i = 0; i < count_of_threads; ++i) {
    pthread_t thread;
    void* result = NULL;
    wrong += gallocy_pthread_create_on(&thread, NULL, wait_for_ever, never, gallocy_node()) != 0 ||
             gallocy_pthread_cancel(thread) != 0 || gallocy_pthread_join(thread, &result) != 0 ||
             result != PTHREAD_CANCELED;
  }
  gallocy_free(never);
  return wrong;
}

/* They end later: what they have mapped goes at any time. */
static int detached_threads(int count_of_threads) {
  if (partner == NULL) return 0;
  int wrong = 0;
  for (int i = 0; i < count_of_threads; ++i) {
    pthread_t thread;
    wrong += gallocy_pthread_create_on(&thread, NULL, return_argument, NULL, gallocy_node()) != 0 ||
             gallocy_pthread_detach(thread) != 0;
  }
  return wrong;
}

/* Without stdio: that may allocate. */
static void say(const char* text) {
  if (write(1, text, strlen(text)) < 0) _exit(1);
}

static int count_all(pthread_mutex_t* mutex) {
  mapped_pages();
  const long threads_before = calls;
  const int wrong_threads = threads(100) + cancelled_threads(20);
  const long of_threads = calls - threads_before;
  const long calls_before = calls, pages_before = mapped_pages();
  const void* break_before = sbrk(0);
  int wrong = wrong_threads + requests(mutex) + errors(mutex);
  const long pages = mapped_pages() - pages_before;
  const long grown = (const char*)sbrk(0) - (const char*)break_before;
  wrong += detached_threads(20);
  const long delta = of_threads + calls - calls_before;
  printf("allocations %ld, break grew %ld bytes, mapped pages grew %ld, wrong answers %d\n", delta,
         grown, pages, wrong);
  fflush(stdout);
  return delta == 0 && grown == 0 && pages == 0 && wrong == 0 && wired();
}

static int abort_works(void) {
  const pid_t child = fork();
  if (child == 0) {
    sink = malloc(10);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static int abort_all(pthread_mutex_t* mutex) {
  forbidden = 1;
  const int right = abort_works() && requests(mutex) + errors(mutex) == 0;
  forbidden = 0;
  if (right) say("allocations 0, each would have aborted\n");
  return right;
}

static void on_trap(int number) {
  (void)number;
  ++trapped;
}

/* From here on, in every thread. */
static int set_traps(void) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_brk, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  const struct sock_fprog filter = {sizeof program / sizeof *program, program};
  struct sigaction action = {0};
  action.sa_handler = on_trap;
  return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

static int trap_all(pthread_mutex_t* mutex) {
  if (!set_traps()) return say("seccomp refused\n"), 0;
  syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  syscall(SYS_brk, 0);
  if (trapped != 2) return say("traps not wired\n"), 0;
  const int right = requests(mutex) + errors(mutex) == 0 && trapped == 2;
  if (right) say("allocations 0, each would have been trapped\n");
  return right;
}

struct plan {
  pthread_mutex_t mutex;
  char mode[16];
};

/* In this process. */
static void* run(void* argument) {
  struct plan* it = argument;
  int right = wired() && find_partner();
  if (!right) say("counter not wired, or no partner\n");
  else if (strcmp(it->mode, "abort") == 0) right = abort_all(&it->mutex);
  else if (strcmp(it->mode, "seccomp") == 0) right = trap_all(&it->mutex);
  else right = count_all(&it->mutex);
  return (void*)(long)(right && partner_was_right());
}

static int run_on(int node, struct plan* plan) {
  pthread_t thread;
  void* right = NULL;
  return gallocy_pthread_create_on(&thread, NULL, run, plan, node) == 0 &&
         gallocy_pthread_join(thread, &right) == 0 && right != NULL;
}

int main(int argc, char** argv) {
#if defined(SANITIZED)
  return printf("skipped: a sanitizer build\n"), 77;
#endif
  if (gallocy_init() != 0) return printf("%s\n", gallocy_last_error()), 1;
  struct plan* plan = gallocy_calloc(1, sizeof *plan);
  if (plan == NULL || gallocy_pthread_mutex_init(&plan->mutex, NULL) != 0) return 1;
  if (argc > 1) strncpy(plan->mode, argv[1], sizeof plan->mode - 1);
  fflush(stdout);
  /* Here last: with seccomp this process can begin no thread any more. */
  for (int node = gallocy_node_count() - 1; node > 0; --node)
    if (!run_on(node, plan)) return 1;
  /* Not exit(): it may allocate. */
  _exit(run(plan) != NULL ? 0 : 1);
}
