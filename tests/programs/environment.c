// The environment, changed and read in threads, and given to children.
#include <string.h>

#include "in_threads.h"

extern char** environ;

static void* change(void* given) {
  const int me = (int)(intptr_t)given;
  char name[32], value[32];
  sprintf(name, "OF_THREAD_%d", me);
  sprintf(value, "%d", me * me);
  setenv(name, value, 1);
  const char* of_main = getenv("OF_MAIN");
  printf("%d sees %s\n", me, of_main != NULL ? of_main : "nothing");
  if (me == 2) unsetenv("OF_THREAD_0");
  if (me == 3) setenv("OF_MAIN", "another", 1);
  return NULL;
}

static int count_own(void) {
  int count = 0;
  for (char** entry = environ; *entry != NULL; ++entry) count += strncmp(*entry, "OF_", 3) == 0;
  return count;
}

static void* read_all(void* unused) {
  (void)unused;
  printf("%d of them\n", count_own());
  const char* hidden[] = {"GALLOCY_SOCKET", "GALLOCY_JOB", "GALLOCY_RANK", "GALLOCY_PERSONALITY",
                          "LD_PRELOAD", "LD_BIND_NOW", "GLIBC_TUNABLES"};
  for (int i = 0; i < 7; ++i)
    if (getenv(hidden[i]) != NULL) printf("left: %s\n", hidden[i]);
  return NULL;
}

int main(void) {
  setenv("OF_MAIN", "something", 1);
  for (intptr_t i = 0; i < 4; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, change, (void*)i));
    must(pthread_join(thread, NULL));
  }
  printf("%s %s %s\n", getenv("OF_MAIN"), getenv("OF_THREAD_3"),
         getenv("OF_THREAD_0") == NULL ? "gone" : "there");
  in_threads(3, read_all);
  fflush(stdout);
  return system("echo $OF_MAIN $OF_THREAD_1");
}
