// This node's part in one job, as the control thread sees it: the Job, the connections that it
// still waits for, and the launchers that watch it.
//
//   opening -> ready -> ending -> over        (fail() and end() lead to ending from anywhere)
//
// Ending is agreed on: a part is over, and its Job destroyed, when its last client has left and
// every other node has said that it ends too, or after 2 seconds. Otherwise the first daemon to
// end would close connections under one that has not heard of the end, which would call it a
// failure. Launchers hear of it when all that the job had here has been given back.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/job.hpp"
#include "daemon/links.hpp"
#include "daemon/mailbox.hpp"
#include "daemon/sessions.hpp"

namespace gallocy::daemon {

inline constexpr int status_failed = 70;  // with which ranks leave a job that failed

class Part {
 public:
  static constexpr std::uint64_t open_limit_s = 10;
  static constexpr std::uint64_t end_limit_s = 2;

  struct Services {
    const Context& context;
    Links& links;
    JobEvents& events;
    std::function<void(JobId)> on_over;
    // A connection made for that job: it may be over when the connection is there.
    std::function<void(JobId, NodeId, wire::ConnectionKind, Result<net::Detached>)> on_connection;
  };

  Part(const Services& services, JobSettings settings, NodeId creator);
  ~Part();
  // Starts the job and its dials; what goes wrong is a failure of the job.
  void open();

  const JobSettings& settings() const { return settings_; }
  Job* job() { return job_.get(); }
  void dump() const;

  void attach(Session& launcher);
  void launcher_gone(Session& launcher);
  Status order(const ipc::AnyMessage& message);
  // The error is for the client; the socket is untouched then.
  Status check_client(uid_t uid, const ipc::ClientHello& hello) const;
  void add_client(UniqueFd socket, const ipc::ClientHello& hello);

  // Whether that node may make a connection now, or take up one that broke.
  Status check_peer(NodeId peer) const;
  void connected(NodeId peer, wire::ConnectionKind kind, Result<net::Detached> connection);
  void link_made(NodeId peer);
  void link_lost(NodeId peer, const Sentence& why);
  void peer_ready(NodeId peer);
  void peer_failed(NodeId peer, const Sentence& why);
  void peer_ended(NodeId peer, std::int32_t status);

  void receive(const RankArrived& rank) {
    const int fds[ipc::rank_fd_count] = {rank.descriptors.userfault.get(),
                                         rank.descriptors.pages.get()};
    tell(rank.attached, fds);
  }
  void receive(const ipc::RankGone& rank) { tell(rank); }
  void receive(const std::shared_ptr<const ipc::JobStatistics>& statistics) { tell(*statistics); }
  void receive(const ipc::JobFailed& failed);
  void receive(const JobEnded&);
  void receive(const ConnectionBroken& broken);

 private:
  enum class Phase { opening, ready, ending, over };

  void dial(NodeId peer, wire::ConnectionKind kind, std::uint64_t deadline_us);
  void met(NodeId peer, wire::ConnectionKind kind, Result<Dial::Met> outcome);
  void not_met(NodeId peer, const Error& error);
  bool may_connect() const { return phase_ == Phase::opening || phase_ == Phase::ready; }
  void became_ready();
  void out_of_time();
  void fail_with(const Error& why);
  void fail_with(const Sentence& why) { fail_with(Error{EIO, why}); }
  void tell_failure(const Error& why);
  void end(std::int32_t status, bool others_know);
  void look_if_over();
  void become_over();
  void tell_others(const wire::LinkMessage& message) const;
  template <class T>
  void tell(const T& message, std::span<const int> fds = {}) {
    for (Session* launcher : launchers_) launcher->send(message, fds);
  }
  bool all_connected() const { return awaited_.empty() && awaited_bulk_.empty(); }
  NodeSet others() const { return settings_.nodes.without(settings_.self); }

  const Services& services_;
  const Context& context_;
  const JobSettings settings_;
  const NodeId creator_;
  Phase phase_ = Phase::opening;
  std::unique_ptr<Job> job_;
  NodeSet awaited_, awaited_bulk_;  // connections that do not stand yet
  NodeSet dialled_;
  NodeSet unready_;            // creator: nodes that have not said JobReady
  NodeSet unended_;            // other nodes that have not said JobEnd or JobFailed
  bool clients_gone_ = false;
  std::uint64_t ranks_taken_ = 0;  // bits; a rank attaches once in a job's life
  std::vector<Session*> launchers_;
  std::map<std::pair<NodeId, wire::ConnectionKind>, std::unique_ptr<Dial>> dials_;
  net::Timer limit_;           // of opening, then of ending
};

}  // namespace gallocy::daemon
