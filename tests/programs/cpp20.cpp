// What waits by std::atomic: barrier, latch, semaphore, atomic wait, and jthread's stop.
#include <atomic>
#include <barrier>
#include <cstdio>
#include <latch>
#include <semaphore>
#include <stop_token>
#include <thread>
#include <vector>

namespace {

constexpr int thread_count = 4;

long total, phases;
std::barrier barrier(thread_count, []() noexcept { ++phases; });
std::latch begun(thread_count), go(1);
std::counting_semaphore<8> slots(2);
std::atomic<int> inside, too_many, turn, together;

void run(int me) {
  begun.count_down();
  go.wait();
  for (int i = 0; i < 20; ++i) {
    slots.acquire();
    if (++inside > 2) ++too_many;
    --inside;
    slots.release();
    barrier.arrive_and_wait();
  }
  for (int i = 0; i < 20; ++i) {
    for (int now = turn; now % thread_count != me; now = turn) turn.wait(now);
    total += me * i;
    ++turn;
    turn.notify_all();
  }
}

}  // namespace

int main() {
  std::vector<std::jthread> threads;
  for (int i = 0; i < thread_count; ++i) threads.emplace_back(run, i);
  begun.wait();
  go.count_down();
  threads.clear();
  std::printf("%ld %ld %d %d\n", total, phases, too_many.load(), turn.load());
  std::jthread stopped([](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::yield();
    ++together;
  });
  stopped.request_stop();
  stopped.join();
  std::printf("%d\n", together.load());
}
