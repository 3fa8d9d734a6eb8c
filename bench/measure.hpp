// What the measuring programs share. Each prints one line, "samples UNIT VALUE VALUE ...", and
// exits with 0; or says what was wrong, a wrong value above all, and exits with 1.
#pragma once

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

[[noreturn]] [[gnu::format(printf, 1, 2)]] inline void die(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::exit(1);
}

inline void require(bool condition, const char* what) {
  if (!condition) die("failed: %s", what);
}

inline std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000L + now.tv_nsec;
}

inline void pin(long cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<std::size_t>(cpu), &cpus);
  if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0) die("cannot run on CPU %ld", cpu);
}

class Samples {
 public:
  explicit Samples(std::size_t count) { values_.reserve(count); }
  void add_ns(std::int64_t ns) { values_.push_back(static_cast<double>(ns) / 1000); }
  void add(double value) { values_.push_back(value); }
  bool empty() const { return values_.empty(); }

  void print(const char* unit) const {
    std::string line = std::string("samples ") + unit;
    char text[40];
    for (const double value : values_) {
      std::snprintf(text, sizeof text, " %.4f", value);
      line += text;
    }
    std::puts(line.c_str());
    std::fflush(stdout);
  }

 private:
  std::vector<double> values_;
};

// The words of the command line; a wrong one ends with the usage and 64.
class Arguments {
 public:
  Arguments(int argc, char** argv, const char* usage)
      : words_(argv + 1, argv + argc), usage_(usage) {}

  std::string word() {
    if (next_ == words_.size()) wrong();
    return words_[next_++];
  }
  bool more() const { return next_ < words_.size(); }
  long number() {
    const std::string text = word();
    char* end = nullptr;
    const long value = std::strtol(text.c_str(), &end, 10);
    if (end == text.c_str() || *end != '\0' || value < 0) wrong();
    return value;
  }
  [[noreturn]] void wrong() const {
    std::fprintf(stderr, "usage: %s\n", usage_);
    std::exit(64);
  }

 private:
  std::vector<std::string> words_;
  const char* usage_;
  std::size_t next_ = 0;
};

// What each word of the memory that is read far away holds.
inline std::uint64_t pattern(std::uint64_t page, std::uint64_t word) {
  return (page + 1) * 0x9e3779b97f4a7c15 + word;
}

// 0 .. count-1 in an order that no run of neighbours betrays; the same each time.
inline std::vector<std::uint32_t> shuffled(std::uint32_t count) {
  std::vector<std::uint32_t> order(count);
  std::uint64_t state = 88172645463325252;
  for (std::uint32_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const auto at = static_cast<std::uint32_t>(state % (i + 1));
    order[i] = order[at];
    order[at] = i;
  }
  return order;
}

}  // namespace bench
