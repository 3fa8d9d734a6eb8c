// One job's loop: page faults, client requests, peers' frames and timers go into core as events,
// and core's actions are carried out on the spot. One thread; nothing on the fault path is handed
// to another.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "core/node.hpp"
#include "daemon/client_session.hpp"
#include "daemon/fault_stamps.hpp"
#include "daemon/job.hpp"
#include "daemon/log.hpp"
#include "daemon/pages.hpp"
#include "daemon/stats_page.hpp"
#include "daemon/trace.hpp"
#include "net/connection.hpp"
#include "net/ring.hpp"
#include "net/timer.hpp"
#include "wire/buffer.hpp"

namespace gallocy::daemon {

class Reactor {
 public:
  // `ring` is of the calling thread.
  Reactor(net::Ring& ring, const JobSettings& settings, Pages pages, StatsPage& stats_page,
          JobEvents& events, Log& log);
  ~Reactor();

  // One round: look at the clients' rings, sleep, dispatch.
  void run_once();

  void add_peer(NodeId peer, wire::ConnectionKind kind, net::Detached stream);
  void add_client(UniqueFd socket, const ipc::ClientHello& hello);
  void start_ranks();
  void request_statistics();
  void end(std::int32_t status);
  void dump();

 private:
  static constexpr std::uint64_t look_us = 1'000'000;     // once a round
  static constexpr std::uint64_t stall_us = 5'000'000;  // no fault waits that long

  struct Peer {
    std::optional<net::Connection> connection, bulk;
    std::uint64_t bytes_in = 0, bytes_out = 0, resumed_count = 0;  // when it ended
  };

  // into core
  // And what follows from it: nothing comes in between.
  void step(const core::Event& event, std::span<const std::byte> message_bytes = {});
  void step_once(const core::Event& event, std::span<const std::byte> message_bytes);
  void on_frame(NodeId from, wire::ConnectionKind on, const net::FrameView& frame);
  void on_faults(ClientSession& client);
  void on_request(ClientSession& client, const ipc::Request& request);
  bool take_requests();
  unsigned take_freed(ClientSession& client);

  // out of core
  void carry_out_all(const core::Actions& actions, core::TimeUs now_us);
  void carry_out(const core::Send& what);
  void carry_out(const core::Install& what);
  void carry_out(const core::Store& what);
  void carry_out(const core::Unprotect& what);
  void carry_out(const core::Wake& what);
  void carry_out(const core::Poison& what);
  void carry_out(const core::Protect& what);
  void carry_out(const core::Capture& what);
  void carry_out(const core::Restore& what);
  void carry_out(const core::Drop& what);
  void carry_out(const core::Reply& what);
  void carry_out(const core::NotifyAgent& what);
  void carry_out(const core::FreedPending& what);
  void carry_out(const core::Attached& what);
  void carry_out(const core::PlaceToken& what);
  void carry_out(const core::TakeToken& what);
  void carry_out(const core::OwnerLost& what);
  void carry_out(const core::DropPeer& what);
  void note(Pages::Outcome outcome);
  std::optional<ClientView> view_of(ClientId client);
  ClientSession* session(ClientId client);
  void note_taken(ClientId client, const ipc::LockTable::Removed& removed);

  void on_registered(ClientSession& client);
  void bury_clients();
  // So far, of all its connections.
  template <class Counter>
  static std::uint64_t counted(const Peer& peer, Counter counter);
  void connection_broke(NodeId peer, wire::ConnectionKind kind, const Error& error);
  std::uint64_t resumed_count() const;
  void lose_peer(NodeId peer, std::string_view why);
  void fail_job(const Sentence& sentence);
  void tell_if_ended();
  ipc::JobStatistics statistics() const;
  void every_second();
  void watch_stalls(core::TimeUs now_us);
  void tell_resumed();
  void dump_page(PageNo page);
  void dump_waiters(const core::SyncQueue& queue, ThreadId owner);
  void line(const Sentence& text) { log_.line(text.view()); }

  net::Ring& ring_;
  JobSettings settings_;
  Pages pages_;
  StatsPage& stats_page_;
  JobEvents& events_;
  Log& log_;
  core::Node node_;
  core::Actions actions_;
  std::vector<core::TokenTaken> taken_;  // by the actions of this step
  std::span<const std::byte> message_bytes_;  // beside the message of this step
  std::unique_ptr<Trace> trace_;
  FaultStamps stamps_;
  std::unordered_map<ClientId, std::unique_ptr<ClientSession>> clients_;
  std::unordered_map<std::uint32_t, ClientId> client_of_rank_;
  std::array<Peer, max_node_count> peers_;
  wire::Buffer buffer_;
  net::Timer second_timer_;
  std::uint16_t last_client_ = 0;
  Sentence last_break_;
  std::uint64_t told_resumed_count_ = 0;  // to the log
  bool clients_gone_ = false;  // some session has ended and waits for bury_clients()
  bool started_ = false;
  bool failed_ = false;
  bool ending_ = false;
  bool ended_told_ = false;
};

}  // namespace gallocy::daemon
