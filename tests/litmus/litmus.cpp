// Runs the catalogue on the nodes of a job and counts outcomes.
//
// usage: test_litmus pages|one_page THREADS_A_NODE ITERATIONS SEED [planted]
// For each test it prints a line for every outcome that x86-TSO allows,
// "outcome|TEST|OUTCOME|sc or tso|1 if it is the one in question|COUNT|ACROSS", and OK at the end;
// ACROSS of the COUNT were seen by threads that were not all on one node. An outcome that x86-TSO
// forbids ends it with 1. With `planted` it runs the planted test only.
//
// Threads meet at a barrier before each iteration, wait for a random while and run the test's
// instructions once. An iteration has variables (on pages) of its own, so that no barrier is
// needed behind it: what was left in them is looked at after a batch. Nothing is reset: each batch
// writes other numbers, and what the last one left counts as 0, so that a value that is older still
// is found too. Before the barrier each thread may read variables or take their pages, so that
// tests begin with copies here and there. One thread in four dawdles between its instructions, or a
// page would hardly ever be lost between two accesses to it. As many copies of a test run side by
// side, on the same pages, as there are threads for.
#include <algorithm>
#include <map>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "../system/programs/support.h"
#include "outcomes.hpp"

namespace litmus {
namespace {

constexpr size_t batch_size = 8;  // iterations between two looks
constexpr size_t team_count_max = 4;
constexpr size_t placement_count_max = 8;  // for each test
constexpr unsigned skew_bits_max = 12;
constexpr unsigned dawdle_bits_max = 14;
constexpr uint64_t dawdles_each = 4;

class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed | 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ >> 16;
  }

 private:
  uint64_t state_;
};

void wait_a_while(Chance& chance, unsigned bits_max) {
  const uint64_t bits = chance.next() % (bits_max + 1);
  for (uint64_t i = chance.next() % (1U << bits); i > 0; --i) __builtin_ia32_pause();
}

template <Op op>
[[gnu::always_inline]] inline void execute(uint64_t* const (&variables)[variable_count],
                                           const uint64_t (&words)[3], uint64_t& target) {
  uint64_t* const variable = variables[op.variable];
  // Volatile asm stays in this order, and each is one instruction of the catalogue.
  if constexpr (op.kind == Kind::write) {
    asm volatile("movq %1, %0" : "=m"(*variable) : "r"(words[op.value]));
  } else if constexpr (op.kind == Kind::read) {
    asm volatile("movq %1, %0" : "=r"(target) : "m"(*variable));
  } else if constexpr (op.kind == Kind::fence) {
    asm volatile("mfence" ::: "memory");
  }
}

// The planted test is behind the catalogue.
constexpr const Test& test_at(size_t number) {
  return number < test_count ? catalogue[number] : planted;
}

template <size_t test, size_t thread, bool dawdles>
void run_body(uint64_t* const* places, uint64_t number, uint64_t* results, Chance& chance) {
  static constexpr Program program = test_at(test).threads[thread];
  uint64_t* const variables[variable_count] = {places[0], places[1], places[2]};
  const uint64_t words[3] = {0, word_of(number, 1), word_of(number, 2)};
  uint64_t read[op_count_max] = {};
  [&]<size_t... i>(std::index_sequence<i...>) {
    const auto pass_time = [&] {
      if constexpr (dawdles) wait_a_while(chance, dawdle_bits_max);
    };
    ((execute<program[i]>(variables, words, read[i]), pass_time()), ...);
  }(std::make_index_sequence<op_count_max>());
  size_t count = 0;
  for (size_t i = 0; i < op_count_max; ++i) {
    if (program[i].kind == Kind::read) results[count++] = read[i];
  }
}

using Run = void (*)(uint64_t* const*, uint64_t, uint64_t*, Chance&);
struct Body {
  Run at_once;
  Run dawdling;
};
using Bodies = std::array<Body, thread_count_max>;

