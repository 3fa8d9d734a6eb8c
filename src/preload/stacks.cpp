#include "preload/stacks.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>

#include "base/ids.hpp"
#include "client/memory.hpp"
#include "gallocy/gallocy.h"
#include "preload/pages.hpp"
#include "preload/stage.hpp"

namespace gallocy::preload {

thread_local constinit bool is_detached = false;

namespace {

constexpr std::size_t default_bytes = std::size_t{8} << 20;  // where there is no limit
constexpr std::size_t default_max_bytes = std::size_t{1} << 30;
constexpr std::size_t told_min_bytes = std::size_t{256} << 10;  // room for all thread-local data

// At the low end of its memory. What the C library is told of lies at the high end, and right below
// that the pages that nobody can touch, so that an overflow is a SIGSEGV.
struct Stack {
  Stack* next;
  Stack* next_made;
  std::size_t size_bytes;  // of all of it
  std::size_t guard_bytes;
  std::byte* begin;  // of what is told
  std::size_t asked_bytes;
};

constinit std::atomic<Stack*> g_made = nullptr;  // by this rank; they are never given up
constinit Stack* g_free = nullptr;
constinit Guards g_guards{};  // zeros: those that the process has

// As the C library takes it from `ulimit -s`.
std::size_t size_by_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return default_bytes;
  return limit.rlim_cur < default_max_bytes ? limit.rlim_cur : default_max_bytes;
}

std::byte* end_of(Stack& stack) {
  return reinterpret_cast<std::byte*>(&stack) + stack.size_bytes;
}

const Stack* find_stack(const void* begin) {
  for (const Stack* stack = g_made; stack != nullptr; stack = stack->next_made)
    if (stack->begin == begin) return stack;
  return nullptr;
}

// Where the guard lies depends on where the stack begins.
bool fits(Stack& stack, std::size_t size_bytes, std::size_t told_bytes, std::size_t guard_bytes) {
  return stack.size_bytes == size_bytes && stack.guard_bytes == guard_bytes &&
         (guard_bytes == 0 || stack.begin == end_of(stack) - told_bytes);
}

Stack* take_free(std::size_t size_bytes, std::size_t told_bytes, std::size_t guard_bytes) {
  for (Stack** link = &g_free; *link != nullptr; link = &(*link)->next) {
    if (!fits(**link, size_bytes, told_bytes, guard_bytes)) continue;
    Stack* found = *link;
    *link = found->next;
    return found;
  }
  return nullptr;
}

Stack* make(std::size_t size_bytes, std::size_t told_bytes, std::size_t guard_bytes) {
  auto* low = static_cast<std::byte*>(client::sparse_pages(size_bytes));
  if (low == nullptr) return nullptr;
  if (guard_bytes != 0)
    ::mprotect(low + size_bytes - page_up(told_bytes) - guard_bytes, guard_bytes, PROT_NONE);
  auto* stack = reinterpret_cast<Stack*>(low);
  *stack = {nullptr, g_made, size_bytes, guard_bytes, nullptr, 0};
  g_made = stack;
  return stack;
}

}  // namespace

void set_guards(const Guards& guards) { g_guards = guards; }

// The agent takes rank 0's guards for itself, so that what the C library hides in it (where the
// unwinder is, when it cancels a thread) is found by the threads that it makes.
void* take_stack(std::uint64_t start, pthread_attr_t& attributes) {
  if (g_guards.stack != 0) take_guards(g_guards);
  const auto* wanted = reinterpret_cast<const ThreadStart*>(start);
  if (wanted->own_stack != nullptr) {
    ::pthread_attr_setstack(&attributes, wanted->own_stack, wanted->stack_bytes);
    return wanted->own_stack;
  }
  const std::size_t asked = wanted->stack_bytes != 0 ? wanted->stack_bytes : size_by_limit();
  const std::size_t guard_bytes = wanted->guard_bytes;
  // What is asked for is what the C library tells. Below it is more.
  const std::size_t told_bytes = std::max(asked / 64 * 64, told_min_bytes);
  const std::size_t own_bytes = page_bytes + guard_bytes + page_up(told_bytes);
  const std::size_t size_bytes = (own_bytes + chunk_bytes - 1) / chunk_bytes * chunk_bytes;
  Stack* stack = take_free(size_bytes, told_bytes, guard_bytes);
  if (stack == nullptr) stack = make(size_bytes, told_bytes, guard_bytes);
  if (stack == nullptr) return nullptr;
  stack->begin = end_of(*stack) - told_bytes;
  stack->asked_bytes = asked / 64 * 64;
  ::pthread_attr_setstack(&attributes, stack->begin, told_bytes);
  return stack->begin;
}

// One of the program's is not found.
void give_stack(void* given) {
  auto* stack = const_cast<Stack*>(find_stack(given));
  if (stack == nullptr) return;
  stack->next = g_free;
  g_free = stack;
}

bool is_in_stack(const void* address) {
  const std::uint64_t asked = heap::address_of(address);
  for (const Stack* stack = g_made; stack != nullptr; stack = stack->next_made)
    if (asked - heap::address_of(stack) < stack->size_bytes) return true;
  return false;
}

StackSizes sizes_of_stack(const void* begin) {
  const Stack* stack = find_stack(begin);
  return stack == nullptr ? StackSizes{} : StackSizes{stack->asked_bytes, stack->guard_bytes};
}

FloatingModes floating_modes() {
  FloatingModes modes{};
  asm volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(modes.vector), "=m"(modes.x87));
  return modes;
}

// The signal mask last: a handler finds the rest.
void* run_thread(void* given) {
  const ThreadStart start = *static_cast<ThreadStart*>(given);
  gallocy_free(given);
  is_detached = start.is_detached;
  ::prctl(PR_SET_NAME, start.name);
  if (start.has_cpus) ::sched_setaffinity(0, sizeof start.cpus, &start.cpus);
  asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(start.modes.vector), "m"(start.modes.x87));
  ::pthread_sigmask(SIG_SETMASK, &start.mask, nullptr);
  return start.function(start.argument);
}

}  // namespace gallocy::preload
