#include "run/ranks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/personality.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "ipc/rank_environment.hpp"

namespace gallocy::run {

namespace {

std::string build_id_text(const ipc::RankAttached& rank) {
  const auto size = std::min<std::uint32_t>(rank.build_id_size, ipc::build_id_bytes);
  if (size == 0) return "(none)";
  std::string text;
  for (std::uint32_t i = 0; i < size; ++i) text += fmt::format("{:02x}", rank.build_id[i]);
  return text;
}

// An address that the dynamic linker fills in late is a write on each node, to a page that they
// share; the kernel writes to a thread's rseq area, on its stack, whenever it is preempted.
constexpr const char* no_rseq = "glibc.pthread.rseq=0";

std::string joined(const std::string& left, const std::string& right) {
  return left.empty() || right.empty() ? left + right : left + ":" + right;
}

void add_preload(Environment& environment, const std::string& library) {
  const auto before = [&](const char* name) { return value_of(environment, name).value_or(""); };
  const auto set = [&](const char* name, const std::string& value) {
    set_hidden_variable(environment, name, value);
  };
  set(ipc::preload_variable, joined(library, before(ipc::preload_variable)));
  set(ipc::binding_variable, "1");
  // Of a tunable that is there twice the last one counts.
  set(ipc::tunables_variable, joined(before(ipc::tunables_variable), no_rseq));
  set(ipc::persona_variable, fmt::format("{:x}", ::personality(0xffffffff)));
}

}  // namespace

Environment exported(Environment environment, const Options& options) {
  for (const auto& entry : options.exported) {
    const auto equals = entry.find('=');
    set_variable(environment, entry.substr(0, equals), entry.substr(equals + 1));
  }
  return environment;
}

Environment rank_environment(Environment environment, const Program& program,
                             const Options& options, const RankPlan& plan) {
  environment = exported(std::move(environment), options);
  if (!plan.invitation) return environment;
  forget_saved_variables(environment);
  const auto set = program.is_preloaded() ? set_hidden_variable : set_variable;
  set(environment, ipc::socket_variable, plan.invitation->socket_path);
  set(environment, ipc::job_variable, fmt::format("{:016x}", plan.invitation->job));
  set(environment, ipc::rank_variable, std::to_string(plan.number));
  if (program.is_preloaded()) add_preload(environment, program.preload_library);
  if (program.is_preloaded())
    set(environment, ipc::explain_variable, options.explained && plan.number == 0 ? "1" : "0");
  return environment;
}

Try<Child> start_rank(const Program& program, const Options& options, const RankPlan& plan) {
  // The terminal is one rank's; the others would take lines away from it.
  const UniqueFd no_input{plan.number == 0 ? -1 : ::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  ChildPlan child;
  child.path = program.path;
  child.arguments = program.arguments;
  child.environment = rank_environment(current_environment(), program, options, plan);
  child.input_fd = no_input.get();
  if (!plan.outputs.empty()) {
    child.output_fd = plan.outputs[0].get();
    child.error_fd = plan.outputs[1].get();
  }
  child.signal_mask = plan.signal_mask;
  child.fixed_addresses = plan.invitation.has_value();
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
