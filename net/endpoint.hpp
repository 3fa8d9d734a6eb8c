// Addresses of peers: numeric only, so that nothing here ever waits for a name server.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace gallocy::net {

using AddressText = FixedText<64>;

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size_bytes = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  int family() const { return address.ss_family; }
  std::uint16_t port() const;
  AddressText text() const;  // "192.0.2.1:7000", "[::1]:7000"
};

// "ADDR:PORT": "192.0.2.1:7000" or "[::1]:7000"; port 0 means any.
Result<Endpoint> parse_endpoint(std::string_view text);

Result<Endpoint> local_endpoint(int fd);
Result<Endpoint> peer_endpoint(int fd);

}  // namespace gallocy::net
