// Own locks on the system call: a mutex, timeouts on both clocks, a requeue, what is refused, and a
// write by number. Prints one line for each; the same on one machine and many.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

constexpr int thread_count = 6, rounds = 200;

std::atomic<unsigned> mutex = 0, gate = 0, other = 0;
std::atomic<int> waiting = 0, through = 0;
long counter = 0;

long futex(std::atomic<unsigned>& word, int operation, unsigned value,
           const void* timeout = nullptr, void* second = nullptr, unsigned third = 0) {
  return syscall(SYS_futex, &word, operation, value, timeout, second, third);
}

void lock() {
  unsigned expected = 0;
  if (mutex.compare_exchange_strong(expected, 1)) return;
  while (mutex.exchange(2) != 0) futex(mutex, FUTEX_WAIT_PRIVATE, 2);
}

void unlock() {
  if (mutex.exchange(0) == 2) futex(mutex, FUTEX_WAKE_PRIVATE, 1);
}

void* run(void*) {
  for (int round = 0; round < rounds; ++round) {
    lock();
    ++counter;
    unlock();
  }
  ++waiting;
  while (gate == 0) futex(gate, FUTEX_WAIT, 0);
  ++through;
  return nullptr;
}

const char* outcome(long result) { return result == 0 ? "0" : strerrorname_np(errno); }

void time_out() {
  const timespec soon{0, 20'000'000};
  printf("for: %s\n", outcome(futex(other, FUTEX_WAIT, 0, &soon)));
  for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME}) {
    timespec until{};
    clock_gettime(clock, &until);
    until.tv_sec += 1;
    const int flag = clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0;
    const long result =
        futex(other, FUTEX_WAIT_BITSET | flag, 0, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
    timespec now{};
    clock_gettime(clock, &now);
    const bool early = now.tv_sec < until.tv_sec ||
                       (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec);
    printf("until: %s%s\n", outcome(result), early ? ", too early" : "");
  }
  printf("changed: %s\n", outcome(futex(other, FUTEX_WAIT, 1)));
  printf("no bits: %s\n", outcome(futex(other, FUTEX_WAIT_BITSET, 0)));
}

}  // namespace

int main() {
  pthread_t threads[thread_count];
  for (pthread_t& thread : threads) pthread_create(&thread, nullptr, run, nullptr);
  time_out();
  while (waiting != thread_count) usleep(1000);
  gate = 1;
  futex(gate, FUTEX_CMP_REQUEUE, 1, reinterpret_cast<void*>(0x7fff'fffe), &other, 1);
  futex(other, FUTEX_WAKE, thread_count);
  for (pthread_t& thread : threads) pthread_join(thread, nullptr);
  printf("counted %ld, through %d\n", counter, through.load());
  fflush(stdout);
  pthread_t writer;
  pthread_create(&writer, nullptr, [](void*) -> void* {
    const char text[] = "by number\n";
    syscall(SYS_write, 1, text, sizeof text - 1);
    return nullptr;
  }, nullptr);
  pthread_join(writer, nullptr);
}
