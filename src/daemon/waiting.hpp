// Those who came before the job that they want. Included by jobs.cpp only.
#pragma once

#include <functional>
#include <optional>
#include <variant>

#include "daemon/jobs.hpp"

namespace gallocy::daemon {

struct Jobs::Waiting {
  using Request = std::variant<ipc::JobCreate, ipc::JobWatch>;

  Waiting(const Context& context, Session& session_given, const Request& request_given,
          std::function<void(Waiting&)> on_time_out)
      : session(session_given),
        request(request_given),
        patience(context.ring.timers(),
                 [this, out = std::move(on_time_out)] { out(*this); }) {
    patience.arm(seconds_from_now(wait_limit_s));
  }

  // A node that the job to be created needs, without a link.
  std::optional<NodeId> missing(const Links& links, NodeId self) const {
    const auto* create = std::get_if<ipc::JobCreate>(&request);
    for (unsigned i = 0; create != nullptr && i < create->node_count; ++i)
      if (const NodeId node{create->nodes[i]}; node != self && !links.up(node)) return node;
    return std::nullopt;
  }

  Session& session;
  const Request request;
  net::Timer patience;
};

// Silent after its hello: it has no answer yet, so whatever comes is wrong.
struct Jobs::Parked {
  Parked(const Context& context, Reception::Guest guest_given,
         std::function<void(Parked&, std::string_view)> drop)
      : guest(std::move(guest_given)), patience(context.ring.timers(), [this, drop] {
          drop(*this, "the job was not opened in time");
        }) {
    guest.channel->on_message = [this, drop](const wire::LinkMessage&) {
      drop(*this, "it did not wait for an answer to its hello");
    };
    guest.channel->on_closed = [this, drop](const Error& error) {
      drop(*this, error.sentence.view());
    };
    patience.arm(seconds_from_now(park_limit_s));
  }

  Reception::Guest guest;
  net::Timer patience;
};

}  // namespace gallocy::daemon
