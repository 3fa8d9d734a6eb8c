// posix_spawn, system and popen, in main() and in threads.
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "in_threads.h"

extern char** environ;

static void spawn(int me) {
  char text[64];
  sprintf(text, "spawned by %d; exit %d", me, me + 3);
  char* words[] = {"sh", "-c", text, NULL};
  words[2] = malloc(128);
  sprintf(words[2], "echo spawned by %d; exit %d", me, me + 3);
  pid_t child;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addclose(&actions, 0);
  must(posix_spawnp(&child, "sh", &actions, NULL, words, environ));
  posix_spawn_file_actions_destroy(&actions);
  int state = 0;
  if (waitpid(child, &state, 0) != child) perror("waitpid");
  printf("exit %d\n", WEXITSTATUS(state));
  free(words[2]);
}

static void* run(void* given) {
  const int me = (int)(intptr_t)given;
  spawn(me);
  fflush(stdout);
  printf("system: %d\n", WEXITSTATUS(system("echo by system; exit 2")));
  FILE* pipe = popen("echo by popen", "r");
  char line[64] = "";
  if (pipe == NULL || fgets(line, sizeof line, pipe) == NULL) perror("popen");
  printf("read %s", line);
  printf("pclose %d\n", pclose(pipe));
  fflush(stdout);
  return NULL;
}

int main(void) {
  run((void*)10);
  for (intptr_t i = 0; i < 3; ++i) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, (void*)i));
    must(pthread_join(thread, NULL));
  }
}
