// One simulated node: a core, the frames and mappings that its driver would have, and the
// kernel's part of a fault.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/node.hpp"
#include "ipc/lock_table.hpp"
#include "settings.hpp"

namespace gallocy::sim {

inline constexpr unsigned cells_per_page = 8;
using Frame = std::array<std::uint64_t, cells_per_page>;
using Bytes = std::optional<Frame>;  // beside a message

enum class Mapping : std::uint8_t { none, read_only, writable, poisoned };

// What a machine cannot do by itself.
class Surroundings {
 public:
  virtual void send(NodeId from, NodeId to, const core::Message& message, const Bytes& bytes) = 0;
  virtual void wake(NodeId node, ClientId client, PageNo page) = 0;
  virtual void reply(NodeId node, const core::Reply& reply) = 0;
  virtual void notify_agent(NodeId node, ClientId client) = 0;
  virtual void freed_pending(NodeId node, ClientId client, std::uint32_t count) = 0;
  virtual void attached(NodeId node, ClientId client, ThreadId thread) = 0;
  virtual void record(NodeId node, const core::Action& action) = 0;

 protected:
  ~Surroundings() = default;
};

// As the client library does it. nullopt: the daemon has to be asked.
inline std::optional<int> operate(ipc::LockTable& locks, const core::SyncRequest& request) {
  const auto place = locks.find(request.address, request.thread);
  if (!place) return std::nullopt;
  const int status = ipc::LockTable::operate(*place, request.operation,
                                             [&] { return std::optional(request.kind); });
  return status == ipc::LockTable::elsewhere ? std::nullopt : std::optional(status);
}

class Machine {
 public:
  // `ahead_us`: what its clock shows when the world begins.
  Machine(const core::Config& config, std::uint64_t page_count, unsigned client_count,
          TimeUs ahead_us, Surroundings& surroundings);

  // Steps the core and carries out what it says, and what follows from that at once. `bytes` came
  // with the message. All times here are the world's.
  void step(TimeUs now_us, const core::Event& event, const Bytes& bytes);

  // 0: nothing waits for time to pass.
  TimeUs next_deadline_us() const;

  NodeId id() const { return node_->config().self; }
  unsigned client_count() const { return static_cast<unsigned>(mappings_.size()); }
  const core::Node& node() const { return *node_; }
  core::PageState state(PageNo page) const { return entries_[raw(page)].state; }
  Version version(PageNo page) const { return entries_[raw(page)].version; }

  Mapping mapping(ClientId client, PageNo page) const {
    return mappings_[raw(client)][raw(page)];
  }
  Mapping strongest_mapping(PageNo page) const;
  const Bytes& frame(PageNo page) const { return frames_[raw(page)]; }
  Frame& frame(PageNo page) { return *frames_[raw(page)]; }
  std::uint64_t page_count() const { return entries_.size(); }

  // Mutexes that the client has been lent, as its threads find them.
  ipc::LockTable& locks(ClientId client) const { return *locks_[raw(client)]; }

  // As the kernel would report an access that the mapping does not allow.
  core::FaultCause fault_cause(ClientId client, PageNo page) const;

  // Its lease has ended: nothing is mapped any more.
  void fence();

  // Pages that the last step's event or actions named.
  const std::vector<PageNo>& touched() const { return touched_; }

 private:
  void step_once(TimeUs now_us, const core::Event& event);
  void carry_out(const core::Send& send);
  void carry_out(const core::Install& install);
  void carry_out(const core::Store& store);
  void carry_out(const core::Unprotect& unprotect);
  void carry_out(const core::Wake& wake);
  void carry_out(const core::Poison& poison);
  void carry_out(const core::Protect& protect);
  void carry_out(const core::Capture& capture);
  void carry_out(const core::Restore& restore);
  void carry_out(const core::Drop& drop);
  void carry_out(const core::Reply& reply);
  void carry_out(const core::NotifyAgent& notify);
  void carry_out(const core::FreedPending& pending);
  void carry_out(const core::Attached& attached);
  void carry_out(const core::PlaceToken& place);
  void carry_out(const core::TakeToken& take);
  void carry_out(const core::OwnerLost&) {}  // a line in a log
  void carry_out(const core::DropPeer& drop);
  void check_order(const core::Message& message, PageNo page) const;
  void require(bool holds, const char* what, PageNo page) const;
  void fill(PageNo page, const Frame& bytes);
  void note_taken(ClientId client, const ipc::LockTable::Removed& removed);
  Mapping& mapping_of(ClientId client, PageNo page) { return mappings_[raw(client)][raw(page)]; }

  Surroundings& surroundings_;
  TimeUs ahead_us_;
  std::vector<core::PageEntry> entries_;
  std::unique_ptr<core::Node> node_;
  std::vector<Bytes> frames_;
  std::uint64_t frame_count_ = 0;  // that are not empty
  std::vector<Bytes> slots_;
  std::vector<PageNo> slot_pages_;
  std::vector<std::vector<Mapping>> mappings_;  // [client][page]
  std::vector<std::unique_ptr<ipc::LockTable>> locks_;  // [client]
  unsigned placed_count_ = 0;
  std::optional<core::PlaceToken> placed_;  // last, if it is there still
  std::vector<core::TokenTaken> taken_;
  Bytes message_bytes_;
  std::optional<PageNo> dropped_;  // in this step, alone
  NodeSet members_;
  TimeUs local_us_ = 0;
  core::Actions actions_;
  std::vector<PageNo> touched_;
};

// The page that a message, event or action is about.
std::optional<PageNo> page_of(const core::Message& message);
std::optional<PageNo> page_of(const core::Event& event);
std::optional<PageNo> page_of(const core::Action& action);

}  // namespace gallocy::sim
