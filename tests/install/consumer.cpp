// What a user of the installed C++ layer writes: found by CMake, warnings as errors.
#include <gallocy/gallocy.hpp>
#include <gallocy/stats.h>

#include <cstdio>
#include <map>
#include <mutex>
#include <vector>

using Counts = std::map<int, long, std::less<>, gallocy::allocator<std::pair<const int, long>>>;

int main() {
  static_assert(sizeof(gallocy_stats) < 8192);
  gallocy::init();
  auto& counts = gallocy::find_or_make<Counts>("counts");
  auto& lock = gallocy::find_or_make<gallocy::Mutex>("lock");
  std::vector<gallocy::Thread> threads;
  for (int node = 0; node < 2; ++node)
    threads.push_back(gallocy::Thread::on(node, [&counts, &lock] {
      for (int i = 0; i < 100; ++i) {
        const std::lock_guard held(lock);
        ++counts[i % 10];
      }
    }));
  for (gallocy::Thread& thread : threads) thread.join();
  long sum = 0;
  for (const auto& [key, count] : counts) sum += count;
  std::printf("%ld\n", sum);
}
