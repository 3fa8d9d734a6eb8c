#include "daemon/reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.hpp"
#include "core/invariants.hpp"
#include "daemon/planted.hpp"
#include "daemon/requests.hpp"
#include "wire/codec.hpp"

namespace gallocy::daemon {
namespace {

core::Config config_of(const JobSettings& settings) {
  core::Config config;
  config.self = settings.self;
  config.nodes = settings.nodes;
  config.placement = settings.placement;
  config.outlives_clients = settings.every_rank_runs_main;
  for (std::size_t rank = 0; rank < settings.rank_nodes.size(); ++rank)
    config.cpus[raw(settings.rank_nodes[rank])] = settings.rank_cpus[rank];
  config.memory_pages = settings.memory_bytes / page_bytes;
  config.cache_min_pages = (config.memory_pages - config.slot_count) / 8;
  return config;
}

core::Fault fault_of(ClientId client, const uffd::Fault& fault, PageNo page) {
  const auto access =
      fault.access == uffd::Access::write ? core::Access::write : core::Access::read;
  using enum uffd::FaultKind;
  const auto cause = fault.kind == minor           ? core::FaultCause::minor
                     : fault.kind == write_protect ? core::FaultCause::write_protect
                                                   : core::FaultCause::missing;
  return {client, fault.thread, page, access, cause};
}

// REQUIRES: a message that may have a frame beside it.
PageNo page_of(const core::Message& message) {
  if (const auto* data = std::get_if<core::PageData>(&message.body)) return data->page;
  if (const auto* data = std::get_if<core::PrefetchData>(&message.body)) return data->page;
  return std::get<core::Writeback>(message.body).page;
}

Sentence poison_sentence(const core::Poison& what, Hex address) {
  if (what.lost_with != no_node)
    return Sentence("the page at ", address, " is lost with node ", raw(what.lost_with),
                    ", which was removed in epoch ", raw(what.lost_since),
                    ": the access ends with SIGBUS");
  if (what.full_home == no_node)
    return Sentence("no memory was ever handed out at ", address, ": the access ends with SIGBUS");
  return Sentence("node ", raw(what.full_home), " has no memory left for the page at ", address,
                  ": its bound is ", what.memory_pages * page_bytes >> 20,
                  " MiB (--memory); the access ends with SIGBUS");
}

}  // namespace

Reactor::Reactor(net::Ring& ring, const JobSettings& settings, Pages pages, StatsPage& stats_page,
                 JobEvents& events, Log& log)
    : ring_(ring), settings_(settings), pages_(std::move(pages)), stats_page_(stats_page),
      events_(events), log_(log),
      node_(config_of(settings), pages_.entries()), trace_(std::make_unique<Trace>()),
      second_timer_(ring.timers(), [this] { every_second(); }) {
  if (!settings_.fault_stamps_folder.empty()) {
    auto stamps = FaultStamps::open(settings_.fault_stamps_folder, settings_.job, settings_.self);
    if (stamps) stamps_ = std::move(*stamps);
    else line(stamps.error().sentence);
  }
  every_second();
}

Reactor::~Reactor() = default;

void Reactor::run_once() {
  bool may_sleep = !take_requests();
  for (auto& [id, client] : clients_)
    if (client->ring() != nullptr && !client->ring()->sleep_begin()) may_sleep = false;
  const core::TimeUs deadline_us = node_.next_deadline();
  const std::uint64_t until_us = !may_sleep ? 0 : deadline_us == 0 ? net::never_us : deadline_us;
  stamps_.on_leaving();
  if (auto status = ring_.run_once(until_us); !status) fail_job(status.error().sentence);
  for (auto& [id, client] : clients_)
    if (client->ring() != nullptr) client->ring()->sleep_end();
  if (node_.next_deadline() != 0 && node_.next_deadline() <= net::now_us()) step(core::Tick{});
  bury_clients();
}

// ---- into core ---------------------------------------------------------------------------

void Reactor::step(const core::Event& event, std::span<const std::byte> message_bytes) {
  step_once(event, message_bytes);
  // In their order: one that found no room is not there any more when it is taken.
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    const core::TokenTaken taken = taken_[i];
    step_once(taken, {});
  }
  taken_.clear();
}

