// wakeup CPU CPU COUNT: round trips between two processes that wake each other by a futex in a
// shared word, one on each CPU.
#include <sys/mman.h>

#include <atomic>
#include <new>

#include "bench/floors/two.hpp"
#include "ipc/futex.hpp"

namespace {

struct Words {
  alignas(64) std::atomic<std::uint32_t> request = 0;
  alignas(64) std::atomic<std::uint32_t> reply = 0;
};

void await(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  for (std::uint32_t seen; (seen = word.load()) != value;) gallocy::ipc::futex_wait(word, seen);
}

void set(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.store(value);
  gallocy::ipc::futex_wake(word, 1);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, "wakeup CPU CPU COUNT");
  const long cpu = arguments.number(), other_cpu = arguments.number();
  const auto count = static_cast<std::uint32_t>(arguments.number());
  void* const memory = ::mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  bench::require(memory != MAP_FAILED, "mmap");
  Words& words = *new (memory) Words;
  const auto ask = [&] {
    bench::Samples samples(count);
    for (std::uint32_t i = 1; i <= count; ++i) {
      const std::int64_t began_ns = bench::now_ns();
      set(words.request, i);
      await(words.reply, i);
      samples.add_ns(bench::now_ns() - began_ns);
    }
    samples.print("us");
  };
  const auto answer = [&] {
    for (std::uint32_t i = 1; i <= count; ++i) {
      await(words.request, i);
      set(words.reply, i);
    }
  };
  bench::run_two(cpu, other_cpu, ask, answer);
}
