// What the kernel calls a thread. main() runs in another thread than the first of its process
// (start.cpp), but is known, as natively, by the number of the process.
#include "preload/thread_numbers.hpp"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(gettid)
GALLOCY_REAL(tgkill)
GALLOCY_REAL(sched_getaffinity)
GALLOCY_REAL(sched_setaffinity)
GALLOCY_REAL(sched_getparam)
GALLOCY_REAL(sched_setparam)
GALLOCY_REAL(sched_getscheduler)
GALLOCY_REAL(sched_setscheduler)
GALLOCY_REAL(sched_rr_get_interval)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

constinit std::atomic<pid_t> g_main_number = 0;  // rank 0's
constinit Real<AnyFunction> real_getpid("getpid");

// In rank 0.
long real_number(long number) { return number == ::getpid() ? g_main_number.load() : number; }

bool is_of_process(long number) {
  return number == call_on_first(real_getpid.get(), 0, 0, 0, 0, 0, 0);
}

long tgkill_there(long process, long thread, long signal, long, long, long) {
  const bool is_own = process == ::getpid();
  return real::tgkill(static_cast<pid_t>(process),
                      static_cast<pid_t>(is_own ? real_number(thread) : thread),
                      static_cast<int>(signal));
}

long call_there(long function, long number, long b, long c, long, long) {
  return reinterpret_cast<AnyFunction*>(function)(real_number(number), b, c, 0, 0, 0);
}

// About a thread of the caller's node, or main()'s, which is also that of the process.
long about(AnyFunction* function, long number, long b, long c) {
  if (!is_application()) return function(number, b, c, 0, 0, 0);
  const auto given = reinterpret_cast<long>(function);
  if (!is_away()) return call_there(given, number, b, c, 0, 0);
  if (number == 0 || !is_of_process(number)) return function(number, b, c, 0, 0, 0);
  return call_on_first(call_there, given, number, b, c, 0, 0);
}

}  // namespace

void preload::set_main_thread() { g_main_number = real::gettid(); }

pid_t preload::thread_number() {
  const pid_t number = real::gettid();
  return is_application() && number == g_main_number ? ::getpid() : number;
}

GALLOCY_TAKES pid_t gettid() noexcept { return thread_number(); }

// The number of a thread is its own node's. Who has that of another node's thread can't reach it.
GALLOCY_TAKES int tgkill(pid_t process, pid_t thread, int signal) noexcept {
  if (!is_application()) return real::tgkill(process, thread, signal);
  if (!is_away()) return static_cast<int>(tgkill_there(process, thread, signal, 0, 0, 0));
  const int error = errno;
  if (is_of_process(process) && real::tgkill(::getpid(), thread, signal) == 0) {
    wake_signal_wait(any_thread, signal);
    return 0;
  }
  errno = error;
  return static_cast<int>(call_on_first(tgkill_there, process, thread, signal, 0, 0, 0));
}

GALLOCY_TAKES int sched_getaffinity(pid_t thread, size_t size, cpu_set_t* cpus) noexcept {
  return static_cast<int>(
      about(real::sched_getaffinity.any(), thread, static_cast<long>(size), (long)(cpus)));
}
GALLOCY_TAKES int sched_setaffinity(pid_t thread, size_t size, const cpu_set_t* cpus) noexcept {
  return static_cast<int>(
      about(real::sched_setaffinity.any(), thread, static_cast<long>(size), (long)(cpus)));
}
GALLOCY_TAKES int sched_getparam(pid_t thread, sched_param* parameters) noexcept {
  return static_cast<int>(about(real::sched_getparam.any(), thread, (long)(parameters), 0));
}
GALLOCY_TAKES int sched_setparam(pid_t thread, const sched_param* parameters) noexcept {
  return static_cast<int>(about(real::sched_setparam.any(), thread, (long)(parameters), 0));
}
GALLOCY_TAKES int sched_getscheduler(pid_t thread) noexcept {
  return static_cast<int>(about(real::sched_getscheduler.any(), thread, 0, 0));
}
GALLOCY_TAKES int sched_setscheduler(pid_t thread, int policy,
                                     const sched_param* parameters) noexcept {
  return static_cast<int>(
      about(real::sched_setscheduler.any(), thread, policy, (long)(parameters)));
}
GALLOCY_TAKES int sched_rr_get_interval(pid_t thread, timespec* interval) noexcept {
  return static_cast<int>(about(real::sched_rr_get_interval.any(), thread, (long)(interval), 0));
}

#define GALLOCY_OTHER_NAME(name, ...) \
  extern "C" __attribute__((visibility("default"), alias(#name))) int __##name(__VA_ARGS__) noexcept
GALLOCY_OTHER_NAME(sched_getparam, pid_t, sched_param*);
GALLOCY_OTHER_NAME(sched_getscheduler, pid_t);
GALLOCY_OTHER_NAME(sched_setscheduler, pid_t, int, const sched_param*);