template <size_t test, size_t thread>
constexpr Body body_of{run_body<test, thread, false>, run_body<test, thread, true>};

template <size_t test>
constexpr Bodies bodies_of() {
  return {body_of<test, 0>, body_of<test, 1>, body_of<test, 2>, body_of<test, 3>};
}

constexpr auto bodies = []<size_t... i>(std::index_sequence<i...>) {
  return std::array<Bodies, test_count>{bodies_of<i>()...};
}(std::make_index_sequence<test_count>());
constexpr Bodies planted_bodies = bodies_of<test_count>();

// In gallocy memory, and written before the threads start.
struct Arena {
  char* pages[batch_size][variable_count];
  uint32_t variable_stride_bytes;  // between variables, if they share a page
  pthread_barrier_t start;         // of the threads
  pthread_barrier_t looked_at;     // of the threads and who judges

  uint64_t* place(size_t instance, size_t team, size_t variable) const {
    char* const page = pages[instance][variable];
    return reinterpret_cast<uint64_t*>(page + team * (PAGE / team_count_max) +
                                       variable * variable_stride_bytes);
  }
};

struct Worker {
  Arena* arena;
  Body body;
  uint64_t seed;
  uint64_t first_number;
  uint32_t batch_count;
  uint32_t team;
  int node;
  uint64_t results[batch_size][register_count_max];
};

void meet(pthread_barrier_t* barrier) {
  const int error = gallocy_pthread_barrier_wait(barrier);
  REQUIRE(error == 0 || error == PTHREAD_BARRIER_SERIAL_THREAD);
}

// Leaves the values as they are.
void touch_some(uint64_t* const* places, Chance& chance) {
  for (size_t i = 0; i < variable_count; ++i) {
    const uint64_t how = chance.next() % 4;
    if (how == 0) __atomic_load_n(places[i], __ATOMIC_RELAXED);
    if (how == 1) __atomic_fetch_add(places[i], 0, __ATOMIC_RELAXED);
  }
}

void* work(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  const Arena arena = *worker.arena;  // on the stack: no fault between barrier and test
  const Body body = worker.body;
  Chance chance(worker.seed);
  for (uint32_t batch = 0; batch < worker.batch_count; ++batch) {
    for (size_t instance = 0; instance < batch_size; ++instance) {
      uint64_t* places[variable_count];
      for (size_t i = 0; i < variable_count; ++i) {
        places[i] = arena.place(instance, worker.team, i);
      }
      touch_some(places, chance);
      meet(&worker.arena->start);
      wait_a_while(chance, skew_bits_max);
      const Run run = chance.next() % dawdles_each == 0 ? body.dawdling : body.at_once;
      run(places, worker.first_number + batch, worker.results[instance], chance);
    }
    meet(&worker.arena->looked_at);
    meet(&worker.arena->looked_at);
  }
  return nullptr;
}

char* page_on(int node) {
  char* const block = static_cast<char*>(gallocy_malloc_on(node, 2 * PAGE));
  REQUIRE(block != nullptr);
  char* const page =
      reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(block) + PAGE - 1) & ~(PAGE - 1));
  REQUIRE(gallocy_home_of(page) == node);
  memset(page, 0, PAGE);
  return page;
}

// The homes go round, so that every variable has every home.
void make_pages(Arena& arena, bool one_page) {
  const int nodes = gallocy_node_count();
  arena.variable_stride_bytes = one_page ? PAGE / team_count_max / 4 : 0;
  for (size_t instance = 0; instance < batch_size; ++instance) {
    for (size_t i = 0; i < variable_count; ++i) {
      const bool same = one_page && i > 0;
      arena.pages[instance][i] = same ? arena.pages[instance][0]
                                      : page_on(static_cast<int>(instance + i) % nodes);
    }
  }
}