void Reactor::step_once(const core::Event& event, std::span<const std::byte> message_bytes) {
  const core::TimeUs now_us = net::now_us();
  trace_->record(now_us, event);
  message_bytes_ = message_bytes;
  actions_.clear();
  node_.step(now_us, event, actions_);
  stamps_.on_decided(event);
  if (uffd::planted(uffd::Bug::send_before_protect)) send_before_protect(actions_);
  if (uffd::planted(uffd::Bug::acknowledge_before_unmapping)) {
    static thread_local core::Actions late;  // of the step before
    carry_out_all(late, now_us);
    late = take_acknowledged_drops(actions_);
  }
  carry_out_all(actions_, now_us);
  node_.carried_out(net::now_us());
#if GALLOCY_INVARIANTS
  core::check_counters(node_);
#endif
  message_bytes_ = {};
}

void Reactor::carry_out_all(const core::Actions& actions, core::TimeUs now_us) {
  for (const core::Action& action : actions) {
    trace_->record(now_us, action);
    std::visit([this](const auto& what) { carry_out(what); }, action);
  }
}

void Reactor::on_frame(NodeId from, wire::ConnectionKind on, const net::FrameView& frame) {
  const std::int64_t arrived_ns = stamps_.moment_ns();
  auto decoded = wire::decode(frame.message);
  if (!decoded) return lose_peer(from, decoded.error().sentence.view());
  if (decoded->job != settings_.job) return lose_peer(from, "it speaks of another job");
  if (frame.payload.size() != wire::payload_bytes(decoded->message))
    return lose_peer(from, "a frame has the wrong number of page bytes");
  if (is_bulk(decoded->message) != (on == wire::ConnectionKind::job_bulk))
    return lose_peer(from, "a message came on the wrong connection");
  stamps_.on_received(decoded->message, arrived_ns);
  step(core::PeerMessage{from, decoded->message}, frame.payload);
}

void Reactor::on_faults(ClientSession& client) {
  std::array<uffd::Fault, uffd::max_faults_per_read> faults;
  const ClientView view = *client.view();
  const auto read = view.userfault.read_faults(faults);
  if (read.state != uffd::ReadState::faults) return;  // closed: its socket says so
  for (std::size_t i = 0; i < read.count; ++i) {
    const auto page = view.windows.page_at(faults[i].address);
    if (faults[i].kind == uffd::FaultKind::other || !page) continue;
    const core::Fault fault = fault_of(client.id(), faults[i], *page);
    stamps_.add(FaultStamps::Stage::event_read, fault.page);
    const bool writes = fault.cause == core::FaultCause::write_protect;
    if (uffd::planted(uffd::Bug::stale_unprotect) && writes)
      carry_out(core::Unprotect{client.id(), fault.page});
    else
      step(fault);
  }
  // Sockets get their turn before the rest of a storm.
  if (read.count == faults.size()) client.look_again_for_faults();
}

bool Reactor::take_requests() {
  unsigned count = 0;
  for (auto& [id, client] : clients_) {
    if (client->ring() == nullptr || client->gone()) continue;
    ClientSession& session = *client;
    count += take_freed(session);
    count += session.ring()->take_ready(
        [&](const ipc::Request& request) { on_request(session, request); });
  }
  return count > 0;
}

// Before the client's requests: an answered ping says that its places are free again.
unsigned Reactor::take_freed(ClientSession& client) {
  return client.ring()->take_freed([this](ipc::FreedBlock block) {
    const NodeId owner{static_cast<std::uint8_t>(block.owner_node)};
    step(core::BlockFreed{block.address, owner, std::uint64_t{1} << block.size_width});
  });
}

void Reactor::on_request(ClientSession& client, const ipc::Request& request) {
  const ipc::Ticket ticket = request.ticket;
  if (!client.ready_sent()) {
    client.ring()->answer(ticket, EPERM);
    return;
  }
  if (request.operation == ipc::Operation::ping ||
      request.operation == ipc::Operation::finalize) {
    client.ring()->answer(ticket, 0);
    return;
  }
  if (request.operation == ipc::Operation::window) {
    const auto& argument = request.arguments;
    client.ring()->answer(ticket, client.add_window({argument[0], argument[1], argument[2]}));
    return;
  }
  core::ClientCall call;
  call.tag = {client.id(), ticket.slot, ticket.sequence};
  call.thread = request.thread;
  if (!call_of(request, call.call)) {
    client.ring()->answer(ticket, EINVAL);
    return;
  }
  step(call);
}

// ---- out of core -------------------------------------------------------------------------

ClientSession* Reactor::session(ClientId client) {
  const auto found = clients_.find(client);
  return found == clients_.end() || found->second->gone() ? nullptr : found->second.get();
}

