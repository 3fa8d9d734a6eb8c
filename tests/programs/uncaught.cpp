// An exception that no one catches, in a thread.
#include <cstdio>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <vector>

int main() {
  std::puts("before");
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([i] {
      if (i == 2) throw std::runtime_error("nobody catches this");
      for (;;) ::pause();
    });
  for (std::thread& thread : threads) thread.join();
}
