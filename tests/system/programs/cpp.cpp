// gallocy.hpp on every node: containers, strings, locks, barriers, threads and names, and how their
// errors look.
#include <gallocy/gallocy.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "support.h"

namespace {

template <class T>
using Shared = gallocy::allocator<T>;
using Text = std::basic_string<char, std::char_traits<char>, Shared<char>>;
using Words = std::vector<Text, Shared<Text>>;
using Counts = std::map<Text, long, std::less<>, Shared<std::pair<const Text, long>>>;

constexpr int rounds = 50;

template <class Call>
int code_of(Call call) {
  try {
    call();
  } catch (const std::system_error& error) {
    REQUIRE(std::string(error.what()).size() > 5);
    return error.code().value();
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  return 0;
}

struct Board {
  gallocy::Mutex lock;
  Counts counts;
  Words words;
};

// Longer than what fits into a string without an allocation.
std::string key_of(int number) {
  return "a key too long for the short form of a string, number " + std::to_string(number);
}
std::string word_of(int writer) { return "word " + std::to_string(writer); }

constexpr int key_count = 7;

// Each thread makes entries that others change, on other nodes than they were made.
void write(Board& board, int number) {
  for (int round = 0; round < rounds; ++round) {
    const std::lock_guard held(board.lock);
    ++board.counts[Text(key_of((number + round) % key_count))];
    board.words.emplace_back(word_of(number));
  }
}

// In whatever order the writers came.
void check(const Board& board, int writers) {
  std::map<std::string, long> counts, words;
  for (int writer = 0; writer < writers; ++writer) {
    for (int round = 0; round < rounds; ++round) ++counts[key_of((writer + round) % key_count)];
    words[word_of(writer)] = rounds;
  }
  std::map<std::string, long> counts_found, words_found;
  for (const auto& [key, value] : board.counts) counts_found.emplace(key, value);
  for (const Text& word : board.words) ++words_found[std::string(word)];
  REQUIRE(counts_found == counts);
  REQUIRE(words_found == words);
  for (const auto& [key, value] : counts) {
    const auto found = board.counts.find(key.c_str());
    REQUIRE(found != board.counts.end() && found->second == value);
  }
}

void test_containers() {
  Board* board = gallocy::make<Board>();
  std::vector<gallocy::Thread> threads;
  const int nodes = gallocy_node_count(), count = 2 * nodes;
  for (int i = 0; i < count; ++i)
    threads.push_back(gallocy::Thread::on(i % nodes, write, std::ref(*board), i));
  for (auto& thread : threads) thread.join();
  for (int node = 0; node < nodes; ++node)
    gallocy::Thread::on(node, check, std::cref(*board), count).join();
  // Freed on another node than most of it was allocated on.
  gallocy::Thread::on(nodes - 1, [board] { gallocy::destroy(board); }).join();
}

struct Meeting {
  explicit Meeting(unsigned count) : barrier(count) {}
  gallocy::Barrier barrier;
  std::atomic<int> arrived = 0, chosen = 0;
};

void test_barrier() {
  const int count = 2 * gallocy_node_count();
  Meeting& meeting = gallocy::find_or_make<Meeting>("meeting", static_cast<unsigned>(count));
  std::vector<gallocy::Thread> threads;
  for (int i = 0; i < count; ++i)
    threads.push_back(gallocy::Thread([&meeting, count] {
      for (int round = 1; round <= rounds; ++round) {
        ++meeting.arrived;
        if (meeting.barrier.arrive_and_wait()) ++meeting.chosen;
        REQUIRE(meeting.arrived >= round * count);
        meeting.barrier.arrive_and_wait();
      }
    }));
  for (auto& thread : threads) thread.join();
  REQUIRE(meeting.chosen == rounds && meeting.arrived == rounds * count);
}

// All of them look for the same object at the same time: one makes it, all get it.
void test_find_or_make() {
  auto& first = *gallocy::make<std::atomic<long*>>(nullptr);
  std::vector<gallocy::Thread> threads;
  for (int i = 0; i < 3 * gallocy_node_count(); ++i)
    threads.push_back(gallocy::Thread([&first] {
      long* found = &gallocy::find_or_make<long>("the one", 42);
      REQUIRE(*found == 42);
      long* expected = nullptr;
      if (!first.compare_exchange_strong(expected, found)) REQUIRE(expected == found);
    }));
  for (auto& thread : threads) thread.join();
}

void test_aligned() {
  struct alignas(4096) Wide {
    char bytes[5000];
  };
  Wide* wide = gallocy::make<Wide>();
  REQUIRE(reinterpret_cast<std::uintptr_t>(wide) % 4096 == 0);
  std::vector<Wide, Shared<Wide>> several(3);
  REQUIRE(reinterpret_cast<std::uintptr_t>(&several[2]) % 4096 == 0);
  gallocy::destroy(wide);
}

void test_mutex() {
  gallocy::Mutex& mutex = *gallocy::make<gallocy::Mutex>();
  std::unique_lock held(mutex);
  REQUIRE(code_of([&] { mutex.lock(); }) == EDEADLK);
  gallocy::Thread([&mutex] { REQUIRE(!mutex.try_lock()); }).join();
  held.unlock();
  gallocy::Thread([&mutex] {
    REQUIRE(mutex.try_lock());
    mutex.unlock();
  }).join();
  REQUIRE(mutex.native_handle() != nullptr);
  gallocy::destroy(&mutex);
}

void test_errors() {
  REQUIRE(code_of([] { gallocy::Mutex local; }) == EINVAL);
  REQUIRE(code_of([] { gallocy::Barrier local(1); }) == EINVAL);
  REQUIRE(code_of([] { gallocy::destroy(gallocy::make<gallocy::Barrier>(0u)); }) == EINVAL);
  REQUIRE(code_of([] { auto none = gallocy::Thread::on(99, [] {}); }) == EINVAL);
  REQUIRE(code_of([] { gallocy::Thread().join(); }) == EINVAL);
  REQUIRE(code_of([] { gallocy::Thread().detach(); }) == EINVAL);
  REQUIRE(code_of([] { (void)Shared<char>().allocate(std::size_t{1} << 50); }) == ENOMEM);
  REQUIRE(code_of([] { (void)Shared<long>().allocate(~std::size_t{0} / 4); }) == ENOMEM);
  REQUIRE(code_of([] { gallocy::find_or_make<int>(""); }) == EINVAL);
  REQUIRE(code_of([] { gallocy::init(); }) == EALREADY);
  struct Throws {
    Throws() { throw std::system_error(EDOM, std::generic_category(), "on purpose"); }
  };
  REQUIRE(code_of([] { (void)gallocy::make<Throws>(); }) == EDOM);
  gallocy::destroy<int>(nullptr);
}

void test_threads() {
  gallocy::Thread none, some = gallocy::Thread([] {});
  REQUIRE(!none.joinable() && some.joinable() && some.native_handle() != 0);
  none = std::move(some);
  REQUIRE(none.joinable() && !some.joinable());
  none.join();
  gallocy::Thread([] {}).detach();
  auto& where = *gallocy::make<int>(-1);
  gallocy::Thread::on(gallocy_node_count() - 1, [](int& node, long add) {
    node = gallocy_node() + static_cast<int>(add);
  }, std::ref(where), 100).join();
  REQUIRE(where == gallocy_node_count() - 1 + 100);
  static_assert(Shared<int>() == Shared<long>());
}

}  // namespace

int main() {
  gallocy::init();
  test_containers();
  test_barrier();
  test_find_or_make();
  test_aligned();
  test_mutex();
  test_errors();
  test_threads();
  puts("OK");
}
