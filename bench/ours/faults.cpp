// Faults, one at a time and in an order that nobody can foresee.
#include <unistd.h>

#include <memory>

#include "bench/ours/ours.hpp"

namespace bench {
namespace {

struct Plan {
  std::uint64_t* pages;
  std::uint32_t page_count;
  bool writes;
  char trace_path[256];  // empty: none
};

Plan* plan_of(Arguments& arguments) {
  Plan* const plan = new_shared<Plan>();
  plan->page_count = static_cast<std::uint32_t>(arguments.number());
  if (arguments.more())
    std::snprintf(plan->trace_path, sizeof plan->trace_path, "%s", arguments.word().c_str());
  plan->pages = new_pages(plan->page_count);
  return plan;
}

// When each fault began and ended, for who puts it beside the daemons' stamps.
class Trace {
 public:
  explicit Trace(const char* path)
      : file_(*path == '\0' ? nullptr : std::fopen(path, "w"), &std::fclose) {
    if (*path != '\0' && !file_) die("cannot write %s", path);
  }
  void add(const void* address, std::int64_t began_ns, std::int64_t ended_ns) {
    if (file_) std::fprintf(file_.get(), "%p %ld %ld\n", address, began_ns, ended_ns);
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

void touch_all(const Plan& plan) {
  Samples samples(plan.page_count);
  Trace trace(plan.trace_path);
  for (const std::uint32_t page : shuffled(plan.page_count)) {
    std::uint64_t* const begin = plan.pages + page * words_per_page;
    volatile std::uint64_t* const word = begin + page % words_per_page;
    const std::int64_t began_ns = now_ns();
    if (plan.writes) *word = pattern(page, page % words_per_page);
    const std::uint64_t found = *word;
    const std::int64_t ended_ns = now_ns();
    samples.add_ns(ended_ns - began_ns);
    trace.add(begin, began_ns, ended_ns);
    expect_word(found, page, page % words_per_page);
  }
  expect_filled(plan.pages, plan.page_count);
  samples.print("us");
}

void* touch_as_planned(void* context) {
  touch_all(*static_cast<const Plan*>(context));
  return nullptr;
}

// Pages that are dirty at their home, node 0, and nowhere else.
void measure_remote(Arguments& arguments, bool writes) {
  Plan* const plan = plan_of(arguments);
  plan->writes = writes;
  fill(plan->pages, plan->page_count);
  run_on(1, touch_as_planned, plan);
}

}  // namespace

void measure_read_fault(Arguments& arguments) { measure_remote(arguments, false); }
void measure_write_fault(Arguments& arguments) { measure_remote(arguments, true); }

// Under --spmd, two ranks on one node: what rank 0 has written, rank 1 touches.
void measure_local_fault(Arguments& arguments) {
  require(gallocy_size() == 2 && gallocy_node_count() == 1, "two ranks on one node are needed");
  if (gallocy_rank() == 0) {
    Plan* const plan = plan_of(arguments);
    fill(plan->pages, plan->page_count);
    check(gallocy_publish("plan", plan), "gallocy_publish");
    return;
  }
  void* plan = nullptr;
  for (int i = 0; (plan = gallocy_lookup("plan")) == nullptr; ++i) {
    require(i < 20'000, "rank 0 has published its plan");
    ::usleep(1000);
  }
  touch_as_planned(plan);
}

void measure_first_touch(Arguments& arguments) {
  const auto page_count = static_cast<std::size_t>(arguments.number());
  std::uint64_t* const pages = new_pages(page_count);
  Samples samples(page_count);
  for (std::size_t page = 0; page < page_count; ++page) {
    volatile std::uint64_t* const word = pages + page * words_per_page;
    const std::int64_t began_ns = now_ns();
    *word = pattern(page, 0);
    samples.add_ns(now_ns() - began_ns);
  }
  for (std::size_t i = 0; i < page_count * words_per_page; ++i) {
    const std::size_t page = i / words_per_page, word = i % words_per_page;
    if (pages[i] != (word == 0 ? pattern(page, 0) : 0))
      die("page %zu, word %zu of fresh memory: found %#lx", page, word, pages[i]);
  }
  samples.print("us");
}

}  // namespace bench
