// Calls about descriptors, folders and the process that are not read and write: what one thread
// opens, another uses.
#include <aio.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <mntent.h>
#include <mqueue.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wordexp.h>

#include "in_threads.h"

static int me;
static atomic_int rung;
static char name[64];

static int ends[2], fd, other_fd, id;
static mqd_t queue;
static timer_t timer;
static struct aiocb block;
static char text[16];

static void must_be(int is_so, const char* what) {
  if (!is_so) printf("%d: %s: %s\n", me, what, strerrorname_np(errno));
}

static void ring(int signal) {
  (void)signal;
  ++rung;
}

static void* in_thread(void* step) {
  ((void (*)(void))step)();
  return NULL;
}

// In a thread, which is on another node than main() if there is one.
static void elsewhere(void (*step)(void)) {
  pthread_t thread;
  must(pthread_create(&thread, NULL, in_thread, (void*)step));
  must(pthread_join(thread, NULL));
}

static void make_file(void) {
  strcpy(name, "made-XXXXXX.txt");
  fd = mkostemps(name, 4, O_CLOEXEC);
  must_be(fd >= 0 && strcmp(name + strlen(name) - 4, ".txt") == 0, "mkostemps");
}
static void files(void) {
  elsewhere(make_file);
  must_be(write(fd, "abc", 3) == 3 && lseek(fd, 0, SEEK_END) == 3, "write");
  close(fd);
  unlink(name);
}

static void open_terminal(void) {
  struct winsize size = {24, 80, 0, 0};
  must_be(openpty(&fd, &other_fd, NULL, NULL, &size) == 0, "openpty");
  must_be(strncmp(ptsname(fd), "/dev/pts/", 9) == 0, "ptsname");
}
static void terminals(void) {
  elsewhere(open_terminal);
  must_be(isatty(other_fd) && strcmp(ptsname(fd), ttyname(other_fd)) == 0, "isatty");
  close(fd), close(other_fd);
}

static void open_queue(void) {
  struct mq_attr wanted = {0, 4, 16, 0, {0}};
  queue = mq_open(name, O_CREAT | O_RDWR, 0600, &wanted);
  must_be(queue != (mqd_t)-1, "mq_open");
}
static void receive(void) {
  unsigned priority = 0;
  must_be(mq_receive(queue, text, sizeof text, &priority) == 5 && priority == 2, "mq_receive");
}
static void queues(void) {
  sprintf(name, "/gallocy-test-%d", getpid());
  elsewhere(open_queue);
  must_be(mq_send(queue, "abcd", 5, 2) == 0, "mq_send");
  elsewhere(receive);
  struct mq_attr is;
  must_be(mq_getattr(queue, &is) == 0 && is.mq_maxmsg == 4 && is.mq_curmsgs == 0, "mq_getattr");
  must_be(mq_close(queue) == 0 && mq_unlink(name) == 0, "mq_unlink");
}

static void begin_read(void) {
  block.aio_fildes = ends[0];
  block.aio_buf = text;
  block.aio_nbytes = sizeof text;
  must_be(aio_read(&block) == 0, "aio_read");
}
static void end_read(void) {
  const struct aiocb* list[] = {&block};
  while (aio_error(&block) == EINPROGRESS) aio_suspend(list, 1, NULL);
  must_be(aio_return(&block) == 4 && strncmp(text, "late", 4) == 0, "aio_return");
}
static void asynchronous(void) {
  elsewhere(begin_read);
  must_be(write(ends[1], "late", 4) == 4, "write");
  elsewhere(end_read);
}

static void open_memory(void) {
  fd = shm_open(name, O_CREAT | O_RDWR | O_EXCL, 0600);
  must_be(fd >= 0, "shm_open");
}
static void memory(void) {
  sprintf(name, "/gallocy-test-%d", getpid());
  elsewhere(open_memory);
  struct stat state;
  must_be(ftruncate(fd, 100) == 0 && fstat(fd, &state) == 0 && state.st_size == 100, "ftruncate");
  must_be(shm_unlink(name) == 0, "shm_unlink");
  close(fd);
}

