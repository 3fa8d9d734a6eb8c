// Calls of the library: to the daemon, or not.
#include "bench/ours/ours.hpp"
#include "bench/work.hpp"

namespace bench {
namespace {

void* nothing(void* argument) { return argument; }

}  // namespace

// The smallest call that the daemon answers by itself.
void measure_ipc(Arguments& arguments) {
  const long count = arguments.number();
  const void* const own = new_pages(1);
  Samples samples(static_cast<std::size_t>(count));
  for (long i = 0; i < count; ++i) {
    const std::int64_t began_ns = now_ns();
    const int home = gallocy_home_of(own);
    samples.add_ns(now_ns() - began_ns);
    if (home != gallocy_node()) die("the home of node 0's memory is said to be %d", home);
  }
  samples.print("us");
}

void measure_malloc(Arguments& arguments) {
  time_small_blocks(arguments.number(), gallocy_malloc, gallocy_free).print("ns");
}

void measure_create_join(Arguments& arguments) {
  const long count = arguments.number();
  Samples samples(static_cast<std::size_t>(count));
  for (long i = 0; i < count; ++i) {
    void* const argument = reinterpret_cast<void*>(i);
    void* result = nullptr;
    pthread_t thread;
    const std::int64_t began_ns = now_ns();
    check(gallocy_pthread_create_on(&thread, nullptr, nothing, argument, 1), "thread");
    check(gallocy_pthread_join(thread, &result), "join");
    samples.add_ns(now_ns() - began_ns);
    require(result == argument, "a thread returned what it was given");
  }
  samples.print("us");
}

}  // namespace bench
