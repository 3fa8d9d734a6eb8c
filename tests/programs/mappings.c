// mmap of memory and of files to read, in all threads; munmap, mremap, MADV_DONTNEED, at a fixed
// address; and the same by syscall().
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, size = 300 * 4096 };

static unsigned char* maps[thread_count];
static long sums[thread_count];
static pthread_barrier_t barrier;

static void* map_anonymous(size_t bytes, int flags) {
  void* made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) perror("mmap");
  return made;
}

// What others have put there, each in a page of its own, is seen by all.
static void by_number(int me) {
  const long bytes = thread_count * 4096;
  if (me == 0)
    maps[0] = (unsigned char*)syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
  pthread_barrier_wait(&barrier);
  maps[0][4096 * me] = (unsigned char)(me + 1);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < thread_count; ++i) sums[me] += maps[0][4096 * i];
  pthread_barrier_wait(&barrier);
  if (me != thread_count - 1) return;
  unsigned char* moved =
      (unsigned char*)syscall(SYS_mremap, maps[0], bytes, 8 * bytes, MREMAP_MAYMOVE, NULL);
  if (moved[4096 * me] != me + 1 || moved[7 * bytes] != 0) puts("lost by mremap by number");
  unsigned char resident = 0;
  if (syscall(SYS_madvise, moved, 4096L, MADV_DONTNEED) != 0 || moved[0] != 0 ||
      syscall(SYS_mprotect, moved, 4096L, PROT_READ | PROT_WRITE) != 0 ||
      syscall(SYS_msync, moved, 4096L, MS_SYNC) != 0 ||
      syscall(SYS_mincore, moved, 4096L, &resident) != 0 ||
      syscall(SYS_munmap, moved, 8 * bytes) != 0)
    perror("by number");
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given, other = (me + 1) % thread_count;
  maps[me] = map_anonymous(size, me % 2 ? MAP_PRIVATE : MAP_SHARED);
  memset(maps[me], me + 1, size);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < size; i += 64) sums[me] += maps[other][i];
  pthread_barrier_wait(&barrier);
  if (munmap(maps[other], size) != 0) perror("munmap");

  const int fd = open("mapped.txt", O_RDONLY);
  const char* text = mmap(NULL, 10000, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (text == MAP_FAILED) perror("mmap of a file");
  for (int i = 0; i < 10000; ++i) sums[me] += text[i];
  munmap((void*)text, 10000);

  char* small = map_anonymous(8192, MAP_PRIVATE);
  strcpy(small + 4090, "across");
  char* large = mremap(small, 8192, 100 * 4096, MREMAP_MAYMOVE);
  if (strcmp(large + 4090, "across") != 0 || large[99 * 4096] != 0) puts("lost by mremap");
  madvise(large, 8192, MADV_DONTNEED);
  if (large[4090] != 0) puts("not zero after MADV_DONTNEED");
  memset(large, 7, 8192);
  if (mmap(large, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
      large)
    perror("mmap over it");
  if (large[0] != 0 || large[4096] != 7) puts("not what a map over it gives");
  munmap(large, 100 * 4096);
  pthread_barrier_wait(&barrier);
  by_number(me);
  return NULL;
}

int main(void) {
  FILE* file = fopen("mapped.txt", "w");
  for (int i = 0; i < 2000; ++i) fprintf(file, "%04d\n", i);
  fclose(file);
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  for (int i = 0; i < thread_count; ++i) printf("%ld\n", sums[i]);
}
