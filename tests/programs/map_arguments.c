// What mmap and its kin refuse, in threads on all nodes, with the kernel's errors; what they do at
// addresses where something is, and at parts of a mapping.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, page = 4096, anonymous = MAP_PRIVATE | MAP_ANONYMOUS };

static char told[thread_count][4096];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t all_run;  // by itself, a thread's stack would be made where a part is gone

static void tell(int me, const char* what, long result) {
  const size_t used = strlen(told[me]);
  snprintf(told[me] + used, sizeof told[me] - used, "%s: %s\n", what,
           result == -1 ? strerrorname_np(errno) : "done");
}

static char* map_pages(int count, int flags) {
  const size_t bytes = (size_t)count * page;
  char* made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) abort();
  return made;
}

static long map(size_t bytes, int protection, int flags, int fd, off_t offset) {
  return (long)(intptr_t)mmap(NULL, bytes, protection, flags, fd, offset);
}

static void refuse_maps(int me) {
  const int reading = open("ten.txt", O_RDONLY), writing = open("ten.txt", O_WRONLY);
  const int folder = open(".", O_RDONLY);
  tell(me, "offset in a page", map(page, PROT_READ, MAP_PRIVATE, reading, 100));
  tell(me, "anonymous offset in a page", map(page, PROT_READ, anonymous, -1, 100));
  tell(me, "length 0", map(0, PROT_READ, anonymous, -1, 0));
  tell(me, "length 0 of a file", map(0, PROT_READ, MAP_PRIVATE, reading, 0));
  tell(me, "endless", map(SIZE_MAX, PROT_READ, anonymous, -1, 0));
  tell(me, "neither private nor shared", map(page, PROT_READ, MAP_ANONYMOUS, -1, 0));
  tell(me, "a file, neither", map(page, PROT_READ, 0, reading, 0));
  tell(me, "opened to write only", map(page, PROT_READ, MAP_PRIVATE, writing, 0));
  tell(me, "shared, opened to read", map(page, PROT_READ | PROT_WRITE, MAP_SHARED, reading, 0));
  tell(me, "a flag that there is not", map(page, PROT_READ, MAP_SHARED_VALIDATE | 0x800000,
                                           reading, 0));
  tell(me, "no replacement, validated", map(page, PROT_READ,
                                            MAP_SHARED_VALIDATE | MAP_FIXED_NOREPLACE, reading, 0));
  tell(me, "no descriptor", map(page, PROT_READ, MAP_PRIVATE, 900, 0));
  tell(me, "a folder", map(page, PROT_READ, MAP_PRIVATE, folder, 0));
  close(reading);
  close(writing);
  close(folder);
}

static void refuse_addresses(int me, char* pages) {
  unsigned char vector[8];
  tell(me, "map not at a page", (long)(intptr_t)mmap(pages + 1, page, PROT_READ,
                                                     anonymous | MAP_FIXED, -1, 0));
  tell(me, "munmap not at a page", munmap(pages + 1, page));
  tell(me, "munmap of nothing", munmap(pages, 0));
  tell(me, "mprotect not at a page", mprotect(pages + 1, page, PROT_READ | PROT_WRITE));
  tell(me, "mprotect with what there is not", mprotect(pages, page, 0x100));
  tell(me, "mprotect of nothing", mprotect(pages, 0, PROT_READ | PROT_WRITE));
  tell(me, "madvise not at a page", madvise(pages + 1, page, MADV_NORMAL));
  tell(me, "madvise of no kind", madvise(pages, page, 77));
  tell(me, "msync not at a page", msync(pages + 1, page, MS_SYNC));
  tell(me, "msync both ways", msync(pages, page, MS_SYNC | MS_ASYNC));
  tell(me, "msync", msync(pages, page, MS_SYNC));
  tell(me, "mincore not at a page", mincore(pages + 1, page, vector));
  tell(me, "mincore", mincore(pages, page, vector));
  tell(me, "mremap not at a page",
       (long)(intptr_t)mremap(pages + 1, page, 2 * page, MREMAP_MAYMOVE));
  tell(me, "mremap to nothing", (long)(intptr_t)mremap(pages, page, 0, MREMAP_MAYMOVE));
  tell(me, "mremap with what there is not", (long)(intptr_t)mremap(pages, page, page, 64));
  tell(me, "mremap fixed that may not move",
       (long)(intptr_t)mremap(pages, page, page, MREMAP_FIXED, pages + 4 * page));
}

