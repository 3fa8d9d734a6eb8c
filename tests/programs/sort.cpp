// A merge sort of many numbers, by halves in threads.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

std::vector<std::uint32_t> numbers;

void sort(std::size_t begin, std::size_t end, int depth) {
  const auto at = [](std::size_t i) { return numbers.begin() + static_cast<std::ptrdiff_t>(i); };
  if (depth == 0) return std::sort(at(begin), at(end));
  const std::size_t middle = begin + (end - begin) / 2;
  std::thread left(sort, begin, middle, depth - 1);
  sort(middle, end, depth - 1);
  left.join();
  std::inplace_merge(at(begin), at(middle), at(end));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
  std::uint64_t state = 12345;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    numbers.push_back(static_cast<std::uint32_t>(state >> 33));
  }
  sort(0, count, 2);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum = sum * 31 + numbers[i];
  std::printf("%d %llx\n", std::is_sorted(numbers.begin(), numbers.end()),
              static_cast<unsigned long long>(sum));
}
