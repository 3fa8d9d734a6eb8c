// A queue of many writers and readers without locks (Vyukov's), that spins when full or empty.
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t cell_count = 64;
constexpr int item_count = 2000;

struct Cell {
  std::atomic<std::size_t> sequence;
  int value;
};
Cell cells[cell_count];
std::atomic<std::size_t> put_at, take_at;
std::atomic<long> sum;
std::atomic<int> taken, begun;

bool put(int value) {
  std::size_t at = put_at;
  for (;;) {
    Cell& cell = cells[at % cell_count];
    const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
    if (sequence == at) {
      if (!put_at.compare_exchange_weak(at, at + 1)) continue;
      cell.value = value;
      cell.sequence.store(at + 1, std::memory_order_release);
      return true;
    }
    if (sequence < at) return false;
    at = put_at;
  }
}

bool take(int& value) {
  std::size_t at = take_at;
  for (;;) {
    Cell& cell = cells[at % cell_count];
    const std::size_t sequence = cell.sequence.load(std::memory_order_acquire);
    if (sequence == at + 1) {
      if (!take_at.compare_exchange_weak(at, at + 1)) continue;
      value = cell.value;
      cell.sequence.store(at + cell_count, std::memory_order_release);
      return true;
    }
    if (sequence < at + 1) return false;
    at = take_at;
  }
}

void meet() {
  ++begun;
  while (begun < 6) std::this_thread::yield();
}

void produce(int me) {
  meet();
  for (int i = 0; i < item_count; ++i)
    while (!put(me * item_count + i)) std::this_thread::yield();
}

void consume() {
  meet();
  int value = 0;
  while (taken < 3 * item_count) {
    if (!take(value)) {
      std::this_thread::yield();
      continue;
    }
    sum += value;
    ++taken;
  }
}

}  // namespace

int main() {
  for (std::size_t i = 0; i < cell_count; ++i) cells[i].sequence = i;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(produce, i);
  for (int i = 0; i < 3; ++i) threads.emplace_back(consume);
  for (std::thread& thread : threads) thread.join();
  std::printf("%d %ld\n", taken.load(), sum.load());
}