class Runner {
 public:
  Runner(bool one_page, size_t threads_a_node, uint64_t seed)
      : arena_(*static_cast<Arena*>(gallocy_calloc(1, sizeof(Arena)))),
        threads_a_node_(threads_a_node),
        random_(seed) {
    make_pages(arena_, one_page);
    for (int node = 0; node < gallocy_node_count(); ++node) {
      for (size_t i = 0; i < std::max(threads_a_node, thread_count_max); ++i) {
        workers_[node].push_back(reinterpret_cast<Worker*>(page_on(node)));
      }
    }
  }

  // False if an outcome was seen that x86-TSO forbids.
  bool run(const Test& test, const Bodies& test_bodies, size_t iterations) {
    tso_ = outcomes_of(test, Model::tso);
    counts_.clear();
    size_t left = iterations;
    for (size_t placements = placement_count_max; left > 0; --placements) {
      const size_t wanted = (left + placements - 1) / placements;
      const size_t done = run_placed(test, test_bodies, wanted);
      if (done == 0) return false;
      left -= std::min(left, done);
    }
    print(test);
    return true;
  }

 private:
  static_assert(sizeof(Worker) <= PAGE);

  // The node of each thread of each team; at most threads_a_node on a node, or as many as one copy
  // of the test needs.
  std::vector<int> placement(size_t thread_count) {
    const size_t nodes = static_cast<size_t>(gallocy_node_count());
    const size_t each = std::max(threads_a_node_, (thread_count + nodes - 1) / nodes);
    std::vector<int> places;
    for (size_t i = 0; i < nodes * each; ++i) places.push_back(static_cast<int>(i % nodes));
    std::shuffle(places.begin(), places.end(), random_);
    const size_t teams = std::min(places.size() / thread_count, team_count_max);
    places.resize(teams * thread_count);
    return places;
  }

  // At least so many iterations with threads at certain nodes. Returns how many; 0: forbidden.
  size_t run_placed(const Test& test, const Bodies& test_bodies, size_t iterations) {
    const size_t thread_count = test.thread_count();
    const std::vector<int> nodes = placement(thread_count);
    const size_t teams = nodes.size() / thread_count;
    const size_t batches = (iterations + teams * batch_size - 1) / (teams * batch_size);
    REQUIRE(gallocy_pthread_barrier_init(&arena_.start, nullptr, nodes.size()) == 0);
    REQUIRE(gallocy_pthread_barrier_init(&arena_.looked_at, nullptr, nodes.size() + 1) == 0);
    std::vector<Worker*> workers;
    std::vector<pthread_t> threads;
    std::map<int, size_t> used;
    for (size_t i = 0; i < nodes.size(); ++i) {
      Worker* const worker = workers_[nodes[i]][used[nodes[i]]++];
      *worker = {&arena_, test_bodies[i % thread_count], random_(), number_ + 1,
                 static_cast<uint32_t>(batches), static_cast<uint32_t>(i / thread_count),
                 nodes[i], {}};
      workers.push_back(worker);
    }
    for (Worker* worker : workers) threads.push_back(start_on(worker->node, work, worker));
    bool good = true;
    for (size_t batch = 0; batch < batches; ++batch) {
      ++number_;
      meet(&arena_.looked_at);
      for (size_t team = 0; team < teams; ++team) good = judge(test, workers, team) && good;
      if (!good) return 0;  // the threads end with the process
      meet(&arena_.looked_at);
    }
    for (pthread_t thread : threads) join(thread);
    REQUIRE(gallocy_pthread_barrier_destroy(&arena_.start) == 0);
    REQUIRE(gallocy_pthread_barrier_destroy(&arena_.looked_at) == 0);
    return batches * batch_size * teams;
  }

  static bool is_across(const std::vector<Worker*>& workers, size_t first, size_t thread_count) {
    return std::any_of(&workers[first], &workers[first] + thread_count,
                       [&](const Worker* one) { return one->node != workers[first]->node; });
  }

