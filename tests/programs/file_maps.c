// Maps of files by threads on all nodes: shared ones that are written, and go to the file by msync,
// munmap and the end of the program; private ones, of which pages are dropped.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, page = 4096, part = 8 * page };

static char* whole;  // of the file that all write
static pthread_barrier_t barrier;
static int failures[thread_count];

static void expect(int me, int holds, const char* what) {
  if (holds) return;
  printf("thread %d: %s\n", me, what);
  ++failures[me];
}

static int make_file(const char* name, size_t bytes) {
  const int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) abort();
  return fd;
}

static char* map(size_t bytes, int protection, int type, int fd, off_t offset) {
  char* made = mmap(NULL, bytes, protection, type, fd, offset);
  if (made == MAP_FAILED) {
    perror("mmap");
    abort();
  }
  return made;
}

static char byte_of(const char* name, off_t offset) {
  char byte = '?';
  const int fd = open(name, O_RDONLY);
  if (pread(fd, &byte, 1, offset) != 1) byte = '!';
  close(fd);
  return byte;
}

// What numbers.txt has there: 2000 lines of four digits.
static int is_number(const char* text, off_t offset, int bytes) {
  char line[8];
  for (int i = 0; i < bytes; ++i, ++offset) {
    snprintf(line, sizeof line, "%04d\n", (int)(offset / 5));
    if (text[i] != line[offset % 5]) return 0;
  }
  return 1;
}

// A part each, of one map; some of it by stores of all threads side by side.
static void write_together(int me) {
  memset(whole + me * part, 'a' + me, part);
  for (int i = me; i < page; i += thread_count) whole[thread_count * part + i] = (char)('0' + me);
  pthread_barrier_wait(&barrier);
  if (me == 2) expect(me, msync(whole, (thread_count + 1) * part, MS_SYNC) == 0, "msync");
  pthread_barrier_wait(&barrier);
  const int other = (me + 1) % thread_count;
  expect(me, byte_of("together.txt", other * part + 77) == 'a' + other, "not there after msync");
}

