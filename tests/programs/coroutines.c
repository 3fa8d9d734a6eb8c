// Coroutines that each thread takes one step further, so that what a jmp_buf and a stack frame hold
// was put there by another thread.
#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

#include "in_threads.h"

enum { coroutine_count = 3, step_count = 6, stack_bytes = 256 << 10 };

struct coroutine {
  int number, steps;
  jmp_buf inside, caller;
  char* stack;
};
static struct coroutine coroutines[coroutine_count];

static void wait_inside(struct coroutine* self) {
  if (_setjmp(self->inside) == 0) _longjmp(self->caller, 1);
}

// It has a canary on its stack all the time.
__attribute__((noinline, stack_protect)) static int step(struct coroutine* self, int depth) {
  char text[64];
  snprintf(text, sizeof text, "coroutine %d, %d deep", self->number, depth);
  wait_inside(self);
  ++self->steps;
  if (depth < step_count) step(self, depth + 1);
  puts(text);
  return (int)strlen(text);
}

static void run(unsigned low, unsigned high) {
  step((struct coroutine*)((uintptr_t)high << 32 | low), 1);
  puts("at its end");
  fflush(stdout);
  exit(3);
}

static void* resume_all(void* unused) {
  (void)unused;
  for (struct coroutine* each = coroutines; each < coroutines + coroutine_count; ++each)
    if (_setjmp(each->caller) == 0) _longjmp(each->inside, 1);
  return NULL;
}

static void begin(struct coroutine* self, int number) {
  ucontext_t context;
  self->number = number;
  self->stack = malloc(stack_bytes);
  getcontext(&context);
  context.uc_stack.ss_sp = self->stack;
  context.uc_stack.ss_size = stack_bytes;
  makecontext(&context, (void (*)(void))run, 2, (unsigned)(uintptr_t)self,
              (unsigned)((uintptr_t)self >> 32));
  if (_setjmp(self->caller) == 0) setcontext(&context);
}

int main(void) {
  for (int i = 0; i < coroutine_count; ++i) begin(&coroutines[i], i);
  for (int i = 0; i < step_count; ++i) {
    in_threads(1, resume_all);
    printf("%d %d %d\n", coroutines[0].steps, coroutines[1].steps, coroutines[2].steps);
  }
  return 0;
}
