// A rank as the launcher sees it, without memory or userfaultfd: it checks in with fake_gallocyd.
// What else it shall do is told by words RANK:DEED[=NUMBER].
#pragma once

#include <stdlib.h>
#include <string.h>

#include <string>
#include <string_view>

#include "ipc/rank_environment.hpp"
#include "ipc/socket.hpp"

namespace gallocy {

inline constexpr int fake_limit_ms = 60'000;

inline std::string rank_text() {
  const char* text = ::getenv(ipc::rank_variable);
  return text != nullptr ? text : "none";
}

// The number behind "RANK:deed=", 0 for "RANK:deed"; -1: this word does not tell it.
inline int number_of_deed(std::string_view word, const std::string& deed) {
  const std::string wanted = rank_text() + ":" + deed;
  if (word == wanted) return 0;
  return word.starts_with(wanted + "=") ? ::atoi(std::string{word}.c_str() + wanted.size() + 1)
                                        : -1;
}

// Waits for the start, and later for the end: false if the daemon goes.
inline bool await_word(const UniqueFd& socket) {
  return bool(ipc::receive<ipc::ClientReady>(socket.get(), {}, fake_limit_ms));
}

// Nothing, if it went wrong.
inline UniqueFd check_in() {
  auto socket = ipc::connect_to(::getenv(ipc::socket_variable));
  if (!socket) return {};
  ipc::ClientHello hello;
  hello.job = ::strtoull(::getenv(ipc::job_variable), nullptr, 16);
  hello.rank = static_cast<std::uint32_t>(::atoi(rank_text().c_str()));
  hello.build_id_size = 20;
  ::memset(hello.build_id, 0xab, 20);
  hello.load_address = 0x1000;
  if (!ipc::send_message(socket->get(), hello, {}, fake_limit_ms)) return {};
  return std::move(*socket);
}

}  // namespace gallocy
