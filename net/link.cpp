#include "net/link.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace gallocy::net {
namespace {

constexpr std::uint64_t finish_patience_us = 1'000'000;

// A dead machine is noticed by silence: when the line is idle, after idle + count * interval
// seconds; when bytes are on their way, if none is acknowledged for unacked_ms. A stopped daemon
// is not dead: its kernel goes on acknowledging until the window is full.
constexpr int keepalive_idle_s = 10;
constexpr int keepalive_interval_s = 5;
constexpr int keepalive_count = 4;
constexpr unsigned unacked_ms = 30'000;

// Bytes that TCP takes without sending them yet. Small, so that what waits, waits in our queue.
constexpr int not_sent_bytes = 16 * 1024;

template <class Value>
void set(int fd, int level, int option, Value value) {
  // Failure is harmless, and expected where tests use UNIX sockets.
  ::setsockopt(fd, level, option, &value, sizeof value);
}

void tune(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, not_sent_bytes);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive_count);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, unacked_ms);
  // With O_NONBLOCK a request would end with EAGAIN instead of waiting in the ring.
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

bool stream_broke(int result) {
  return result == -EPIPE || result == -ECONNRESET || result == -ETIMEDOUT;
}

}  // namespace

Connection::Link::Link(Ring& ring, Detached stream, ConnectionEvents events)
    : ring_(ring),
      fd_(std::move(stream.fd)),
      events_(std::move(events)),
      last_sent_(stream.last_sent),
      last_acked_(stream.last_acked),
      in_(stream.unread),
      parser_(stream.last_received),
      receive_(*this, &Link::received),
      send_(*this, &Link::sent) {
  tune(fd_.get());
  out_.append_raw(stream.unsent);
  ring_.call_before_submit(*this);  // hands out what is there, and arms the first receive
}

bool Connection::Link::busy() const {
  return receive_.in_flight() || send_.in_flight() || listed() || finish_timer_;
}

std::uint64_t Connection::Link::send(std::span<const std::byte> message,
                                     std::span<const std::byte> payload) {
  GALLOCY_CHECK(message.size() <= max_message_bytes, GALLOCY_VALUE(message.size()));
  GALLOCY_CHECK(payload.size() <= max_payload_bytes, GALLOCY_VALUE(payload.size()));
  if (phase_ != Phase::open) return 0;
  if (out_.unsent_bytes() + frame_bytes(message.size(), payload.size()) > max_queued_bytes) {
    fail_with({ENOBUFS, Sentence("the peer does not take its messages: ", out_.unsent_bytes(),
                                 " bytes wait for it")});
    return 0;
  }
  const FrameHeader header{static_cast<std::uint32_t>(message.size()),
                           static_cast<std::uint32_t>(payload.size()), ++last_sent_,
                           parser_.last_sequence()};
  out_.append(header, message, payload);
  ++counters_.frames_out;
  if (!send_.in_flight()) ring_.call_before_submit(*this);
  return last_sent_;
}

void Connection::Link::close() {
  if (phase_ != Phase::ended) stop(Phase::closing);
}

void Connection::Link::finish() {
  if (phase_ != Phase::open) return close();
  phase_ = Phase::finishing;
  finish_timer_ = std::make_unique<Timer>(ring_.timers(), [this] {
    const Ref<Link> hold(*this);
    close();
  });
  finish_timer_->arm(now_us() + finish_patience_us);
  ring_.call_before_submit(*this);
}

void Connection::Link::detach(std::function<void(Result<Detached>)> done) {
  detached_ = std::move(done);
  stop(Phase::detaching);
}

void Connection::Link::fail_with(const Error& error) {
  if (phase_ != Phase::open) return;
  error_ = error;
  has_error_ = true;
  stop(Phase::failing);
}

void Connection::Link::stop(Phase phase) {
  phase_ = phase;
  ring_.cancel(receive_);
  ring_.cancel(send_);
  ring_.call_before_submit(*this);  // settles even if nothing is in flight
}

bool Connection::Link::before_submit() {
  const Ref<Link> hold(*this);
  called_back_ = false;
  // Only unread bytes that came with a Detached are here; otherwise all was handed out before.
  if (!receive_.in_flight()) hand_out_frames();
  flush();
  settle();
  return called_back_;
}

