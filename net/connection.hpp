// Frames to and from one peer over one stream socket.
//
// Thread: all of a connection happens on its ring's thread; callbacks come only from
// Ring::run_once, never from inside send(), close() or the constructor.
//
// Sending never waits and receiving never waits for sending: a receive is in flight whenever no
// frames are being handed out. So two peers that send a lot at once cannot block each other; the
// queue grows instead, and the protocol's flow control bounds it (max_queued_bytes is the fence).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/unique_fd.hpp"
#include "net/frame.hpp"
#include "net/kept.hpp"
#include "net/ring.hpp"

namespace gallocy::net {

// A connection between two rings: all that is needed to go on without losing a byte.
struct Detached {
  UniqueFd fd;
  std::vector<std::byte> unread;  // received, from the beginning of the first frame not handed out
  std::vector<std::byte> unsent;  // may begin in the middle of a frame
  std::uint64_t last_sent = 0;      // sequence numbers
  std::uint64_t last_received = 0;
  std::uint64_t last_acked = 0;     // by the peer
};

struct ConnectionCounters {
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t frames_in = 0;
  std::uint64_t frames_out = 0;  // queued; sends that they were put into:
  std::uint64_t send_count = 0;
};

struct ConnectionEvents {
  // The view is valid during the call only.
  std::function<void(const FrameView&)> on_frame;
  // Once, when the connection ended without being asked to: the peer closed, the network failed,
  // or bytes came that are no frames. Never after close(), finish(), detach() or destruction.
  std::function<void(const Error&)> on_closed;
};

// May be destroyed at any time, also from its callbacks; that is close(). A ring that is destroyed
// first ends it (on_closed with ECANCELED, from ~Ring); then only the destructor may be called.
class Connection {
 public:
  // Beyond this the peer is not taking what the protocol's flow control allows: it has failed.
  static constexpr std::size_t max_queued_bytes = 64 * 1024 * 1024;

  Connection(Ring& ring, UniqueFd fd, ConnectionEvents events);
  Connection(Ring& ring, Detached stream, ConnectionEvents events);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  // Copies and queues; leaves with everything else of this round. Returns the frame's sequence
  // number, or 0 if the connection has ended (on_closed says or will say why).
  // REQUIRES: sizes within the limits of frame.hpp.
  std::uint64_t send(std::span<const std::byte> message,
                     std::span<const std::byte> payload = {});

  // Each of these gives the connection away: afterwards is_open() is false and no callback comes.
  // close: drops what is queued.
  void close();
  // finish: sends what is queued, says end of stream, and waits up to a second for the peer to
  // close, so that a last sentence is not overtaken by a reset.
  void finish();
  // detach: `done` gets the stream in one of the next rounds, when no request on the descriptor
  // is left, or the error that ended it meanwhile.
  void detach(std::function<void(Result<Detached>)> done);

  bool is_open() const;
  std::size_t queued_bytes() const;
  std::uint64_t last_sent() const;
  std::uint64_t last_received() const;
  std::uint64_t last_acked() const;
  const ConnectionCounters& counters() const;  // zeros once given away

 private:
  class Link;
  Ref<Link> link_;
};

}  // namespace gallocy::net
