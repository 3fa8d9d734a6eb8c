#include "daemon/requests.hpp"

#include <limits>

namespace gallocy::daemon {
namespace {

// Numbers of clients may be anything; which words they may use, core says.
template <class Word>
bool read_word(std::uint64_t number, Word last, Word& word) {
  if (number > static_cast<std::uint64_t>(last)) return false;
  word = static_cast<Word>(number);
  return true;
}

bool sync_call(const std::uint64_t* argument, core::SyncCall& call) {
  call.request = {argument[0], ThreadId{argument[1]}, {}, {}, argument[4]};
  call.timeout_us = argument[5];
  if (!read_word(argument[2], SyncOperation::abandon, call.request.operation) ||
      !read_word(argument[3], last_sync_kind, call.request.kind))
    return false;
  if (call.request.kind == SyncKind::futex)
    return read_word(argument[6], ~std::uint32_t{0}, call.request.bits);
  call.interruptible = argument[6] != 0;
  return true;
}

bool condition_wait(const std::uint64_t* argument, core::ConditionWaitCall& call) {
  call.wait.request = {argument[0], ThreadId{argument[1]}, SyncOperation::take,
                       SyncKind::condition};
  call.wait.timeout_us = argument[4];
  call.wait.interruptible = argument[5] != 0;
  call.mutex = argument[2];
  return read_word(argument[3], last_sync_kind, call.mutex_kind);
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
                              argument[2], argument[3]};
      return true;
    case ipc::Operation::home_of:
      call = core::HomeCall{argument[0]};
      return true;
    case ipc::Operation::claim_chunk:
      call = core::ClaimChunkCall{argument[0]};
      return true;
    case ipc::Operation::return_chunks:
      if (argument[1] > std::numeric_limits<std::uint32_t>::max()) return false;
      call = core::ReturnChunksCall{argument[0], static_cast<std::uint32_t>(argument[1])};
      return true;
    case ipc::Operation::sync: {
      core::SyncCall sync;
      if (!sync_call(argument, sync)) return false;
      call = sync;
      return true;
    }
    case ipc::Operation::condition_wait: {
      core::ConditionWaitCall wait;
      if (!condition_wait(argument, wait)) return false;
      call = wait;
      return true;
    }
    case ipc::Operation::thread_create:
      call = core::ThreadCreateCall{argument[0], argument[1], node_or_any(argument[2]),
                                    argument[3] != 0, argument[4] != 0};
      return true;
    case ipc::Operation::thread_join:
      call = core::ThreadJoinCall{{ThreadId{argument[0]}, ThreadId{argument[1]}},
                                  argument[3] != 0, argument[2]};
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
      call = core::TakeFreedCall{argument[0] != 0};
      return true;
    case ipc::Operation::gather_freed:
      call = core::GatherFreedCall{};
      return true;
    case ipc::Operation::thread_control: {
      core::ThreadControl control{ThreadId{argument[0]}};
      if (!read_word(argument[1], ThreadOperation::withdraw, control.operation)) return false;
      call = control;
      return true;
    }
    case ipc::Operation::thread_cancelled:
      call = core::ThreadCancelledCall{ThreadId{argument[0]}};
      return true;
    case ipc::Operation::thread_interrupted:
      call = core::ThreadInterruptedCall{ThreadId{argument[0]}};
      return true;
    case ipc::Operation::prefetch:
      call = core::PrefetchCall{argument[0], argument[1]};
      return true;
    case ipc::Operation::root:
      call = core::RootRequest{argument[0]};
      return true;
    case ipc::Operation::ping:
    case ipc::Operation::finalize:
    case ipc::Operation::window:
      break;  // answered without core
  }
  return false;
}

}  // namespace gallocy::daemon
