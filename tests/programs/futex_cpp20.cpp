// What C++20 waits with: std::atomic, std::latch, std::barrier, std::counting_semaphore, and a
// local static that all threads want at once. Prints one line; the same on one machine and many.
#include <atomic>
#include <barrier>
#include <cstdio>
#include <latch>
#include <semaphore>
#include <thread>
#include <vector>

namespace {

constexpr int thread_count = 6, rounds = 20;

std::atomic<int> turn = 0, made = 0;
std::latch all_begun(thread_count);
std::barrier meeting(thread_count);
std::counting_semaphore<4> tokens(2);
std::atomic<int> with_token = 0, most_with_token = 0;
long sums[thread_count];

struct Slow {
  int value;
  Slow() : value(40) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    value += ++made;
  }
};

int slow_value() {
  static Slow slow;
  return slow.value;
}

void run(int self) {
  all_begun.arrive_and_wait();
  sums[self] = slow_value();
  for (int round = 0; round < rounds; ++round) {
    const int mine = round * thread_count + self;
    for (int now = turn.load(); now != mine; now = turn.load()) turn.wait(now);
    turn.store(mine + 1);
    turn.notify_all();
    meeting.arrive_and_wait();
    tokens.acquire();
    const int inside = ++with_token;
    for (int most = most_with_token; most < inside;)
      if (most_with_token.compare_exchange_weak(most, inside)) break;
    sums[self] += round;
    --with_token;
    tokens.release();
  }
}

}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  long sum = 0;
  for (const long one : sums) sum += one;
  std::printf("turns %d, made %d, sum %ld, tokens %s\n", turn.load(), made.load(), sum,
              most_with_token <= 2 ? "kept" : "broken");
}
