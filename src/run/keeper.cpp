#include "run/keeper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include "ipc/socket.hpp"

namespace gallocy::run {

namespace {

constexpr std::string_view keeper_option = "--keep-descriptors";
constexpr int keep_limit_ms = 2'000;

// The rank's pidfd is the first.
using Kept = std::array<UniqueFd, 1 + ipc::rank_fd_count>;

// False: nobody will send any more.
bool take_one(std::vector<Kept>& ranks) {
  std::byte word[1];
  Kept kept;
  if (const auto got = ipc::receive_datagram(STDIN_FILENO, word, kept, 0); !got)
    return got.error().code == EAGAIN;
  ranks.push_back(std::move(kept));
  return true;
}

}  // namespace

Try<Keeper> Keeper::start(const sigset_t& signal_mask) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return refuse_errno("can't make a pair of sockets");
  UniqueFd own{ends[0]};
  const UniqueFd input{ends[1]}, no_output{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  ChildPlan plan;
  plan.path = "/proc/self/exe";
  plan.arguments = {"gallocy-keeper", std::string{keeper_option}};
  plan.input_fd = input.get();
  plan.output_fd = plan.error_fd = no_output.get();
  // It ends after the ranks, which a dead launcher's end too.
  plan.death_signal = 0;
  plan.own_group = true;
  plan.signal_mask = signal_mask;
  auto child = Child::start(plan);
  if (!child) return tl::unexpected<Refusal>(child.error());
  return Keeper{std::move(own), std::move(*child)};
}

bool Keeper::keep(const Child& rank, std::span<const UniqueFd, ipc::rank_fd_count> fds) {
  const std::byte word[1] = {};
  const int all[] = {rank.pidfd(), fds[0].get(), fds[1].get()};
  return bool(ipc::send_datagram(socket_.get(), word, all, keep_limit_ms));
}

bool is_keeper(int argc, char** argv) { return argc == 2 && argv[1] == keeper_option; }

int keep_descriptors() {
  std::vector<Kept> ranks;
  for (bool more = true; more || !ranks.empty();) {
    std::vector<pollfd> entries{{more ? STDIN_FILENO : -1, POLLIN, 0}};
    for (const Kept& rank : ranks) entries.push_back({rank.front().get(), POLLIN, 0});
    // Also for want of kernel memory: what is kept stays kept, which is all that it is for.
    if (::poll(entries.data(), entries.size(), -1) < 0) continue;
    // Backwards, so that what is behind an ended rank has been looked at.
    for (std::size_t i = ranks.size(); i > 0; --i)
      if (entries[i].revents != 0) ranks.erase(ranks.begin() + static_cast<std::ptrdiff_t>(i - 1));
    if (entries[0].revents != 0) more = take_one(ranks);
  }
  return 0;
}

}  // namespace gallocy::run
