#include "run/launch.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/memory_size.hpp"
#include "run/installation.hpp"
#include "run/memory.hpp"

namespace gallocy::run {

namespace {

constexpr int daemon_ready_limit_ms = 10'000;
constexpr int job_ready_limit_ms = 10'000;
constexpr int check_in_limit_ms = 10'000;
constexpr std::uint64_t region_size_bytes = 64ull << 30;
// For waits that the program itself decides about.
constexpr Deadline never = Deadline::max();

std::uint64_t random_job_id() {
  std::uint64_t id = 0;
  while (id == 0)
    if (::getrandom(&id, sizeof id, 0) != sizeof id) id = 0;
  return id;
}

}  // namespace

Launch::Launch(const Options& options, const Program& program, Signals& signals,
               Messages& messages)
    : options_(options), program_(program), signals_(signals), messages_(messages),
      memory_bytes_(options.memory_bytes),
      killed_for_memory_before_(out_of_memory_kill_count()) {
  watch_.add(signals_.fd(), WatchOrder::signal, [this] { on_signal(); });
  if (options_.timeout_s > 0)
    time_limit_ = Clock::now() + std::chrono::milliseconds{
                                     static_cast<std::int64_t>(options_.timeout_s * 1000)};
}

int Launch::run() {
  if (start()) await_end();
  finish();
  const int status =
      verdict_ ? verdict_.status() : shell_status(ranks_.front().child.wait_status());
  const int final_status = report_statistics(status);
  report(status);
  return final_status;
}

bool Launch::start() {
  if (!program_.takes_part()) {
    messages_.say(fmt::format("{} is not linked with libgallocy: it runs once, on one node",
                              options_.command.front()));
    return start_ranks();
  }
  job_ = random_job_id();
  return (!options_.daemon_sockets.empty() || start_daemons()) && open_sessions() &&
         learn_nodes() && create_job() && start_keeper() && start_ranks() && await_check_in();
}

bool Launch::start_daemons() {
  auto executable = find_gallocyd();
  if (!executable) return refuse_job(executable.error());
  auto folder = ScratchFolder::create();
  if (!folder) return refuse_job(folder.error());
  // They are all this job's.
  if (memory_bytes_ == 0)
    memory_bytes_ = std::max(min_memory_bytes, half_of_usable_memory_bytes() / options_.rank_count);
  if (const auto warning = more_than_usable(memory_bytes_, options_.rank_count, usable_memory());
      !warning.empty())
    messages_.say(warning);
  std::vector<std::string> daemon_options{"--memory", std::to_string(memory_bytes_)};
  if (options_.peer_timeout_s > 0) {
    daemon_options.push_back("--peer-timeout");
    daemon_options.push_back(fmt::format("{}", options_.peer_timeout_s));
  }
  daemons_.emplace(std::move(*folder), *executable, std::move(daemon_options));
  for (unsigned node = 0; node < options_.rank_count; ++node)
    if (!start_daemon()) return false;
  return true;
}

bool Launch::start_daemon() {
  const auto started = daemons_->start_next(signals_.original_mask());
  if (!started) return refuse_job(started.error());
  PrivateDaemon& daemon = **started;
  watch_.add(daemon.output_fd(), WatchOrder::log, [this, &daemon] { on_daemon_output(daemon); });
  watch_.add(daemon.child().pidfd(), WatchOrder::daemon,
             [this, &daemon] { on_daemon_end(daemon); });
  const auto& ready = daemon.log().ready();
  if (!wait_until(in_ms(daemon_ready_limit_ms), [&] { return ready.has_value(); })) {
    too_late(fmt::format("the daemon of node {} was not ready within {} s", daemon.node(),
                         daemon_ready_limit_ms / 1000));
    return false;
  }
  if (ready->node == daemon.node()) return true;
  return refuse_job({exit_job_failed, fmt::format("the daemon of node {} says that it is node {}",
                                                  daemon.node(), ready->node)});
}

bool Launch::open_sessions() {
  std::vector<std::string> paths = options_.daemon_sockets;
  if (daemons_)
    for (const auto& daemon : daemons_->all()) paths.push_back(daemon.socket_path());
  for (const auto& path : paths) {
    auto session = Session::connect(path);
    if (!session) return refuse_job(session.error());
    sessions_.push_back(std::move(*session));
    Session& kept = sessions_.back();
    if (daemons_) kept.node = static_cast<unsigned>(sessions_.size() - 1);
    watch_.add(kept.fd(), WatchOrder::session, [this, &kept] { on_session(kept); });
  }
  return true;
}

bool Launch::learn_nodes() {
  for (auto& session : sessions_) session.send(ipc::NodeQuery{});
  if (!wait_until(in_ms(job_ready_limit_ms), [&] {
        return every_session([](const Session& session) { return session.cpu_count > 0; });
      })) {
    for (const auto& session : sessions_)
      if (session.cpu_count == 0)
        too_late(fmt::format("the daemon at {} did not say within {} s which node it is",
                             session.socket_path(), job_ready_limit_ms / 1000));
    return false;
  }
  for (const auto& session : sessions_)
    for (const auto& other : sessions_)
      if (&session < &other && session.node == other.node)
        return refuse_job({exit_usage, fmt::format("the daemons at {} and {} are both node {}",
                                                   session.socket_path(), other.socket_path(),
                                                   *session.node)});
  return true;
}

bool Launch::create_job() {
  ipc::JobCreate create;
  create.job = job_;
  create.region_size_bytes = region_size_bytes;
  create.rank_count = options_.rank_count;
  create.memory_bytes = memory_bytes_;
  create.node_count = static_cast<std::uint32_t>(sessions_.size());
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    create.nodes[i] = static_cast<std::uint8_t>(*sessions_[i].node);
    create.cpus[i] = static_cast<std::uint16_t>(std::min(sessions_[i].cpu_count, 0xffffu));
  }
  create.placement = options_.placement;
  create.every_rank_runs_main = options_.every_rank_runs_main;
  created_ = true;
  sessions_.front().send(create);
  ipc::JobWatch watch;
  watch.job = job_;
  for (std::size_t i = 1; i < sessions_.size(); ++i) sessions_[i].send(watch);
  if (wait_until(in_ms(job_ready_limit_ms), [&] {
        return every_session([](const Session& session) { return session.ready; });
      }))
    return true;
  for (const auto& session : sessions_)
    if (!session.ready)
      too_late(fmt::format("the daemon of node {} did not take the job within {} s", *session.node,
                           job_ready_limit_ms / 1000));
  return false;
}

