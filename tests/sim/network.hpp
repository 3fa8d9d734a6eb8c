// The future of a run: everything that will happen, in the order of time. Messages of one
// ordered pair of nodes and one of its two connections arrive in the order in which they were sent,
// others in any order.
#pragma once

#include <array>
#include <cstdint>
#include <queue>
#include <vector>

#include "faults.hpp"
#include "machine.hpp"
#include "random.hpp"

namespace gallocy::sim {

struct Happening {
  enum class Kind : std::uint8_t { delivery, fault, thread, call, agent, tick, membership };
  TimeUs at_us = 0;
  std::uint64_t order = 0;  // of equal times, what was planned first
  Kind kind{};
  NodeId node{};
  std::uint32_t index = 0;  // in the pool of its kind, or a thread's number
};

// Things that wait for their time, by number.
template <class What>
class Pool {
 public:
  std::uint32_t put(What what) {
    if (free_.empty()) {
      items_.push_back(std::move(what));
      return static_cast<std::uint32_t>(items_.size() - 1);
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    items_[index] = std::move(what);
    return index;
  }
  const What& at(std::uint32_t index) const { return items_[index]; }
  What take(std::uint32_t index) {
    free_.push_back(index);
    return std::move(items_[index]);
  }

 private:
  std::vector<What> items_;
  std::vector<std::uint32_t> free_;
};

class Timeline {
 public:
  void plan(TimeUs at_us, Happening::Kind kind, NodeId node, std::uint32_t index) {
    queue_.push({at_us, ++order_, kind, node, index});
  }
  // It happens later, but before what was planned after it for the same time.
  void put_off(Happening what, TimeUs at_us) {
    what.at_us = at_us;
    queue_.push(what);
  }
  bool empty() const { return queue_.empty(); }
  Happening take() {
    const Happening next = queue_.top();
    queue_.pop();
    return next;
  }

 private:
  struct Later {
    bool operator()(const Happening& a, const Happening& b) const {
      return a.at_us != b.at_us ? a.at_us > b.at_us : a.order > b.order;
    }
  };
  std::priority_queue<Happening, std::vector<Happening>, Later> queue_;
  std::uint64_t order_ = 0;
};

struct Parcel {
  NodeId from;
  core::Message message;
  Bytes bytes;
};

class Network {
 public:
  Network(Timeline& timeline, Random& random, Faults& faults)
      : timeline_(timeline), random_(random), faults_(faults) {}

  void send(TimeUs now_us, NodeId from, NodeId to, const core::Message& message,
            const Bytes& bytes) {
    const unsigned stream = core::is_bulk(message);
    faults_.trouble_connection(now_us, from, to, stream);
    // Without reordering a node hears everything in the order in which it was said.
    const bool ordered = !faults_.has(FaultKind::reorder);
    TimeUs& last_us = last_us_[stream][raw(from)][raw(to)];
    // What was prefetched is often late: much may be queued before it.
    const TimeUs queued_us = stream == 1 && faults_.strikes(FaultKind::reorder, 3)
                                 ? random_.below(3'000) : 0;
    last_us = std::max({last_us, now_us + delay_us(message) + queued_us + faults_.slowness_us(to),
                        faults_.down_until_us(from, to, stream),
                        ordered ? last_to_us_[raw(to)] : 0});
    last_to_us_[raw(to)] = std::max(last_to_us_[raw(to)], last_us);
    ++in_flight_;
    timeline_.plan(last_us, Happening::Kind::delivery, to, parcels_.put({from, message, bytes}));
  }
  const Parcel& at(std::uint32_t index) const { return parcels_.at(index); }
  Parcel take(std::uint32_t index) {
    --in_flight_;
    return parcels_.take(index);
  }
  std::uint64_t in_flight() const { return in_flight_; }

  // A node that is paused or a connection that is down: it will happen when that is over.
  bool put_off(TimeUs now_us, const Happening& happening) {
    TimeUs until_us = faults_.paused_until_us(happening.node);
    if (happening.kind == Happening::Kind::delivery) {
      const Parcel& parcel = parcels_.at(happening.index);
      until_us = std::max(until_us, faults_.down_until_us(parcel.from, happening.node,
                                                          core::is_bulk(parcel.message)));
    }
    if (until_us <= now_us) return false;
    timeline_.put_off(happening, until_us);
    return true;
  }

 private:
  TimeUs delay_us(const core::Message& message) {
    if (const unsigned count = late_one_in(message.body);
        count > 0 && faults_.strikes(FaultKind::delay, count))
      return random_.between(500, 5'000);
    if (faults_.strikes(FaultKind::delay, 200)) return random_.between(500, 5'000);
    if (faults_.strikes(FaultKind::delay, 10)) return random_.between(50, 300);
    return random_.between(3, 40);
  }

  // 0: no more often than others.
  unsigned late_one_in(const core::Body& body) const {
    const auto is_one_of = [&]<class... Kinds>() {
      return (std::holds_alternative<Kinds>(body) || ...);
    };
    using namespace core;
    switch (faults_.late_answers()) {
      case LateAnswers::none:
        return 0;
      case LateAnswers::some:
        return is_one_of.template operator()<WritebackAck, InvalidateAck, Hasten>() ? 6 : 0;
      case LateAnswers::evictions:
        return is_one_of.template operator()<WritebackAck, InvalidateAck>() ? 2 : 0;
      case LateAnswers::recalls:
        return is_one_of.template operator()<Hasten, Release, SlotWanted, InvalidateAck>() ? 2 : 0;
      case LateAnswers::ends:
        return is_one_of.template operator()<Done, Denial, Lost, Discarded>() ? 3 : 0;
    }
    return 0;
  }

  Timeline& timeline_;
  Random& random_;
  Faults& faults_;
  Pool<Parcel> parcels_;
  using Pairs = std::array<std::array<TimeUs, node_limit>, node_limit>;
  std::array<Pairs, 2> last_us_{};  // control, bulk
  std::array<TimeUs, node_limit> last_to_us_{};
  std::uint64_t in_flight_ = 0;
};

}  // namespace gallocy::sim
