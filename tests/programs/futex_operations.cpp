// What the futex system call does beside waiting and waking: sets of bits, WAKE_OP, requeues, times
// and all that is an error. A wake that comes before its thread sleeps finds nobody, so how many it
// finds is only bounded here, and it is repeated until the thread has gone on.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

using Word = std::atomic<unsigned>;
constexpr unsigned all = 0x7fff'ffff;

template <class Timeout>
long futex(const void* word, int operation, unsigned value, Timeout timeout,
           const void* second = nullptr, unsigned third = 0) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}
long futex(const void* word, int operation, unsigned value) {
  return futex(word, operation, value, nullptr);
}
long move(const Word& word, int operation, unsigned woken, unsigned long moved, const void* second,
          unsigned expected) {
  return futex(&word, operation, woken, moved, second, expected);
}

std::string outcome(long result) {
  return result < 0 ? strerrorname_np(errno) : std::to_string(result);
}

// ---- threads that sleep ------------------------------------------------------------------

Word word = 0, other = 0;
std::atomic<bool> may_go[4];
std::atomic<int> gone = 0;
std::atomic<bool> too_many = false;

void wait_with(int self, Word& at, unsigned bits) {
  while (!may_go[self])
    futex(&at, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, bits);
  ++gone;
}

void until_gone(int count, long most, const std::function<long()>& wake) {
  while (gone < count) {
    if (wake() > most) too_many = true;
    usleep(100);
  }
}

void let_go(int self, long most, const std::function<long()>& wake) {
  const int before = gone;
  may_go[self] = true;
  until_gone(before + 1, most, wake);
}

void report(const char* what) {
  printf("%s: %d have gone, %s\n", what, gone.exchange(0), too_many ? "too many" : "bounded");
  for (std::atomic<bool>& one : may_go) one = false;
}

void wake_by_bits() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(wait_with, i, std::ref(word), 1u << (8 * i));
  for (const int i : {2, 0, 3, 1})
    let_go(i, 1, [i] {
      return futex(&word, FUTEX_WAKE_BITSET, all, nullptr, nullptr, 3u << (8 * i));
    });
  for (std::thread& thread : threads) thread.join();
  report("bits");
}

// The second word's thread goes only if its old value was such a one.
void wake_two() {
  std::vector<std::thread> threads;
  threads.emplace_back(wait_with, 0, std::ref(word), 1);
  threads.emplace_back(wait_with, 1, std::ref(other), ~0u);
  threads.emplace_back(wait_with, 2, std::ref(other), 4);
  const auto wake = [](unsigned comparison) {
    return futex(&word, FUTEX_WAKE_OP, all, 1L, &other,
                 FUTEX_OP(FUTEX_OP_ADD, 0u, comparison, 0u));
  };
  let_go(0, 1, [&] { return wake(FUTEX_OP_CMP_NE); });
  may_go[1] = may_go[2] = true;
  until_gone(3, 1, [&] { return wake(FUTEX_OP_CMP_GE); });
  for (std::thread& thread : threads) thread.join();
  report("two words");
}

void requeue(int operation) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(wait_with, i, std::ref(word), ~0u);
  for (std::atomic<bool>& one : may_go) one = true;
  until_gone(4, 4, [&] {
    const long moved = move(word, operation, 1, 2, &other, 0);
    const long woken = futex(&other, FUTEX_WAKE, 1);
    return moved > 3 || woken > 1 ? 5 : moved;
  });
  for (std::thread& thread : threads) thread.join();
  report("requeue");
}

// ---- what one thread sees ----------------------------------------------------------------

struct Lines {
  std::string text;
  void add(const std::string& what, long result) { text += what + ": " + outcome(result) + "\n"; }
};

void* not_there = reinterpret_cast<void*>(0x550f'ffff'0000);
alignas(8) const unsigned constant = 0;

void bad_addresses(Lines& lines, unsigned& mine) {
  void* unaligned = reinterpret_cast<char*>(&mine) + 2;
  const timespec soon{0, 1000};
  for (void* place : {static_cast<void*>(nullptr), not_there, unaligned}) {
    lines.add("wait", futex(place, FUTEX_WAIT, 0, &soon));
    lines.add("wait with bits", futex(place, FUTEX_WAIT_BITSET, 0, &soon, nullptr, 1));
    lines.add("wake", futex(place, FUTEX_WAKE, 1));
    lines.add("private wake", futex(place, FUTEX_WAKE_PRIVATE, 1));
    lines.add("requeue", futex(place, FUTEX_REQUEUE, 1, 1L, &mine));
    lines.add("requeue to it", futex(&mine, FUTEX_REQUEUE, 1, 1L, place));
    lines.add("compare, requeue to it", futex(&mine, FUTEX_CMP_REQUEUE, 1, 1L, place, 7));
    constexpr unsigned add = FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0);
    lines.add("change it", futex(&mine, FUTEX_WAKE_OP, 1, 1L, place, add));
    lines.add("wake it", futex(place, FUTEX_WAKE_OP, 1, 1L, &mine, add));
  }
  lines.add("time that is not there", futex(&mine, FUTEX_WAIT, mine, not_there));
  lines.add("constant", futex(&constant, FUTEX_WAIT, 1));
  lines.add("wake of a constant", futex(&constant, FUTEX_WAKE, 1));
}

