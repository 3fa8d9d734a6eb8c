// The processes of the program.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "ipc/protocol.hpp"
#include "run/child.hpp"
#include "run/options.hpp"
#include "run/program.hpp"

namespace gallocy::run {

// What a rank is told so that gallocy_init finds its job. None: the program runs on its own.
struct Invitation {
  std::string socket_path;
  std::uint64_t job = 0;
};

struct Rank {
  unsigned number;
  unsigned node;
  Child child;
  std::optional<ipc::RankAttached> attached;
};

struct RankPlan {
  unsigned number;
  std::optional<Invitation> invitation;
  std::vector<UniqueFd> outputs;  // standard output and error; empty: gallocy-run's own
  sigset_t signal_mask;
};

// With what -x says; `environment` is gallocy-run's own.
Environment exported(Environment environment, const Options& options);
// That, and by which a rank finds its job.
Environment rank_environment(Environment environment, const Program& program,
                             const Options& options, const RankPlan& plan);

Try<Child> start_rank(const Program& program, const Options& options, const RankPlan& plan);

// Empty, or why the two can't share memory: function pointers would mean different things.
std::string difference(const ipc::RankAttached& first, const ipc::RankAttached& other);

}  // namespace gallocy::run
