// Deadlines of one ring. They cost no request: Ring::run_once waits no longer than the first.
//
// A TimerQueue and its timers belong to the ring's thread. A Timer must not outlive its queue.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace gallocy::net {

inline constexpr std::uint64_t never_us = ~std::uint64_t{0};

std::uint64_t now_us();  // CLOCK_MONOTONIC

class Timer;

class TimerQueue {
 public:
  bool empty() const { return heap_.empty(); }
  std::uint64_t first_us() const;

  // Calls back every timer that is due at `now`, earliest first, equal ones in the order of
  // arming. A timer armed by a callback waits for the next round, so that one which is always
  // due can keep neither the loop from its sockets nor other timers from their turn.
  void fire(std::uint64_t now);

 private:
  friend class Timer;
  void insert(Timer& timer);
  void remove(Timer& timer);
  void place(std::size_t at, Timer& timer);
  void sift_up(std::size_t at);
  void sift_down(std::size_t at);

  std::vector<Timer*> heap_;  // binary heap; each timer knows its place
  std::uint64_t armed_count_ = 0;
  std::uint64_t firing_us_ = 0;  // 0 outside fire()
};

// One deadline, armed and re-armed. The callback may arm or cancel any timer, its own included;
// it may not destroy the timer that calls it.
class Timer {
 public:
  Timer(TimerQueue& queue, std::function<void()> callback)
      : queue_(queue), callback_(std::move(callback)) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(std::uint64_t at_us);  // replaces an earlier deadline
  void cancel();
  bool armed() const { return place_ != idle; }

 private:
  friend class TimerQueue;
  static constexpr std::size_t idle = ~std::size_t{0};
  bool before(const Timer& other) const;

  TimerQueue& queue_;
  std::function<void()> callback_;
  std::uint64_t at_us_ = 0;
  std::uint64_t order_ = 0;
  std::size_t place_ = idle;
};

}  // namespace gallocy::net
