// Requests of this node's clients to synchronisation objects, until they are answered: how long
// each may wait, what the threads hold, and what happens when one of them ends.
//
// A request that shall not wait any longer (its time is over, its thread is cancelled, its client
// has gone) is withdrawn at the home. The home answers it in any case, once: with the reason of
// the withdrawal, or, if that came too late, with what had been granted before. So nothing is
// granted to nobody: what comes for a client that has gone is given back.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "core/event.hpp"
#include "core/holdings.hpp"
#include "core/homes.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/threads.hpp"
#include "core/tokens.hpp"

namespace gallocy::core {

class SyncCalls {
 public:
  SyncCalls(const Config& config, Homes& homes, Threads& threads, Outbox& outbox)
      : config_(config), homes_(homes), threads_(threads), outbox_(outbox), tokens_(outbox) {}

  // From local clients; each is answered by one Reply.
  void on_call(CallTag tag, const SyncCall& call, TimeUs now_us);
  void on_call(CallTag tag, const ConditionWaitCall& call, TimeUs now_us);
  // A thread has ended. Who joins it must find its robust mutexes abandoned: the exit goes on
  // to Threads when the homes have answered.
  void on_exited(CallTag tag, const ThreadExited& exited, TimeUs now_us);

  // How many waits are withdrawn; each tells Threads when it is over.
  std::size_t on_cancelled(ThreadId thread);
  void on_interrupted(CallTag tag, const ThreadInterruptedCall& interrupted);
  void forget_client(ClientId client);

  // False: the peer may not say that.
  bool on_reply(NodeId from, Transaction transaction, const SyncReply& reply, TimeUs now_us);

  // ---- after a removal ----
  // Requests whose home is that node, as far as this node knows.
  std::vector<std::uint64_t> calls_to(NodeId home) const;
  // Those are made anew, or end: what can be known of the object is what threads hold.
  void ask_anew(const std::vector<std::uint64_t>& counters, TimeUs now_us);
  // visit(LockReport): what threads here have, or ask for.
  template <class Visit>
  void for_each_claim(Visit visit) const {
    holdings_.for_each(visit);
    tokens_.for_each(visit);
    for (const auto& [counter, call] : calls_)
      if (has_owner(call.request.kind) && takes(call.request))
        visit(LockReport{call.request.address, call.request.thread, call.request.kind, 0});
  }

  // ---- mutexes that are lent (tokens.hpp) ----
  // False: the peer may not say that.
  bool on_recall(NodeId from, const TokenRecall& recall);
  void on_token_taken(const TokenTaken& taken);

  // The home has ended what a thread here had. False: the peer may not say that.
  bool on_unheld(NodeId from, const Unheld& unheld);
  std::size_t token_count() const { return tokens_.count(); }

  void on_time(TimeUs now_us);
  TimeUs next_deadline() const { return deadlines_.empty() ? 0 : deadlines_.begin()->first; }

  std::size_t call_count() const { return calls_.size(); }

 private:
  using Counter = std::uint64_t;  // of the transaction
  struct Call {
    CallTag tag;
    SyncRequest request;
    bool orphaned = false;  // nobody waits for the answer
    bool interruptible = false;
    bool delays_cancel = false;
    std::int32_t withdrawn = 0;  // why
    TimeUs deadline_us = 0;  // 0: none
    Counter wait = 0;        // the wait at a condition that this is a step of
  };
  // Waits at a condition, by the counter of the take there: in the queue first, then without the
  // mutex, so that no signal from then on is missed; and with the mutex again when that take is
  // answered.
  struct ConditionWait {
    enum class Step : std::uint8_t { entering, unlocking, waiting, leaving, relocking };
    CallTag tag;
    SyncRequest condition, mutex;  // their takes
    Step step = Step::entering;
    std::int32_t outcome = EINPROGRESS;  // of the take at the condition
    std::int32_t failure = 0;            // why the mutex could not be unlocked
  };
  struct Ending {
    CallTag tag;
    ThreadExited exited;
    std::size_t unanswered = 0;
  };

  static bool takes(const SyncRequest& request) {
    return request.operation == SyncOperation::take ||
           request.operation == SyncOperation::try_take;
  }
  int check(const SyncRequest& request) const;
  int check(const SyncCall& call) const;
  Counter begin(Call call);
  Counter begin(CallTag tag, const SyncCall& call, TimeUs now_us);
  void begin_orphan(const SyncRequest& request) { begin({{}, request, true}); }
  void withdraw(Counter counter, Call& call, int status);
  static std::optional<std::int32_t> answer_of_the_gone(const Call& call);
  void end(Counter counter, const SyncReply& reply, TimeUs now_us);
  void answered(const Call& call, Counter counter, const SyncReply& reply, TimeUs now_us);
  void note_holding(const Call& call, const SyncReply& reply);
  void give_back_lent(const SyncRequest& granted);
  void give_back(const SyncRequest& granted);
  void abandoned(ThreadId thread, TimeUs now_us);

  void entered(Counter counter);
  void left(Counter counter, std::int32_t status);
  void unlocked(Counter counter, std::int32_t status);
  void relock(Counter counter);
  void relocked(Counter counter, std::int32_t status);
  void finish(Counter counter, std::int32_t status);

  const Config& config_;
  Homes& homes_;
  Threads& threads_;
  Outbox& outbox_;
  Holdings holdings_;
  Tokens tokens_;
  std::unordered_map<Counter, Call> calls_;
  std::unordered_map<Counter, ConditionWait> waits_;
  std::set<std::pair<TimeUs, Counter>> deadlines_;
  std::unordered_map<ThreadId, Ending> endings_;
};

}  // namespace gallocy::core
