// An exception that no one catches, in the thread that the word says, when all have been made.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <vector>

int main(int, char** words) {
  const int throwing = std::atoi(words[1]);
  std::atomic<bool> are_all_made = false;
  std::puts("before");
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      while (i != throwing) ::pause();
      while (!are_all_made) std::this_thread::sleep_for(std::chrono::milliseconds{1});
      throw std::runtime_error("nobody catches this");
    });
  are_all_made = true;
  for (std::thread& thread : threads) thread.join();
}
