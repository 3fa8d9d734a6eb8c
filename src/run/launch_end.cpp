// How a launch ends: whatever the cause, ranks first, then daemons, so that no rank is left
// waiting for a page that nobody will bring.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "run/launch.hpp"
#include "run/memory.hpp"
#include "run/statistics.hpp"

namespace gallocy::run {

namespace {

constexpr int settle_ms = 300;
constexpr int statistics_limit_ms = 2'000;
constexpr int rank_end_limit_ms = 5'000;
constexpr int keeper_end_limit_ms = 2'000;
constexpr int over_limit_ms = 5'000;  // a daemon gives a job 2 seconds to end
constexpr int relay_end_limit_ms = 2'000;
constexpr int daemon_end_limit_ms = 5'000;
constexpr int kill_limit_ms = 5'000;  // SIGKILL works at once, except on a sick machine

}  // namespace

// A rank whose daemon has died exits with this status, and may be seen first.
void Launch::settle() {
  const bool suspicious = rank_0_left() && started_ &&
                          shell_status(ranks_.front().child.wait_status()) == exit_job_failed;
  if (!verdict_ && !suspicious) return;
  poll_until(in_ms(settle_ms), [&] { return verdict_.is_final(); });
  if (verdict_.blame() == Blame::rank_left && rank_0_left() && rank_0_speaks_for_all())
    verdict_ = {};
}

// Before the start every rank runs the same lines, so they leave together. After it rank 0 may have
// left because another one did, unless each runs main() and only rank 0 has failed.
bool Launch::rank_0_speaks_for_all() const {
  if (!started_) return true;
  const auto is_well = [](const Rank& rank) {
    return rank.number == 0 || !rank.child.ended() || rank.child.wait_status() == 0;
  };
  return options_.every_rank_runs_main && std::all_of(ranks_.begin(), ranks_.end(), is_well);
}

void Launch::finish() {
  settle();
  ending_ = true;
  if (options_.wants_statistics() && started_) collect_statistics();
  end_ranks();
  end_keeper();
  await_over();
  close_sessions();
  end_relays();
  stop_daemons();
}

void Launch::collect_statistics() {
  ipc::JobStatisticsRequest request;
  request.job = job_;
  for (auto& session : sessions_) session.send(request);
  const bool all = poll_until(in_ms(statistics_limit_ms), [&] {
    return every_session([](const Session& session) {
      return session.statistics.has_value() || !session.open();
    });
  });
  if (all) return;
  for (const auto& session : sessions_)
    if (!session.statistics && session.open())
      messages_.say(fmt::format("node {} gave no statistics within {} s", *session.node,
                                statistics_limit_ms / 1000));
}

void Launch::end_ranks() {
  ipc::JobEnd end;
  end.job = job_;
  if (created_)
    for (auto& session : sessions_) session.send(end);
  const Condition all_ended = [&] { return all_ranks_ended(); };
  // Ranks that have checked in leave by themselves; the others know of no end.
  if (verdict_ || !started_) send_to_ranks(SIGTERM);
  const bool left = poll_until(in_ms(rank_end_limit_ms), all_ended);
  // main() may have been seen first to end though a rank had failed before: one that crashes ends
  // only when its memory has been written to a core file.
  for (const auto& rank : ranks_) {
    if (signalled_ || !rank.child.ended()) continue;
    if (WIFSIGNALED(rank.child.wait_status())) blame_crash(rank);
    else if (started_ && rank.child.wait_status() != 0) blame_exit(rank);
  }
  if (!left) {
    send_to_ranks(SIGKILL);
    if (!poll_until(in_ms(kill_limit_ms), all_ended))
      messages_.say("a rank can't be killed; it is left behind");
  }
}

// Before the daemons say that they have given the job's memory back: it holds that, too.
void Launch::end_keeper() {
  if (!keeper_) return;
  keeper_->close();
  const Condition ended = [&] { return keeper_->child().try_reap(); };
  if (poll_until(in_ms(keeper_end_limit_ms), ended)) return;
  keeper_->child().send(SIGKILL);
  poll_until(in_ms(kill_limit_ms), ended);
}

// Who starts the next job when this one has ended finds the memory that it had. Private daemons end
// themselves.
void Launch::await_over() {
  if (daemons_ || !created_) return;
  const auto is_over = [](const Session& session) { return session.over || !session.open(); };
  if (poll_until(in_ms(over_limit_ms), [&] { return every_session(is_over); })) return;
  for (const auto& session : sessions_)
    if (!is_over(session))
      messages_.say(fmt::format("node {} did not say within {} s that it has given up the job's "
                                "memory: the next job may not get as much",
                                *session.node, over_limit_ms / 1000));
}

void Launch::close_sessions() {
  for (auto& session : sessions_) {
    if (session.open()) watch_.remove(session.fd());
    session.close();
  }
}

// A child that a rank left behind may hold the pipe for ever.
void Launch::end_relays() {
  const Condition all_ended = [&] {
    bool all = true;
    for (auto& relay : relays_) all = relay.child().try_reap() && all;
    return all;
  };
  if (poll_until(in_ms(relay_end_limit_ms), all_ended)) return;
  for (auto& relay : relays_) relay.child().send(SIGKILL);
  poll_until(in_ms(kill_limit_ms), all_ended);
}

void Launch::stop_daemons() {
  if (!daemons_) return;
  const Condition all_ended = [&] { return daemons_->all_ended(); };
  // A stopped process can't hear the other. In this order, since SIGCONT takes back every SIGSTOP
  // that has not been obeyed yet: a daemon that looks for leaks at its end stops its threads by it.
  daemons_->send_all(SIGCONT);
  daemons_->send_all(SIGTERM);
  if (poll_until(in_ms(daemon_end_limit_ms), all_ended)) return;
  for (auto& daemon : daemons_->all())
    if (!daemon.child().ended())
      messages_.say(fmt::format("the daemon of node {} did not stop within {} s and is killed",
                                daemon.node(), daemon_end_limit_ms / 1000));
  daemons_->send_all(SIGKILL);
  if (!poll_until(in_ms(kill_limit_ms), all_ended))
    messages_.say("a daemon can't be killed; it is left behind");
}

int Launch::report_statistics(int status) {
  if (!options_.wants_statistics()) return status;
  std::vector<const ipc::JobStatistics*> known;
  for (const auto& session : sessions_)
    if (session.statistics) known.push_back(&*session.statistics);
  const Figures figures = collect(known);
  if (options_.statistics_line)
    messages_.say(fmt::format("{} rank{} ended, exit {}; {}", ranks_.size(),
                              ranks_.size() == 1 ? "" : "s", status, line_of(figures)));
  if (options_.statistics_file.empty()) return status;
  const auto written = write_file(options_.statistics_file, json_of(figures));
  if (written) return status;
  messages_.say(written.error().sentence);
  return status == 0 ? written.error().status : status;
}

void Launch::report(int status) {
  if (!verdict_) return;
  const bool log_may_tell = status == exit_job_failed || status == exit_timeout ||
                            status == exit_unavailable ||
                            verdict_.blame() == Blame::rank_bus_error;  // says of which page
  if (daemons_ && log_may_tell && !options_.verbose)
    for (auto& daemon : daemons_->all()) {
      daemon.read_output(nullptr);
      const std::string& log = daemon.log().kept();
      if (!log.empty())
        messages_.relay(fmt::format("---- log of node {} ----\n{}", daemon.node(), log));
    }
  const bool crashed = verdict_.blame() == Blame::rank_crashed ||
                       verdict_.blame() == Blame::node_died;
  if (crashed && out_of_memory_kill_count() > killed_for_memory_before_)
    messages_.say(out_of_memory_hint);
  // A guest that waits for its invitation says it itself.
  const bool guest_hears = options_.guest_fd >= 0 && ranks_.empty() &&
                           ipc::send_refused(options_.guest_fd,
                                             Error{ENOTCONN, Sentence(verdict_.sentence())}, 0);
  if (!guest_hears) messages_.say(verdict_.sentence());
}

}  // namespace gallocy::run
