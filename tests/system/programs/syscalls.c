// System calls whose buffers lie on pages that this node lacks, or has write-protected. With a
// SIGSEGV handler for page service they would return EFAULT; here the kernel's own accesses wait
// for the page. Each buffer was last written on another node.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "support.h"

enum { absent, protected_, ways };

static char* g_buffer;  // each node's own copy of the pointer, passed as argument

static void* fill_remote(void* buffer) {
  memset(buffer, 'r', 2 * PAGE);
  return NULL;
}

// Leaves the two pages at node 1, or readable on both nodes and so write-protected here.
static void prepare(int way) {
  run_on(1, fill_remote, g_buffer);
  volatile const char* const buffer = g_buffer;
  if (way == protected_) REQUIRE(buffer[0] == 'r' && buffer[PAGE] == 'r');
}

static int file_with(const char* text) {
  char name[] = "/tmp/gallocy-test-XXXXXX";
  int fd = mkstemp(name);
  REQUIRE(fd >= 0);
  unlink(name);
  REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
  return fd;
}

static void test_read(int way) {
  int fd = file_with("hello");
  prepare(way);
  REQUIRE(read(fd, g_buffer + PAGE - 2, 5) == 5);
  REQUIRE(memcmp(g_buffer + PAGE - 2, "hello", 5) == 0 && g_buffer[0] == 'r');
  prepare(way);
  REQUIRE(pread(fd, g_buffer, 4, 1) == 4 && memcmp(g_buffer, "ello", 4) == 0);
  prepare(way);
  struct iovec parts[2] = {{g_buffer, 2}, {g_buffer + PAGE, 3}};
  REQUIRE(lseek(fd, 0, SEEK_SET) == 0 && readv(fd, parts, 2) == 5);
  REQUIRE(memcmp(g_buffer, "he", 2) == 0 && memcmp(g_buffer + PAGE, "llo", 3) == 0);
  close(fd);
}

static void test_write(int way) {
  int fd = file_with("");
  char copy[2 * PAGE];
  prepare(way);
  REQUIRE(write(fd, g_buffer, 2 * PAGE) == (ssize_t)(2 * PAGE));
  REQUIRE(pread(fd, copy, 2 * PAGE, 0) == (ssize_t)(2 * PAGE));
  for (size_t i = 0; i < 2 * PAGE; ++i) REQUIRE(copy[i] == 'r');
  close(fd);
}

static void test_recvmsg(int way) {
  int pair[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  REQUIRE(send(pair[0], "datagram", 8, 0) == 8);
  prepare(way);
  struct iovec parts[2] = {{g_buffer + 10, 4}, {g_buffer + PAGE + 10, 4}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  REQUIRE(recvmsg(pair[1], &message, 0) == 8);
  REQUIRE(memcmp(g_buffer + 10, "data", 4) == 0 && memcmp(g_buffer + PAGE + 10, "gram", 4) == 0);
  close(pair[0]);
  close(pair[1]);
}

static void test_getcwd(int way) {
  char here[1024];
  REQUIRE(getcwd(here, sizeof here) != NULL);
  prepare(way);
  REQUIRE(syscall(SYS_getcwd, g_buffer, (size_t)1024) > 0);
  REQUIRE(strcmp(g_buffer, here) == 0);
}

static void test_futex(int way) {
  uint32_t* word = (uint32_t*)g_buffer;
  uint32_t filled;
  memset(&filled, 'r', sizeof filled);
  prepare(way);
  // Reads the word: it is not 1, so the call does not sleep.
  REQUIRE(syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL, NULL, 0) == -1 && errno == EAGAIN);
  prepare(way);
  struct timespec soon = {0, 1000000};
  REQUIRE(syscall(SYS_futex, word, FUTEX_WAIT, filled, &soon, NULL, 0) == -1 && errno == ETIMEDOUT);
  prepare(way);
  // Writes it, in the kernel.
  REQUIRE(syscall(SYS_futex, word, FUTEX_WAKE_OP, 0, NULL, word,
                  FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0)) >= 0);
  REQUIRE(*word == 7);
}

static volatile sig_atomic_t g_handled;
static void on_signal(int number) { g_handled = number; }

static void test_handlers(void) {
  struct sigaction old;
  REQUIRE(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
  REQUIRE(sigaction(SIGBUS, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
  signal(SIGSEGV, on_signal);
  signal(SIGBUS, on_signal);
  prepare(absent);
  REQUIRE(g_buffer[5] == 'r');
  g_buffer[5] = 's';
  REQUIRE(g_handled == 0);
  REQUIRE(raise(SIGSEGV) == 0 && g_handled == SIGSEGV);
  REQUIRE(raise(SIGBUS) == 0 && g_handled == SIGBUS);
  REQUIRE(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == on_signal);
}

int main(void) {
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_node_count() >= 2);
  g_buffer = page_aligned(2);
  for (int way = 0; way < ways; ++way) {
    test_read(way);
    test_write(way);
    test_recvmsg(way);
    test_getcwd(way);
    test_futex(way);
  }
  test_handlers();
  printf("OK\n");
  return 0;
}
