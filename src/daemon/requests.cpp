#include "daemon/requests.hpp"

#include <limits>

namespace gallocy::daemon {
namespace {

bool lock_call(const std::uint64_t* argument, core::LockRequest& lock) {
  if (argument[2] > static_cast<std::uint64_t>(core::LockOperation::destroy)) return false;
  if (argument[3] > static_cast<std::uint64_t>(core::LockKind::error_check)) return false;
  lock = {argument[0], ThreadId{argument[1]}, static_cast<core::LockOperation>(argument[2]),
          static_cast<core::LockKind>(argument[3])};
  return true;
}

// A node that there is not is one that no job has.
NodeId node_or_any(std::uint64_t argument) {
  if (argument == ipc::any_node) return no_node;
  return argument < max_node_count ? NodeId{static_cast<std::uint8_t>(argument)}
                                   : NodeId{max_node_count};
}

}  // namespace

bool call_of(const ipc::Request& request, decltype(core::ClientCall::call)& call) {
  const std::uint64_t* const argument = request.arguments;
  switch (request.operation) {
    case ipc::Operation::chunks:
      if (argument[0] > std::numeric_limits<std::uint32_t>::max()) return false;
      call = core::ChunksCall{static_cast<std::uint32_t>(argument[0]), node_or_any(argument[1]),
                              argument[2]};
      return true;
    case ipc::Operation::home_of:
      call = core::HomeCall{argument[0]};
      return true;
    case ipc::Operation::return_chunks:
      if (argument[1] > std::numeric_limits<std::uint32_t>::max()) return false;
      call = core::ReturnChunksCall{argument[0], static_cast<std::uint32_t>(argument[1])};
      return true;
    case ipc::Operation::lock: {
      core::LockRequest lock;
      if (!lock_call(argument, lock)) return false;
      call = lock;
      return true;
    }
    case ipc::Operation::thread_create:
      call = core::ThreadCreateCall{argument[0], argument[1],
                                    node_or_any(argument[2]), argument[3] != 0};
      return true;
    case ipc::Operation::thread_join:
      call = core::ThreadJoinCall{{ThreadId{argument[0]}, ThreadId{argument[1]}},
                                  argument[2] != 0};
      return true;
    case ipc::Operation::next_order:
      call = core::NextOrderCall{};
      return true;
    case ipc::Operation::thread_started:
      call = core::ThreadStarted{ThreadId{argument[0]}, static_cast<std::int32_t>(argument[1])};
      return true;
    case ipc::Operation::thread_exited:
      call = core::ThreadExited{ThreadId{argument[0]}, argument[1]};
      return true;
    case ipc::Operation::take_freed:
      call = core::TakeFreedCall{};
      return true;
    case ipc::Operation::thread_control:
      if (argument[1] > static_cast<std::uint64_t>(core::ThreadOperation::cancel)) return false;
      call = core::ThreadControl{ThreadId{argument[0]},
                                 static_cast<core::ThreadOperation>(argument[1])};
      return true;
    case ipc::Operation::thread_cancelled:
      call = core::ThreadCancelledCall{ThreadId{argument[0]}};
      return true;
    case ipc::Operation::root:
      call = core::RootRequest{argument[0]};
      return true;
    case ipc::Operation::ping:
    case ipc::Operation::finalize:
      break;  // answered without core
  }
  return false;
}

}  // namespace gallocy::daemon
