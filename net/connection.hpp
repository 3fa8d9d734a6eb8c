// Frames to and from one peer over one stream socket, or over one after the other.
//
// A connection that is given patience survives its streams. When one breaks, the owner is told
// and takes up another, made by whatever means, within the patience. Frames that the peer did
// not get are sent again, so the peer's owner sees each frame once and in order.
//
//   - Each end begins a stream by saying what it has: a frame without a number, whose
//     acknowledgement is that of the last frame it received. Behind it, and after the peer's, go
//     the frames that the peer lacks. A half frame that was received is forgotten.
//   - A frame is kept until it is acknowledged: by the header of any frame, or by one without a
//     number where ack_every_bytes have come and nothing was to be said. No timer is needed: what
//     is kept of an idle peer is less than that, so flow control bounds the rest.
//   - Numbers at or below the last one received are frames that came twice, and are dropped. A
//     gap, or an acknowledgement of what was never sent, is a bad peer and ends the connection, as
//     malformed bytes do.
//
// Thread: all of a connection happens on its ring's thread; callbacks come only from
// Ring::run_once, never from inside send(), close(), take_up() or the constructor.
//
// Sending never waits and receiving never waits for sending: a receive is in flight whenever no
// frames are being handed out. So two peers that send a lot at once cannot block each other; the
// queue grows instead, and the protocol's flow control bounds it (max_kept_bytes is the fence).
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

// A stream between two connections: all that is needed to go on without losing a byte.
struct Detached {
  UniqueFd fd;
  std::vector<std::byte> unread;  // received, from the beginning of the first frame not handed out
  std::vector<std::byte> unsent;  // may begin in the middle of a frame
};

struct ConnectionCounters {
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t frames_in = 0;
  std::uint64_t frames_out = 0;  // queued; sends that they were put into:
  std::uint64_t send_count = 0;
  std::uint64_t repeated_in = 0;    // frames that came twice
  std::uint64_t resumed_count = 0;  // streams taken up after the first
};

struct ConnectionEvents {
  // The view is valid during the call only.
  std::function<void(const FrameView&)> on_frame;
  // Once, when the connection ended without being asked to: it broke or, with patience, nobody
  // took up another stream in time; or bytes came that are no frames. Never after close(),
  // finish(), detach() or destruction.
  std::function<void(const Error&)> on_closed;
  // With patience only: a stream broke, take_up() may follow.
  std::function<void(const Error&)> on_broken;
};

// May be destroyed at any time, also from its callbacks; that is close(). A ring that is destroyed
// first ends it (on_closed with ECANCELED, from ~Ring); then only the destructor may be called.
// One with patience goes before its ring.
class Connection {
 public:
  // Beyond this the peer is not taking what the protocol's flow control allows: it has failed.
  static constexpr std::size_t max_kept_bytes = 64 * 1024 * 1024;
  static constexpr std::size_t ack_every_bytes = 256 * 1024;

  // Ends with its stream.
  Connection(Ring& ring, UniqueFd fd, ConnectionEvents events);
  // Has no stream until take_up(), and survives all that it is given.
  Connection(Ring& ring, std::uint64_t patience_us, ConnectionEvents events);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  // Copies and queues; leaves with everything else of this round. Returns the frame's sequence
  // number, or 0 if the connection has ended (on_closed says or will say why).
  // REQUIRES: sizes within the limits of frame.hpp.
  std::uint64_t send(std::span<const std::byte> message,
                     std::span<const std::byte> payload = {});

  // Goes on over this stream: what is unread in it begins with a frame, what is unsent leaves
  // first. It replaces one that the peer found dead before this end did. REQUIRES: patience.
  void take_up(Detached stream);

  // Each of these gives the connection away: afterwards is_open() is false and no callback comes.
  // close: drops what is queued.
  void close();
  // finish: sends what is queued, says end of stream, and waits up to a second for the peer to
  // close, so that a last sentence is not overtaken by a reset.
  void finish();
  // detach: `done` gets the stream in one of the next rounds, when no request on the descriptor
  // is left, or the error that ended it meanwhile; not any more if the ring ends first. REQUIRES:
  // no patience.
  void detach(std::function<void(Result<Detached>)> done);

  bool is_open() const;
  bool is_broken() const;  // open, without a stream that the peer has answered on
  std::size_t queued_bytes() const;  // what has left while the thread sleeps still counts
  std::size_t kept_bytes() const;  // of frames, also those that were sent
  std::uint64_t last_sent() const;
  std::uint64_t last_received() const;
  std::uint64_t last_acked() const;
  const ConnectionCounters& counters() const;  // zeros once given away

 private:
  class Link;
  Ref<Link> link_;
};

}  // namespace gallocy::net
