// A lot of memory: read from end to end, at random, or only held.
#include <unistd.h>

#include "bench/ours/ours.hpp"

namespace bench {
namespace {

constexpr std::size_t pages_per_mib = 256;

struct Scan {
  std::uint64_t* pages;
  std::size_t page_count;
  long idle_ms;
};

// The memory that receives the pages is allocated inside the timing; what idle time before it is
// used for, if anything, is the daemon's affair.
void* scan(void* context) {
  const Scan& plan = *static_cast<const Scan*>(context);
  const auto* const pages = plan.pages;
  ::usleep(static_cast<useconds_t>(plan.idle_ms * 1000));
  Samples samples(1);
  const std::int64_t began_ns = now_ns();
  for (std::size_t page = 0; page < plan.page_count; ++page)
    expect_word(pages[page * words_per_page + page % words_per_page], page,
                page % words_per_page);
  const auto seconds = static_cast<double>(now_ns() - began_ns) / 1e9;
  samples.add(static_cast<double>(plan.page_count * page_bytes) / 1e6 / seconds);
  expect_filled(pages, plan.page_count);
  samples.print("MB/s");
  return nullptr;
}

constexpr std::uint32_t reader_count = 8;  // half of them on each of two nodes

struct RandomReads {
  std::uint64_t* pages_of_node[2];
  std::uint32_t page_count;  // of each node
  double microseconds_a_read[reader_count];
};

struct Reader {
  RandomReads* plan;
  std::uint32_t index;
};

// Its share of the other node's pages: no page is read by two threads.
void* read_at_random(void* context) {
  const Reader& reader = *static_cast<const Reader*>(context);
  RandomReads& plan = *reader.plan;
  const std::uint32_t share = reader_count / 2;
  const auto* const pages = plan.pages_of_node[1 - reader.index % 2];
  const std::vector<std::uint32_t> order = shuffled(plan.page_count);
  std::uint32_t read_count = 0;
  const std::int64_t began_ns = now_ns();
  for (std::uint32_t i = reader.index / 2; i < plan.page_count; i += share, ++read_count) {
    const std::size_t page = order[i], word = page % words_per_page;
    expect_word(pages[page * words_per_page + word], page, word);
  }
  const auto spent_us = static_cast<double>(now_ns() - began_ns) / 1000;
  plan.microseconds_a_read[reader.index] = spent_us / read_count;
  return nullptr;
}

void* fill_own(void* context) {
  RandomReads& plan = *static_cast<RandomReads*>(context);
  std::uint64_t* const pages = new_pages(plan.page_count);
  fill(pages, plan.page_count);
  plan.pages_of_node[gallocy_node()] = pages;
  return nullptr;
}

}  // namespace

// MIB IDLE_MS
void measure_scan(Arguments& arguments) {
  Scan* const plan = new_shared<Scan>();
  plan->page_count = static_cast<std::size_t>(arguments.number()) * pages_per_mib;
  plan->idle_ms = arguments.number();
  plan->pages = new_pages(plan->page_count);
  fill(plan->pages, plan->page_count);
  run_on(1, scan, plan);
}

// Four threads on each of two nodes read pages of the other node.
void measure_random_reads(Arguments& arguments) {
  RandomReads* const plan = new_shared<RandomReads>();
  plan->page_count = static_cast<std::uint32_t>(arguments.number());
  for (int node = 0; node < 2; ++node) run_on(node, fill_own, plan);
  auto* const readers = new_shared<Reader[reader_count]>();
  pthread_t threads[reader_count];
  for (std::uint32_t i = 0; i < reader_count; ++i) {
    (*readers)[i] = {plan, i};
    threads[i] = start_on(static_cast<int>(i % 2), read_at_random, &(*readers)[i]);
  }
  Samples samples(reader_count);
  for (const pthread_t thread : threads) join(thread);
  for (const double us : plan->microseconds_a_read) samples.add(us);
  samples.print("us");
}

// PAGES UNTOUCHED_MIB: says where it is and goes on when told by a line on standard input, so that
// somebody may look at the daemons meanwhile.
void hold_memory(Arguments& arguments) {
  const auto page_count = static_cast<std::size_t>(arguments.number());
  const auto untouched_pages = static_cast<std::size_t>(arguments.number()) * pages_per_mib;
  Scan* const plan = new_shared<Scan>();
  const auto pause = [](const char* where) {
    std::puts(where);
    std::fflush(stdout);
    while (true)
      if (const int c = std::getchar(); c == '\n' || c == EOF) return;
  };
  pause("begun");
  plan->pages = new_pages(untouched_pages);
  pause("untouched");
  plan->page_count = page_count;
  fill(plan->pages, page_count);
  run_on(1, scan, plan);
  pause("touched");
}

}  // namespace bench
