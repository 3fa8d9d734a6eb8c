#include "daemon/links.hpp"

#include <utility>

namespace gallocy::daemon {
namespace {

constexpr std::uint64_t pause_us = 200'000;    // before dialling again what was met or refused
constexpr std::uint64_t patience_s = 3;        // of silence before the log says who is missing

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
  if (dialled.said.empty()) dialled.silence.arm(seconds_from_now(patience_s));
  dialled.dial = std::make_unique<Dial>(
      context_, dialled.endpoint, net::never_us,
      hello_of(context_, wire::ConnectionKind::link),
      [this, index](Result<Dial::Met> outcome) { met(index, std::move(outcome)); });
}

void Links::met(std::size_t index, Result<Dial::Met> outcome) {
  Dialled& dialled = *dialled_[index];
  dialled.silence.cancel();
  context_.later.discard(std::move(dialled.dial));
  if (!outcome) return dial_again(index, outcome.error().sentence);
  if (const Status status = check(outcome->reply); !status) {
    context_.later.discard(std::move(outcome->channel));
    return dial_again(index, Sentence(dialled.endpoint.text().view(), ": ",
                                      status.error().sentence.view()));
  }
  dialled.said = Sentence{};
  const NodeId node = outcome->reply.node;
  peers_[raw(node)].dialled = index;
  take(node, outcome->reply.incarnation, dialled.endpoint.text(), std::move(outcome->channel));
}

Status Links::check(const wire::HelloReply& reply) const {
  if (raw(reply.node) >= raw(context_.self))
    return fail(EPROTO, "a peer must have a lower node id than this daemon's ",
                raw(context_.self), ", it says that it is ", raw(reply.node));
  if (up(reply.node))
    return fail(EEXIST, "it says that it is node ", raw(reply.node), ", as ",
                peers_[raw(reply.node)].address.view(), " does");
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
  const Peer& peer = peers_[raw(hello.node)];
  if (up(hello.node) && peer.incarnation != hello.incarnation)
    return fail(EEXIST, "node id ", raw(hello.node), " is taken by the daemon at ",
                peer.address.view(), ": give each daemon another --node-id");
  // The same daemon again: it has noticed the end of the old link before we did.
  if (up(hello.node)) lost(hello.node, "it made a new link");
  guest.channel->send(acceptance(context_));
  take(hello.node, hello.incarnation, guest.address, std::move(guest.channel));
  return {};
}

void Links::take(NodeId node, Incarnation incarnation, net::AddressText address,
                 std::unique_ptr<Channel> channel) {
  Peer& peer = peers_[raw(node)];
  peer.channel = std::move(channel);
  peer.incarnation = incarnation;
  peer.address = address;
  peer.channel->on_message = [this, node](const wire::LinkMessage& message) {
    events_.on_message(node, message);
  };
  peer.channel->on_closed = [this, node](const Error& error) {
    lost(node, error.sentence.view());
  };
  context_.say("linked to node ", raw(node), " at ", address.view());
  events_.on_up(node);
}

void Links::lost(NodeId node, std::string_view why) {
  Peer& peer = peers_[raw(node)];
  if (!peer.channel) return;
  peer.channel->on_message = nullptr;
  peer.channel->on_closed = nullptr;
  context_.later.discard(std::move(peer.channel));
  const Sentence sentence("node ", raw(node), " has gone (", peer.address.view(), ": ", why, ")");
  context_.say(sentence.view());
  if (peer.dialled) dialled_[*peer.dialled]->again.arm(net::now_us() + pause_us);
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
                   Hex{raw(peers_[node].incarnation)});
}

}  // namespace gallocy::daemon
