// Waits at a futex by an instruction of its own, if it has an argument. One thread only: so it ends
// at once, wherever it runs.
#include <stdio.h>

static int word = 1;

int main(int argc, char** argv) {
  (void)argv;
  long status = 0;
  if (argc > 1)
    __asm__ volatile("movq %3, %%r10; movl $202, %%eax; syscall"
                     : "=&a"(status)
                     : "D"(&word), "S"(128L), "r"(0L), "d"(0L)
                     : "rcx", "r10", "r11", "memory");
  printf("%ld\n", status);
  return 0;
}
