// Futexes that pass on priority, which gallocy refuses with a sentence for each.
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

static const int operations[] = {FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_TRYLOCK_PI, FUTEX_UNLOCK_PI,
                                 FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI};
enum { operation_count = sizeof operations / sizeof *operations };

static unsigned words[2];

static void* run(void* given) {
  int* refused = given;
  for (int i = 0; i < operation_count; ++i)
    *refused += syscall(SYS_futex, &words[0], operations[i], 1, NULL, &words[1], 0) == -1 &&
                errno == ENOSYS;
  return NULL;
}

int main(void) {
  int refused[3] = {0};
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) must(pthread_create(&threads[i], NULL, run, &refused[i]));
  for (int i = 0; i < 3; ++i) must(pthread_join(threads[i], NULL));
  for (int i = 0; i < 3; ++i) printf("%d of %d refused\n", refused[i], operation_count);
}
