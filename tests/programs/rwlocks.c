// Readers see what one writer has written as a whole.
#include <errno.h>
#include <stdatomic.h>

#include "in_threads.h"

enum { word_count = 300, rounds = 200 };

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static long words[word_count];
static atomic_int torn, reads;

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  for (int i = 0; i < rounds; ++i) {
    if (me % 3 == 0) {
      pthread_rwlock_wrlock(&lock);
      for (int j = 0; j < word_count; ++j) ++words[j];
    } else {
      pthread_rwlock_rdlock(&lock);
      for (int j = 1; j < word_count; ++j) torn += words[j] != words[0];
      ++reads;
    }
    pthread_rwlock_unlock(&lock);
  }
  return NULL;
}

static void* try_both(void* unused) {
  (void)unused;
  printf("a reader beside a reader: %d\n", pthread_rwlock_tryrdlock(&lock));
  pthread_rwlock_unlock(&lock);
  printf("a writer beside a reader: %d\n", pthread_rwlock_trywrlock(&lock) == EBUSY);
  return NULL;
}

int main(void) {
  in_threads(6, run);
  printf("%ld, %d torn, %d reads\n", words[7], (int)torn, (int)reads);
  pthread_rwlock_rdlock(&lock);
  in_threads(1, try_both);
  pthread_rwlock_unlock(&lock);
}
