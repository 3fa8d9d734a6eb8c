// std::map, std::string, std::vector and std::shared_ptr, filled and emptied by all threads.
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

std::map<std::string, std::vector<int>> table;
std::unordered_map<int, std::shared_ptr<std::string>> texts;
std::mutex lock;

void run(int me) {
  std::shared_ptr<std::string> kept;
  for (int i = 0; i < 300; ++i) {
    const std::lock_guard guard(lock);
    table["a key that is not short at all: " + std::to_string(i % 50)].push_back(me);
    std::shared_ptr<std::string>& text = texts[i % 40];
    if (!text) text = std::make_shared<std::string>();
    *text += static_cast<char>('a' + me);
    kept = text;
    if (i % 10 == 9) table.erase("a key that is not short at all: " + std::to_string(i % 50));
  }
}

}  // namespace

int main() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  std::size_t values = 0, characters = 0;
  for (const auto& [key, list] : table)
    if (key.back() != '9') values += list.size();
  for (const auto& [key, text] : texts) characters += text->size() * (text.use_count() == 1);
  std::printf("%zu %zu\n", values, characters);
}
