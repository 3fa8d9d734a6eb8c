#include "net/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>

namespace gallocy::net {
namespace {

constexpr const char* form = ": write ADDR:PORT, as in 192.0.2.1:7000 or [::1]:7000";

const sockaddr_in& as_v4(const Endpoint& endpoint) {
  return reinterpret_cast<const sockaddr_in&>(endpoint.address);
}
const sockaddr_in6& as_v6(const Endpoint& endpoint) {
  return reinterpret_cast<const sockaddr_in6&>(endpoint.address);
}

Result<std::uint16_t> parse_port(std::string_view digits, std::string_view whole) {
  std::uint16_t port = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, port);
  if (digits.empty() || error != std::errc{} || stopped != end)
    return fail(EINVAL, "the port of \"", whole, "\" is not a number from 0 to 65535", form);
  return port;
}

bool parse_host(std::string_view host, bool v6, std::uint16_t port, Endpoint& endpoint) {
  const FixedText<INET6_ADDRSTRLEN> name(host);
  if (name.view() != host) return false;
  if (v6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(endpoint.address);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    endpoint.size_bytes = sizeof address;
    return inet_pton(AF_INET6, name.c_str(), &address.sin6_addr) == 1;
  }
  auto& address = reinterpret_cast<sockaddr_in&>(endpoint.address);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  endpoint.size_bytes = sizeof address;
  return inet_pton(AF_INET, name.c_str(), &address.sin_addr) == 1;
}

template <class Ask>
Result<Endpoint> ask(Ask system_call, int fd, const char* what) {
  Endpoint endpoint;
  endpoint.size_bytes = sizeof endpoint.address;
  if (system_call(fd, reinterpret_cast<sockaddr*>(&endpoint.address), &endpoint.size_bytes) != 0)
    return fail_errno(what);
  return endpoint;
}

}  // namespace

std::uint16_t Endpoint::port() const {
  if (family() == AF_INET) return ntohs(as_v4(*this).sin_port);
  if (family() == AF_INET6) return ntohs(as_v6(*this).sin6_port);
  return 0;
}

AddressText Endpoint::text() const {
  char host[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &as_v4(*this).sin_addr, host, sizeof host);
    return AddressText(host, ":", port());
  }
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &as_v6(*this).sin6_addr, host, sizeof host);
    return AddressText("[", host, "]:", port());
  }
  return AddressText("an address of family ", family());
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(EINVAL, "\"", text, "\" has no port", form);
  std::string_view host = text.substr(0, colon);
  const bool v6 = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (v6) host = host.substr(1, host.size() - 2);
  const Result<std::uint16_t> port = parse_port(text.substr(colon + 1), text);
  if (!port) return tl::unexpected(port.error());
  Endpoint endpoint;
  if (!parse_host(host, v6, *port, endpoint))
    return fail(EINVAL, "\"", host, "\" is not a numeric IPv4 or [IPv6] address", form);
  return endpoint;
}

Result<Endpoint> local_endpoint(int fd) { return ask(getsockname, fd, "no local address"); }
Result<Endpoint> peer_endpoint(int fd) { return ask(getpeername, fd, "no peer address"); }

}  // namespace gallocy::net
