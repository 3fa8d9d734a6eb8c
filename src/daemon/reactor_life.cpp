// The reactor's side of a job's life: who comes, who goes, how it ends.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/describe.hpp"
#include "daemon/reactor.hpp"

namespace gallocy::daemon {

void Reactor::add_peer(NodeId peer, wire::ConnectionKind kind, net::Detached stream) {
  if (failed_ || ending_) return;
  Peer& added = peers_[raw(peer)];
  auto& connection = kind == wire::ConnectionKind::job_bulk ? added.bulk : added.connection;
  if (!connection)
    connection.emplace(
        ring_, settings_.peer_timeout_us,
        net::ConnectionEvents{
            [this, peer, kind](const net::FrameView& frame) { on_frame(peer, kind, frame); },
            [this, peer](const Error& error) { lose_peer(peer, error.sentence.view()); },
            [this, peer, kind](const Error& error) { connection_broke(peer, kind, error); }});
  connection->take_up(std::move(stream));
}

// The control thread dials, the connection keeps what is to be sent, and whoever waits for a page
// waits on.
void Reactor::connection_broke(NodeId peer, wire::ConnectionKind kind, const Error& error) {
  if (failed_ || ending_) return;
  last_break_ = Sentence("node ", raw(peer), ": ", error.sentence.view());
  events_.connection_broken(settings_.job, peer, kind);
}

void Reactor::add_client(UniqueFd socket, const ipc::ClientHello& hello) {
  const ClientId id{++last_client_};
  ClientEvents events{
      [this](ClientSession& client) { on_registered(client); },
      [this](ClientSession& client) { on_faults(client); },
      [this](ClientSession& client, const Sentence& why) {
        clients_gone_ = true;
        line(Sentence("rank ", client.hello().rank, " has gone: ", why.view()));
      }};
  auto client = std::make_unique<ClientSession>(ring_, id, std::move(socket), hello,
                                                std::move(events));
  if (auto status = client->welcome(settings_, pages_.fd()); !status) {
    client->send_refused(status.error().sentence);
    line(Sentence("rank ", hello.rank, " cannot attach: ", status.error().sentence.view()));
    events_.rank_gone(settings_.job, hello.rank);
    return;
  }
  client_of_rank_[hello.rank] = id;
  clients_.emplace(id, std::move(client));
}

void Reactor::on_registered(ClientSession& client) {
  auto descriptors = client.duplicates(pages_.fd());
  if (!descriptors) return fail_job(descriptors.error().sentence);
  const ipc::ClientHello& hello = client.hello();
  step(core::ClientAttached{client.id(), settings_.runs_main(hello.rank)});
  ipc::RankAttached attached;
  attached.job = raw(settings_.job);
  attached.rank = hello.rank;
  attached.build_id_size = hello.build_id_size;
  std::copy(std::begin(hello.build_id), std::end(hello.build_id), attached.build_id);
  attached.load_address = hello.load_address;
  events_.rank_attached(attached, std::move(*descriptors));
  if (started_) client.send_ready(client.first_thread);
}

void Reactor::start_ranks() {
  if (std::exchange(started_, true)) return;
  for (auto& [id, client] : clients_)
    if (client->view()) client->send_ready(client->first_thread);
}

// Sessions end in the middle of their own callbacks; here nobody is inside one.
void Reactor::bury_clients() {
  if (!std::exchange(clients_gone_, false)) return;
  std::vector<ClientId> gone;
  for (const auto& [id, client] : clients_)
    if (client->gone()) gone.push_back(id);
  for (const ClientId id : gone) {
    ClientSession& client = *clients_.at(id);
    if (client.ring() != nullptr) take_freed(client);
    step(core::ClientGone{id});  // looks at the locks that it had
    events_.rank_gone(settings_.job, client.hello().rank);
    clients_.erase(id);
  }
  tell_if_ended();
}

template <class Counter>
std::uint64_t Reactor::counted(const Peer& peer, Counter counter) {
  std::uint64_t count = 0;
  for (const auto* const connection : {&peer.connection, &peer.bulk})
    if (*connection) count += (*connection)->counters().*counter;
  return count;
}

std::uint64_t Reactor::resumed_count() const {
  std::uint64_t count = 0;
  for (const Peer& peer : peers_)
    count += peer.resumed_count + counted(peer, &net::ConnectionCounters::resumed_count);
  return count;
}

void Reactor::lose_peer(NodeId peer, std::string_view why) {
  Peer& lost = peers_[raw(peer)];
  if (!lost.connection && !lost.bulk) return;
  lost.bytes_in += counted(lost, &net::ConnectionCounters::bytes_in);
  lost.bytes_out += counted(lost, &net::ConnectionCounters::bytes_out);
  lost.resumed_count += counted(lost, &net::ConnectionCounters::resumed_count);
  lost.connection.reset();
  lost.bulk.reset();
  if (!ending_) fail_job(Sentence("node ", raw(peer), " is lost to the job: ", why));
}

void Reactor::fail_job(const Sentence& sentence) {
  if (std::exchange(failed_, true)) return;
  line(sentence);
  for (auto& [id, client] : clients_) client->send_refused(sentence);
  events_.job_failed(settings_.job, sentence);
}

void Reactor::end(std::int32_t status) {
  if (std::exchange(ending_, true)) return;
  step(core::JobEnding{status});
  // Those that were never let go have no agent yet.
  for (auto& [id, client] : clients_)
    if (!client->ready_sent()) client->send_refused(Sentence("the job has ended"));
  tell_if_ended();
}

void Reactor::tell_if_ended() {
  if (!ending_ || !clients_.empty() || std::exchange(ended_told_, true)) return;
  events_.job_ended(settings_.job);
}

void Reactor::request_statistics() {
  const ipc::JobStatistics counted = statistics();
  stats_page_.write(counted, net::now_us());
  events_.statistics(counted);
}

ipc::JobStatistics Reactor::statistics() const {
  ipc::JobStatistics statistics;
  statistics.job = raw(settings_.job);
  statistics.node = raw(settings_.self);
  for (const Peer& peer : peers_) {
    statistics.peer_bytes_in +=
        peer.bytes_in + counted(peer, &net::ConnectionCounters::bytes_in);
    statistics.peer_bytes_out +=
        peer.bytes_out + counted(peer, &net::ConnectionCounters::bytes_out);
  }
  statistics.connections_resumed = resumed_count();
  statistics.pages_evicted = node_.memory().evicted_count();
  for (const auto& [rank, client] : client_of_rank_) {
    if (statistics.rank_count == ipc::max_rank_count) break;
    ipc::RankStatistics& out = statistics.ranks[statistics.rank_count++];
    out.rank = rank;
    out.node = raw(settings_.self);
    const auto found = node_.statistics().clients().find(client);
    if (found == node_.statistics().clients().end()) continue;
    out.threads_run = found->second.threads_run;
    std::ranges::copy(found->second.faults, out.faults);
  }
  statistics.latency_us = node_.statistics().latency_us().buckets();
  statistics.resident_pages = pages_.resident_page_count();
  return statistics;
}

// ---- what a person wants to see ----------------------------------------------------------

void Reactor::dump() {
  line(Sentence("job ", Hex{raw(settings_.job)}, ": ", clients_.size(), " clients, ",
                node_.requester().pending().size(), " pages requested, ",
                node_.holder().demands().size(), " demands waiting, ",
                node_.holder().used_slot_count(), " slots used"));
  for (const auto& [page, pending] : node_.requester().pending()) dump_page(page);
  for (const auto& [page, demand] : node_.holder().demands()) dump_page(page);
  for (const auto& [page, entry] : node_.directory().entries())
    if (entry.busy) dump_page(page);
  for (const auto& [address, entry] : node_.sync_objects().entries())
    dump_waiters(entry.queue, std::visit([](const auto& object) { return object.owner(); },
                                         entry.object));
  for (const auto& [address, queue] : node_.sync_objects().futexes().queues())
    dump_waiters(queue, ThreadId{});
  trace_->print(net::now_us(), std::nullopt, [this](std::string_view text) { log_.line(text); });
}

void Reactor::dump_waiters(const core::SyncQueue& queue, ThreadId owner) {
  for (const core::SyncWaiter& waiting : queue)
    line(Sentence("waits: ", std::string_view(core::describe(waiting.request)), " of node ",
                  raw(waiting.from), ", owner ", Hex{raw(owner)}));
}

void Reactor::dump_page(PageNo page) {
  const core::PageEntry& entry = node_.table().at(page);
  Sentence text("page ", raw(page), " at ", Hex{own_address_of(page)}, ": state ",
                static_cast<unsigned>(entry.state), ", version ", raw(entry.version));
  if (const auto found = node_.requester().pending().find(page);
      found != node_.requester().pending().end())
    text.append(", requested of node ", raw(found->second.home), " with ",
                found->second.waiters.size(), " waiting, ", found->second.acks_from.count(), " of ",
                found->second.acks_expected, " acknowledgements");
  if (const auto found = node_.holder().demands().find(page);
      found != node_.holder().demands().end())
    text.append(", demanded by node ", raw(found->second.requester));
  if (const auto* home = node_.directory().find(page))
    text.append(", home: state ", static_cast<unsigned>(home->state), " copies ",
                Hex{home->copyset.bits()}, home->busy ? " busy for node " : " idle, last node ",
                raw(home->current.from), ", ", home->queue.size(), " queued");
  line(text);
}

void Reactor::every_second() {
  const core::TimeUs now_us = net::now_us();
  stats_page_.write(statistics(), now_us);
  watch_stalls(now_us);
  tell_resumed();
  second_timer_.arm(now_us + look_us);
}

void Reactor::tell_resumed() {
  const std::uint64_t count = resumed_count();
  if (std::exchange(told_resumed_count_, count) == count) return;
  line(Sentence("connections of job ", Hex{raw(settings_.job)}, " were taken up again: ", count,
                " times until now; the last that broke, to ", last_break_.view()));
}

// A fault that waits that long is a bug or a dead peer: leave what is needed to tell which.
void Reactor::watch_stalls(core::TimeUs now_us) {
  for (const auto& [page, pending] : node_.requester().pending()) {
    if (pending.waiters.empty()) continue;
    const core::TimeUs since_us = pending.waiters.front().faulted_us;
    if (now_us < since_us + stall_us || now_us >= since_us + stall_us + look_us) continue;
    line(Sentence("a thread has waited ", (now_us - since_us) / 1000, " ms for page ",
                  raw(page)));
    dump_page(page);
    trace_->print(now_us, page, [this](std::string_view text) { log_.line(text); });
  }
}

}  // namespace gallocy::daemon
