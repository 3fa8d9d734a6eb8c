// The C library on one CPU.
//
//   libc lock CPU COUNT          lock and unlock of a mutex that nobody else wants
//   libc malloc CPU COUNT        malloc and free of small blocks
//   libc create_join CPU COUNT   a thread is created and joined
#include <pthread.h>

#include "bench/work.hpp"

namespace {

void* nothing(void* argument) { return argument; }

bench::Samples time_threads(long count) {
  bench::Samples samples(static_cast<std::size_t>(count));
  for (long i = 0; i < count; ++i) {
    void* const argument = reinterpret_cast<void*>(i);
    void* result = nullptr;
    pthread_t thread;
    const std::int64_t began_ns = bench::now_ns();
    bench::require(::pthread_create(&thread, nullptr, nothing, argument) == 0, "pthread_create");
    bench::require(::pthread_join(thread, &result) == 0, "pthread_join");
    samples.add_ns(bench::now_ns() - began_ns);
    bench::require(result == argument, "a thread returned what it was given");
  }
  return samples;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, "libc lock|malloc|create_join CPU COUNT");
  const std::string what = arguments.word();
  bench::pin(arguments.number());
  const long count = arguments.number();
  if (what == "lock") {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    bench::time_pairs(count, [&] {
      ::pthread_mutex_lock(&mutex);
      ::pthread_mutex_unlock(&mutex);
    }).print("ns");
  } else if (what == "malloc") {
    bench::time_small_blocks(count, ::malloc, ::free).print("ns");
  } else if (what == "create_join") {
    time_threads(count).print("us");
  } else {
    arguments.wrong();
  }
}