void Connection::Link::flush() {
  if (phase_ > Phase::finishing || send_.in_flight() || send_error_ != 0) return;
  if (out_.unsent_bytes() != 0) {
    ++counters_.send_count;
    ring_.send(fd_.get(), out_.to_send(), send_);
  } else if (phase_ == Phase::finishing && !shut_down_) {
    shut_down_ = true;
    ::shutdown(fd_.get(), SHUT_WR);
  }
}

void Connection::Link::sent(int result, std::uint32_t) {
  if (result > 0) {
    counters_.bytes_out += static_cast<std::uint64_t>(result);
    out_.sent(static_cast<std::size_t>(result));
    ring_.call_before_submit(*this);  // the rest, what was queued meanwhile, or end of stream
  } else if (stream_broke(result)) {
    // The peer's last frames may still lie in the socket, such as the reason why it refused us.
    // The receive in flight gets them, then the end of the stream.
    send_error_ = -result;
  } else if (phase_ == Phase::finishing) {
    close();
  } else {
    fail_with(how_it_ended(result));
  }
  settle();
}

void Connection::Link::received(int result, std::uint32_t cqe_flags) {
  socket_empty_ = (cqe_flags & IORING_CQE_F_SOCK_NONEMPTY) == 0;
  if (result > 0) {
    counters_.bytes_in += static_cast<std::uint64_t>(result);
    in_.received(static_cast<std::size_t>(result));
    hand_out_frames();
  } else {
    receive_ended(result);
  }
  settle();
}

void Connection::Link::hand_out_frames() {
  while (phase_ == Phase::open) {
    FrameView frame;
    const Result<std::size_t> taken = parser_.next(in_.unread(), frame);
    if (!taken) return fail_with(taken.error());
    if (*taken == 0) break;
    in_.consume(*taken);
    if (!accept_ack(frame.ack)) return;
    ++counters_.frames_in;
    called_back_ = true;
    events_.on_frame(frame);  // may end this phase
  }
  // What is not handed out any more is kept for take_stream(), or of no use.
  if (phase_ == Phase::finishing) in_.consume(in_.unread().size());
  in_.compact();
}

bool Connection::Link::accept_ack(std::uint64_t ack) {
  if (ack >= last_acked_ && ack <= last_sent_) {
    last_acked_ = ack;
    return true;
  }
  fail_with({EPROTO, Sentence("the peer acknowledged frame ", ack, " when ", last_acked_, " to ",
                              last_sent_, " could be")});
  return false;
}

void Connection::Link::receive_ended(int result) {
  if (phase_ == Phase::open) return fail_with(how_it_ended(result));
  if (phase_ == Phase::finishing) return close();
  // A Detached at its end of file is whole: its next ring reads the frames and then the end
  // again. An error is reported by the socket only once, so it has to be passed on here.
  if (phase_ == Phase::detaching && result < 0 && result != -ECANCELED) {
    error_ = how_it_ended(result);
    has_error_ = true;
  }
}

Error Connection::Link::how_it_ended(int result) const {
  if (result == 0 && send_error_ != 0) result = -send_error_;
  if (result < 0) {
    errno = -result;
    return fail_errno("the connection broke").value();
  }
  if (const std::size_t rest = in_.unread().size(); rest != 0)
    return {ECONNRESET, Sentence("the peer closed the connection in the middle of a frame, of "
                                 "which ", rest, " bytes had come")};
  return {ESHUTDOWN, Sentence("the peer closed the connection")};
}

void Connection::Link::settle() {
  if (phase_ <= Phase::finishing) {
    if (!receive_.in_flight()) arm_receive();
  } else if (phase_ != Phase::ended && !receive_.in_flight() && !send_.in_flight()) {
    deliver_end();
  }
}

void Connection::Link::arm_receive() {
  ring_.recv(fd_.get(), in_.room(), socket_empty_, receive_);
}

void Connection::Link::deliver_end() {
  const Phase how = std::exchange(phase_, Phase::ended);
  finish_timer_.reset();
  called_back_ = true;
  if (how == Phase::detaching) {
    if (has_error_) detached_(tl::unexpected(error_));
    else detached_(take_stream());
    return;
  }
  fd_.reset();
  if (how == Phase::failing) events_.on_closed(error_);
}

Detached Connection::Link::take_stream() {
  const auto unread = in_.unread();
  return {std::move(fd_),  {unread.begin(), unread.end()}, out_.take_unsent(),
          last_sent_,      parser_.last_sequence(),        last_acked_};
}

}  // namespace gallocy::net
