// How a call says which error it met. Each expects errno to be `untouched` before the call.
#ifndef GALLOCY_TESTS_REFUSALS_H
#define GALLOCY_TESTS_REFUSALS_H

#include <errno.h>
#include <stdint.h>

#include "support.h"

enum { untouched = 77 };

static inline int as_status(int result) { return errno == untouched ? result : -1; }
static inline int as_null(const void* result) { return result == NULL ? errno : 0; }
static inline int as_minus_one(int result) { return result == -1 ? errno : 0; }

static inline void require_error(const char* call, int is, int wanted) {
  if (is == wanted) return;
  fprintf(stderr, "%s gave %d and not %d (%s)\n", call, is, wanted, gallocy_last_error());
  _exit(1);
}

#endif