// A file of its own: by munmap of one half and then of the other. What is written to the file
// meanwhile stays, where nothing is stored in the map.
static void write_alone(int me) {
  char name[32];
  snprintf(name, sizeof name, "alone%d.txt", me);
  const int fd = make_file(name, 4 * page - 100);
  char* text = map(4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(text, "begins\n");
  strcpy(text + 4 * page - 150, "ends\n");
  text[4 * page - 50] = 'x';  // behind the end of the file
  if (pwrite(fd, "written\n", 8, 1000) != 8) abort();
  munmap(text, 2 * page);
  expect(me, byte_of(name, 0) == 'b' && byte_of(name, 1000) == 'w', "not there after munmap");
  close(fd);
  munmap(text + 2 * page, 2 * page);
  expect(me, byte_of(name, 4 * page - 150) == 'e', "nor its end");
  expect(me, byte_of(name, 4 * page - 50) == '!', "the file is longer");
}

// It becomes writable late.
static void protect(int me) {
  char name[32];
  snprintf(name, sizeof name, "protected%d.txt", me);
  const int fd = make_file(name, 3 * page), reading = open(name, O_RDONLY);
  char* text = map(3 * page, PROT_READ, MAP_SHARED, fd, 0);
  expect(me, mprotect(text, 2 * page, PROT_READ | PROT_WRITE) == 0, "mprotect");
  strcpy(text + page, "late\n");
  munmap(text, 3 * page);
  expect(me, byte_of(name, page) == 'l', "not there though it may be written");
  text = map(page, PROT_READ, MAP_SHARED, reading, 0);
  expect(me, mprotect(text, page, PROT_READ | PROT_WRITE) == -1 && errno == EACCES,
         "it may be written, though it was opened to read");
  munmap(text, page);
  close(fd);
  close(reading);
}

// Twice the same is one memory.
static void map_again(int me) {
  char name[32];
  snprintf(name, sizeof name, "twice%d.txt", me);
  const int fd = make_file(name, 4 * page), reading = open(name, O_RDONLY);
  const char* read = map(4 * page, PROT_READ, MAP_SHARED, reading, 0);
  char* text = map(2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page);
  strcpy(text, "twice\n");
  expect(me, strcmp(read + page, "twice\n") == 0, "the other map does not see it");
  munmap(text, 2 * page);
  expect(me, byte_of(name, page) == 't' || read[page] == 't', "lost");
  munmap((void*)read, 4 * page);
  expect(me, byte_of(name, page) == 't', "not there after both were unmapped");
  close(fd);
  close(reading);
}

static void drop(int me) {
  const int fd = open("numbers.txt", O_RDONLY);
  char* text = map(3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, page);
  close(fd);
  expect(me, is_number(text, page, 10000 - page), "not what is in the file");
  expect(me, text[10000 - page] == 0 && text[2 * page - 1] == 0, "no zeros behind its end");
  memset(text, 'x', 2 * page);
  madvise(text, page, MADV_DONTNEED);
  expect(me, is_number(text, page, page), "MADV_DONTNEED does not give the file's bytes");
  expect(me, text[page] == 'x', "it took more than it should");
  munmap(text, 3 * page);
}

static void move(int me) {
  const int fd = open("numbers.txt", O_RDONLY);
  char* text = map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  close(fd);
  text[0] = 'x';
  text = mremap(text, page, 2 * page, MREMAP_MAYMOVE);
  expect(me, text[0] == 'x' && is_number(text + 1, 1, page), "mremap loses what was stored");
  expect(me, is_number(text + page, page, page), "mremap does not show more of the file");
  char* fixed = mmap(text, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, 900, 0);
  expect(me, fixed == MAP_FAILED && errno == EBADF && text[0] == 'x', "a map of no file");
  munmap(text, 2 * page);
}

static void map_over(int me) {
  const int fd = open("numbers.txt", O_RDONLY), zeros = open("/dev/zero", O_RDWR);
  char* pages = map(4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, zeros, 0);
  memset(pages, 'z', 4 * page);
  char* text = mmap(pages + page, 2 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * page);
  expect(me, text == pages + page && is_number(text, 2 * page, 1808), "a file at an address");
  expect(me, text[10000 - 2 * page] == 0 && text[page - 1] == 0, "no zeros behind its end there");
  expect(me, pages[0] == 'z' && pages[3 * page] == 'z', "it took more than it should");
  munmap(pages, 4 * page);
  close(fd);
  close(zeros);
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  write_together(me);
  write_alone(me);
  protect(me);
  map_again(me);
  drop(me);
  move(me);
  map_over(me);
  if (me == 1) {  // is still mapped at the end
    const int fd = make_file("end.txt", page);
    strcpy(map(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), "by the end\n");
    close(fd);
  }
  return NULL;
}

static void* end_job(void* unused) {
  exit(4);
  return unused;
}

// The ways that a program ends, after all of which the file has what was stored.
static void end(const char* way) {
  pthread_t thread;
  if (strcmp(way, "exit") == 0) exit(2);
  if (strcmp(way, "_exit") == 0) _exit(3);
  if (strcmp(way, "quick_exit") == 0) quick_exit(5);
  if (strcmp(way, "exec") == 0) execl("/bin/cat", "cat", "together.txt", NULL);
  if (strcmp(way, "last") == 0) pthread_exit(NULL);
  if (strcmp(way, "worker") != 0) abort();
  must(pthread_create(&thread, NULL, end_job, NULL));
  must(pthread_join(thread, NULL));
}

int main(int argc, char** argv) {
  FILE* file = fopen("numbers.txt", "w");
  for (int i = 0; i < 2000; ++i) fprintf(file, "%04d\n", i);
  fclose(file);
  const int fd = make_file("together.txt", (thread_count + 1) * part);
  whole = map((thread_count + 1) * part, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  pthread_barrier_init(&barrier, NULL, thread_count);
  in_threads(thread_count, run);
  for (int i = 0; i < thread_count; ++i) printf("%d\n", failures[i]);
  fflush(stdout);
  strcpy(whole + 100, "main\n");
  if (argc > 1) end(argv[1]);
}
