// Loaded by a library's constructor before main().
#include <stdio.h>

#include "loaded_library.h"

static struct loaded self = {"early", 0};
static int calls = 0;

__attribute__((constructor)) static void link_in(void) {
  self.next = loaded_list;
  loaded_list = &self;
  FILE* file = fopen("constructed_early.txt", "a");
  fputs("constructed\n", file);
  fclose(file);
}

int loaded_early_call(void) { return __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST); }
