// The command line of gallocyd.
#pragma once

#include <sys/types.h>

#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/usable_memory.hpp"
#include "net/endpoint.hpp"

namespace gallocy::daemon {

inline constexpr int exit_usage = 64;        // sysexits.h
inline constexpr int exit_unavailable = 69;  // this machine cannot serve pages
inline constexpr int exit_software = 70;

struct Options {
  std::string socket_path;
  net::Endpoint listen;
  std::vector<net::Endpoint> peers;  // daemons with lower ids
  NodeId node{};
  std::vector<uid_t> allowed_uids;  // besides root and the daemon's own
  std::uint64_t memory_bytes = half_of_usable_memory_bytes();  // of pages, for all jobs together
  std::uint64_t peer_timeout_us = 5'000'000;
  std::string fault_stamps_folder;  // empty: none

  bool allows(uid_t uid) const;
};

// To be said and left with: help and version (status 0, for stdout), or what is wrong.
struct Leave {
  int status = 0;
  std::string text;
};

std::variant<Options, Leave> parse_options(int argc, const char* const* argv);

}  // namespace gallocy::daemon
