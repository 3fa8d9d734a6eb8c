// One run of gallocy-run: daemons, job, ranks, and the end of all of them. A straight sequence
// of steps; each waits in one poll loop over everything there is, with a limit, and ends early
// when there is a verdict. One thread; it never reads or writes a descriptor that an application
// holds.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "run/daemons.hpp"
#include "run/keeper.hpp"
#include "run/messages.hpp"
#include "run/options.hpp"
#include "run/program.hpp"
#include "run/ranks.hpp"
#include "run/relay.hpp"
#include "run/session.hpp"
#include "run/signals.hpp"
#include "run/verdict.hpp"
#include "run/watch.hpp"

namespace gallocy::run {

class Launch {
 public:
  Launch(const Options& options, const Program& program, Signals& signals, Messages& messages);

  // Returns gallocy-run's exit status; every process and file of the job has gone then.
  int run();

 private:
  using Condition = std::function<bool()>;

  // Steps; false when there is a verdict.
  bool start();
  bool start_daemons();
  bool start_daemon();
  bool open_sessions();
  bool learn_nodes();
  bool create_job();
  bool start_keeper();
  bool start_ranks();
  bool invite_guest();
  void keep_rank(unsigned number, unsigned node, Child child);
  bool start_relays(RankPlan& plan);
  bool await_ranks();
  bool await_check_in();
  void await_end();

  // The end (launch_end.cpp).
  void settle();
  bool rank_0_speaks_for_all() const;
  void finish();
  void collect_statistics();
  void end_ranks();
  void end_keeper();
  void await_over();
  void close_sessions();
  void end_relays();
  void stop_daemons();
  void report(int status);
  int report_statistics(int status);

  // What happens (launch_events.cpp).
  void on_signal();
  void on_daemon_output(PrivateDaemon& daemon);
  void on_daemon_end(PrivateDaemon& daemon);
  void on_session(Session& session);
  void on_message(Session& session, const ipc::AnyMessage& message, std::span<UniqueFd> fds);
  void on_refused(Session& session, const ipc::Refused& refused);
  void on_rank_attached(Session& session, const ipc::RankAttached& attached,
                        std::span<UniqueFd> fds);
  void on_rank_end(Rank& rank);
  void blame_unstarted(const Rank& rank);
  void blame_exit(const Rank& rank);
  std::string name_of(const Rank& rank) const;
  void blame_crash(const Rank& rank);
  void blame(Blame blame, int status, std::string sentence);
  bool refuse_job(const Refusal& refusal);
  // Nothing, if the wait ended because of a verdict.
  void too_late(std::string sentence);

  // True if the condition holds; false at the deadline or when there is a verdict.
  bool wait_until(Deadline deadline, const Condition& condition);
  // The same, verdict or not.
  bool poll_until(Deadline deadline, const Condition& condition);

  bool every_session(const std::function<bool(const Session&)>& holds) const;
  Session& session_of(unsigned rank) { return sessions_[rank % sessions_.size()]; }
  bool rank_0_left() const;
  bool program_ended() const;
  bool all_attached() const;
  bool all_ranks_ended();
  void send_to_ranks(int signal);

  const Options& options_;
  const Program& program_;
  Signals& signals_;
  Messages& messages_;
  Watch watch_;
  std::optional<Deadline> time_limit_;
  std::uint64_t job_ = 0;
  std::uint64_t memory_bytes_ = 0;  // 0: as the daemons share
  std::uint64_t killed_for_memory_before_ = 0;  // processes of this machine, by the kernel

  std::optional<PrivateDaemons> daemons_;
  std::deque<Session> sessions_;  // one a daemon, in the order of ranks; addresses stay
  std::optional<Keeper> keeper_;
  std::deque<Rank> ranks_;
  std::deque<Relay> relays_;  // addresses stay
  bool created_ = false;  // the daemons know the job
  bool started_ = false;  // every rank has checked in
  bool ending_ = false;   // nobody is to blame for leaving any more
  bool signalled_ = false;  // ranks have been sent a signal
  Verdict verdict_;
};

}  // namespace gallocy::run
