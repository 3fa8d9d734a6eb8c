// Where the parts of a node put what they want done. Messages to the node itself are kept and
// handled within the same step, so home, holder and requester are written once, wherever they
// are.
#pragma once

#include <deque>
#include <utility>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/event.hpp"

namespace gallocy::core {

class Outbox {
 public:
  explicit Outbox(const Config& config) : self_(config.self), epoch_(config.epoch) {}

  void begin(Actions& actions) { actions_ = &actions; }
  void end() { actions_ = nullptr; }

  void act(Action action) { actions_->push_back(std::move(action)); }

  void send(NodeId to, Transaction transaction, Body body, Payload payload = {}) {
    Message message{epoch_, 0, transaction, std::move(body)};
    if (to == self_) local_.push_back(std::move(message));
    else act(Send{to, std::move(message), payload});
  }

  Transaction new_transaction() { return {self_, ++counter_}; }

  bool take_local(Message& out) {
    if (local_.empty()) return false;
    out = std::move(local_.front());
    local_.pop_front();
    return true;
  }

 private:
  NodeId self_;
  Epoch epoch_;
  std::uint64_t counter_ = 0;
  std::deque<Message> local_;
  Actions* actions_ = nullptr;
};

}  // namespace gallocy::core
