#include "client/running.hpp"

#include <time.h>
#include <unistd.h>

#include "client/keys.hpp"
#include "client/process.hpp"
#include "client/sync.hpp"

namespace gallocy::client {

constinit ThreadMaker thread_maker;

namespace {

// All of them may wait in the ring at once, and the agent must still find a slot.
constexpr unsigned max_thread_count = ipc::slot_count - 64;
constexpr int looks_at_the_end = 20;
constexpr long look_interval_ns = 20'000;

struct Running {
  pthread_t real{};
  std::uint64_t thread = 0;  // ThreadId; 0 = this entry is free
  void* (*function)(void*) = nullptr;
  void* argument = nullptr;
  void* stack = nullptr;  // of thread_maker
  Running* next = nullptr;  // in g_finished, then in g_ending
};

constinit Running g_running[max_thread_count];          // entries come and go by the agent only
constinit std::atomic<Running*> g_finished = nullptr;  // pushed by threads, taken by the agent
constinit Running* g_ending = nullptr;                 // the agent's

// The next thread on that stack lays its variables out anew. The C library puts the TCB, which
// names the thread, at the top of it.
void forget_mutexes_on(void* stack) {
  const std::uint64_t top = ::pthread_self();
  if (stack != nullptr) forget_mutexes(stack, top - heap::address_of(stack));
}

// Runs in the ending thread, for whatever way it ends: return, pthread_exit or cancel. Other
// keys' destructors may still follow, which is why the agent joins the thread before it tells.
// A thread that has returned can be cancelled until it is gone. Were it here, in write() or in a
// destructor of the application, the C library would go on behind this, and nobody would learn of
// the end.
void note_end(void* context) {
  if (is_fork_child()) return;
  const ipc::NoCancellation guard;
  destroy_values();
  if (thread_maker.ending != nullptr) thread_maker.ending();
  auto* running = static_cast<Running*>(context);
  forget_mutexes_on(running->stack);
  running->next = g_finished.load(std::memory_order_relaxed);
  while (!g_finished.compare_exchange_weak(running->next, running, std::memory_order_release))
    continue;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(process.finished_fd, &one, sizeof one);
}

void* run(void* context) {
  auto* running = static_cast<Running*>(context);
  self.thread = running->thread;
  ::pthread_sigmask(SIG_SETMASK, &process.thread_mask, nullptr);
  const bool keyed = ::pthread_setspecific(process.end_key, running) == 0;
  void* result = running->function(running->argument);
  if (!keyed) note_end(running);
  return result;
}

Running* free_entry() {
  for (Running& running : g_running)
    if (running.thread == 0) return &running;
  return nullptr;
}

int create_real(Running& running, std::uint64_t argument) {
  if (thread_maker.take_stack == nullptr)
    return ::pthread_create(&running.real, nullptr, run, &running);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  running.stack = thread_maker.take_stack(argument, attributes);
  int error = EAGAIN;
  if (running.stack != nullptr) {
    error = ::pthread_create(&running.real, &attributes, run, &running);
    if (error != 0) thread_maker.give_stack(running.stack);
  }
  ::pthread_attr_destroy(&attributes);
  return error;
}

// An ending thread needs microseconds as a rule. One that does not (a destructor of the
// application waits for something, perhaps for an order to this very agent) is looked at again
// later, so that the agent never waits for the application.
// By looking and not by pthread_clockjoin_np, which the race detector does not know.
bool try_join(Running& running, void*& result) {
  for (int look = 0; look < looks_at_the_end; ++look) {
    if (::pthread_tryjoin_np(running.real, &result) == 0) return true;
    const timespec pause{0, look_interval_ns};
    ::nanosleep(&pause, nullptr);
  }
  return false;
}

void take_finished() {
  for (Running* running = g_finished.exchange(nullptr, std::memory_order_acquire);
       running != nullptr;) {
    Running* next = running->next;
    running->next = g_ending;
    g_ending = running;
    running = next;
  }
}

}  // namespace

Status prepare_threads() {
  if (const int error = ::pthread_key_create(&process.end_key, note_end); error != 0)
    return fail(error, "can't make a key for thread-specific data");
  return {};
}

void adopt_this_thread() {
  Running* running = free_entry();
  running->thread = self.thread;
  running->real = ::pthread_self();
  ::pthread_setspecific(process.end_key, running);
}

void disown_this_thread() { ::pthread_setspecific(process.end_key, nullptr); }

bool find_thread(std::uint64_t thread, pthread_t& real) {
  for (const Running& running : g_running) {
    if (running.thread != thread) continue;
    real = running.real;
    return true;
  }
  return false;
}

void cancel_thread(std::uint64_t thread) {
  if (pthread_t real{}; find_thread(thread, real)) ::pthread_cancel(real);
}

int start_thread(std::uint64_t thread, std::uint64_t function, std::uint64_t argument) {
  Running* running = free_entry();
  if (running == nullptr || thread == 0) return EAGAIN;
  running->thread = thread;
  running->function = reinterpret_cast<void* (*)(void*)>(function);
  running->argument = reinterpret_cast<void*>(argument);
  const int error = create_real(*running, argument);
  if (error != 0) running->thread = 0;
  return error;
}

bool collect_ended(void (*tell)(std::uint64_t thread, void* result)) {
  take_finished();
  for (Running** link = &g_ending; *link != nullptr;) {
    Running* running = *link;
    void* result = nullptr;
    if (!try_join(*running, result)) {
      link = &running->next;
      continue;
    }
    *link = running->next;
    if (thread_maker.give_stack != nullptr) thread_maker.give_stack(running->stack);
    const std::uint64_t thread = running->thread;
    running->thread = 0;
    tell(thread, result);
  }
  return g_ending != nullptr;
}

}  // namespace gallocy::client
