#include "preload/machine.hpp"

#include <string.h>
#include <sys/auxv.h>
#include <sys/platform/x86.h>
#include <sys/resource.h>

#include <algorithm>

namespace gallocy::preload {

namespace {

struct Feature {
  unsigned index;  // of a bit in Machine::cpu_features
  const char* name;
  unsigned level;  // of the ABI that demands it; 0: none
};

#define GALLOCY_FEATURE(level, name) {x86_cpu_##name, #name, level}
constexpr Feature features[] = {
    GALLOCY_FEATURE(2, CMPXCHG16B), GALLOCY_FEATURE(2, LAHF64_SAHF64), GALLOCY_FEATURE(2, POPCNT),
    GALLOCY_FEATURE(2, SSE3), GALLOCY_FEATURE(2, SSSE3), GALLOCY_FEATURE(2, SSE4_1),
    GALLOCY_FEATURE(2, SSE4_2), GALLOCY_FEATURE(3, AVX), GALLOCY_FEATURE(3, AVX2),
    GALLOCY_FEATURE(3, F16C), GALLOCY_FEATURE(3, FMA), GALLOCY_FEATURE(3, LZCNT),
    GALLOCY_FEATURE(3, MOVBE), GALLOCY_FEATURE(3, BMI1), GALLOCY_FEATURE(3, BMI2),
    GALLOCY_FEATURE(4, AVX512F), GALLOCY_FEATURE(4, AVX512BW), GALLOCY_FEATURE(4, AVX512CD),
    GALLOCY_FEATURE(4, AVX512DQ), GALLOCY_FEATURE(4, AVX512VL),
    GALLOCY_FEATURE(0, ADX), GALLOCY_FEATURE(0, AES), GALLOCY_FEATURE(0, AMX_TILE),
    GALLOCY_FEATURE(0, AVX512_BF16), GALLOCY_FEATURE(0, AVX512_FP16),
    GALLOCY_FEATURE(0, AVX512_VNNI), GALLOCY_FEATURE(0, AVX_VNNI), GALLOCY_FEATURE(0, CLFLUSHOPT),
    GALLOCY_FEATURE(0, CLWB), GALLOCY_FEATURE(0, ERMS), GALLOCY_FEATURE(0, FMA4),
    GALLOCY_FEATURE(0, FSRM), GALLOCY_FEATURE(0, GFNI), GALLOCY_FEATURE(0, PCLMULQDQ),
    GALLOCY_FEATURE(0, PKU), GALLOCY_FEATURE(0, RDRAND), GALLOCY_FEATURE(0, RDSEED),
    GALLOCY_FEATURE(0, RTM), GALLOCY_FEATURE(0, SHA), GALLOCY_FEATURE(0, VAES),
    GALLOCY_FEATURE(0, VPCLMULQDQ), GALLOCY_FEATURE(0, XSAVEC)};
#undef GALLOCY_FEATURE

constexpr unsigned feature_count = cpu_leaf_count * 4 * 32;

struct Limit {
  __rlimit_resource resource;
  const char* name;
  const char* ulimit;
};
constexpr Limit limits[limit_count] = {{RLIMIT_STACK, "stack", "-s"},
                                       {RLIMIT_DATA, "data", "-d"},
                                       {RLIMIT_AS, "address space", "-v"}};

bool has(const Machine& machine, unsigned index) {
  return (machine.cpu_features[index / 128][index / 32 % 4] >> index % 32 & 1) != 0;
}

FixedText<64> name_of(unsigned index) {
  for (const Feature& feature : features)
    if (feature.index == index) return FixedText<64>(feature.name);
  return FixedText<64>("feature ", index, " of glibc's list");
}

FixedText<32> in_kib(std::uint64_t bytes) {
  return bytes == RLIM_INFINITY ? FixedText<32>("unlimited") : FixedText<32>(bytes / 1024, " KiB");
}

// What a level demands is known by more people than other features.
Sentence feature_difference(const Machine& first, const Machine& own, unsigned index) {
  const bool owns = has(own, index);
  return Sentence("its CPU (x86-64-v", cpu_level(own), owns ? ") has " : ") lacks ",
                  name_of(index).view(), ", which that of rank 0 (x86-64-v", cpu_level(first),
                  owns ? ") lacks" : ") has",
                  ": the program has chosen its code by that, so all nodes need CPUs of one kind");
}

Sentence cpu_difference(const Machine& first, const Machine& own) {
  for (const Feature& feature : features)
    if (has(first, feature.index) != has(own, feature.index))
      return feature_difference(first, own, feature.index);
  for (unsigned index = 0; index < feature_count; ++index)
    if (has(first, index) != has(own, index)) return feature_difference(first, own, index);
  return {};
}

}  // namespace

Machine this_machine() {
  Machine machine{};
  for (unsigned leaf = 0; leaf < cpu_leaf_count; ++leaf)
    if (const auto* known = ::__x86_get_cpuid_feature_leaf(leaf); known != nullptr)
      ::memcpy(machine.cpu_features[leaf], known->active_array, sizeof known->active_array);
  machine.page_bytes = ::getauxval(AT_PAGESZ);
  for (unsigned i = 0; i < limit_count; ++i) {
    rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
    ::getrlimit(limits[i].resource, &limit);
    machine.limits[i] = limit.rlim_cur;
  }
  return machine;
}

unsigned cpu_level(const Machine& machine) {
  unsigned missing = 5;
  for (const Feature& feature : features)
    if (feature.level != 0 && !has(machine, feature.index))
      missing = std::min(missing, feature.level);
  return missing - 1;
}

Sentence difference(const Machine& first, const Machine& own) {
  if (::memcmp(first.cpu_features, own.cpu_features, sizeof own.cpu_features) != 0)
    return cpu_difference(first, own);
  if (first.page_bytes != own.page_bytes)
    return Sentence("its pages have ", own.page_bytes, " bytes where those of rank 0 have ",
                    first.page_bytes, ": all nodes need kernels with the same size of a page");
  for (unsigned i = 0; i < limit_count; ++i)
    if (first.limits[i] != own.limits[i])
      return Sentence("its limit of the ", limits[i].name, " is ", in_kib(own.limits[i]).view(),
                      " where that of rank 0 is ", in_kib(first.limits[i]).view(),
                      ": set the same on all nodes with `ulimit ", limits[i].ulimit, "`");
  return {};
}

}  // namespace gallocy::preload