static void unmap_parts(int me) {
  char* pages = map_pages(8, MAP_PRIVATE);
  unsigned char vector[8];
  memset(pages, 5, 8 * page);
  tell(me, "munmap of a part", munmap(pages + 2 * page, 2 * page));
  tell(me, "once more", munmap(pages + 2 * page, 2 * page));
  tell(me, "mprotect across it", mprotect(pages, 8 * page, PROT_READ | PROT_WRITE));
  tell(me, "madvise across it", madvise(pages, 8 * page, MADV_NORMAL));
  tell(me, "msync across it", msync(pages, 8 * page, MS_ASYNC));
  tell(me, "mincore across it", mincore(pages, 8 * page, vector));
  tell(me, "mremap across it", (long)(intptr_t)mremap(pages, 8 * page, 9 * page, MREMAP_MAYMOVE));
  tell(me, "mprotect beside it", mprotect(pages, 2 * page, PROT_READ | PROT_WRITE));
  char* again = mmap(pages + 2 * page, page, PROT_READ | PROT_WRITE,
                     anonymous | MAP_FIXED_NOREPLACE, -1, 0);
  tell(me, "a map in its place", again == pages + 2 * page && again[0] == 0 ? 0 : -1);
  tell(me, "what is beside it", pages[page] == 5 && pages[4 * page] == 5 ? 0 : -1);
  for (int i = 7; i >= 0; --i) munmap(pages + i * page, page);
  tell(me, "msync of what is gone", msync(pages, 8 * page, MS_ASYNC));
}

static void keep_what_is_there(int me) {
  char* pages = map_pages(4, MAP_PRIVATE);
  memset(pages, 7, 4 * page);
  char* made = mmap(pages + page, page, PROT_READ | PROT_WRITE, anonymous | MAP_FIXED_NOREPLACE, -1,
                    0);
  tell(me, "MAP_FIXED_NOREPLACE where something is", (long)(intptr_t)made);
  tell(me, "where code is", (long)(intptr_t)mmap((void*)((uintptr_t)puts & -(uintptr_t)page), page,
       PROT_READ, anonymous | MAP_FIXED_NOREPLACE, -1, 0));
  tell(me, "which stays", pages[page] == 7 ? 0 : -1);
  munmap(pages, 4 * page);
}

static void move(int me) {
  char* pages = map_pages(8, MAP_PRIVATE);
  char* other = map_pages(8, MAP_PRIVATE);
  memset(pages, 1, 8 * page);
  memset(other, 2, 8 * page);
  char* moved = mremap(other, 2 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, pages + 4 * page);
  tell(me, "moved there", moved == pages + 4 * page ? 0 : -1);
  tell(me, "with its bytes", moved[0] == 2 && moved[2 * page - 1] == 2 && moved[2 * page] == 0 &&
                                     moved[-1] == 1 && moved[3 * page] == 1 ? 0 : -1);
  tell(me, "from where nothing is", msync(other, page, MS_ASYNC));
  tell(me, "over itself", (long)(intptr_t)mremap(pages, 2 * page, 2 * page,
                                                 MREMAP_MAYMOVE | MREMAP_FIXED, pages + page));
  munmap(other, 8 * page);
  munmap(pages, 8 * page);
  char* shrunk = map_pages(4, MAP_PRIVATE);
  tell(me, "made smaller", mremap(shrunk, 4 * page, page, 0) == shrunk ? 0 : -1);
  tell(me, "its end", msync(shrunk, 4 * page, MS_ASYNC));
  munmap(shrunk, 4 * page);
}

static void drop(int me) {
  char* shared = map_pages(2, MAP_SHARED);
  memset(shared, 3, 2 * page);
  madvise(shared, 2 * page, MADV_DONTNEED);
  tell(me, "shared memory that is not needed stays", shared[5] == 3 ? 0 : -1);
  tell(me, "MADV_REMOVE", madvise(shared, page, MADV_REMOVE));
  tell(me, "removes it", shared[5] == 0 && shared[page] == 3 ? 0 : -1);
  munmap(shared, 2 * page);
  char* pages = map_pages(2, MAP_PRIVATE);
  tell(me, "MADV_REMOVE of private memory", madvise(pages, page, MADV_REMOVE));
  munmap(pages, 2 * page);
}

// 64 MiB at a time, of which parts are unmapped: all of it must come back.
static void take_and_give(void) {
  enum { bytes = 64 << 20 };
  for (int i = 0; i < 100; ++i) {
    char* block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, anonymous, -1, 0);
    if (block == MAP_FAILED) abort();
    block[i] = 1;
    munmap(block, bytes / 4);
    munmap(block + bytes / 2, bytes / 2);
    munmap(block + bytes / 4, bytes / 4);
  }
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  pthread_barrier_wait(&all_run);
  pthread_mutex_lock(&turn);
  refuse_maps(me);
  char* pages = map_pages(8, MAP_PRIVATE);
  refuse_addresses(me, pages);
  munmap(pages, 8 * page);
  unmap_parts(me);
  keep_what_is_there(me);
  move(me);
  drop(me);
  take_and_give();
  pthread_mutex_unlock(&turn);
  return NULL;
}

int main(void) {
  FILE* file = fopen("ten.txt", "w");
  fputs("0123456789", file);
  fclose(file);
  pthread_barrier_init(&all_run, NULL, thread_count);
  in_threads(thread_count, run);
  fputs(told[0], stdout);
  for (int i = 1; i < thread_count; ++i) puts(strcmp(told[i], told[0]) == 0 ? "same" : told[i]);
}
