#include "early_library.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { page = 4096, anonymous = MAP_PRIVATE | MAP_ANONYMOUS };

char* early_pages;
const char* early_file;
_Thread_local int early_number = 5;
_Thread_local char early_text[32];
static _Thread_local int own = 6;

static char* map_pages(int count) {
  return mmap(NULL, (size_t)count * page, PROT_READ | PROT_WRITE, anonymous, -1, 0);
}

__attribute__((constructor)) static void construct(void) {
  char* pages = map_pages(4);
  munmap(pages + page, page);
  early_pages = mremap(pages + 2 * page, 2 * page, 5 * page, MREMAP_MAYMOVE);
  strcpy(early_pages, "mapped by a constructor");
  munmap(pages, page);
  char* gone = map_pages(3);
  munmap(gone, 3 * page);
  const int fd = open("/proc/self/exe", O_RDONLY);
  early_file = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  early_number = 50;
  own = 60;
  strcpy(early_text, "set by a constructor");
}

int early_own(void) { return own; }