  bool judge(const Test& test, const std::vector<Worker*>& workers, size_t team) {
    bool good = true;
    const size_t thread_count = test.thread_count();
    const bool across = is_across(workers, team * thread_count, thread_count);
    for (size_t instance = 0; instance < batch_size; ++instance) {
      Observation seen{number_, finals_[instance][team], {}, {}};
      for (size_t thread = 0; thread < thread_count; ++thread) {
        const uint64_t* const results = workers[team * thread_count + thread]->results[instance];
        const size_t first = test.first_register(thread);
        for (size_t i = first; i < test.first_register(thread + 1); ++i) {
          seen.registers[i] = results[i - first];
        }
      }
      for (size_t i = 0; i < variable_count; ++i) {
        seen.finals[i] = *arena_.place(instance, team, i);
      }
      finals_[instance][team] = seen.finals;
      const auto outcome = outcome_of(test, seen);
      if (outcome && tso_.contains(*outcome)) {
        Count& count = counts_[*outcome];
        ++count.all;
        count.across += across ? 1 : 0;
        continue;
      }
      good = false;
      complain(test, workers, team, seen, outcome);
    }
    return good;
  }

  static void complain(const Test& test, const std::vector<Worker*>& workers, size_t team,
                       const Observation& seen, const std::optional<Outcome>& outcome) {
    fprintf(stderr, "FORBIDDEN: %s: %s\n", test.name,
            outcome ? describe(test, *outcome).c_str() : "a value of another iteration");
    const auto print_words = [](const char* what, const auto& words) {
      fprintf(stderr, "  %s:", what);
      for (const uint64_t word : words) {
        fprintf(stderr, " %lu.%lu", static_cast<unsigned long>(word / 4),
                static_cast<unsigned long>(word % 4));
      }
      fprintf(stderr, "\n");
    };
    fprintf(stderr, "  batch %lu, threads on nodes", static_cast<unsigned long>(seen.number));
    for (size_t thread = 0; thread < test.thread_count(); ++thread) {
      fprintf(stderr, " %d", workers[team * test.thread_count() + thread]->node);
    }
    fprintf(stderr, "; batch.value of\n");
    print_words("x y z before", seen.before);
    print_words("registers", seen.registers);
    print_words("x y z after", seen.finals);
  }

  void print(const Test& test) const {
    const auto sc = outcomes_of(test, Model::sc);
    for (const Outcome& outcome : tso_) {
      const auto found = counts_.find(outcome);
      const Count count = found == counts_.end() ? Count{} : found->second;
      printf("outcome|%s|%s|%s|%d|%zu|%zu\n", test.name, describe(test, outcome).c_str(),
             sc.contains(outcome) ? "sc" : "tso", is_asked(test.asked, outcome) ? 1 : 0, count.all,
             count.across);
    }
  }

  Arena& arena_;
  const size_t threads_a_node_;
  std::mt19937_64 random_;
  std::map<int, std::vector<Worker*>> workers_;
  uint64_t number_ = 0;  // of the batch
  std::array<std::array<std::array<uint64_t, variable_count>, team_count_max>, batch_size>
      finals_{};
  std::set<Outcome> tso_;
  struct Count {
    size_t all = 0;
    size_t across = 0;  // threads on more than one node
  };
  std::map<Outcome, Count> counts_;
};

}  // namespace

int run_all(int argc, char** argv) {
  REQUIRE(argc >= 5);
  Runner runner(std::string_view(argv[1]) == "one_page", strtoul(argv[2], nullptr, 10),
                strtoull(argv[4], nullptr, 10));
  const size_t iterations = strtoul(argv[3], nullptr, 10);
  REQUIRE(iterations > 0);
  if (argc > 5) {
    if (!runner.run(catalogue[2], planted_bodies, iterations)) return 1;
  } else {
    for (size_t i = 0; i < test_count; ++i) {
      if (!runner.run(catalogue[i], bodies[i], iterations)) return 1;
    }
  }
  printf("OK\n");
  return 0;
}

}  // namespace litmus

int main(int argc, char** argv) {
  REQUIRE(gallocy_init() == 0);
  return litmus::run_all(argc, argv);
}
