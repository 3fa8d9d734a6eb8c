// The threads that clients of this node made: where each runs, whether and how it has ended, and
// who waits for that. A thread's id says which node made it.
//
// A record goes when the thread has ended and was joined or detached, whichever comes last.
//
// Some threads are the runtime's: they make calls on a node for threads of the program elsewhere.
// The job lives as long as they do, but they weigh nothing in placement: while such a thread works,
// the one that it works for waits, and that one is counted.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "core/config.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/placement.hpp"

namespace gallocy::core {

inline constexpr std::uint64_t result_of_the_dead = ~std::uint64_t{0};  // PTHREAD_CANCELED

class ThreadRecords {
 public:
  ThreadRecords(const Config& config, Outbox& outbox) : config_(config), outbox_(outbox) {}

  ThreadId new_id();
  void add(ThreadId thread, NodeId runs_on, bool detached, bool of_runtime);

  // From nodes. False: the peer may not say that.
  bool on_started(NodeId from, const ThreadStarted& started);
  bool on_exited(NodeId from, const ThreadExited& exited);
  bool on_join(NodeId from, Transaction transaction, const ThreadJoin& join);
  bool on_control(NodeId from, Transaction transaction, const ThreadControl& control);
  bool on_cancelled(NodeId from, const ThreadCancelled& cancelled);

  // Threads there have ended, and nobody there joins any.
  void forget_node(NodeId removed);

  ThreadCount count() const;
  const LiveThreads& live() const { return live_; }  // of the program

 private:
  struct Asker {
    NodeId node = no_node;
    Transaction transaction;
  };
  struct Record {
    NodeId runs_on = no_node;
    bool detached = false;
    bool of_runtime = false;
    bool ended = false;
    std::uint64_t result = 0;
    Asker joiner;
    bool cancelled = false;
    std::vector<Asker> cancellers;  // until it is, or has ended
  };
  using Records = std::unordered_map<ThreadId, Record>;

  void count_end(const Record& record);
  int join_status(const ThreadJoin& join) const;
  int detach(Records::iterator found);
  void cancel(Records::iterator found, Asker canceller);
  void answer_cancellers(Record& record);
  void withdraw(Records::iterator found, Asker joiner);

  const Config& config_;
  Outbox& outbox_;
  std::uint64_t id_counter_ = 0;
  std::uint64_t made_ = 0;
  LiveThreads live_{};
  std::uint64_t live_of_runtime_ = 0;
  Records records_;
};

}  // namespace gallocy::core
