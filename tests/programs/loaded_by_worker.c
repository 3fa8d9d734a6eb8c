// Loaded by a thread of libraries.c.
#include "loaded_library.h"

static struct loaded self = {"by_worker", 0};
static int calls = 0;

__attribute__((constructor)) static void link_in(void) {
  self.next = loaded_list;
  loaded_list = &self;
}

int by_worker_call(void) { return __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST); }
