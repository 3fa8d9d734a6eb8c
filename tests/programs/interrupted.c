// Handlers that run in a thread which waits in a call: they interrupt it, or it goes on.
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "in_threads.h"

static int in[2], other[2], listening;  // nobody writes to `in` before it is told
static atomic_int handled, is_out;
static _Thread_local sigjmp_buf before;

static void note(int signal) {
  (void)signal;
  ++handled;
}
static void write_and_read(int signal) {
  (void)signal;
  char text[8] = "";
  const int saved = errno;
  if (write(other[1], "handler", 7) != 7 || read(other[0], text, 7) != 7) abort();
  if (strcmp(text, "handler") != 0) abort();
  errno = saved;
  ++handled;
}
static void leave(int signal) { siglongjmp(before, signal); }

static void handle(void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(SIGUSR1, &action, NULL);
  handled = 0;
}

static const char* outcome(long result) {
  static _Thread_local char text[32];
  if (result < 0) return strerrorname_np(errno);
  sprintf(text, "%ld", result);
  return text;
}

static char bytes[16];
static long read_it(void) { return read(in[0], bytes, sizeof bytes); }
static long read_by_number(void) { return syscall(SYS_read, in[0], bytes, sizeof bytes); }
static long accept_one(void) { return accept(listening, NULL, NULL); }
static long receive(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) abort();
  const long result = recv(pair[0], bytes, sizeof bytes, 0);
  const int error = errno;
  close(pair[0]), close(pair[1]);
  errno = error;
  return result;
}
static long poll_it(void) {
  struct pollfd entry = {in[0], POLLIN, 0};
  return poll(&entry, 1, -1);
}
static long select_it(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(in[0], &set);
  return select(in[0] + 1, &set, NULL, NULL, NULL);
}
static long wait_for_events(void) {
  struct epoll_event event = {EPOLLIN, {0}};
  const int fd = epoll_create1(0);
  epoll_ctl(fd, EPOLL_CTL_ADD, in[0], &event);
  const long result = epoll_wait(fd, &event, 1, -1);
  const int error = errno;
  close(fd);
  errno = error;
  return result;
}
static long get_line(void) {
  char line[16];
  FILE* stream = fdopen(dup(in[0]), "r");
  const long result = fgets(line, sizeof line, stream) == NULL ? -1 : 1;
  const int error = errno;
  fclose(stream);
  errno = error;
  return result;
}

static void* waiting(void* call) {
  const long result = ((long (*)(void))call)();
  char* text = strdup(outcome(result));
  is_out = 1;
  return text;
}

// A signal comes until the call is over, or, if it restarts, until it was handled three times; then
// there is something to read.
static void interrupt(const char* name, long (*call)(void), int restarts) {
  pthread_t thread;
  void* text;
  handled = is_out = 0;
  must(pthread_create(&thread, NULL, waiting, (void*)call));
  usleep(30000);
  for (int sent = 0; !is_out && !(restarts && sent == 3); ++sent) {
    must(pthread_kill(thread, SIGUSR1));
    while (handled <= sent && !is_out) usleep(100);
    usleep(2000);
  }
  if (restarts && write(in[1], "abc", 3) != 3) abort();
  must(pthread_join(thread, &text));
  printf("%s: %s, %s\n", name, (char*)text, handled > 0 ? "handled" : "no signal");
  if (restarts && strncmp(bytes, "abc", 3) != 0) printf("not what was written\n");
  memset(bytes, 0, sizeof bytes);
  free(text);
}

static void* with_masks(void* given) {
  const int me = (int)(intptr_t)given;
  sigset_t usr1, before_all;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, &before_all);
  const int epoll = epoll_create1(0);
  struct pollfd entry = {in[0], POLLIN, 0};
  struct epoll_event event = {EPOLLIN, {0}};
  fd_set set;
  FD_ZERO(&set);
  for (int i = 0; i < 4; ++i) {
    handled = 0;
    raise(SIGUSR1);
    const int blocked = handled;
    const struct timespec limit = {100, 0};
    long result = 0;
    if (i == 0) result = ppoll(&entry, 1, NULL, &before_all);
    if (i == 1) result = pselect(0, &set, NULL, NULL, &limit, &before_all);
    if (i == 2) result = epoll_pwait(epoll, &event, 1, -1, &before_all);
    if (i == 3) result = syscall(SYS_ppoll, &entry, 1, NULL, &before_all, 8);
    printf("%d: %s, %d, %d\n", me, outcome(result), blocked, (int)handled);
  }
  close(epoll);
  return NULL;
}

static void* left_by_jump(void* given) {
  const int me = (int)(intptr_t)given;
  char text[16] = "";
  const int jumped = sigsetjmp(before, 1);
  if (jumped == 0) {
    is_out = -1;
    if (read(in[0], text, sizeof text) > 0) printf("read without a signal\n");
  }
  is_out = 1;
  const long size = read(in[0], text, sizeof text);
  printf("%d: %s, then read %ld, %s\n", me, sigabbrev_np(jumped), size, text);
  return NULL;
}

int main(void) {
  if (pipe(in) != 0 || pipe(other) != 0) return 1;
  listening = socket(AF_UNIX, SOCK_STREAM, 0);
  const struct sockaddr any_name = {AF_UNIX, ""};
  if (bind(listening, &any_name, sizeof any_name.sa_family) != 0 || listen(listening, 1) != 0)
    perror("listen");
  const struct {
    const char* name;
    long (*call)(void);
  } calls[] = {{"read", read_it}, {"syscall", read_by_number}, {"accept", accept_one},
               {"poll", poll_it}, {"select", select_it}, {"epoll_wait", wait_for_events},
               {"fgets", get_line}, {"recv", receive}};
  for (int round = 0; round < 3; ++round) {
    handle(note, 0);
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; ++i)
      interrupt(calls[i].name, calls[i].call, 0);
    handle(note, SA_RESTART);
    interrupt("read again", read_it, 1);
    interrupt("poll again", poll_it, 0);
    handle(write_and_read, SA_RESTART);
    interrupt("read with calls", read_it, 1);
  }
  handle(note, SA_RESTART);
  for (intptr_t i = 0; i < 3; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, with_masks, (void*)i));
    must(pthread_join(thread, NULL));
  }
  for (intptr_t i = 0; i < 6; ++i) {
    pthread_t thread;
    handle(leave, i % 2 == 0 ? 0 : SA_RESTART);
    is_out = 0;
    must(pthread_create(&thread, NULL, left_by_jump, (void*)i));
    while (!is_out) usleep(100);
    usleep(30000);
    must(pthread_kill(thread, SIGUSR1));
    while (is_out != 1) usleep(100);
    if (write(in[1], "next", 4) != 4) abort();
    must(pthread_join(thread, NULL));
  }
}
