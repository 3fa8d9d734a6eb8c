// Standard output and input by every call there is, from threads one after the other.
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

static void by_list(const char* format, ...) {
  va_list list;
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  char local[] = "a local text";
  printf("%d: printf %s %5.2f %ld\n", me, local, 2.5 * me, 123456789012L);
  fprintf(stdout, "fprintf %c%c\n", 'a' + me, 'z');
  by_list("vprintf %x\n", 255 + me);
  puts("puts");
  fputs("fputs ", stdout);
  putchar('p');
  putc('u', stdout);
  fputc('t', stdout);
  putchar_unlocked('\n');
  fwrite("fwrite\n", 1, 7, stdout);
  flockfile(stdout);
  fputs("under the lock of the stream: ", stdout);
  printf("%d\n", me);
  funlockfile(stdout);
  char line[64], word[16];
  int number = 0;
  if (fgets(line, sizeof line, stdin) != NULL) printf("fgets %s", line);
  if (scanf("%15s %d", word, &number) == 2) printf("scanf %s %d\n", word, number);
  printf("getchar %d\n", getchar());
  snprintf(line, sizeof line, "snprintf %d", me);
  puts(line);
  fflush(stdout);
  dprintf(1, "dprintf %d\n", me);
  if (write(1, "write\n", 6) != 6) perror("write");
  errno = ENOENT;
  fprintf(stderr, "to standard error: %m\n");
  return NULL;
}

int main(void) {
  for (intptr_t i = 0; i < 4; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, (void*)i));
    must(pthread_join(thread, NULL));
  }
  printf("%d\n", getchar() == EOF);
}