void bad_values(Lines& lines, unsigned& mine) {
  lines.add("changed", futex(&mine, FUTEX_WAIT, mine + 1));
  lines.add("changed, with bits", futex(&mine, FUTEX_WAIT_BITSET, mine + 1, nullptr, nullptr, 1));
  lines.add("no bits to wait", futex(&mine, FUTEX_WAIT_BITSET, mine));
  lines.add("no bits to wake", futex(&mine, FUTEX_WAKE_BITSET, 1));
  lines.add("requeue of less than none", futex(&mine, FUTEX_REQUEUE, 1, -1L, &mine));
  lines.add("wake of less than none", futex(&mine, FUTEX_REQUEUE, ~0u, 1L, &mine));
  lines.add("another value", futex(&mine, FUTEX_CMP_REQUEUE, 1, 1L, &mine, mine + 1));
  lines.add("that value", futex(&mine, FUTEX_CMP_REQUEUE, 1, 1L, &mine, mine));
  lines.add("no such comparison", futex(&mine, FUTEX_WAKE_OP, 1, 1L, &mine, 9u << 24));
  lines.add("no such operation", futex(&mine, 99, 1));
  lines.add("wake by a clock", futex(&mine, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1));
  lines.add("wake of nobody", futex(&mine, FUTEX_WAKE, 0));
}

void times(Lines& lines, unsigned& mine) {
  for (const timespec bad : {timespec{-1, 0}, timespec{0, -1}, timespec{0, 1'000'000'000}}) {
    lines.add("no time", futex(&mine, FUTEX_WAIT, mine, &bad));
    lines.add("no time to be over", futex(&mine, FUTEX_WAIT_BITSET, mine, &bad, nullptr, 1));
    lines.add("no time, changed", futex(&mine, FUTEX_WAIT, mine + 1, &bad));
  }
  const timespec none{0, 0}, past{1, 0};
  const int until = FUTEX_WAIT_BITSET, until_real = until | FUTEX_CLOCK_REALTIME;
  lines.add("at once", futex(&mine, FUTEX_WAIT, mine, &none));
  lines.add("at once, changed", futex(&mine, FUTEX_WAIT, mine + 1, &none));
  for (const int operation : {until, until_real}) {
    lines.add("over", futex(&mine, operation, mine, &past, nullptr, 1));
    lines.add("over, changed", futex(&mine, operation, mine + 1, &past, nullptr, 1));
    lines.add("over, no bits", futex(&mine, operation, mine, &past));
  }
}

void change(Lines& lines, unsigned& mine) {
  const auto by = [&](unsigned encoded) {
    lines.add("nobody", futex(&other, FUTEX_WAKE_OP, 1, 1L, &mine, encoded));
    lines.add("now", static_cast<long>(mine));
  };
  mine = 5;
  by(FUTEX_OP(FUTEX_OP_ADD, 0xffe, FUTEX_OP_CMP_EQ, 5));
  by(FUTEX_OP(FUTEX_OP_OR, 0x140, FUTEX_OP_CMP_LT, 4));
  by(FUTEX_OP(FUTEX_OP_ANDN, 2, FUTEX_OP_CMP_LE, 0xfff));
  by(FUTEX_OP(FUTEX_OP_XOR, 0x7ff, FUTEX_OP_CMP_GT, 0));
  by(FUTEX_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 30, FUTEX_OP_CMP_GE, 1));
  by(FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_NE, 1));
}

unsigned words[3] = {1, 2, 3};

std::string look(unsigned& mine) {
  Lines lines;
  errno = 0;
  bad_addresses(lines, mine);
  bad_values(lines, mine);
  times(lines, mine);
  change(lines, mine);
  return lines.text;
}

}  // namespace

int main() {
  wake_by_bits();
  wake_two();
  requeue(FUTEX_REQUEUE);
  requeue(FUTEX_CMP_REQUEUE);
  std::string texts[std::size(words)];
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::size(words); ++i)
    threads.emplace_back([&texts, i] { texts[i] = look(words[i]); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) printf("%s\n", text.c_str());
}
