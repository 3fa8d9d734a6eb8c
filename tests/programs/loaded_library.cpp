// Loaded at run time by libraries.c: with constructors that do something outside the process, data
// of threads, and a library of its own that it needs.
#include "loaded_library.h"

#include <pthread.h>
#include <stdio.h>

#include <stdexcept>

#include "loaded_common.hpp"

namespace {

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
int sum = 0;
thread_local int own = 7;
loaded self{"library", nullptr};
pthread_t made;
int made_by_thread = 0;

void* make(void*) {
  made_by_thread = 11;
  return nullptr;
}

__attribute__((constructor)) void construct() {
  self.next = loaded_list;
  loaded_list = &self;
  FILE* file = fopen("constructed.txt", "a");
  fputs("constructed\n", file);
  fclose(file);
  pthread_create(&made, nullptr, make, nullptr);
  own = 8;
}

__attribute__((destructor)) void destroy() {
  puts("the library ends");
  fflush(stdout);
}

}  // namespace

extern "C" {

int library_add(int number) {
  pthread_mutex_lock(&mutex);
  sum += number;
  const int result = sum;
  pthread_mutex_unlock(&mutex);
  return result;
}

int library_own() { return own++; }

int library_common() { return Common<int>::number; }

int library_made() {
  pthread_join(made, nullptr);
  return made_by_thread;
}

void library_throw(int number) {
  if (needed_count("thrown") > 0) throw std::runtime_error(number == 1 ? "one" : "another");
}

int library_catch(int number) {
  try {
    library_throw(number);
  } catch (const std::exception& error) {
    return error.what()[0];
  }
  return 0;
}
}
