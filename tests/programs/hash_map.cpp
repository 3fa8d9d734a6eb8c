// A hash map under a mutex for each of its parts, filled by all threads.
#include <array>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

struct Part {
  std::mutex lock;
  std::unordered_map<std::string, long> values;
};
std::array<Part, 8> parts;

void run(int me) {
  for (int i = 0; i < 1500; ++i) {
    const std::string key = "key " + std::to_string((i * 7 + me * 13) % 400);
    Part& part = parts[std::hash<std::string>()(key) % parts.size()];
    const std::lock_guard guard(part.lock);
    part.values[key] += i;
  }
}

}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  std::size_t count = 0;
  long sum = 0;
  for (const Part& part : parts) {
    count += part.values.size();
    for (const auto& [key, value] : part.values) sum += value;
  }
  std::printf("%zu %ld\n", count, sum);
}
