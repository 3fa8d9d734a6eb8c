// Preloaded, it makes one rank another machine than the first: DIFFERS=RANK:WHAT. It looks at what
// gallocy-run tells a rank, which is there until main().
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/platform/x86.h>
#include <sys/resource.h>

static const char* difference(void) {
  const char* rank = getenv("GALLOCY_RANK");
  const char* told = getenv("DIFFERS");
  if (rank == NULL || told == NULL || strncmp(told, rank, strlen(rank)) != 0) return "";
  return told + strlen(rank) + 1;
}

static void limit(int resource, rlim_t bytes) {
  struct rlimit now;
  getrlimit(resource, &now);
  now.rlim_cur = bytes;
  setrlimit(resource, &now);
}

__attribute__((constructor)) static void begin(void) {
  const char* what = difference();
  if (strcmp(what, "stack") == 0) limit(RLIMIT_STACK, 4 << 20);
  if (strcmp(what, "data") == 0) limit(RLIMIT_DATA, (rlim_t)1 << 40);
  if (strcmp(what, "memory") == 0) limit(RLIMIT_AS, (rlim_t)1 << 46);
  if (strncmp(what, "library=", 8) == 0 && dlopen(what + 8, RTLD_NOW) == NULL) abort();
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
