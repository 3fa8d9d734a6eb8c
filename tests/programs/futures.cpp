// std::promise, std::packaged_task and std::async: values and exceptions across threads.
#include <cstdio>
#include <future>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

long sum_to(long n) {
  if (n < 0) throw std::invalid_argument("negative: " + std::to_string(n));
  long sum = 0;
  for (long i = 1; i <= n; ++i) sum += i;
  return sum;
}

}  // namespace

int main() {
  std::vector<std::future<long>> sums;
  for (long n : {10L, 1000L, -5L, 100000L})
    sums.push_back(std::async(std::launch::async, sum_to, n));
  for (auto& future : sums) try {
      std::printf("%ld\n", future.get());
    } catch (const std::exception& error) {
      std::printf("%s\n", error.what());
    }

  std::promise<std::string> promise;
  std::shared_future<std::string> told = promise.get_future().share();
  std::vector<std::thread> threads;
  int lengths[4] = {};
  for (int& length : lengths)
    threads.emplace_back([told, &length] { length = static_cast<int>(told.get().size()); });
  promise.set_value("eleven char");
  for (std::thread& thread : threads) thread.join();
  std::printf("%d\n", std::accumulate(lengths, lengths + 4, 0));

  std::packaged_task<int(int)> task([](int x) { return 2 * x; });
  std::future<int> doubled = task.get_future();
  std::thread(std::move(task), 21).join();
  std::printf("%d\n", doubled.get());
}
