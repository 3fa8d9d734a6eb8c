// Exceptions thrown and caught in threads, and carried from one thread to another.
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Unwound {
  explicit Unwound(int& count) : count_(count) {}
  ~Unwound() { ++count_; }
  int& count_;
};

void deep(int depth, int me, int& unwound) {
  const Unwound guard(unwound);
  if (depth == 0) throw std::runtime_error("thrown in thread " + std::to_string(me));
  deep(depth - 1, me, unwound);
}

std::exception_ptr carried[6];
int unwound_of[6];

void run(int me) {
  try {
    deep(20, me, unwound_of[me]);
  } catch (const std::logic_error&) {
    std::puts("the wrong kind");
  } catch (...) {
    carried[me] = std::current_exception();
  }
  try {
    std::vector<int>().at(static_cast<std::size_t>(me));
  } catch (const std::out_of_range&) {
    ++unwound_of[me];
  }
}

}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 6; ++i) try {
      std::rethrow_exception(carried[i]);
    } catch (const std::runtime_error& error) {
      std::printf("%s, %d unwound\n", error.what(), unwound_of[i]);
    }
}