std::optional<ClientView> Reactor::view_of(ClientId client) {
  const ClientSession* found = session(client);
  return found == nullptr ? std::nullopt : found->view();
}

// A client that goes says so by its socket; memory that runs out ends the job.
void Reactor::note(Pages::Outcome outcome) {
  if (outcome == Pages::Outcome::out_of_memory)
    fail_job(Sentence("node ", raw(settings_.self), " has no memory left for pages of the job"));
}

void Reactor::carry_out(const core::Send& what) {
  auto& peer = peers_[raw(what.to)];
  auto& connection = is_bulk(what.message) ? peer.bulk : peer.connection;
  if (!connection) return;  // it has gone: the job is failing
  std::span<const std::byte> payload;
  if (what.payload.kind == core::PayloadKind::frame)
    payload = pages_.frame(page_of(what.message));
  else if (what.payload.kind == core::PayloadKind::slot)
    payload = pages_.slot(what.payload.slot);
  connection->send(wire::encode(settings_.job, what.message, buffer_), payload);
  stamps_.on_queued(what.message);
}

void Reactor::carry_out(const core::Install& what) {
  if (const auto client = view_of(what.client)) {
    note(pages_.install(*client, what, message_bytes_));
    return stamps_.add(FaultStamps::Stage::installed, what.page);
  }
  if (what.source == core::Source::message) pages_.store(what.page, message_bytes_);
}

void Reactor::carry_out(const core::Store& what) { pages_.store(what.page, message_bytes_); }

void Reactor::carry_out(const core::Unprotect& what) {
  if (const auto client = view_of(what.client)) note(pages_.unprotect(*client, what.page));
}

void Reactor::carry_out(const core::Wake& what) {
  if (const auto client = view_of(what.client)) pages_.wake(*client, what.page);
}

void Reactor::carry_out(const core::Poison& what) {
  const auto client = view_of(what.client);
  line(poison_sentence(what, Hex{client ? client->address_of(what.page)
                                        : own_address_of(what.page)}));
  if (client) note(pages_.poison(*client, what.page));
}

void Reactor::carry_out(const core::Protect& what) {
  if (uffd::planted(uffd::Bug::send_before_protect)) ::usleep(planted_pause_us);
  for (auto& [id, client] : clients_)
    if (const auto view = client->view()) note(pages_.protect(*view, what.page));
  stamps_.add(FaultStamps::Stage::page_protected, what.page);
}

void Reactor::carry_out(const core::Capture& what) { pages_.capture(what.page, what.slot); }

void Reactor::carry_out(const core::Restore& what) { pages_.restore(what.page, what.slot); }

void Reactor::carry_out(const core::Drop& what) {
  pages_.drop(what.page, what.count);
  stamps_.add(FaultStamps::Stage::page_protected, what.page);
}

void Reactor::carry_out(const core::Reply& what) {
  if (ClientSession* client = session(what.tag.client))
    client->ring()->answer({what.tag.slot, what.tag.sequence}, what.status, what.values);
}

void Reactor::carry_out(const core::NotifyAgent& what) {
  if (ClientSession* client = session(what.client)) client->notify_agent();
}

void Reactor::carry_out(const core::FreedPending& what) {
  if (ClientSession* client = session(what.client)) client->ring()->set_freed_pending(what.count);
}

void Reactor::carry_out(const core::Attached& what) {
  if (ClientSession* client = session(what.client)) client->first_thread = what.thread;
}

void Reactor::note_taken(ClientId client, const ipc::LockTable::Removed& removed) {
  if (removed.address != 0)
    taken_.push_back({client, removed.address, removed.owner, removed.depth});
}

// Of a client that is just going the table is there still.
void Reactor::carry_out(const core::PlaceToken& what) {
  if (const auto found = clients_.find(what.client); found != clients_.end())
    note_taken(what.client, found->second->ring()->locks().place(what.address, what.owner));
}

void Reactor::carry_out(const core::TakeToken& what) {
  if (const auto found = clients_.find(what.client); found != clients_.end())
    note_taken(what.client, found->second->ring()->locks().remove(what.address));
}

void Reactor::carry_out(const core::OwnerLost& what) {
  line(Sentence("the lock at ", Hex{what.address}, " goes to the next: thread ",
                Hex{raw(what.owner)}, ", which had it, has ended with its process"));
}

void Reactor::carry_out(const core::DropPeer& what) { lose_peer(what.peer, what.reason); }

}  // namespace gallocy::daemon
