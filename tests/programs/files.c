// Files written in threads and read back in others, by streams and by descriptors.
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, line_count = 500 };

static FILE* shared_file;
static int shared_fd;

static void name_of(char* name, int number) { sprintf(name, "folder/%d.txt", number); }

static void* write_them(void* given) {
  const int me = (int)(intptr_t)given;
  char name[64], big[100000];
  name_of(name, me);
  FILE* file = fopen(name, "w");
  if (file == NULL) return perror(name), NULL;
  for (int i = 0; i < line_count; ++i) fprintf(file, "%d %d\n", me, i);
  if (fclose(file) != 0) perror("fclose");
  for (int i = 0; i < 50; ++i) fprintf(shared_file, "a whole line\n");
  memset(big, 'a' + me, sizeof big);
  if (pwrite(shared_fd, big, sizeof big, me * (off_t)sizeof big) != (ssize_t)sizeof big)
    perror("pwrite");
  return NULL;
}

static void* read_them(void* given) {
  const int me = ((int)(intptr_t)given + 1) % thread_count;
  char name[64], line[64];
  name_of(name, me);
  FILE* file = fopen(name, "r");
  if (file == NULL) return perror(name), NULL;
  int wrong = 0, lines = 0, who, number;
  while (fgets(line, sizeof line, file) != NULL) {
    wrong += sscanf(line, "%d %d", &who, &number) != 2 || who != me || number != lines;
    ++lines;
  }
  rewind(file);
  wrong += fscanf(file, "%d %d", &who, &number) != 2 || number != 0;
  fseek(file, -4, SEEK_END);
  wrong += fgetc(file) != '4';
  fclose(file);
  char* big = malloc(100000);
  if (pread(shared_fd, big, 100000, me * 100000) != 100000) perror("pread");
  for (int i = 0; i < 100000; ++i) wrong += big[i] != 'a' + me;
  free(big);
  struct stat state;
  if (stat(name, &state) != 0) perror("stat");
  if (wrong != 0 || lines != line_count || state.st_size < 1000) printf("%d wrong\n", wrong);
  return NULL;
}

static void* list_them(void* unused) {
  (void)unused;
  int count = 0;
  DIR* folder = opendir("folder");
  for (struct dirent* entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
  closedir(folder);
  char place[4096];
  if (chdir("folder") != 0 || getcwd(place, sizeof place) == NULL) perror("chdir");
  printf("%d files, in %s\n", count, strrchr(place, '/') + 1);
  return NULL;
}

int main(void) {
  mkdir("folder", 0777);
  shared_file = fopen("lines.txt", "w+");
  shared_fd = open("big.txt", O_RDWR | O_CREAT | O_TRUNC, 0666);
  in_threads(thread_count, write_them);
  in_threads(thread_count, read_them);
  rewind(shared_file);
  int lines = 0;
  for (char line[64]; fgets(line, sizeof line, shared_file) != NULL;) ++lines;
  printf("%d lines\n", lines);
  fclose(shared_file);
  close(shared_fd);
  in_threads(1, list_them);
  printf("%d\n", access("0.txt", R_OK));
}
