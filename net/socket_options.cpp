#include "net/socket_options.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace gallocy::net {
namespace {

// A dead machine is noticed by silence: of unacked_ms, whether bytes are on their way or not. A
// stopped daemon is not dead: its kernel goes on acknowledging until the window is full. An end
// whose peer has closed the socket without its knowing (a reset that was lost) is told so by the
// answer to its next probe: soon, since the other side waits for a new stream with its patience.
constexpr int keepalive_idle_s = 1;
constexpr int keepalive_interval_s = 1;
constexpr unsigned unacked_ms = 30'000;

// Bytes that TCP takes without sending them yet. Small, so that what waits, waits in our queue.
constexpr int not_sent_bytes = 16 * 1024;

template <class Value>
void set(int fd, int level, int option, Value value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

void tune(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, not_sent_bytes);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  // Overrides the count of probes, too.
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, unacked_ms);
  // With O_NONBLOCK a request would end with EAGAIN instead of waiting in the ring.
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

}  // namespace gallocy::net
