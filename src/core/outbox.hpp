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
  explicit Outbox(const Config& config) : config_(config) {}

  void begin(Actions& actions) { actions_ = &actions; }
  void end() { actions_ = nullptr; }

  void act(Action action) { actions_->push_back(std::move(action)); }

  // Nothing is sent to who is no member any more.
  void send(NodeId to, Transaction transaction, Body body, Payload payload = {}) {
    if (!config_.nodes.contains(to)) return;
    Message message{config_.epoch, 0, transaction, std::move(body)};
    if (to == config_.self) local_.push_back(std::move(message));
    else act(Send{to, std::move(message), payload});
  }

  Transaction new_transaction() { return {config_.self, ++counter_}; }

  bool take_local(Message& out) {
    if (local_.empty()) return false;
    out = std::move(local_.front());
    local_.pop_front();
    return true;
  }

 private:
  const Config& config_;
  std::uint64_t counter_ = 0;
  std::deque<Message> local_;
  Actions* actions_ = nullptr;
};

}  // namespace gallocy::core
