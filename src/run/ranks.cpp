#include "run/ranks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace gallocy::run {

namespace {

std::string build_id_text(const ipc::RankAttached& rank) {
  const auto size = std::min<std::uint32_t>(rank.build_id_size, ipc::build_id_bytes);
  if (size == 0) return "(none)";
  std::string text;
  for (std::uint32_t i = 0; i < size; ++i) text += fmt::format("{:02x}", rank.build_id[i]);
  return text;
}

}  // namespace

Try<Child> start_rank(const Program& program, const std::vector<std::string>& command,
                      unsigned number, const std::optional<Invitation>& invitation,
                      const sigset_t& signal_mask) {
  // The terminal is one rank's; the others would take lines away from it.
  const UniqueFd no_input{number == 0 ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  ChildPlan plan;
  plan.path = program.path;
  plan.arguments = command;
  plan.environment = current_environment();
  plan.input_fd = no_input.get();
  plan.signal_mask = signal_mask;
  if (invitation) {
    plan.fixed_addresses = true;
    set_variable(plan.environment, "GALLOCY_SOCKET", invitation->socket_path);
    set_variable(plan.environment, "GALLOCY_JOB", fmt::format("{:016x}", invitation->job));
    set_variable(plan.environment, "GALLOCY_RANK", std::to_string(number));
  }
  return Child::start(plan);
}

std::string difference(const ipc::RankAttached& first, const ipc::RankAttached& other) {
  const std::string pair = fmt::format("rank {} runs another executable than rank {}", other.rank,
                                       first.rank);
  if (first.build_id_size != other.build_id_size ||
      std::memcmp(first.build_id, other.build_id, sizeof first.build_id) != 0)
    return fmt::format("{}: build-id {} instead of {}", pair, build_id_text(other),
                       build_id_text(first));
  if (first.load_address != other.load_address)
    return fmt::format("rank {} has its executable at {:#x} and rank {} at {:#x}: addresses "
                       "are randomised and this system does not let gallocy-run switch that off",
                       other.rank, other.load_address, first.rank, first.load_address);
  return {};
}

}  // namespace gallocy::run
