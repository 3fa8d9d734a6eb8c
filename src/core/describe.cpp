#include "core/describe.hpp"

#include <fmt/format.h>

namespace gallocy::core {
namespace {

constexpr const char* request_names[] = {"read_request", "write_request", "upgrade_request"};
constexpr const char* cause_names[] = {"missing", "minor", "write_protect"};
constexpr const char* source_names[] = {"message", "zero", "present"};
constexpr const char* thread_operation_names[] = {"detach", "cancel", "withdraw"};
constexpr const char* writeback_outcome_names[] = {"accepted", "busy", "bytes_needed"};
constexpr const char* sync_operation_names[] = {"take", "try_take", "give", "give_all", "init",
                                                "destroy", "consistent", "value", "withdraw",
                                                "abandon"};
constexpr const char* sync_kind_names[] = {"mutex", "recursive mutex", "error-check mutex",
                                           "unchecked mutex",
                                           "robust mutex", "robust recursive mutex",
                                           "robust error-check mutex", "read lock", "write lock",
                                           "condition", "barrier", "semaphore", "futex"};

template <class Enum, std::size_t count>
const char* pick(const char* const (&names)[count], Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < count ? names[index] : "?";
}

// Offered as overloads so that a new message without a text does not compile.
std::string text(const PageRequest& m) {
  return fmt::format("{} page {}", pick(request_names, m.kind), raw(m.page));
}
std::string text(const Recall& m) {
  return fmt::format("recall to {} page {} v{} for node {} acks {}",
                     m.access == Access::read ? "shared" : "invalid", raw(m.page),
                     raw(m.version), raw(m.requester), m.acks_expected);
}
std::string text(const Invalidate& m) {
  return fmt::format("invalidate page {} for node {}", raw(m.page), raw(m.requester));
}
std::string text(const Hasten& m) {
  return fmt::format("hasten page {} for node {} since {} us", raw(m.page), raw(m.requester),
                     m.since_us);
}
std::string text(const SlotWanted& m) {
  return fmt::format("slot_wanted page {} for node {} since {} us", raw(m.page),
                     raw(m.requester), m.since_us);
}
std::string text(const InvalidateAck& m) {
  return fmt::format("invalidate_ack page {}", raw(m.page));
}
std::string text(const PageData& m) {
  return fmt::format("page_data page {} v{} {} acks {}", raw(m.page), raw(m.version),
                     name_of(m.access), m.acks_expected);
}
std::string text(const Grant& m) {
  return fmt::format("grant page {} v{} {} acks {}{}", raw(m.page), raw(m.version),
                     name_of(m.access), m.acks_expected, m.zero ? " zero" : "");
}
std::string text(const Done& m) { return fmt::format("done page {}", raw(m.page)); }
std::string text(const Release& m) { return fmt::format("release page {}", raw(m.page)); }
std::string text(const ChunkRequest& m) { return fmt::format("chunk_request {}", m.count); }
std::string text(const ChunkGrant& m) {
  return fmt::format("chunk_grant chunk {} + {}", raw(m.first), m.count);
}
std::string text(const ChunkQuery& m) { return fmt::format("chunk_query chunk {}", raw(m.chunk)); }
std::string text(const ChunkHome& m) {
  if (m.home == no_node) return fmt::format("chunk_home chunk {} none", raw(m.chunk));
  return fmt::format("chunk_home chunk {} node {}", raw(m.chunk), raw(m.home));
}
std::string text(const LoanRequest& m) {
  if (m.claim) return fmt::format("loan_request claim chunk {}", raw(m.wanted));
  const char* overcommit = m.overcommit ? " overcommit" : "";
  const std::string idle = m.idle_pages == 0 ? "" : fmt::format(" idle {}", m.idle_pages);
  if (m.wanted == no_chunk) return fmt::format("loan_request {}{}{}", m.count, overcommit, idle);
  return fmt::format("loan_request chunk {} + {}{}{}", raw(m.wanted), m.count, overcommit, idle);
}
std::string text(const Loan& m) { return fmt::format("loan chunk {} + {}", raw(m.first), m.count); }
std::string text(const ChunkReturn& m) {
  return fmt::format("chunk_return chunk {} + {}", raw(m.first), m.count);
}
std::string text(const ChunkReturned&) { return "chunk_returned"; }
std::string text(const GatherFreed&) { return "gather_freed"; }
std::string text(const FreedGathered& m) {
  return fmt::format("freed_gathered{}", m.again ? " again" : "");
}
std::string text(const Discard& m) { return fmt::format("discard chunk {}", raw(m.chunk)); }
std::string text(const Discarded& m) { return fmt::format("discarded chunk {}", raw(m.chunk)); }
std::string text(const SyncRequest& m) {
  return fmt::format("{} {} {:#x} thread {:#x}{}{}{}", pick(sync_operation_names, m.operation),
                     pick(sync_kind_names, m.kind), m.address, raw(m.thread),
                     m.argument == 0 ? "" : fmt::format(" argument {}", m.argument),
                     m.bits == 0 ? "" : fmt::format(" bits {:#x}", m.bits),
                     m.may_be_lent ? " or a loan" : "");
}
std::string text(const SyncReply& m) {
  return fmt::format("sync_reply {}{}{}", m.status,
                     m.value == 0 ? "" : fmt::format(" value {}", m.value),
                     m.lent ? " lent" : "");
}
std::string text(const TokenRecall& m) { return fmt::format("token_recall {:#x}", m.address); }
std::string text(const Unheld& m) {
  return fmt::format("unheld {:#x} by thread {:#x}", m.address, raw(m.thread));
}
std::string text(const TokenReturn& m) {
  const auto& [address, thread, kind, depth, lent] = m.lock;
  if (depth == 0) return fmt::format("token_return {:#x}", address);
  return fmt::format("token_return {:#x} thread {:#x} has it, depth {}", address, raw(thread),
                     depth);
}
std::string text(const ThreadStart& m) {
  return fmt::format("thread_start {:#x}{}", raw(m.thread), m.of_runtime ? " of the runtime" : "");
}
std::string text(const ThreadStarted& m) {
  return fmt::format("thread_started {:#x} status {}", raw(m.thread), m.status);
}
std::string text(const ThreadExited& m) {
  return fmt::format("thread_exited {:#x} result {:#x}", raw(m.thread), m.result);
}
std::string text(const ThreadJoin& m) {
  return fmt::format("thread_join {:#x} by {:#x}", raw(m.thread), raw(m.joiner));
}
std::string text(const ThreadJoined& m) {
  return fmt::format("thread_joined status {} result {:#x}", m.status, m.result);
}
std::string text(const ThreadControl& m) {
  return fmt::format("thread_{} {:#x}", pick(thread_operation_names, m.operation), raw(m.thread));
}
std::string text(const ThreadControlled& m) {
  return fmt::format("thread_controlled status {}", m.status);
}
std::string text(const ThreadCancel& m) {
  return fmt::format("cancel thread {:#x}", raw(m.thread));
}
std::string text(const ThreadCancelled& m) {
  return fmt::format("thread {:#x} is cancelled", raw(m.thread));
}
std::string text(const ThreadCountRequest&) { return "thread_count_request"; }
std::string text(const ThreadCount& m) {
  return fmt::format("thread_count made {} live {}", m.made, m.live);
}
std::string text(const RootRequest& m) { return fmt::format("root_request {:#x}", m.address); }
std::string text(const RootReply& m) { return fmt::format("root_reply {:#x}", m.address); }
std::string text(const BlocksFreed& m) {
  if (m.addresses.empty()) return "blocks_freed none";
  return fmt::format("blocks_freed {}, {:#x} first", m.addresses.size(), m.addresses.front());
}

std::string text(const Writeback& m) {
  return fmt::format("writeback page {} v{}{}", raw(m.page), raw(m.version),
                     m.bytes ? " bytes" : "");
}
std::string text(const WritebackAck& m) {
  return fmt::format("writeback_ack page {} {}", raw(m.page),
                     pick(writeback_outcome_names, m.outcome));
}
std::string text(const Denial& m) {
  return fmt::format("denial page {} bound {} pages", raw(m.page), m.memory_pages);
}

std::string text(const PrefetchRequest& m) {
  return fmt::format("prefetch_request from page {} mask {:#x}", raw(m.first), m.wanted);
}
std::string text(const PrefetchAnswer& m) {
  return fmt::format("prefetch_answer from page {} mask {:#x}", raw(m.first), m.granted);
}
std::string text(const PrefetchData& m) {
  return fmt::format("prefetch_data page {} v{}", raw(m.page), raw(m.version));
}

std::string text(const Report& m) {
  return fmt::format("report {} pages {} locks {} chunks{}", m.pages.size(), m.locks.size(),
                     m.chunks.size(), m.last ? ", last" : "");
}
std::string text(const Rebuilt& m) {
  std::string said = m.last ? "rebuilt" : "rebuilt in part";
  for (const PageNo page : m.taken_back) said += fmt::format(", takes back page {}", raw(page));
  return said;
}
std::string text(const Lost& m) {
  return fmt::format("lost page {} with node {} in epoch {}", raw(m.page), raw(m.with),
                     raw(m.since));
}

std::string text(const ChunksCall& c) {
  if (c.wanted != 0) return fmt::format("chunks {} at {:#x}", c.count, c.wanted);
  if (c.node != no_node) return fmt::format("chunks {} of node {}", c.count, raw(c.node));
  return fmt::format("chunks {}", c.count);
}
std::string text(const ReturnChunksCall& c) {
  return fmt::format("return_chunks {:#x} + {}", c.address, c.count);
}
std::string text(const ClaimChunkCall& c) { return fmt::format("claim_chunk {:#x}", c.address); }
std::string text(const SyncCall& c) {
  const bool limited = c.timeout_us != no_timeout;
  return text(c.request) + (limited ? fmt::format(" within {} us", c.timeout_us) : "");
}
std::string text(const ConditionWaitCall& c) {
  return fmt::format("wait: {}, mutex {:#x}", text(c.wait), c.mutex);
}
std::string text(const ThreadCreateCall& c) {
  return fmt::format("thread_create {:#x}({:#x}){}", c.function, c.argument,
                     c.of_runtime ? " of the runtime" : "");
}
std::string text(const ThreadJoinCall& c) { return text(c.join); }
std::string text(const ThreadCancelledCall& c) {
  return fmt::format("thread_cancelled {:#x}", raw(c.thread));
}
std::string text(const ThreadInterruptedCall& c) {
  return fmt::format("thread_interrupted {:#x}", raw(c.thread));
}
std::string text(const HomeCall& c) { return fmt::format("home_of {:#x}", c.address); }
std::string text(const PrefetchCall& c) {
  return fmt::format("prefetch {:#x} + {}", c.address, c.size_bytes);
}
std::string text(const NextOrderCall&) { return "next_order"; }
std::string text(const TakeFreedCall& c) {
  return c.has_given_spare ? "take_freed, spare is given" : "take_freed";
}
std::string text(const GatherFreedCall&) { return "gather_freed"; }

std::string text(const Fault& e) {
  return fmt::format("fault {} {} page {} client {} thread {}", name_of(e.access),
                     pick(cause_names, e.cause), raw(e.page), raw(e.client), e.thread);
}
std::string text(const PeerMessage& e) {
  return fmt::format("from {}: {}", raw(e.from), describe(e.message));
}
std::string text(const ClientAttached& e) {
  return fmt::format("client {} attached{}", raw(e.client), e.runs_main ? ", runs main" : "");
}
std::string text(const ClientGone& e) { return fmt::format("client {} gone", raw(e.client)); }
std::string text(const ClientCall& e) {
  return fmt::format("call of client {}: {}", raw(e.tag.client),
                     std::visit([](const auto& call) { return text(call); }, e.call));
}
std::string text(const BlockFreed& e) {
  return fmt::format("block of node {} freed: {:#x}, {} bytes", raw(e.owner), e.address,
                     e.size_bytes);
}
std::string text(const TokenTaken& e) {
  if (e.depth == 0)
    return fmt::format("token {:#x} taken from client {}", e.address, raw(e.client));
  return fmt::format("token {:#x} taken from client {}, thread {:#x} has it, depth {}", e.address,
                     raw(e.client), raw(e.owner), e.depth);
}
std::string text(const MemberRemoved& e) {
  return fmt::format("node {} removed, epoch {}, heir {}", raw(e.node), raw(e.epoch),
                     raw(e.heir));
}
std::string text(const JobEnding& e) { return fmt::format("job ends with {}", e.status); }
std::string text(const Tick&) { return "tick"; }

std::string text(const Payload& payload) {
  if (payload.kind == PayloadKind::frame) return " + frame";
  if (payload.kind == PayloadKind::slot) return fmt::format(" + slot {}", payload.slot);
  return "";
}
std::string text(const Send& a) {
  return fmt::format("to {}: {}{}", raw(a.to), describe(a.message), text(a.payload));
}
std::string text(const Install& a) {
  return fmt::format("install page {} {} from {} client {}", raw(a.page), name_of(a.access),
                     pick(source_names, a.source), raw(a.client));
}
std::string text(const Store& a) { return fmt::format("store page {}", raw(a.page)); }
std::string text(const Unprotect& a) {
  return fmt::format("unprotect page {} client {}", raw(a.page), raw(a.client));
}
std::string text(const Wake& a) {
  return fmt::format("wake page {} client {}", raw(a.page), raw(a.client));
}
std::string text(const Poison& a) {
  const char* const why = a.full_home != no_node   ? ", its home is full"
                          : a.lost_with != no_node ? ", it is lost"
                                                   : "";
  return fmt::format("poison page {} client {}{}", raw(a.page), raw(a.client), why);
}
std::string text(const Protect& a) { return fmt::format("protect page {}", raw(a.page)); }
std::string text(const Capture& a) {
  return fmt::format("capture page {} in slot {}", raw(a.page), a.slot);
}
std::string text(const Restore& a) {
  return fmt::format("restore page {} from slot {}", raw(a.page), a.slot);
}
std::string text(const Drop& a) {
  if (a.count == 1) return fmt::format("drop page {}", raw(a.page));
  return fmt::format("drop pages {} + {}", raw(a.page), a.count);
}
std::string text(const Reply& a) {
  return fmt::format("reply to client {} slot {}: {}", raw(a.tag.client), a.tag.slot, a.status);
}
std::string text(const NotifyAgent& a) { return fmt::format("notify client {}", raw(a.client)); }
std::string text(const FreedPending& a) {
  return fmt::format("{} freed blocks for client {}", a.count, raw(a.client));
}
std::string text(const Attached& a) {
  return fmt::format("client {} is thread {:#x}", raw(a.client), raw(a.thread));
}
std::string text(const PlaceToken& a) {
  return fmt::format("place token {:#x} in client {} for thread {:#x}", a.address, raw(a.client),
                     raw(a.owner));
}
std::string text(const TakeToken& a) {
  return fmt::format("take token {:#x} from client {}", a.address, raw(a.client));
}
std::string text(const OwnerLost& a) {
  return fmt::format("owner {:#x} of {:#x} is lost", raw(a.owner), a.address);
}
std::string text(const DropPeer& a) {
  return fmt::format("drop peer {}: {}", raw(a.peer), a.reason);
}

}  // namespace

std::string describe(const Message& message) {
  return fmt::format("{} {{{},{}}}",
                     std::visit([](const auto& body) { return text(body); }, message.body),
                     raw(message.transaction.requester), message.transaction.counter);
}

std::string describe(const Event& event) {
  return std::visit([](const auto& what) { return text(what); }, event);
}

std::string describe(const Action& action) {
  return std::visit([](const auto& what) { return text(what); }, action);
}

std::string describe(const SyncRequest& request) { return text(request); }

const char* name_of(PageState state) {
  constexpr const char* names[] = {"invalid", "shared", "exclusive", "leaving", "installing"};
  return pick(names, state);
}

const char* name_of(Access access) { return access == Access::read ? "read" : "write"; }

}  // namespace gallocy::core
