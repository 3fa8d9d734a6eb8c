// Preloaded, it makes one rank another machine than the first: DIFFERS=RANK:WHAT. It looks at what
// gallocy-run tells a rank, which is there until main(). Constructors run on rank 0 only: what may
// differ on others differs when the objects are listed.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/platform/x86.h>
#include <sys/resource.h>
#include <unistd.h>

static const char* difference(void) {
  const char* rank = getenv("GALLOCY_RANK");
  const char* told = getenv("DIFFERS");
  if (rank == NULL || told == NULL || strncmp(told, rank, strlen(rank)) != 0) return "";
  return told + strlen(rank) + 1;
}

// Another build by the same name: each rank has its own folder.
static void load(const char* folder) {
  if (difference()[0] != '\0' && chdir(folder) != 0) abort();
  if (dlopen("./library.so", RTLD_NOW) == NULL) abort();
}

static void* run(void* unused) {
  for (;;) pause();
  return unused;
}

static void start_thread(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, NULL) != 0) abort();
}

static void map_written(void) {
  const int fd = memfd_create("differs", 0);
  if (ftruncate(fd, 4096) != 0) abort();
  if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED) abort();
  close(fd);
}

static void limit(int resource, rlim_t bytes) {
  struct rlimit now;
  getrlimit(resource, &now);
  now.rlim_cur = bytes;
  setrlimit(resource, &now);
}

__attribute__((constructor)) static void construct(void) {
  const char* what = difference();
  if (strcmp(what, "thread") == 0) start_thread();
  if (strcmp(what, "written") == 0) map_written();
  if (strncmp(what, "loads=", 6) == 0 && dlopen(what + 6, RTLD_NOW) == NULL) abort();
}

static void begin(void) {
  const char* what = difference();
  if (strcmp(what, "stack") == 0) limit(RLIMIT_STACK, 4 << 20);
  if (strcmp(what, "data") == 0) limit(RLIMIT_DATA, (rlim_t)1 << 40);
  if (strcmp(what, "memory") == 0) limit(RLIMIT_AS, (rlim_t)1 << 46);
  const char* told = getenv("DIFFERS");
  const char* build = told == NULL ? NULL : strstr(told, ":build=");
  if (build != NULL) load(build + 7);
  if (strncmp(what, "library=", 8) == 0 && dlopen(what + 8, RTLD_NOW) == NULL) abort();
}

// The first time is before the C library has its environment.
int dl_iterate_phdr(int (*look)(struct dl_phdr_info*, size_t, void*), void* context) {
  static int begun;
  if (environ != NULL && !begun++) begin();
  int (*real)(int (*)(struct dl_phdr_info*, size_t, void*), void*) =
      dlsym(RTLD_NEXT, "dl_iterate_phdr");
  return real(look, context);
}

unsigned long getauxval(unsigned long type) {
  unsigned long (*real)(unsigned long) = dlsym(RTLD_NEXT, "getauxval");
  return type == AT_PAGESZ && strcmp(difference(), "pages") == 0 ? 16384 : real(type);
}

const struct cpuid_feature* __x86_get_cpuid_feature_leaf(unsigned leaf) {
  const struct cpuid_feature* (*real)(unsigned) =
      dlsym(RTLD_NEXT, "__x86_get_cpuid_feature_leaf");
  static struct cpuid_feature other;
  other = *real(leaf);
  const char* what = difference();
  if (strcmp(what, "level") == 0 && leaf == CPUID_INDEX_1) other.active_array[2] &= ~1u;  // SSE3
  if (strcmp(what, "feature") == 0 && leaf == CPUID_INDEX_7) other.active_array[1] ^= 1u << 18;
  if (strcmp(what, "unnamed") == 0 && leaf == CPUID_INDEX_19) other.active_array[3] ^= 1u;
  return &other;
}
