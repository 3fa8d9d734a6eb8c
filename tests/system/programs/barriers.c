// Barriers: phases over all nodes, reuse at once, one serial thread a phase, bad arguments.
#include <errno.h>

#include "support.h"

enum { thread_count = 6, phase_count = 50 };

struct Phases {
  pthread_barrier_t barrier;
  int serial_count;
  int arrived[phase_count];
};

static void* go_through(void* argument) {
  struct Phases* phases = argument;
  for (int phase = 0; phase < phase_count; ++phase) {
    __atomic_add_fetch(&phases->arrived[phase], 1, __ATOMIC_SEQ_CST);
    const int status = gallocy_pthread_barrier_wait(&phases->barrier);
    REQUIRE(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
    REQUIRE(__atomic_load_n(&phases->arrived[phase], __ATOMIC_SEQ_CST) == thread_count);
    if (status != 0) __atomic_add_fetch(&phases->serial_count, 1, __ATOMIC_SEQ_CST);
  }
  return NULL;
}

// While main() looks whether it waits, it may meet a barrier that is destroyed just now.
static void* wait_once(void* barrier) {
  int status;
  do status = gallocy_pthread_barrier_wait(barrier);
  while (status == EINVAL);
  return (void*)(long)status;
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  pthread_t threads[thread_count];
  struct Phases* phases = gallocy_calloc(1, sizeof *phases);
  pthread_barrier_t* barrier = &phases->barrier;
  REQUIRE(gallocy_pthread_barrier_wait(barrier) == EINVAL);
  REQUIRE(gallocy_pthread_barrier_init(barrier, NULL, thread_count) == 0);
  for (int i = 0; i < thread_count; ++i)
    threads[i] = start_on(i % gallocy_node_count(), go_through, phases);
  for (int i = 0; i < thread_count; ++i) join(threads[i]);
  REQUIRE(phases->serial_count == phase_count);
  REQUIRE(gallocy_pthread_barrier_destroy(barrier) == 0);
  REQUIRE(gallocy_pthread_barrier_wait(barrier) == EINVAL);

  REQUIRE(gallocy_pthread_barrier_init(barrier, NULL, 2) == 0);
  threads[0] = start_on(gallocy_node_count() - 1, wait_once, barrier);
  int status = 0;
  for (int i = 0; i < 2000 && status == 0; ++i) {
    usleep(5000);
    status = gallocy_pthread_barrier_destroy(barrier);
    if (status == 0) REQUIRE(gallocy_pthread_barrier_init(barrier, NULL, 2) == 0);
  }
  REQUIRE(status == EBUSY);
  const int own = gallocy_pthread_barrier_wait(barrier);
  REQUIRE(own == PTHREAD_BARRIER_SERIAL_THREAD && join(threads[0]) == NULL);

  REQUIRE(gallocy_pthread_barrier_init(barrier, NULL, 0) == EINVAL);
  REQUIRE(gallocy_pthread_barrier_init(barrier, NULL, 1) == 0);
  REQUIRE(gallocy_pthread_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
  pthread_barrierattr_t attr;
  pthread_barrierattr_init(&attr);
  pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  REQUIRE(gallocy_pthread_barrier_init(barrier, &attr, 1) == ENOTSUP);
  pthread_barrier_t local;
  REQUIRE(gallocy_pthread_barrier_init(&local, NULL, 1) == EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "gallocy_malloc") != NULL);
  printf("OK\n");
  return 0;
}
