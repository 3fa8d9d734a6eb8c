// What a user of the installed C interface writes in C++: found by CMake, warnings as errors.
#include <gallocy/gallocy.h>
#include <gallocy/stats.h>

#include <cstdio>
#include <new>

namespace {

struct Sum {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  long value = 0;
};

void* add(void* context) {
  auto* sum = static_cast<Sum*>(context);
  for (int i = 0; i < 100; ++i) {
    gallocy_pthread_mutex_lock(&sum->lock);
    ++sum->value;
    gallocy_pthread_mutex_unlock(&sum->lock);
  }
  return nullptr;
}

}  // namespace

int main() {
  static_assert(sizeof(gallocy_stats) < 8192);
  if (gallocy_init() != 0) return 1;
  auto* sum = new (gallocy_malloc(sizeof(Sum))) Sum;
  pthread_t threads[2];
  for (int node = 0; node < 2; ++node)
    gallocy_pthread_create_on(&threads[node], nullptr, add, sum, node);
  for (const pthread_t thread : threads) gallocy_pthread_join(thread, nullptr);
  std::printf("%ld\n", sum->value);
}