bool Launch::start_keeper() {
  auto keeper = Keeper::start(signals_.original_mask());
  if (!keeper) return refuse_job(keeper.error());
  keeper_.emplace(std::move(*keeper));
  Child& child = keeper_->child();
  watch_.add(child.pidfd(), WatchOrder::log, [this, &child] {
    if (!child.try_reap()) return;
    watch_.remove(child.pidfd());
    blame(Blame::decided, exit_job_failed,
          fmt::format("the process that holds the ranks' descriptors {}; the job ends",
                      describe_end(child.wait_status())));
  });
  return true;
}

bool Launch::invite_guest() {
  const auto who = ipc::peer_credentials(options_.guest_fd);
  if (!who) return refuse_job({exit_job_failed, std::string(who.error().sentence.view())});
  auto guest = Child::guest(who->pid);
  if (!guest) return refuse_job(guest.error());
  ipc::GuestInvitation invitation;
  invitation.job = job_;
  sessions_.front().socket_path().copy(invitation.socket_path, sizeof invitation.socket_path - 1);
  // If it has gone, its end is seen.
  static_cast<void>(ipc::send_message(options_.guest_fd, invitation, {}, check_in_limit_ms));
  keep_rank(0, *sessions_.front().node, std::move(*guest));
  return true;
}

void Launch::keep_rank(unsigned number, unsigned node, Child child) {
  ranks_.push_back(Rank{number, node, std::move(child), {}});
  Rank& rank = ranks_.back();
  watch_.add(rank.child.pidfd(), WatchOrder::rank, [this, &rank] { on_rank_end(rank); });
}

