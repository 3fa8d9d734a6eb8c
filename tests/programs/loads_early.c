// A library of libraries.c whose constructor loads another.
#include <dlfcn.h>
#include <stdio.h>

int (*early_call)(void) = NULL;

__attribute__((constructor)) static void load(void) {
  void* library = dlopen("libtest_loaded_early.so", RTLD_NOW);
  if (library == NULL) puts(dlerror());
  else early_call = (int (*)(void))dlsym(library, "loaded_early_call");
}
