// Handlers that come to the stream which they have interrupted a call for: the thread has its lock
// already. They return, jump, or end the thread.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

// More jumps in all than a process may have requests under way.
enum { rounds = 3, signal_count = 3, jump_count = 360 };

static int first[2], second[2];  // nobody writes before it is told
static FILE *in, *other_in, *out;
static atomic_int handled, nested, is_waiting, wrong;
static _Thread_local sigjmp_buf before;
static const char* volatile nothing = (const char*)8;

static void handle(int number, void (*handler)(int)) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, NULL);
}

static void write_all(int fd, const char* text) {
  if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort();
}

static void open_pipes(void) {
  if (pipe(first) != 0 || pipe(second) != 0) abort();
  in = fdopen(first[0], "r");
  other_in = fdopen(second[0], "r");
  handled = nested = is_waiting = 0;
}

static void close_pipes(void) {
  fclose(in);
  fclose(other_in);
  close(first[1]);
  close(second[1]);
}

static pthread_t begin(void* (*function)(void*)) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, function, NULL));
  while (!is_waiting) usleep(100);
  usleep(20000);
  return thread;
}

static void interrupt(pthread_t thread, int number, atomic_int* count) {
  const int seen = *count;
  must(pthread_kill(thread, number));
  while (*count == seen) usleep(100);
}

static void get_line(const char* who, FILE* stream) {
  char line[32] = "";
  is_waiting = 1;
  const int is_there = fgets(line, sizeof line, stream) != NULL;
  printf("%s: %d, %s", who, is_there, line);
}

// ---- a stream that is read ----------------------------------------------------------------

static void look(int number) {
  (void)number;
  const int saved = errno;
  if (feof(in) || ferror(in) || fileno(in) != first[0]) ++wrong;
  flockfile(in);
  errno = 0;
  if (write(-1, "", 1) != -1 || errno != EBADF) ++wrong;
  if (write(second[1], nothing, 1) != -1 || errno != EFAULT) ++wrong;
  funlockfile(in);
  errno = saved;
  ++handled;
}

static void* read_line(void* unused) {
  get_line("reader", in);
  return unused;
}

static void while_reading(void) {
  open_pipes();
  handle(SIGUSR1, look);
  const pthread_t thread = begin(read_line);
  for (int i = 0; i < signal_count; ++i) interrupt(thread, SIGUSR1, &handled);
  write_all(first[1], "a line\n");
  must(pthread_join(thread, NULL));
  printf("handled %d\n", (int)handled);
  close_pipes();
}

// ---- a pipe that is full ------------------------------------------------------------------

static void print_too(int number) {
  ++handled;
  fprintf(out, "handler of %d\n", number);
}

static void* print_line(void* unused) {
  is_waiting = 1;
  if (fputs("of the thread\n", out) < 0) perror("fputs");
  return unused;
}

static void while_writing(void) {
  open_pipes();
  out = fdopen(dup(first[1]), "w");
  setvbuf(out, NULL, _IONBF, 0);
  handle(SIGUSR1, print_too);
  fcntl(first[1], F_SETFL, O_NONBLOCK);
  char zeros[4096] = "";
  while (write(first[1], zeros, sizeof zeros) > 0) continue;
  fcntl(first[1], F_SETFL, 0);
  const pthread_t thread = begin(print_line);
  interrupt(thread, SIGUSR1, &handled);
  for (int lines = 0; lines < 2;) {
    const int c = getc(in);
    if (c != 0) putchar(c);
    lines += c == '\n';
  }
  must(pthread_join(thread, NULL));
  fclose(out);
  close_pipes();
}

// ---- a stream that the thread has locked --------------------------------------------------

static void print_in_group(int number) {
  fprintf(out, "handled %d\n", number);
  fputs("whole\n", out);
  ++handled;
}
static void lock_and_print(int number) {
  flockfile(out);
  print_in_group(number);
}

static void* print_group(void* unused) {
  flockfile(out);
  fputs("group\n", out);
  get_line("in the group", in);
  fputs("end\n", out);
  funlockfile(out);
  return unused;
}

static void* print_group_locked_by_handler(void* unused) {
  fputs("a group\n", out);
  get_line("locked by a handler", in);
  fputs("end\n", out);
  for (int i = 0; i < signal_count; ++i) funlockfile(out);
  return unused;
}

static void* disturb(void* unused) {
  for (int i = 0; i < 20; ++i) fputs("other\n", out);
  return unused;
}

static void copy_but_others(void) {
  char line[32], after[32] = "";
  int others = 0;
  rewind(out);
  while (fgets(line, sizeof line, out) != NULL) {
    if (strcmp(line, "other\n") != 0) fputs(line, stdout);
    else if (++others > 0 && strcmp(after, "") != 0 && strcmp(after, "end\n") != 0 &&
             strcmp(after, "other\n") != 0)
      puts("in a group");
    strcpy(after, line);
  }
  printf("and %d others\n", others);
}

