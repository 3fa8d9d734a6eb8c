/*
 * kv [OPERATIONS_PER_THREAD [KEYS [THREADS]]]
 *
 * A hash map from texts to numbers that threads on all nodes read and write at random: buckets in
 * stripes, each with a lock and pages of its own. Of each node's threads two in three mostly read,
 * the third mostly writes.
 * A write adds to a number, so the order does not matter and the whole map can be checked against
 * one that a single thread makes of the same operations.
 *
 * C++: std::map and std::string over gallocy::allocator, gallocy::Mutex, gallocy::Thread.
 */
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <gallocy/gallocy.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t stripe_count = 32;
constexpr std::size_t page_bytes = 4096;

template <class T>
using Shared = gallocy::allocator<T>;
using Text = std::basic_string<char, std::char_traits<char>, Shared<char>>;

class Store {
 public:
  void add(std::string_view key, std::uint64_t amount) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard held(stripe.lock);
    auto found = stripe.entries.find(key);
    if (found == stripe.entries.end()) found = stripe.entries.emplace(Text(key), 0).first;
    found->second += amount;
  }
  std::uint64_t get(std::string_view key) {
    Stripe& stripe = stripe_of(key);
    const std::lock_guard held(stripe.lock);
    const auto found = stripe.entries.find(key);
    return found == stripe.entries.end() ? 0 : found->second;
  }

 private:
  struct alignas(page_bytes) Stripe {
    gallocy::Mutex lock;
    std::map<Text, std::uint64_t, std::less<>, Shared<std::pair<const Text, std::uint64_t>>>
        entries;
  };
  Stripe& stripe_of(std::string_view key) {
    return stripes_[std::hash<std::string_view>{}(key) % stripe_count];
  }
  std::array<Stripe, stripe_count> stripes_;
};

class Random {  // splitmix64
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t below(std::uint64_t limit) {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % limit;
  }

 private:
  std::uint64_t state_;
};

struct Plan {
  long operations, keys, threads;
  int nodes = gallocy_node_count();

  int node_of(long number) const { return static_cast<int>(number % nodes); }
  bool mostly_writes(long number) const { return number / nodes % 3 == 2; }
};

using Nodes = std::vector<int, Shared<int>>;  // of each thread

std::string key_of(std::uint64_t number) { return "key-" + std::to_string(number); }

// What thread `number` does. Reads must never see less than was there before.
template <class Add, class Get>
void operate(const Plan& plan, long number, Add add, Get get) {
  Random random(static_cast<std::uint64_t>(number) + 1);
  std::map<std::string, std::uint64_t> seen;
  for (long i = 0; i < plan.operations; ++i) {
    const std::string key = key_of(random.below(static_cast<std::uint64_t>(plan.keys)));
    const bool writes = random.below(10) < (plan.mostly_writes(number) ? 8 : 1);
    if (writes) {
      add(key, 1 + random.below(100));
      continue;
    }
    const std::uint64_t value = get(key);
    if (value < seen[key]) {
      std::printf("kv: %s fell from %llu to %llu\n", key.c_str(),
                  static_cast<unsigned long long>(seen[key]),
                  static_cast<unsigned long long>(value));
      std::_Exit(1);
    }
    seen[key] = value;
  }
}

long number(int argc, char** argv, int index, long otherwise) {
  if (index >= argc) return otherwise;
  const std::string_view text = argv[index];
  long value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && value > 0)
    return value;
  std::fprintf(stderr, "kv: not a positive number: %s\n", argv[index]);
  std::exit(64);
}

// If there are three threads for each node.
bool each_node_does_both(const Plan& plan, const Nodes& ran_on) {
  std::vector<int> reads(static_cast<std::size_t>(plan.nodes)), writes = reads;
  for (long i = 0; i < plan.threads; ++i)
    ++(plan.mostly_writes(i) ? writes : reads)[static_cast<std::size_t>(ran_on.at(i))];
  const auto none = [](const std::vector<int>& of) { return std::ranges::count(of, 0) > 0; };
  return plan.threads < 3L * plan.nodes || (!none(reads) && !none(writes));
}

int compare(const Plan& plan, Store& store, double seconds) {
  std::map<std::string, std::uint64_t> expected;
  for (long i = 0; i < plan.threads; ++i)
    operate(
        plan, i, [&](const std::string& key, std::uint64_t amount) { expected[key] += amount; },
        [](const std::string&) { return ~std::uint64_t{0}; });
  std::uint64_t sum = 0;
  for (long i = 0; i < plan.keys; ++i) {
    const std::string key = key_of(static_cast<std::uint64_t>(i));
    const std::uint64_t value = store.get(key);
    if (value != expected[key]) {
      std::printf("kv: %s is not what one thread computes\n", key.c_str());
      return 1;
    }
    sum += value;
  }
  std::printf("kv: %ld keys, %ld threads on %d nodes, %.6f s, sum %llu\nOK\n", plan.keys,
              plan.threads, plan.nodes, seconds, static_cast<unsigned long long>(sum));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  gallocy::init();
  const Plan plan{number(argc, argv, 1, 1000), number(argc, argv, 2, 500),
                  number(argc, argv, 3, 3L * gallocy_node_count())};
  Store& store = gallocy::find_or_make<Store>("store");
  const auto began = std::chrono::steady_clock::now();
  Nodes& ran_on = *gallocy::make<Nodes>(plan.threads);
  std::vector<gallocy::Thread> threads;
  for (long i = 0; i < plan.threads; ++i)
    threads.push_back(gallocy::Thread::on(plan.node_of(i), [plan, i, &store, &ran_on] {
      ran_on.at(i) = gallocy_node();
      operate(
          plan, i,
          [&](const std::string& key, std::uint64_t amount) { store.add(key, amount); },
          [&](const std::string& key) { return store.get(key); });
    }));
  for (auto& thread : threads) thread.join();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
  if (!each_node_does_both(plan, ran_on)) {
    std::printf("kv: a node only reads, or only writes\n");
    return 1;
  }
  return compare(plan, store, spent.count());
}
