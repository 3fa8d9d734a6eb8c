// Threads 1, 2, ... of node 0's clients and objects that are homed there, for tests of one rule
// each.
#pragma once

#include <cerrno>

#include "support.hpp"

namespace gallocy::core {

constexpr std::uint64_t object_address = region_base + 64;

struct SyncCore : Core {
  explicit SyncCore(const Config& config = make_config(0, 4)) : Core(config) { give_chunk(*this); }

  // What the call of a thread leads to: "3: 0" is the reply with status 0 to thread 3.
  // Thread t is of client t / 10; the slot that its reply names is its number.
  Lines ask(unsigned thread, SyncOperation operation, SyncKind kind, std::uint64_t argument = 0,
            TimeUs timeout_us = no_timeout, std::uint64_t address = object_address) {
    const SyncRequest request{address, ThreadId{thread}, operation, kind, argument, bits};
    return shortened(step(ClientCall{tag(thread), SyncCall{request, timeout_us, interruptible}}));
  }
  Lines take(unsigned thread, SyncKind kind, std::uint64_t argument = 0) {
    return ask(thread, SyncOperation::take, kind, argument);
  }
  Lines try_take(unsigned thread, SyncKind kind) {
    return ask(thread, SyncOperation::try_take, kind);
  }
  Lines give(unsigned thread, SyncKind kind) { return ask(thread, SyncOperation::give, kind); }

  // Waits at the condition, with the mutex of `object_address`.
  Lines wait_at(unsigned thread, TimeUs timeout_us = no_timeout,
                SyncKind mutex_kind = SyncKind::normal) {
    ConditionWaitCall call;
    call.wait.request = {condition, ThreadId{thread}, SyncOperation::take, SyncKind::condition};
    call.wait.timeout_us = timeout_us;
    call.wait.interruptible = interruptible;
    call.mutex = object_address;
    call.mutex_kind = mutex_kind;
    return shortened(step(ClientCall{tag(thread), call}));
  }
  Lines signal(unsigned thread, SyncOperation operation = SyncOperation::give) {
    return ask(thread, operation, SyncKind::condition, 0, no_timeout, condition);
  }

  Lines pass(TimeUs us) { return shortened(wait(us)); }
  Lines dies(unsigned client) { return shortened(step(ClientGone{client_of(client)})); }
  std::size_t objects() const { return node.sync_objects().entries().size(); }
  std::size_t calls() const { return node.sync_calls().call_count(); }

  // Who has something, by this node's word.
  Lines claims() const {
    Lines threads;
    node.sync_calls().for_each_claim([&threads](const LockReport& claim) {
      if (claim.depth > 0) threads.push_back(std::to_string(raw(claim.thread)));
    });
    return threads;
  }

  static ClientId client_of(unsigned number) {
    return ClientId{static_cast<std::uint16_t>(number)};
  }
  static CallTag tag(unsigned thread) { return {client_of(thread / 10), thread, 1}; }
  static Lines shortened(Lines lines) {
    for (std::string& line : lines)
      if (line.starts_with("reply to client")) line.erase(0, line.find("slot ") + 5);
    return lines;
  }

  static constexpr std::uint64_t condition = object_address + 64;
  bool interruptible = false;
  std::uint32_t bits = 0;
};

// Node 1, whose objects are homed at node 0. Its threads are of client 1.
struct Away : Core {
  Away() : Core(1) {
    lock(1);  // asks who has the chunk
    from(0, by(1, 2), ChunkHome{ChunkNo{0}, NodeId{0}});
    answer(1, 0);
  }
  static ThreadId thread(unsigned number) { return ThreadId{1ULL << 48 | number}; }
  static SyncRequest request(unsigned number, SyncOperation operation, SyncKind kind) {
    return {object_address, thread(number), operation, kind};
  }
  static SyncRequest futex_request(unsigned number, SyncOperation operation, std::uint32_t bits) {
    return {object_address, thread(number), operation, SyncKind::futex, 1, bits};
  }
  Lines call(const SyncRequest& asked, TimeUs timeout_us = no_timeout) {
    return step(ClientCall{{ClientId{1}, 0, 1}, SyncCall{asked, timeout_us}});
  }
  Lines lock(unsigned number, TimeUs timeout_us = no_timeout) {
    return call(request(number, SyncOperation::take, SyncKind::normal), timeout_us);
  }
  Lines answer(std::uint64_t counter, int status, bool lent = false) {
    return from(0, by(1, counter), SyncReply{status, 0, lent});
  }
};

inline std::string got(unsigned thread, int status) {
  return std::to_string(thread) + ": " + std::to_string(status);
}
inline const Lines waits{};

}  // namespace gallocy::core
