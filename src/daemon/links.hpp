// The link to every other daemon: dialled to lower ids, accepted from higher ones, and dialled
// again for as long as this daemon lives.
//
// A link survives its streams: what one side sends while there is none arrives with the next. It
// is up until its peer has not come back for --peer-timeout, has begun anew, or misbehaves.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/hello.hpp"

namespace gallocy::daemon {

struct LinkEvents {
  std::function<void(NodeId)> on_up;
  std::function<void(NodeId, const Sentence& why)> on_down;
  std::function<void(NodeId, const wire::LinkMessage&)> on_message;
};

class Links {
 public:
  Links(const Context& context, LinkEvents events);
  ~Links();

  // Takes the guest in, or says why not and leaves it as it was.
  Status welcome(Reception::Guest& guest);

  bool up(NodeId node) const { return bool(peers_[raw(node)].channel); }
  // Lost with the link if there is none: whoever cares hears of it by on_down.
  void send(NodeId node, const wire::LinkMessage& message);
  // Where a lower node listens, once it was met.
  std::optional<net::Endpoint> address_of(NodeId node) const;
  Incarnation incarnation_of(NodeId node) const { return peers_[raw(node)].incarnation; }
  bool is_incarnation(NodeId node, Incarnation incarnation) const;
  void dump() const;

 private:
  struct Peer {
    std::unique_ptr<Channel> channel;  // null: no link
    Incarnation incarnation{};
    std::uint64_t session = 0;  // of the link, as the dialler's hello has it
    net::AddressText address;
    std::optional<std::size_t> dialled;  // index into dialled_
    bool broken = false;                 // no stream: another incarnation means a death
    std::uint64_t said_us = 0;           // when the log last heard of a break
  };
  struct Dialled;

  void dial(std::size_t index);
  void met(std::size_t index, Result<Dial::Met> outcome);
  Status check(std::size_t index, const wire::HelloReply& reply) const;
  void dial_again(std::size_t index, const Sentence& why);
  void carry(NodeId node, Incarnation incarnation, net::AddressText address,
             std::unique_ptr<Channel> stream);
  void begin(NodeId node);
  void broke(NodeId node, const Error& error);
  void lost(NodeId node, std::string_view why);

  const Context& context_;
  LinkEvents events_;
  std::array<Peer, max_node_count> peers_;
  std::vector<std::unique_ptr<Dialled>> dialled_;
};

}  // namespace gallocy::daemon
