// The one address from which all ranks find what the job shares by name. The coordinator keeps
// the first that is proposed. If it is removed, the next one hears from every member which address
// it knows, and answers nobody before that: no second one may be agreed upon.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"

namespace gallocy::core {

class Root {
 public:
  Root(const Config& config, Outbox& outbox) : config_(config), outbox_(outbox) {}

  void on_call(CallTag tag, const RootRequest& call) {
    const Transaction transaction = outbox_.new_transaction();
    calls_.emplace(transaction.counter, Call{tag, call});
    outbox_.send(config_.nodes.lowest(), transaction, call);
  }

  // False: the peer may not say that.
  bool on_request(NodeId from, Transaction transaction, const RootRequest& request) {
    if (config_.self != config_.nodes.lowest()) return false;
    if (transaction.counter == 0) return on_known(from, request);
    if (!unheard_.empty()) waiting_.push_back({from, transaction, request});
    else answer({from, transaction, request});
    return true;
  }
  bool on_reply(NodeId from, Transaction transaction, const RootReply& reply) {
    const auto found = calls_.find(transaction.counter);
    if (from != config_.nodes.lowest() || found == calls_.end()) return false;
    address_ = reply.address;
    outbox_.act(Reply{found->second.tag, 0, {reply.address}});
    calls_.erase(found);
    return true;
  }

  // A node was removed. REQUIRES: config knows of it.
  void begin_epoch(NodeId removed) {
    std::erase_if(waiting_, [&](const Asking& one) { return one.from == removed; });
    const NodeId coordinator = config_.nodes.lowest();
    if (removed > coordinator) {
      if (unheard_.contains(removed)) heard(removed);
      return;
    }
    if (coordinator == config_.self) unheard_ = config_.nodes;
    outbox_.send(coordinator, {}, RootRequest{address_});
    for (const auto& [counter, call] : calls_)
      outbox_.send(coordinator, {config_.self, counter}, call.request);
  }

 private:
  struct Call {
    CallTag tag;
    RootRequest request;
  };
  struct Asking {
    NodeId from = no_node;
    Transaction transaction;
    RootRequest request;
  };

  bool on_known(NodeId from, const RootRequest& known) {
    if (!unheard_.contains(from)) return false;
    if (address_ == 0) address_ = known.address;
    heard(from);
    return true;
  }
  void heard(NodeId from) {
    unheard_.erase(from);
    if (!unheard_.empty()) return;
    for (const Asking& asking : std::exchange(waiting_, {})) answer(asking);
  }
  void answer(const Asking& asking) {
    if (address_ == 0) address_ = asking.request.address;
    outbox_.send(asking.from, asking.transaction, RootReply{address_});
  }

  const Config& config_;
  Outbox& outbox_;
  std::uint64_t address_ = 0;  // as far as this node knows; 0: none
  std::map<std::uint64_t, Call> calls_;  // by transaction counter
  NodeSet unheard_;              // at a new coordinator
  std::vector<Asking> waiting_;  // for them
};

}  // namespace gallocy::core
