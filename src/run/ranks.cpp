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

Try<Child> start_rank(const Program& program, const Options& options, const RankPlan& plan) {
  // The terminal is one rank's; the others would take lines away from it.
  const UniqueFd no_input{plan.number == 0 ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  ChildPlan child;
  child.path = program.path;
  child.arguments = options.command;
  child.environment = current_environment();
  child.input_fd = no_input.get();
  if (!plan.outputs.empty()) {
    child.output_fd = plan.outputs[0].get();
    child.error_fd = plan.outputs[1].get();
  }
  child.signal_mask = plan.signal_mask;
  for (const auto& entry : options.exported) {
    const auto equals = entry.find('=');
    set_variable(child.environment, entry.substr(0, equals), entry.substr(equals + 1));
  }
  if (plan.invitation) {
    child.fixed_addresses = true;
    set_variable(child.environment, "GALLOCY_SOCKET", plan.invitation->socket_path);
    set_variable(child.environment, "GALLOCY_JOB", fmt::format("{:016x}", plan.invitation->job));
    set_variable(child.environment, "GALLOCY_RANK", std::to_string(plan.number));
  }
  return Child::start(child);
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