static int file_count;
static int count_file(const char* path, const struct stat* state, int type) {
  (void)state;
  file_count += type == FTW_F && strstr(path, ".file") != NULL;
  return 0;
}
static void walk(void) {
  file_count = 0;
  must_be(ftw(".", count_file, 4) == 0 && file_count == 2, "ftw");
  wordexp_t words;
  must_be(wordexp("*.file $(echo a b)", &words, 0) == 0 && words.we_wordc == 4, "wordexp");
  must_be(strcmp(words.we_wordv[1], "two.file") == 0, "we_wordv");
  wordfree(&words);
  char* roots[] = {".", NULL};
  FTS* tree = fts_open(roots, FTS_PHYSICAL, NULL);
  int count = 0;
  for (FTSENT* entry; (entry = fts_read(tree)) != NULL;) count += entry->fts_info == FTS_F;
  must_be(fts_close(tree) == 0 && count == 2, "fts_read");
  must_be(fpathconf(ends[1], _PC_PIPE_BUF) == 4096, "fpathconf");
}
static void folders(void) {
  if (mkdir("walked", 0700) != 0 || chdir("walked") != 0) perror("walked");
  close(creat("one.file", 0600)), close(creat("two.file", 0600));
  elsewhere(walk);
  unlink("one.file"), unlink("two.file");
  if (chdir("..") != 0 || rmdir("walked") != 0) perror("walked");
}

static void make_timer(void) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  must_be(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0, "timer_create");
}
static void set_timer(void) {
  const struct itimerspec soon = {{0, 0}, {0, 1000000}};
  must_be(timer_settime(timer, 0, &soon, NULL) == 0, "timer_settime");
}
static void timers(void) {
  rung = 0;
  elsewhere(make_timer);
  elsewhere(set_timer);
  while (rung == 0) usleep(1000);
  must_be(timer_delete(timer) == 0, "timer_delete");
}

static void open_kernel_objects(void) {
  id = msgget(IPC_PRIVATE, 0600);
  fd = semget(IPC_PRIVATE, 1, 0600);
  must_be(id >= 0 && fd >= 0, "msgget");
  struct sembuf up = {0, 2, 0};
  must_be(semop(fd, &up, 1) == 0 && semctl(fd, 0, GETVAL) == 2, "semop");
}
static void system_v(void) {
  struct {
    long type;
    char bytes[8];
  } message = {3, "abc"};
  elsewhere(open_kernel_objects);
  must_be(msgsnd(id, &message, 4, 0) == 0 && msgrcv(id, &message, 8, 3, 0) == 4, "msgsnd");
  must_be(semctl(fd, 0, GETVAL) == 2, "semctl");
  must_be(msgctl(id, IPC_RMID, NULL) == 0 && semctl(fd, 0, IPC_RMID) == 0, "IPC_RMID");
}

static void say(void) {
  wchar_t wide[8] = L"wide";
  FILE* file = fopen("said", "w");
  fwprintf(file, L"%ls %d\n", wide, me);
  setbuffer(file, text, sizeof text);
  fclose(file);
  struct utsname system;
  must_be(uname(&system) == 0 && strcmp(system.sysname, "Linux") == 0, "uname");
  FILE* mounts = fopen("mounts", "w+");
  fprintf(mounts, "none /here tmpfs size=%d 0 0\n", me);
  rewind(mounts);
  const struct mntent* mount = getmntent(mounts);
  must_be(mount != NULL && strcmp(mount->mnt_type, "tmpfs") == 0, "getmntent");
  endmntent(mounts);
  fd = open(".", O_RDONLY | O_DIRECTORY);
  char entries[1024];
  must_be(getdents64(fd, entries, sizeof entries) > 0, "getdents64");
  must_be(syscall(SYS_close, fd) == 0, "close");
  errno = 0;
  must_be(getxattr("said", "user.none", entries, sizeof entries) < 0 &&
          (errno == ENODATA || errno == ENOTSUP), "getxattr");
}
static void others(void) { elsewhere(say); }

int main(void) {
  signal(SIGUSR1, ring);
  if (pipe(ends) != 0) return 1;
  void (*all[])(void) = {files, terminals, queues, asynchronous, memory, folders, timers, system_v,
                         others};
  for (me = 0; me < 3; ++me) {
    for (unsigned i = 0; i < sizeof all / sizeof *all; ++i) all[i]();
    printf("%d done\n", me);
  }
}