bool Launch::start_ranks() {
  if (options_.guest_fd >= 0) return invite_guest();
  const bool alone = sessions_.empty();
  for (unsigned number = 0; number < (alone ? 1 : options_.rank_count); ++number) {
    std::optional<Invitation> invitation;
    if (!alone) invitation = Invitation{session_of(number).socket_path(), job_};
    RankPlan plan{number, invitation, {}, signals_.original_mask()};
    if (options_.tagged && !start_relays(plan)) return false;
    auto child = start_rank(program_, options_, plan);
    if (!child) return refuse_job(child.error());
    keep_rank(number, alone ? 0 : *session_of(number).node, std::move(*child));
    // Where the dynamic linker does not do as LD_PRELOAD says, main() begins at once. It must not
    // do that on the other nodes, too.
    if (number == 0 && program_.is_preloaded() && !await_ranks()) return false;
  }
  return true;
}

// One process for each stream of each rank: a relay may sleep for as long as its rank waits for a
// page inside write(2), and must not keep another's output from being read.
bool Launch::start_relays(RankPlan& plan) {
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    auto relay = Relay::start(plan.number, stream, signals_.original_mask());
    if (!relay) return refuse_job(relay.error());
    plan.outputs.push_back(relay->take_input());
    relays_.push_back(std::move(*relay));
    Child& child = relays_.back().child();
    watch_.add(child.pidfd(), WatchOrder::log, [this, &child] {
      if (child.try_reap()) watch_.remove(child.pidfd());
    });
  }
  return true;
}

// Those that have been started.
bool Launch::await_ranks() {
  const bool preloaded = program_.is_preloaded();
  wait_until(in_ms(check_in_limit_ms), [&] { return all_attached() || rank_0_left(); });
  for (const auto& rank : ranks_)
    if (!rank.attached && !rank_0_left())
      too_late(fmt::format("{} did not {} within {} s{}", name_of(rank),
                           preloaded ? "check in" : "call gallocy_init()",
                           check_in_limit_ms / 1000,
                           preloaded ? ", and main() must not run twice; the job ends" : ""));
  return !verdict_;
}

bool Launch::await_check_in() {
  if (!await_ranks()) return false;
  // A program that prints its usage and leaves has done nothing wrong.
  if (rank_0_left()) return true;
  ipc::JobStart start;
  start.job = job_;
  for (auto& session : sessions_) session.send(start);
  started_ = true;
  return true;
}

void Launch::await_end() {
  wait_until(never, [&] { return program_ended(); });
}

bool Launch::wait_until(Deadline deadline, const Condition& condition) {
  const auto ended = [&] { return verdict_ || condition(); };
  const Deadline limit = time_limit_ ? std::min(deadline, *time_limit_) : deadline;
  if (!poll_until(limit, ended) && limit != deadline)
    blame(Blame::decided, exit_timeout,
          fmt::format("the job took longer than the {:g} s of --timeout; it ends",
                      options_.timeout_s));
  return !verdict_ && condition();
}

bool Launch::poll_until(Deadline deadline, const Condition& condition) {
  while (!condition()) {
    if (Clock::now() >= deadline) return false;
    watch_.poll_once(deadline);
  }
  return true;
}

bool Launch::every_session(const std::function<bool(const Session&)>& holds) const {
  return std::all_of(sessions_.begin(), sessions_.end(), holds);
}

bool Launch::rank_0_left() const {
  return !ranks_.empty() && ranks_.front().child.ended() &&
         WIFEXITED(ranks_.front().child.wait_status());
}

bool Launch::program_ended() const {
  if (!options_.every_rank_runs_main || !started_) return rank_0_left();
  return std::all_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) {
    return rank.child.ended() && WIFEXITED(rank.child.wait_status());
  });
}

bool Launch::all_attached() const {
  return std::all_of(ranks_.begin(), ranks_.end(),
                     [](const Rank& rank) { return rank.attached.has_value(); });
}

bool Launch::all_ranks_ended() {
  bool all = true;
  for (auto& rank : ranks_) all = rank.child.try_reap() && all;
  return all;
}

void Launch::send_to_ranks(int signal) {
  signalled_ = true;
  for (auto& rank : ranks_) rank.child.send(signal);
}

}  // namespace gallocy::run