static void while_locked(void* (*function)(void*), void (*handler)(int)) {
  pthread_t other;
  open_pipes();
  out = fopen("group", "w+");
  handle(SIGUSR1, handler);
  const pthread_t thread = begin(function);
  interrupt(thread, SIGUSR1, &handled);
  must(pthread_create(&other, NULL, disturb, NULL));
  for (int i = 1; i < signal_count; ++i) interrupt(thread, SIGUSR1, &handled);
  write_all(first[1], "a line\n");
  must(pthread_join(thread, NULL));
  must(pthread_join(other, NULL));
  copy_but_others();
  fclose(out);
  unlink("group");
  close_pipes();
}

// ---- handlers that others interrupt -------------------------------------------------------

static void read_in_handler(int number) {
  ++handled;
  get_line(sigabbrev_np(number), other_in);
  if (feof(in)) ++wrong;
}
static void look_at_both(int number) {
  (void)number;
  if (feof(in) || feof(other_in)) ++wrong;
  ++nested;
}

static void while_handling(void) {
  open_pipes();
  handle(SIGUSR1, read_in_handler);
  handle(SIGUSR2, look_at_both);
  const pthread_t thread = begin(read_line);
  interrupt(thread, SIGUSR2, &nested);
  interrupt(thread, SIGUSR1, &handled);
  usleep(20000);
  for (int i = 0; i < signal_count; ++i) interrupt(thread, SIGUSR2, &nested);
  write_all(second[1], "to the handler\n");
  write_all(first[1], "to the thread\n");
  must(pthread_join(thread, NULL));
  printf("nested %d\n", (int)nested);
  close_pipes();
}

// ---- ways out of a handler ----------------------------------------------------------------

// Who leaves a call by a jump keeps the stream locked, and nobody else can close it.

static void jump(int number) {
  if (feof(in)) ++wrong;
  siglongjmp(before, number);
}

static void* jump_and_read(void* unused) {
  volatile int jumps = 0;
  char line[32] = "";
  if (sigsetjmp(before, 1) != 0) ++jumps;
  handled = jumps;
  is_waiting = 1;
  if (fgets(line, sizeof line, in) != NULL) printf("after %d jumps: %s", jumps, line);
  close_pipes();
  return unused;
}

static void while_jumping(void) {
  open_pipes();
  handle(SIGUSR1, jump);
  const pthread_t thread = begin(jump_and_read);
  for (int i = 0; i < jump_count; ++i) {
    if (i % 4 == 0) usleep(1000);
    interrupt(thread, SIGUSR1, &handled);
  }
  write_all(first[1], "a line\n");
  must(pthread_join(thread, NULL));
}

// A handler's call is left by another's jump, and the thread's own goes on.
static void read_unless_left(int number) {
  (void)number;
  if (sigsetjmp(before, 1) == 0) {
    ++handled;
    get_line("left", other_in);
  }
  if (feof(other_in) || feof(in)) ++wrong;
  ++nested;
}

static void* read_line_and_close(void* unused) {
  read_line(NULL);
  close_pipes();
  return unused;
}

static void while_handler_is_left(void) {
  open_pipes();
  handle(SIGUSR1, read_unless_left);
  handle(SIGUSR2, jump);
  const pthread_t thread = begin(read_line_and_close);
  for (int i = 0; i < signal_count; ++i) {
    interrupt(thread, SIGUSR1, &handled);
    usleep(20000);
    interrupt(thread, SIGUSR2, &nested);
  }
  write_all(first[1], "a line\n");
  must(pthread_join(thread, NULL));
  printf("left %d times\n", (int)nested);
}

static void clean(void* text) {
  if (feof(in)) ++wrong;
  puts(text);
}

static void* read_and_clean(void* unused) {
  pthread_cleanup_push(clean, "cleaned");
  get_line("not ended", in);
  pthread_cleanup_pop(0);
  return unused;
}

static void end_thread(int number) {
  ++handled;
  if (feof(in)) ++wrong;
  pthread_exit((void*)(intptr_t)number);
}

static pthread_t begin_and_interrupt(void (*handler)(int)) {
  open_pipes();
  handle(SIGUSR1, handler);
  const pthread_t thread = begin(read_and_clean);
  interrupt(thread, SIGUSR1, &handled);
  return thread;
}

static void* result_of(pthread_t thread) {
  void* result;
  must(pthread_join(thread, &result));
  return result;
}

// Ending frees the streams that the C library's calls have locked.
static void use_and_close_pipes(void) {
  write_all(first[1], "to main\n");
  get_line("main", in);
  write_all(second[1], "to main, too\n");
  get_line("main", other_in);
  close_pipes();
}

static void while_ending(void) {
  const pthread_t thread = begin_and_interrupt(end_thread);
  puts(sigabbrev_np((int)(intptr_t)result_of(thread)));
  use_and_close_pipes();
}

static void while_cancelled(void) {
  const pthread_t thread = begin_and_interrupt(read_in_handler);
  usleep(20000);
  must(pthread_cancel(thread));
  puts(result_of(thread) == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
  use_and_close_pipes();
}

int main(void) {
  for (int i = 0; i < rounds; ++i) {
    while_reading();
    while_writing();
    while_locked(print_group, print_in_group);
    while_locked(print_group_locked_by_handler, lock_and_print);
    while_handling();
    while_jumping();
    while_handler_is_left();
    while_ending();
    while_cancelled();
  }
  printf("%d wrong\n", (int)wrong);
}
