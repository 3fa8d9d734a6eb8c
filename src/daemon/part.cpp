#include "daemon/part.hpp"

#include <algorithm>
#include <utility>

namespace gallocy::daemon {

Part::Part(const Services& services, JobSettings settings, NodeId creator)
    : services_(services),
      context_(services.context),
      settings_(std::move(settings)),
      creator_(creator),
      awaited_(others()),
      awaited_bulk_(others()),
      unready_(settings_.nodes),
      unended_(others()),
      limit_(context_.ring.timers(), [this] { out_of_time(); }) {}

Part::~Part() {
  for (const auto& [what, dial] : dials_) dial->stop();
}

// ---- opening -------------------------------------------------------------------------------

void Part::open() {
  context_.say("job ", Hex{raw(settings_.job)}, " of uid ", settings_.owner, ": opening, ",
               settings_.rank_nodes.size(), " ranks on ", settings_.nodes.count(), " nodes");
  // The creator's sentence names who is late, so it speaks first.
  limit_.arm(seconds_from_now(creator_ == settings_.self ? open_limit_s : open_limit_s + 2));
  auto job = Job::start(settings_, services_.events, context_.log);
  if (!job) return fail_with(job.error());
  job_ = std::move(*job);
  others().for_each([this](NodeId peer) {
    if (services_.links.up(peer)) link_made(peer);
  });
  if (all_connected()) became_ready();
}

// The higher id dials. The creator has links to all nodes, but any two others may be still
// about to meet.
void Part::link_made(NodeId peer) {
  if (phase_ != Phase::opening || !awaited_.contains(peer) || dialled_.contains(peer)) return;
  if (raw(peer) >= raw(settings_.self)) return;
  if (!services_.links.address_of(peer)) return;
  dialled_.insert(peer);
  const std::uint64_t deadline_us = seconds_from_now(open_limit_s);
  dial(peer, wire::ConnectionKind::job_control, deadline_us);
  dial(peer, wire::ConnectionKind::job_bulk, deadline_us);
}

void Part::dial(NodeId peer, wire::ConnectionKind kind, std::uint64_t deadline_us) {
  std::unique_ptr<Dial>& dial = dials_[{peer, kind}];
  if (dial) dial->stop();
  context_.later.discard(std::move(dial));
  dial = std::make_unique<Dial>(
      context_, *services_.links.address_of(peer), deadline_us,
      hello_of(context_, kind, settings_.job), services_.links.incarnation_of(peer),
      [this, peer, kind](Result<Dial::Met> outcome) { met(peer, kind, std::move(outcome)); });
}

void Part::met(NodeId peer, wire::ConnectionKind kind, Result<Dial::Met> outcome) {
  if (!outcome) return not_met(peer, outcome.error());
  outcome->channel->detach([on_connection = &services_.on_connection, job = settings_.job, peer,
                            kind](Result<net::Detached> stream) {
    (*on_connection)(job, peer, kind, std::move(stream));
  });
  context_.later.discard(std::move(outcome->channel));
}

// A connection that stood is given up by the job itself when its peer has not come back in time.
// Whoever refuses to take one up has failed or ended the job, and says so over the link.
void Part::not_met(NodeId peer, const Error& error) {
  if (phase_ == Phase::opening)
    return fail_with({error.code, Sentence("no connection to node ", raw(peer), " (",
                                           error.sentence.view(), ")")});
  context_.say("job ", Hex{raw(settings_.job)}, ": a connection to node ", raw(peer),
               " is not taken up again (", error.sentence.view(), ")");
  if (error.code == ESTALE)
    fail_with(Sentence("node ", raw(peer), " is lost to the job: ", error.sentence.view()));
}

void Part::receive(const ConnectionBroken& broken) {
  if (!may_connect() || raw(broken.peer) >= raw(settings_.self)) return;
  dial(broken.peer, broken.kind, net::now_us() + context_.options.peer_timeout_us);
}

Status Part::check_peer(NodeId peer) const {
  if (!others().contains(peer))
    return gallocy::fail(EPERM, "node ", raw(peer), " takes no part in job ",
                         Hex{raw(settings_.job)});
  if (!may_connect())
    return gallocy::fail(ESHUTDOWN, "job ", Hex{raw(settings_.job)}, " is ending");
  return {};
}

void Part::connected(NodeId peer, wire::ConnectionKind kind, Result<net::Detached> connection) {
  if (!may_connect()) return;
  // Lost on its way to the job: as if it had broken there.
  if (!connection) return receive(ConnectionBroken{raw(settings_.job), peer, kind});
  job_->add_peer(peer, kind, std::move(*connection));
  (kind == wire::ConnectionKind::job_bulk ? awaited_bulk_ : awaited_).erase(peer);
  if (phase_ == Phase::opening && all_connected()) became_ready();
}

void Part::became_ready() {
  phase_ = Phase::ready;
  ipc::JobReady ready;
  ready.job = raw(settings_.job);
  ready.node = raw(settings_.self);
  tell(ready);
  if (creator_ != settings_.self) {
    limit_.cancel();
    services_.links.send(creator_, wire::JobReady{settings_.job});
  } else {
    peer_ready(settings_.self);
  }
}

void Part::peer_ready(NodeId peer) {
  unready_.erase(peer);
  if (unready_.empty() && phase_ == Phase::ready) limit_.cancel();
}

void Part::out_of_time() {
  if (phase_ == Phase::ending) return become_over();
  const NodeSet missing =
      all_connected() ? unready_ : NodeSet{awaited_.bits() | awaited_bulk_.bits()};
  fail_with(Sentence("node ", raw(missing.empty() ? settings_.self : missing.lowest()),
                     " was not ready for job ", Hex{raw(settings_.job)}, " within ", open_limit_s,
                     " s: is its daemon running, and does every daemon have --peer for those of "
                     "lower ids?"));
}

// ---- launchers and clients -----------------------------------------------------------------

void Part::attach(Session& launcher) {
  launcher.bind(settings_.job);
  launchers_.push_back(&launcher);
  if (phase_ != Phase::ready) return;
  ipc::JobReady ready;
  ready.job = raw(settings_.job);
  ready.node = raw(settings_.self);
  launcher.send(ready);
}

void Part::launcher_gone(Session& launcher) {
  std::erase(launchers_, &launcher);
  if (phase_ == Phase::ending || phase_ == Phase::over) return;
  context_.say("job ", Hex{raw(settings_.job)}, ": its launcher has gone");
  end(status_failed, false);
}

Status Part::order(const ipc::AnyMessage& message) {
  const bool running = job_ && phase_ != Phase::over;
  if (message.as<ipc::JobStart>() != nullptr) {
    if (running) job_->start_ranks();
  } else if (message.as<ipc::JobStatisticsRequest>() != nullptr) {
    if (running) job_->request_statistics();
  } else if (message.as<ipc::JobEnd>() != nullptr) {
    end(0, false);
  } else {
    return gallocy::fail(EPROTO, "a launcher must not send messages of kind ",
                         static_cast<unsigned>(message.kind()));
  }
  return {};
}

Status Part::check_client(uid_t uid, const ipc::ClientHello& hello) const {
  if (uid != settings_.owner)
    return gallocy::fail(EPERM, "job ", Hex{hello.job}, " belongs to uid ", settings_.owner,
                         ", not to uid ", uid);
  if (phase_ == Phase::ending || phase_ == Phase::over)
    return gallocy::fail(ESHUTDOWN, "job ", Hex{hello.job}, " is ending");
  if (hello.rank >= settings_.rank_nodes.size())
    return gallocy::fail(EINVAL, "job ", Hex{hello.job}, " has ", settings_.rank_nodes.size(),
                         " ranks, and no rank ", hello.rank);
  if (const NodeId node = settings_.rank_nodes[hello.rank]; node != settings_.self)
    return gallocy::fail(EINVAL, "rank ", hello.rank, " belongs to node ", raw(node),
                         ", not to node ", raw(settings_.self));
  if ((ranks_taken_ >> hello.rank & 1) != 0)
    return gallocy::fail(EEXIST, "rank ", hello.rank, " of job ", Hex{hello.job},
                         " has attached already");
  if (hello.build_id_size > ipc::build_id_bytes)
    return gallocy::fail(EPROTO, "a build id of ", hello.build_id_size, " bytes");
  return {};
}

void Part::add_client(UniqueFd socket, const ipc::ClientHello& hello) {
  ranks_taken_ |= std::uint64_t{1} << hello.rank;
  job_->add_client(std::move(socket), hello);
}

// ---- the end -------------------------------------------------------------------------------

void Part::receive(const ipc::JobFailed& failed) { fail_with(Sentence(failed.sentence)); }

void Part::link_lost(NodeId peer, const Sentence& why) {
  unended_.erase(peer);
  if (!others().contains(peer)) return;
  if (phase_ == Phase::ending) look_if_over();
  else fail_with(why);
}

// Passed on as it came: what a third node hears first may be this, and not what the node where it
// happened has said, and a launcher there wants to know why, too.
void Part::peer_failed(NodeId peer, const Sentence& why) {
  unended_.erase(peer);
  fail_with(why);
  look_if_over();
}

void Part::peer_ended(NodeId peer, std::int32_t status) {
  unended_.erase(peer);
  end(status, false);
  look_if_over();
}

void Part::fail_with(const Error& why) {
  if (phase_ == Phase::ending || phase_ == Phase::over) return;
  tell_failure(why);
  tell_others(wire::JobFailed{settings_.job, why.sentence});
  end(status_failed, true);
}

// A launcher that has had JobReady expects news, one that waits for it an answer.
void Part::tell_failure(const Error& why) {
  if (phase_ == Phase::ending || phase_ == Phase::over) return;
  context_.say("job ", Hex{raw(settings_.job)}, " has failed: ", why.sentence.view());
  if (phase_ == Phase::ready) return tell(failure_of(settings_.job, why.sentence));
  for (Session* launcher : launchers_) launcher->refuse(why);
}

void Part::end(std::int32_t status, bool others_know) {
  if (phase_ == Phase::ending || phase_ == Phase::over) return;
  phase_ = Phase::ending;
  limit_.arm(seconds_from_now(end_limit_s));
  for (const auto& [what, dial] : dials_) dial->stop();
  if (!others_know) tell_others(wire::JobEnd{settings_.job, status});
  if (job_) job_->end(status);
  else clients_gone_ = true;
  look_if_over();
}

void Part::receive(const JobEnded&) {
  clients_gone_ = true;
  look_if_over();
}

void Part::look_if_over() {
  if (phase_ == Phase::ending && clients_gone_ && unended_.empty()) become_over();
}

// Only then may launchers begin the next job.
void Part::become_over() {
  phase_ = Phase::over;
  limit_.cancel();
  job_.reset();
  context_.say("job ", Hex{raw(settings_.job)}, ": over");
  ipc::JobOver over;
  over.job = raw(settings_.job);
  tell(over);
  services_.on_over(settings_.job);
}

void Part::tell_others(const wire::LinkMessage& message) const {
  others().for_each([&](NodeId node) { services_.links.send(node, message); });
}

void Part::dump() const {
  constexpr const char* phases[] = {"opening", "ready", "ending", "over"};
  context_.say("job ", Hex{raw(settings_.job)}, ": ", phases[static_cast<unsigned>(phase_)],
               ", awaited ", Hex{awaited_.bits() | awaited_bulk_.bits()}, ", unready ",
               Hex{unready_.bits()},
               ", unended ", Hex{unended_.bits()}, ", ranks ", Hex{ranks_taken_}, ", launchers ",
               launchers_.size());
  if (job_) job_->dump();
}

}  // namespace gallocy::daemon
