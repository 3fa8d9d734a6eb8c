// Threads of two nodes that wait for each other.
#include <atomic>

#include "bench/ours/ours.hpp"
#include "bench/work.hpp"

namespace bench {
namespace {

constexpr std::int64_t hold_ns = 150'000;

struct Hold {
  std::int64_t asked_ns, acquired_ns, released_ns;
};

struct Contest {
  pthread_mutex_t mutex;
  pthread_barrier_t start;
  std::uint64_t* counter;  // on a page of its own
  long count;              // of holds a node
  Hold* holds_of_node[2];
};

// Long enough for the other node's request to have come and everything to be at rest, but awake:
// a CPU that has slept would be measured as well.
void keep_awake(std::int64_t ns) {
  for (const std::int64_t end_ns = now_ns() + ns; now_ns() < end_ns;) ::sched_yield();
}

void* contend(void* context) {
  Contest& contest = *static_cast<Contest*>(context);
  std::vector<Hold> holds(static_cast<std::size_t>(contest.count));
  gallocy_pthread_barrier_wait(&contest.start);
  for (Hold& hold : holds) {
    hold.asked_ns = now_ns();
    check(gallocy_pthread_mutex_lock(&contest.mutex), "lock");
    hold.acquired_ns = now_ns();
    keep_awake(hold_ns);
    ++*contest.counter;
    hold.released_ns = now_ns();
    check(gallocy_pthread_mutex_unlock(&contest.mutex), "unlock");
  }
  auto* const told = reinterpret_cast<Hold*>(
      new_pages(holds.size() * sizeof(Hold) / page_bytes + 1));
  std::copy(holds.begin(), holds.end(), told);
  contest.holds_of_node[gallocy_node()] = told;
  return nullptr;
}

// From one node's unlock to the other's lock, where that one had asked well before.
Samples handovers(const Contest& contest) {
  struct Of {
    int node;
    Hold hold;
  };
  std::vector<Of> all;
  for (int node = 0; node < 2; ++node)
    for (long i = 0; i < contest.count; ++i) all.push_back({node, contest.holds_of_node[node][i]});
  std::ranges::sort(all, {}, [](const Of& of) { return of.hold.acquired_ns; });
  Samples samples(all.size());
  for (std::size_t i = 1; i < all.size(); ++i) {
    const Of& before = all[i - 1];
    const Of& after = all[i];
    if (after.hold.acquired_ns < before.hold.released_ns)
      die("two nodes had the lock at the same time");
    const bool waited = after.hold.asked_ns < before.hold.released_ns - hold_ns / 2;
    if (before.node != after.node && waited)
      samples.add_ns(after.hold.acquired_ns - before.hold.released_ns);
  }
  return samples;
}

struct Flag {
  alignas(page_bytes) std::atomic<std::uint64_t> turn;
  alignas(page_bytes) long count;
  pthread_barrier_t start;
};

// Even turns are node 0's.
void* pass_flag(void* context) {
  Flag& flag = *static_cast<Flag*>(context);
  const auto own = static_cast<std::uint64_t>(gallocy_node());
  const auto turn_count = static_cast<std::uint64_t>(flag.count) * 2;
  Samples samples(static_cast<std::size_t>(flag.count));
  gallocy_pthread_barrier_wait(&flag.start);
  std::int64_t last_ns = now_ns();
  for (std::uint64_t turn = own; turn < turn_count; turn += 2) {
    std::uint64_t seen;
    while ((seen = flag.turn.load(std::memory_order_acquire)) != turn) {
      if (seen > turn) die("the flag says %lu in turn %lu", seen, turn);
      __builtin_ia32_pause();
    }
    flag.turn.store(turn + 1, std::memory_order_release);
    const std::int64_t at_ns = now_ns();
    samples.add_ns((at_ns - last_ns) / 2);  // two hand-overs
    last_ns = at_ns;
  }
  if (own == 0) samples.print("us");
  return nullptr;
}

struct Meeting {
  pthread_barrier_t barrier;
  long count;
};

void* meet(void* context) {
  Meeting& meeting = *static_cast<Meeting*>(context);
  Samples samples(static_cast<std::size_t>(meeting.count));
  long serial_count = 0;
  for (long i = 0; i < meeting.count; ++i) {
    const std::int64_t began_ns = now_ns();
    const int status = gallocy_pthread_barrier_wait(&meeting.barrier);
    samples.add_ns(now_ns() - began_ns);
    if (status == PTHREAD_BARRIER_SERIAL_THREAD) ++serial_count;
    else check(status, "barrier");
  }
  if (gallocy_node() != 0) samples.print("us");
  return reinterpret_cast<void*>(serial_count);
}

long on_both_nodes(void* (*function)(void*), void* context) {
  const pthread_t threads[2] = {start_on(0, function, context), start_on(1, function, context)};
  long sum = 0;
  for (const pthread_t thread : threads) {
    void* result = nullptr;
    check(gallocy_pthread_join(thread, &result), "join");
    sum += reinterpret_cast<long>(result);
  }
  return sum;
}

}  // namespace

void measure_lock_handover(Arguments& arguments) {
  Contest* const contest = new_shared<Contest>();
  contest->count = arguments.number();
  contest->counter = new_shared<std::uint64_t>();
  check(gallocy_pthread_mutex_init(&contest->mutex, nullptr), "mutex_init");
  check(gallocy_pthread_barrier_init(&contest->start, nullptr, 2), "barrier_init");
  on_both_nodes(contend, contest);
  if (*contest->counter != static_cast<std::uint64_t>(contest->count) * 2)
    die("the lock's counter is %lu after %ld increments", *contest->counter, contest->count * 2);
  const Samples samples = handovers(*contest);
  require(!samples.empty(), "the lock went from one node to the other");
  samples.print("us");
}

void measure_spin_flag(Arguments& arguments) {
  auto* const flag = reinterpret_cast<Flag*>(new_pages(sizeof(Flag) / page_bytes));
  flag->count = arguments.number();
  check(gallocy_pthread_barrier_init(&flag->start, nullptr, 2), "barrier_init");
  on_both_nodes(pass_flag, flag);
  if (flag->turn != static_cast<std::uint64_t>(flag->count) * 2)
    die("the flag ends at %lu", flag->turn.load());
}

// The mutex's home is this node.
void measure_lock_cached(Arguments& arguments) {
  const long count = arguments.number();
  auto* const mutex = new_shared<pthread_mutex_t>();
  check(gallocy_pthread_mutex_init(mutex, nullptr), "mutex_init");
  time_pairs(count, [mutex] {
    check(gallocy_pthread_mutex_lock(mutex), "lock");
    check(gallocy_pthread_mutex_unlock(mutex), "unlock");
  }).print("ns");
}

void measure_barrier(Arguments& arguments) {
  Meeting* const meeting = new_shared<Meeting>();
  meeting->count = arguments.number();
  check(gallocy_pthread_barrier_init(&meeting->barrier, nullptr, 2), "barrier_init");
  const long serial_count = on_both_nodes(meet, meeting);
  if (serial_count != meeting->count)
    die("%ld of %ld barriers chose one thread", serial_count, meeting->count);
}

}  // namespace bench
