#include "run/daemons.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>

namespace gallocy::run {

bool PrivateDaemon::read_output(Messages* relay) {
  char buffer[16 << 10];
  // A bound: a daemon that logs without end must not keep the others waiting.
  for (int round = 0; round < 8; ++round) {
    const auto count = ::read(output_.get(), buffer, sizeof buffer);
    if (count == 0) return false;
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    for (const auto& line : log_.take({buffer, static_cast<std::size_t>(count)}))
      if (relay != nullptr) relay->relay(fmt::format("node {}: {}\n", node_, line));
  }
  return true;
}

Refusal PrivateDaemon::start_failure() const {
  const int status = shell_status(child_.wait_status());
  const int own_status = status == exit_unavailable ? exit_unavailable : exit_job_failed;
  std::string last = log_.last_line();
  if (last.starts_with("gallocyd: ")) last.erase(0, strlen("gallocyd: "));
  if (last.empty() || status > exit_signal_base)
    return {own_status, fmt::format("the daemon of node {} {} before it was ready", node_,
                                    describe_end(child_.wait_status()))};
  return {own_status, fmt::format("the daemon of node {} can't start: {}", node_, last)};
}

Try<PrivateDaemon*> PrivateDaemons::start_next(const sigset_t& signal_mask) {
  const auto node = static_cast<unsigned>(daemons_.size());
  const std::string socket_path = folder_.socket_path(node);
  auto pipe = make_pipe();
  if (!pipe) return tl::unexpected<Refusal>(pipe.error());
  // Only our end: a daemon need not expect EAGAIN when it writes its log.
  ::fcntl(pipe->read_end.get(), F_SETFL, O_NONBLOCK);
  const UniqueFd no_input{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  ChildPlan plan;
  plan.path = executable_;
  plan.arguments = {"gallocyd",  "--socket",  socket_path,          "--listen",
                    "127.0.0.1:0", "--node-id", std::to_string(node)};
  plan.arguments.insert(plan.arguments.end(), options_.begin(), options_.end());
  for (const auto& peer : daemons_) {
    plan.arguments.push_back("--peer");
    plan.arguments.push_back(peer.log().ready()->address);
  }
  plan.environment = current_environment();
  plan.input_fd = no_input.get();
  plan.output_fd = plan.error_fd = pipe->write_end.get();
  plan.death_signal = SIGTERM;
  plan.own_group = true;
  plan.signal_mask = signal_mask;
  auto child = Child::start(plan);
  if (!child && child.error().status == exit_not_executable)
    return refuse(exit_job_failed, child.error().sentence);
  if (!child) return tl::unexpected<Refusal>(child.error());
  daemons_.emplace_back(node, socket_path, std::move(*child), std::move(pipe->read_end));
  return &daemons_.back();
}

void PrivateDaemons::send_all(int signal) {
  for (auto& daemon : daemons_) daemon.child().send(signal);
}

bool PrivateDaemons::all_ended() {
  bool all = true;
  for (auto& daemon : daemons_) all = daemon.child().try_reap() && all;
  return all;
}

}  // namespace gallocy::run
