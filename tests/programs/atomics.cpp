// Atomic numbers of every width, side by side in one cache line and across threads.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

struct Pair {
  std::uint64_t low, high;
};

std::atomic<std::uint8_t> bytes[4];
std::atomic<std::uint16_t> halves[4];
std::atomic<std::uint32_t> words;
std::atomic<std::uint64_t> longs;
std::atomic<double> doubles;
alignas(16) unsigned __int128 wide;
std::atomic_flag flag;
std::atomic<int*> pointer;
int numbers[4096];
int under_flag;
std::atomic<int> begun;

void run(int me) {
  ++begun;
  while (begun < 4) std::this_thread::yield();
  for (int i = 0; i < 1000; ++i) {
    ++bytes[i % 4];
    halves[i % 4] += 3;
    words.fetch_add(2);
    longs.fetch_xor(std::uint64_t{1} << (i % 60));
    double old = doubles;
    while (!doubles.compare_exchange_weak(old, old + 0.5)) continue;
    unsigned __int128 before = wide;
    while (!__sync_bool_compare_and_swap(&wide, before, before + ((unsigned __int128)1 << 64) + 1))
      before = __sync_val_compare_and_swap(&wide, 0, 0);
    if (i % 20 == 0) {
      while (flag.test_and_set()) std::this_thread::yield();
      ++under_flag;
      flag.clear();
    }
    *pointer.fetch_add(1) = me + 1;
  }
}

}  // namespace

int main() {
  pointer = numbers;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  long sum = 0;
  for (const int number : numbers) sum += number;
  std::printf("%d %d %u %llx %g %llu %llu %d %ld %td\n", bytes[1].load(), halves[2].load(),
              words.load(), static_cast<unsigned long long>(longs.load()), doubles.load(),
              static_cast<unsigned long long>(wide), static_cast<unsigned long long>(wide >> 64),
              under_flag, sum, pointer - numbers);
}
