// How gallocyd-planted breaks the order in which actions are carried out; nothing of it is in
// gallocyd, where uffd::planted() is false before anything is compiled.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <iterator>
#include <utility>

#include "core/event.hpp"
#include "uffd/planted.hpp"

namespace gallocy::daemon {

inline constexpr unsigned planted_pause_us = 300;  // in which a thread can write

inline bool is_acknowledgement(const core::Action& action) {
  const auto* const send = std::get_if<core::Send>(&action);
  return send != nullptr && std::holds_alternative<core::InvalidateAck>(send->message.body);
}

inline bool sends_frame(const core::Action& action) {
  const auto* const send = std::get_if<core::Send>(&action);
  return send != nullptr && send->payload.kind == core::PayloadKind::frame;
}

// The bytes first, the protection after them.
inline void send_before_protect(core::Actions& actions) {
  for (std::size_t i = 1; i < actions.size(); ++i)
    if (std::holds_alternative<core::Protect>(actions[i - 1]) && sends_frame(actions[i]))
      std::swap(actions[i - 1], actions[i]);
}

// Takes out what has to come before an acknowledgement and returns it, for after it has been sent.
inline core::Actions take_acknowledged_drops(core::Actions& actions) {
  core::Actions taken;
  for (std::size_t i = 1; i < actions.size(); ++i) {
    if (!std::holds_alternative<core::Drop>(actions[i - 1]) || !is_acknowledgement(actions[i]))
      continue;
    taken.push_back(actions[i - 1]);
    actions.erase(std::next(actions.begin(), static_cast<std::ptrdiff_t>(--i)));
  }
  return taken;
}

}  // namespace gallocy::daemon
