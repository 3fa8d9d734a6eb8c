// A process of the job ends, by itself, and what the others get of that: nothing.
//
//   deaths WHAT HOW HOME    the process of node 1 ends by HOW: segv, abort, kill, _exit, exit, fail
//
//   join       main() joins a thread of it, which was about to end
//   mutex, rwlock, robust
//              a thread of it has the lock, of that home, that others wait for
//   lent       the same with a mutex that its process was lent; nobody wants it before it has gone
//   count      main() has ended by gallocy_pthread_exit, and the process ends with the last thread
//   end        main() ends when the process has gone
//
// Prints "begun". A second line, of what somebody got, is an error.
#include <errno.h>
#include <signal.h>

#include "support.h"

struct job {
  pthread_mutex_t mutex;
  pthread_rwlock_t rwlock;
  pthread_t main_thread;
  int has_begun, is_waited_for;
  pid_t pid;
};

// Set before gallocy_init, in every rank.
static const char *g_what, *g_how;

static int is(const char* what) { return strcmp(g_what, what) == 0; }

static void die(void) {
  if (strcmp(g_how, "segv") == 0) {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer would have it, and exit
    raise(SIGSEGV);
  }
  if (strcmp(g_how, "abort") == 0) abort();
  if (strcmp(g_how, "kill") == 0) raise(SIGKILL);
  if (strcmp(g_how, "_exit") == 0) _exit(0);
  if (strcmp(g_how, "exit") == 0) exit(0);
  if (strcmp(g_how, "fail") == 0) _exit(3);
  REQUIRE(!"a known way to end");
}

static void say(const char* what) {
  printf("%s\n", what);
  fflush(stdout);
}

static void got(const char* what, int status) {
  printf("%s gave %d\n", what, status);
  fflush(stdout);
}

// ---- the process that ends -----------------------------------------------------------------

static void take(struct job* job) {
  if (is("rwlock")) REQUIRE(gallocy_pthread_rwlock_wrlock(&job->rwlock) == 0);
  if (is("mutex") || is("robust")) REQUIRE(gallocy_pthread_mutex_lock(&job->mutex) == 0);
  for (int i = 0; is("lent") && i < 4; ++i) {
    if (i > 0) REQUIRE(gallocy_pthread_mutex_unlock(&job->mutex) == 0);
    REQUIRE(gallocy_pthread_mutex_lock(&job->mutex) == 0);
  }
}

static void* end_process(void* given) {
  struct job* job = given;
  take(job);
  if (is("count")) REQUIRE(gallocy_pthread_join(job->main_thread, NULL) == 0);
  job->pid = getpid();
  set(&job->has_begun);
  if (is("mutex") || is("rwlock") || is("robust")) wait_for(&job->is_waited_for);
  usleep(20000);  // until those stand in the queue
  die();
  return NULL;
}

// ---- the others ----------------------------------------------------------------------------

static void await_end(const struct job* job) {
  wait_for(&job->has_begun);
  for (int i = 0; i < 20000 && kill(job->pid, 0) == 0; ++i) usleep(500);
  REQUIRE(kill(job->pid, 0) != 0 && errno == ESRCH);
}

static void* wait_in_queue(void* given) {
  struct job* job = given;
  wait_for(&job->has_begun);
  set(&job->is_waited_for);
  if (is("rwlock")) got("rdlock", gallocy_pthread_rwlock_rdlock(&job->rwlock));
  else got("lock", gallocy_pthread_mutex_lock(&job->mutex));
  return NULL;
}

static void try_for_ever(struct job* job) {
  for (;;) {
    const struct timespec until = after_ms(CLOCK_REALTIME, 5);
    const int tried = is("rwlock") ? gallocy_pthread_rwlock_tryrdlock(&job->rwlock)
                                   : gallocy_pthread_mutex_trylock(&job->mutex);
    if (tried != EBUSY) got("try", tried);
    const int waited = is("rwlock") ? gallocy_pthread_rwlock_timedwrlock(&job->rwlock, &until)
                                    : gallocy_pthread_mutex_timedlock(&job->mutex, &until);
    if (waited != ETIMEDOUT) got("timed", waited);
  }
}

static void make_objects(struct job* job) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  if (is("robust")) pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  REQUIRE(gallocy_pthread_mutex_init(&job->mutex, &attr) == 0);
  REQUIRE(gallocy_pthread_rwlock_init(&job->rwlock, NULL) == 0);
}

static void at_exit(void) { say("all threads have ended"); }

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  g_what = argv[1];
  g_how = argv[2];
  REQUIRE(gallocy_init() == 0);
  struct job* job = gallocy_malloc_on(atoi(argv[3]), sizeof *job);
  REQUIRE(job != NULL);
  memset(job, 0, sizeof *job);
  make_objects(job);
  job->main_thread = gallocy_pthread_self();
  say("begun");
  const pthread_t thread = start_on(1, end_process, job);
  if (is("count")) {
    atexit(at_exit);
    gallocy_pthread_exit(NULL);
  }
  if (is("join")) got("join", gallocy_pthread_join(thread, NULL));
  const int is_queued_for = is("mutex") || is("rwlock") || is("robust");
  for (int node = 0; is_queued_for && node < gallocy_node_count(); ++node)
    if (node != 1) start_on(node, wait_in_queue, job);
  await_end(job);
  if (!is("end")) try_for_ever(job);
  return 0;
}
