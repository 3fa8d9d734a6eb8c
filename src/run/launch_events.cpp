// What a launch does when something happens to it.
#include <fmt/format.h>
#include <string.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "run/launch.hpp"

namespace gallocy::run {

namespace {

// The sender may have forgotten the closing zero.
template <std::size_t size>
std::string text_of(const char (&sentence)[size]) {
  return {sentence, ::strnlen(sentence, size)};
}

}  // namespace

void Launch::blame(Blame blame, int status, std::string sentence) {
  if (!ending_) verdict_.add(blame, status, std::move(sentence));
}

bool Launch::refuse_job(const Refusal& refusal) {
  blame(Blame::decided, refusal.status, refusal.sentence);
  return false;
}

void Launch::too_late(std::string sentence) {
  if (!verdict_) blame(Blame::decided, exit_job_failed, std::move(sentence));
}

void Launch::on_signal() {
  const int signal = signals_.take();
  if (signal == 0) return;
  // Asked twice: no more patience.
  if (ending_) send_to_ranks(SIGKILL);
  blame(Blame::decided, exit_signal_base + signal,
        fmt::format("stopped by signal {} (SIG{}); the job ends", signal,
                    ::sigabbrev_np(signal)));
}

void Launch::on_daemon_output(PrivateDaemon& daemon) {
  if (!daemon.read_output(options_.verbose ? &messages_ : nullptr))
    watch_.remove(daemon.output_fd());
}

void Launch::on_daemon_end(PrivateDaemon& daemon) {
  if (!daemon.child().try_reap()) return;
  watch_.remove(daemon.child().pidfd());
  on_daemon_output(daemon);
  if (!daemon.log().ready()) {
    const Refusal failure = daemon.start_failure();
    blame(Blame::node_died, failure.status, failure.sentence);
    return;
  }
  blame(Blame::node_died, exit_job_failed,
        fmt::format("the daemon of node {} {}; the job ends", daemon.node(),
                    describe_end(daemon.child().wait_status())));
}

void Launch::on_session(Session& session) {
  while (session.open()) {
    ipc::AnyMessage message;
    UniqueFd fds[ipc::rank_fd_count];
    const Status received = session.receive(message, fds);
    if (received) {
      on_message(session, message, fds);
      continue;
    }
    if (received.error().code == EAGAIN || received.error().code == EINTR) return;
    watch_.remove(session.fd());
    session.close();
    if (session.failed) return;
    if (is_of_a_limit(received.error().code))
      return blame(Blame::decided, exit_unavailable, received.error().sentence.c_str());
    const std::string who = session.node ? fmt::format("of node {}", *session.node)
                                         : fmt::format("at {}", session.socket_path());
    blame(Blame::node_silent, exit_job_failed,
          received.error().code == ECONNRESET
              ? fmt::format("the daemon {} has closed its connection; the job ends", who)
              : fmt::format("the daemon {} talks nonsense: {}; the job ends", who,
                            received.error().sentence.view()));
  }
}

void Launch::on_message(Session& session, const ipc::AnyMessage& message,
                        std::span<UniqueFd> fds) {
  if (const auto* info = message.as<ipc::NodeInfo>()) {
    // JobCreate has eight bits for it; a larger one stays unknown and so unusable.
    if (info->node <= UINT8_MAX) session.node = info->node;
    session.cpu_count = std::max(info->cpu_count, 1u);
  } else if (message.as<ipc::JobReady>() != nullptr) {
    session.ready = true;
  } else if (const auto* statistics = message.as<ipc::JobStatistics>()) {
    session.statistics = *statistics;
  } else if (message.as<ipc::JobOver>() != nullptr) {
    session.over = true;
  } else if (const auto* attached = message.as<ipc::RankAttached>()) {
    on_rank_attached(session, *attached, fds);
  } else if (const auto* failed = message.as<ipc::JobFailed>()) {
    session.failed = true;
    blame(Blame::daemon_said, exit_job_failed,
          fmt::format("{} (node {})", text_of(failed->sentence), session.node.value_or(0)));
  } else if (const auto* refused = message.as<ipc::Refused>()) {
    on_refused(session, *refused);
  }
  // RankGone needs no answer: the rank's pidfd tells more.
}

void Launch::on_refused(Session& session, const ipc::Refused& refused) {
  // The daemon closes now; that is no news.
  watch_.remove(session.fd());
  session.close();
  const bool impossible_here = refused.code == ENOTSUP || refused.code == ENOSYS ||
                               is_of_a_limit(refused.code);
  blame(Blame::daemon_said, impossible_here ? exit_unavailable : exit_job_failed,
        session.node ? fmt::format("{} (node {})", text_of(refused.sentence), *session.node)
                     : fmt::format("{} ({})", text_of(refused.sentence), session.socket_path()));
}

void Launch::on_rank_attached(Session& session, const ipc::RankAttached& attached,
                              std::span<UniqueFd> fds) {
  if (attached.rank >= ranks_.size() || &session_of(attached.rank) != &session) return;
  Rank& newcomer = ranks_[attached.rank];
  newcomer.attached = attached;
  if (!fds.back())
    return blame(Blame::decided, exit_job_failed,
                 fmt::format("the daemon of node {} did not send the descriptors of {}; the job "
                             "ends", newcomer.node, name_of(newcomer)));
  if (!keeper_->keep(newcomer.child, fds.first<ipc::rank_fd_count>()))
    return blame(Blame::decided, exit_job_failed,
                 "the process that holds the ranks' descriptors has gone; the job ends");
  const auto& first = ranks_.front().attached;
  if (!first) return;
  for (const auto& rank : ranks_) {
    if (!rank.attached) continue;
    if (std::string why = difference(*first, *rank.attached); !why.empty())
      blame(Blame::decided, exit_job_failed, std::move(why));
  }
}

void Launch::on_rank_end(Rank& rank) {
  if (!rank.child.try_reap()) return;
  watch_.remove(rank.child.pidfd());
  if (ending_) return;
  const int wait_status = rank.child.wait_status();
  if (WIFSIGNALED(wait_status)) return blame_crash(rank);
  if (program_.is_preloaded() && !started_) return blame_unstarted(rank);
  blame_exit(rank);
}

// Of rank 0, its status is the job's.
void Launch::blame_exit(const Rank& rank) {
  const int wait_status = rank.child.wait_status();
  const int status = shell_status(wait_status);
  // Others may wait for what a rank that has failed was to do; those of one that is done go on.
  if (options_.every_rank_runs_main && started_) {
    if (status != 0)
      verdict_.add(Blame::rank_left, status,
                   fmt::format("{} {}; the job ends", name_of(rank), describe_end(wait_status)));
    return;
  }
  if (rank.number == 0) return;
  // The program itself can't end another rank than the first: exit() is that one's.
  if (program_.is_preloaded() && status == exit_unavailable)
    verdict_.add(Blame::decided, exit_unavailable,
                 fmt::format("{} can't go on, as it says; the job ends", name_of(rank)));
  else
    verdict_.add(Blame::rank_left, exit_job_failed,
                 fmt::format("{} {}{}; the job ends", name_of(rank), describe_end(wait_status),
                             rank.attached ? "" : " before it called gallocy_init()"));
}

// Before the start main() does not run where our library is loaded. That exits with 69, and says
// why, if the program can't be shared; its check-in may be on the way still.
void Launch::blame_unstarted(const Rank& rank) {
  const bool refused = shell_status(rank.child.wait_status()) == exit_unavailable;
  blame(Blame::decided, refused ? exit_unavailable : exit_job_failed,
        fmt::format("{} {} before {}; the job ends", name_of(rank),
                    describe_end(rank.child.wait_status()),
                    refused || rank.attached ? "the job had started"
                                             : "it checked in, as if it were not preloaded, and "
                                               "main() must not run twice"));
}

std::string Launch::name_of(const Rank& rank) const {
  if (sessions_.empty()) return options_.command.front();
  return fmt::format("rank {} on node {}", rank.number, rank.node);
}

void Launch::blame_crash(const Rank& rank) {
  const int wait_status = rank.child.wait_status();
  verdict_.add(WTERMSIG(wait_status) == SIGBUS ? Blame::rank_bus_error : Blame::rank_crashed,
               shell_status(wait_status),
               fmt::format("{} {}{}", name_of(rank), describe_end(wait_status),
                           sessions_.empty() ? "" : "; the job ends"));
}

}  // namespace gallocy::run
