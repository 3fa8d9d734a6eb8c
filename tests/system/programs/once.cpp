// gallocy_pthread_once: one call in the job, and functions that end in every other way than by
// returning. In C++, for exceptions.
#include <errno.h>

#include <stdexcept>

#include "support.h"

namespace {

constexpr int thread_count = 6;

struct Shared {
  pthread_once_t once, nested;
  int calls, done, begun, cleaned, inner;
};
Shared* shared() { return static_cast<Shared*>(gallocy_lookup("shared")); }

void initialise() {
  __atomic_add_fetch(&shared()->calls, 1, __ATOMIC_SEQ_CST);
  usleep(2000);
  set(&shared()->done);
}

void* call_it(void* argument) {
  auto* all = static_cast<Shared*>(argument);
  REQUIRE(gallocy_pthread_once(&all->once, initialise) == 0);
  REQUIRE(__atomic_load_n(&all->done, __ATOMIC_ACQUIRE) == 1);
  return nullptr;
}

void count_then_throw() {
  ++shared()->calls;
  throw std::runtime_error("not now");
}
void throw_from_nested() {
  REQUIRE(gallocy_pthread_once(&shared()->once, initialise) == EDEADLK);
  gallocy_pthread_once(&shared()->nested, count_then_throw);
}
void leave() { gallocy_pthread_exit(reinterpret_cast<void*>(5)); }
void sleep_on() {
  set(&shared()->begun);
  for (;;) usleep(1000);
}
void ignore() {}

bool throws(pthread_once_t& control, void (*function)()) {
  try {
    gallocy_pthread_once(&control, function);
  } catch (const std::runtime_error&) {
    return true;
  }
  return false;
}

void clean(void* argument) { set(&static_cast<Shared*>(argument)->cleaned); }

void* end_in_it(void* argument) {
  auto* all = static_cast<Shared*>(argument);
  pthread_cleanup_push(clean, all);
  gallocy_pthread_once(&all->once, leave);
  pthread_cleanup_pop(0);
  return nullptr;
}
void* be_cancelled_in_it(void* argument) {
  gallocy_pthread_once(&static_cast<Shared*>(argument)->once, sleep_on);
  return nullptr;
}
void* throw_in_it(void* argument) {
  auto* all = static_cast<Shared*>(argument);
  REQUIRE(throws(all->once, throw_from_nested));
  REQUIRE(throws(all->nested, count_then_throw));
  return nullptr;
}

void call_everywhere(Shared* all, int calls) {
  pthread_t threads[thread_count];
  all->calls = 0;
  for (int i = 0; i < thread_count; ++i)
    threads[i] = start_on(i % gallocy_node_count(), call_it, all);
  for (pthread_t thread : threads) join(thread);
  REQUIRE(all->calls == calls);
}

void test_other_ends(Shared* all, int node) {
  *all = Shared{PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, 0, 0, 0, 0, 0};
  run_on(node, throw_in_it, all);
  REQUIRE(all->calls == 2);
  REQUIRE(run_on(node, end_in_it, all) == reinterpret_cast<void*>(5) && all->cleaned == 1);
  pthread_t thread = start_on(node, be_cancelled_in_it, all);
  wait_for(&all->begun);
  pthread_t waiter = start_on(node, call_it, all);
  REQUIRE(gallocy_pthread_cancel(thread) == 0);
  REQUIRE(join(thread) == PTHREAD_CANCELED);
  join(waiter);
  REQUIRE(all->calls == 3 && all->done == 1);
}

void test_arguments(Shared* all) {
  pthread_once_t local = PTHREAD_ONCE_INIT;
  REQUIRE(gallocy_pthread_once(&local, ignore) == EINVAL);
  REQUIRE(strstr(gallocy_last_error(), "gallocy_malloc") != nullptr);
  all->once = PTHREAD_ONCE_INIT;
  REQUIRE(gallocy_pthread_once(&all->once, nullptr) == EINVAL);
  all->once = 77;
  REQUIRE(gallocy_pthread_once(&all->once, ignore) == EINVAL);
}

}  // namespace

int main() {
  REQUIRE(gallocy_init() == 0);
  auto* all = static_cast<Shared*>(gallocy_calloc(1, sizeof(Shared)));
  REQUIRE(gallocy_publish("shared", all) == 0);
  call_everywhere(all, 1);
  call_everywhere(all, 0);  // no more
  for (int node = 0; node < gallocy_node_count(); ++node) test_other_ends(all, node);
  test_arguments(all);
  puts("OK");
  return 0;
}
