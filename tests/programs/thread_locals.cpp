// thread_local objects with constructors and destructors, one of them used first in a destructor.
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<int> constructed, destroyed, of_last;
std::atomic<long> sum;

struct Counted {
  Counted() { ++constructed; }
  ~Counted() {
    ++destroyed;
    sum += value;
  }
  long value = 0;
};

struct Last {
  ~Last() { of_last += number; }
  int number = 7;
};

thread_local Last last;

struct UsesLast {
  ~UsesLast() { last.number += 1; }
  std::string text = "a text that is too long for the small buffer of a string";
};

thread_local Counted counted;
thread_local UsesLast uses_last;
thread_local int plain = 42;

void run(int me) {
  counted.value = me;
  uses_last.text += std::to_string(me);
  plain += me;
  if (plain != 42 + me) std::puts("another thread's variable");
}

}  // namespace

int main() {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back(run, i);
    for (std::thread& thread : threads) thread.join();
    std::printf("%d %d %ld %d\n", constructed.load(), destroyed.load(), sum.load(),
                of_last.load());
  }
  std::printf("%d\n", plain);
}
