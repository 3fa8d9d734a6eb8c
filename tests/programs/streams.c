// Streams that threads on several nodes use: in turns, at once, with and without locks, buffered in
// all ways. What comes out is what one thread would write, whoever has written which part.
#include <string.h>
#include <unistd.h>

#include "in_threads.h"

enum { thread_count = 4, turn_count = 160, line_count = 400, group_count = 50 };

static FILE* file;
static int turn;
static pthread_mutex_t turn_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changes = PTHREAD_COND_INITIALIZER;

static void write_part(int i) {
  switch (i % 9) {
    case 0: fputs("fputs ", file); break;
    case 1: fwrite("fwrite ", 1, 7, file); break;
    case 2: fputc('c', file); break;
    case 3: putc('\n', file); break;
    case 4: fprintf(file, "%d ", i); break;
    case 5: fputs_unlocked("fputs_unlocked ", file); break;
    case 6: fwrite_unlocked("four", 4, 1, file); break;
    case 7: putc_unlocked('u', file); break;
    default: fputc_unlocked('\n', file);
  }
}

static void take_turns(int me, int count, void (*act)(int)) {
  for (int i = me; i < count; i += thread_count) {
    must(pthread_mutex_lock(&turn_mutex));
    while (turn != i) must(pthread_cond_wait(&turn_changes, &turn_mutex));
    act(i);
    turn = i + 1;
    must(pthread_cond_broadcast(&turn_changes));
    must(pthread_mutex_unlock(&turn_mutex));
  }
}

static void* write_in_turns(void* me) {
  take_turns((int)(intptr_t)me, turn_count, write_part);
  return NULL;
}

// Parts of a line by one call each, or by several while the stream is locked.
static void* write_at_once(void* given) {
  const int me = (int)(intptr_t)given;
  char line[128];
  for (int i = 0; i < line_count; ++i) {
    const int length = snprintf(line, sizeof line, "%d %d of a thread\n", me, i);
    if (i % 2 == 0) fputs(line, file);
    else fwrite(line, 1, (size_t)length, file);
  }
  for (int i = 0; i < group_count; ++i) {
    flockfile(file);
    for (const char* c = "in a group\n"; *c != '\0'; ++c) putc_unlocked(*c, file);
    funlockfile(file);
  }
  return NULL;
}

static void open_anew(const char* name, int kind, size_t size) {
  file = fopen(name, "w+");
  if (kind != _IOFBF || size != 0) setvbuf(file, NULL, kind, size);
  turn = 0;
}

static void count_lines(void) {
  static int next[thread_count];
  char line[128];
  int groups = 0;
  memset(next, 0, sizeof next);
  rewind(file);
  while (fgets(line, sizeof line, file) != NULL) {
    int who = 0, number = 0, length = 0;
    if (strcmp(line, "in a group\n") == 0) ++groups;
    else if (sscanf(line, "%d %d of a thread%n", &who, &number, &length) != 2 || length == 0 ||
             number != next[who]++)
      printf("not a line: %s", line);
  }
  for (int i = 0; i < thread_count; ++i) printf("%d ", next[i]);
  printf("and %d groups\n", groups);
}

static void read_part(int i) {
  static char* line;
  static size_t room;
  char text[12];
  size_t count = 0;
  switch (i % 8) {
    case 0: printf("[%s]", fgets(text, sizeof text, file) == NULL ? "none" : text); break;
    case 1: printf("[%c]", getc(file)); break;
    case 2: count = fread(text, 1, 7, file), printf("[%.*s]", (int)count, text); break;
    case 3: printf("[%zd %s]", getline(&line, &room, file), line); break;
    case 4: ungetc('!', file), printf("[%c%c]", fgetc_unlocked(file), getc_unlocked(file)); break;
    case 5: printf("[%zd %s]", getdelim(&line, &room, ' ', file), line); break;
    case 6: printf("[%ld %d]", ftell(file), feof(file) | ferror(file)); break;
    default: count = fread_unlocked(text, 2, 3, file), printf("[%.*s]", (int)count * 2, text);
  }
}

static void* read_in_turns(void* me) {
  take_turns((int)(intptr_t)me, turn_count, read_part);
  return NULL;
}

static void say_part(int i) {
  switch (i % 4) {
    case 0: puts("puts"); break;
    case 1: putchar('.'); break;
    case 2: printf("%d printf ", i); break;
    default: fflush(stdout), write(1, "write\n", 6);
  }
}

static void* say_in_turns(void* me) {
  take_turns((int)(intptr_t)me, 40, say_part);
  return NULL;
}

static void* seek_and_write(void* unused) {
  fseek(file, 5, SEEK_SET);
  fputs("-five-", file);
  printf("%c %ld\n", getc(file), ftell(file));
  fseek(file, 0, SEEK_CUR);
  fputs("-then-", file);
  return unused;
}

static void* leave_open(void* unused) {
  file = fopen("left_open", "w");
  setvbuf(file, malloc(100), _IOFBF, 100);
  for (int i = 0; i < 30; ++i) fputs("of a thread ", file);
  fputs("and not flushed\n", file);
  return unused;
}

int main(void) {
  static const struct { const char* name; int kind; size_t size; } ways[] = {
      {"buffered", _IOFBF, 0}, {"small", _IOFBF, 64}, {"lines", _IOLBF, 0}, {"none", _IONBF, 0}};
  for (int i = 0; i < 4; ++i) {
    open_anew(ways[i].name, ways[i].kind, ways[i].size);
    in_threads(thread_count, write_in_turns);
    rewind(file);
    turn = 0;
    in_threads(thread_count, read_in_turns);
    puts("");
    in_threads(1, seek_and_write);
    fclose(file);
  }
  open_anew("at_once", _IOFBF, 0);
  in_threads(thread_count, write_at_once);
  count_lines();
  fclose(file);
  unlink("at_once");
  turn = 0;
  in_threads(thread_count, say_in_turns);
  in_threads(1, leave_open);
  fflush(stdout);
  printf("%d\n", ferror_unlocked(stdout) | feof_unlocked(stdin));
}
