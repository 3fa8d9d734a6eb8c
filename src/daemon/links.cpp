#include "daemon/links.hpp"

#include <utility>

namespace gallocy::daemon {
namespace {

constexpr std::uint64_t pause_us = 200'000;    // before dialling again what was met or refused
constexpr std::uint64_t patience_s = 3;        // of silence before the log says who is missing
constexpr std::uint64_t say_every_us = 1'000'000;  // that the link to one peer broke

constexpr const char* given_up = "it has given up the link that was lost";
constexpr const char* started_anew = "its daemon was started anew";

}  // namespace

// One --peer. `said` is the last sentence in the log, so that a long absence is one line.
struct Links::Dialled {
  Dialled(Links& links, std::size_t index, const net::Endpoint& at)
      : endpoint(at),
        again(links.context_.ring.timers(), [&links, index] { links.dial(index); }),
        silence(links.context_.ring.timers(), [&links, this] {
          links.context_.say("no daemon answers at ", endpoint.text().view(), " yet: dialling on");
        }) {}

  net::Endpoint endpoint;
  net::Timer again;
  net::Timer silence;
  std::unique_ptr<Dial> dial;
  std::uint64_t session = 1;  // of the link, the next one if there is none
  Sentence said;
};

Links::Links(const Context& context, LinkEvents events)
    : context_(context), events_(std::move(events)) {
  for (const net::Endpoint& peer : context.options.peers) {
    const std::size_t index = dialled_.size();
    dialled_.push_back(std::make_unique<Dialled>(*this, index, peer));
    dial(index);
  }
}

Links::~Links() = default;

void Links::dial(std::size_t index) {
  Dialled& dialled = *dialled_[index];
  if (dialled.dial) return;
  dialled.again.cancel();
  if (dialled.said.empty()) dialled.silence.arm(seconds_from_now(patience_s));
  wire::Hello hello = hello_of(context_, wire::ConnectionKind::link);
  hello.session = dialled.session;
  dialled.dial = std::make_unique<Dial>(
      context_, dialled.endpoint, net::never_us, hello, std::nullopt,
      [this, index](Result<Dial::Met> outcome) { met(index, std::move(outcome)); });
}

void Links::met(std::size_t index, Result<Dial::Met> outcome) {
  Dialled& dialled = *dialled_[index];
  dialled.silence.cancel();
  context_.later.discard(std::move(dialled.dial));
  if (!outcome) return dial_again(index, outcome.error().sentence);
  const wire::HelloReply& reply = outcome->reply;
  if (const Status status = check(index, reply); !status) {
    context_.later.discard(std::move(outcome->channel));
    return dial_again(index, Sentence(dialled.endpoint.text().view(), ": ",
                                      status.error().sentence.view()));
  }
  dialled.said = Sentence{};
  const NodeId node = reply.node;
  const bool knew = is_incarnation(node, reply.incarnation);
  if (up(node) && !(knew && reply.goes_on)) {
    // The next hello names another session.
    context_.later.discard(std::move(outcome->channel));
    return lost(node, knew ? given_up : started_anew);
  }
  peers_[raw(node)].dialled = index;
  peers_[raw(node)].session = dialled.session;
  carry(node, reply.incarnation, dialled.endpoint.text(), std::move(outcome->channel));
}

Status Links::check(std::size_t index, const wire::HelloReply& reply) const {
  if (raw(reply.node) >= raw(context_.self))
    return fail(EPROTO, "a peer must have a lower node id than this daemon's ",
                raw(context_.self), ", it says that it is ", raw(reply.node));
  const Peer& peer = peers_[raw(reply.node)];
  if (peer.channel && peer.dialled != index)
    return fail(EEXIST, "it says that it is node ", raw(reply.node), ", as ",
                peer.address.view(), " does");
  return {};
}

void Links::dial_again(std::size_t index, const Sentence& why) {
  Dialled& dialled = *dialled_[index];
  if (why.view() != dialled.said.view()) context_.say("no link: ", why.view());
  dialled.said = why;
  dialled.again.arm(net::now_us() + pause_us);
}

Status Links::welcome(Reception::Guest& guest) {
  const wire::Hello& hello = guest.hello;
  if (hello.node == context_.self)
    return fail(EEXIST, "node id ", raw(hello.node), " is this daemon's own: give each daemon "
                "another --node-id");
  if (raw(hello.node) < raw(context_.self))
    return fail(EINVAL, "node ", raw(hello.node), " must not dial node ", raw(context_.self),
                ": the higher id dials");
  Peer& peer = peers_[raw(hello.node)];
  const bool knew = is_incarnation(hello.node, hello.incarnation);
  if (peer.channel && !knew && !peer.broken)
    return fail(EEXIST, "node id ", raw(hello.node), " is taken by the daemon at ",
                peer.address.view(), ": give each daemon another --node-id");
  wire::HelloReply reply = acceptance(context_);
  reply.goes_on = knew && peer.session == hello.session;
  if (up(hello.node) && !reply.goes_on) lost(hello.node, knew ? given_up : started_anew);
  peer.session = hello.session;
  guest.channel->send(reply);
  carry(hello.node, hello.incarnation, guest.address, std::move(guest.channel));
  return {};
}

// The link goes on over this stream; a new one if there is none.
void Links::carry(NodeId node, Incarnation incarnation, net::AddressText address,
                  std::unique_ptr<Channel> stream) {
  Peer& peer = peers_[raw(node)];
  peer.address = address;
  peer.broken = false;
  if (!peer.channel) {
    peer.incarnation = incarnation;
    begin(node);
  }
  const std::uint64_t session = peer.session;
  stream->detach([this, node, incarnation, session](Result<net::Detached> detached) {
    if (!is_incarnation(node, incarnation) || peers_[raw(node)].session != session) return;
    if (detached) peers_[raw(node)].channel->take_up(std::move(*detached));
    else broke(node, detached.error());
  });
  context_.later.discard(std::move(stream));
}

void Links::begin(NodeId node) {
  Peer& peer = peers_[raw(node)];
  peer.channel = std::make_unique<Channel>(context_.ring, context_.options.peer_timeout_us);
  peer.channel->on_message = [this, node](const wire::LinkMessage& message) {
    events_.on_message(node, message);
  };
  peer.channel->on_broken = [this, node](const Error& error) { broke(node, error); };
  peer.channel->on_closed = [this, node](const Error& error) {
    lost(node, error.sentence.view());
  };
  context_.say("linked to node ", raw(node), " at ", peer.address.view());
  events_.on_up(node);
}

void Links::broke(NodeId node, const Error& error) {
  Peer& peer = peers_[raw(node)];
  peer.broken = true;
  if (const std::uint64_t now_us = net::now_us(); now_us >= peer.said_us + say_every_us) {
    peer.said_us = now_us;
    context_.say("the link to node ", raw(node), " at ", peer.address.view(), " broke (",
                 error.sentence.view(), "), and may be taken up again; ",
                 peer.channel->resumed_count(), " times until now");
  }
  if (peer.dialled) dial(*peer.dialled);
}

void Links::lost(NodeId node, std::string_view why) {
  Peer& peer = peers_[raw(node)];
  if (!peer.channel) return;
  peer.channel->on_message = nullptr;
  peer.channel->on_closed = nullptr;
  peer.channel->on_broken = nullptr;
  context_.later.discard(std::move(peer.channel));
  const Sentence sentence("node ", raw(node), " has gone (", peer.address.view(), ": ", why, ")");
  context_.say(sentence.view());
  if (peer.dialled) {
    Dialled& dialled = *dialled_[*peer.dialled];
    ++dialled.session;
    // One that is under way names the session that has just ended.
    if (dialled.dial) {
      dialled.dial->stop();
      context_.later.discard(std::move(dialled.dial));
    }
    dialled.again.arm(net::now_us() + pause_us);
  }
  events_.on_down(node, sentence);
}

void Links::send(NodeId node, const wire::LinkMessage& message) {
  if (const auto& channel = peers_[raw(node)].channel) channel->send(message);
}

std::optional<net::Endpoint> Links::address_of(NodeId node) const {
  const auto dialled = peers_[raw(node)].dialled;
  if (!dialled) return std::nullopt;
  return dialled_[*dialled]->endpoint;
}

bool Links::is_incarnation(NodeId node, Incarnation incarnation) const {
  return up(node) && peers_[raw(node)].incarnation == incarnation;
}

void Links::dump() const {
  for (unsigned node = 0; node < max_node_count; ++node)
    if (peers_[node].channel)
      context_.say("link: node ", node, " at ", peers_[node].address.view(), ", incarnation ",
                   Hex{raw(peers_[node].incarnation)},
                   peers_[node].broken ? ", broken" : "", ", taken up again ",
                   peers_[node].channel->resumed_count(), " times");
}

}  // namespace gallocy::daemon
