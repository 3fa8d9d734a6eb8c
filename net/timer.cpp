#include "net/timer.hpp"

#include <time.h>

#include <algorithm>

namespace gallocy::net {

std::uint64_t now_us() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

bool Timer::before(const Timer& other) const {
  return at_us_ != other.at_us_ ? at_us_ < other.at_us_ : order_ < other.order_;
}

void Timer::arm(std::uint64_t at_us) {
  cancel();
  at_us_ = at_us;
  queue_.insert(*this);
}

void Timer::cancel() {
  if (armed()) queue_.remove(*this);
}

std::uint64_t TimerQueue::first_us() const {
  return heap_.empty() ? never_us : heap_.front()->at_us_;
}

void TimerQueue::fire(std::uint64_t now) {
  firing_us_ = now;
  while (first_us() <= now) {
    Timer& timer = *heap_.front();
    remove(timer);
    timer.callback_();  // the timer is not touched after this
  }
  firing_us_ = 0;
}

void TimerQueue::insert(Timer& timer) {
  if (firing_us_ != 0) timer.at_us_ = std::max(timer.at_us_, firing_us_ + 1);
  timer.order_ = armed_count_++;
  heap_.push_back(&timer);
  timer.place_ = heap_.size() - 1;
  sift_up(timer.place_);
}

void TimerQueue::remove(Timer& timer) {
  const std::size_t hole = timer.place_;
  Timer* last = heap_.back();
  heap_.pop_back();
  timer.place_ = Timer::idle;
  if (last == &timer) return;
  place(hole, *last);
  sift_up(hole);
  sift_down(last->place_);
}

void TimerQueue::place(std::size_t at, Timer& timer) {
  heap_[at] = &timer;
  timer.place_ = at;
}

void TimerQueue::sift_up(std::size_t at) {
  Timer& moving = *heap_[at];
  while (at > 0 && moving.before(*heap_[(at - 1) / 2])) {
    place(at, *heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  place(at, moving);
}

void TimerQueue::sift_down(std::size_t at) {
  Timer& moving = *heap_[at];
  while (2 * at + 1 < heap_.size()) {
    std::size_t child = 2 * at + 1;
    if (child + 1 < heap_.size() && heap_[child + 1]->before(*heap_[child])) ++child;
    if (!heap_[child]->before(moving)) break;
    place(at, *heap_[child]);
    at = child;
  }
  place(at, moving);
}

}  // namespace gallocy::net
