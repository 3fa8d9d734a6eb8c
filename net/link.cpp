#include "net/link.hpp"

#include <sys/socket.h>

#include <utility>

namespace gallocy::net {
namespace {

constexpr std::uint64_t finish_patience_us = 1'000'000;

bool stream_broke(int result) {
  return result == -EPIPE || result == -ECONNRESET || result == -ETIMEDOUT;
}

}  // namespace

Connection::Link::Link(Ring& ring, std::uint64_t patience_us, ConnectionEvents events)
    : ring_(ring),
      patience_us_(patience_us),
      events_(std::move(events)),
      out_(survives()),
      limit_(ring.timers(), [this] { out_of_patience(); }),
      receive_(*this, &Link::received),
      send_(*this, &Link::sent) {
  if (survives()) limit_.arm(now_us() + patience_us_);
}

bool Connection::Link::busy() const {
  return receive_.in_flight() || send_.in_flight() || listed() || limit_.armed();
}

std::uint64_t Connection::Link::send(std::span<const std::byte> message,
                                     std::span<const std::byte> payload) {
  GALLOCY_CHECK(message.size() <= max_message_bytes, GALLOCY_VALUE(message.size()));
  GALLOCY_CHECK(payload.size() <= max_payload_bytes, GALLOCY_VALUE(payload.size()));
  if (!is_open()) return 0;
  if (out_.kept_bytes() + frame_bytes(message.size(), payload.size()) > max_kept_bytes) {
    fail_with({ENOBUFS, Sentence("the peer does not take its messages: ", out_.kept_bytes(),
                                 " bytes wait for it")});
    return 0;
  }
  const FrameHeader header{static_cast<std::uint32_t>(message.size()),
                           static_cast<std::uint32_t>(payload.size()), ++last_sent_,
                           last_received_};
  out_.append(header, message, payload);
  unacknowledged_bytes_ = 0;
  ++counters_.frames_out;
  if (!send_.in_flight()) ring_.call_before_submit(*this);
  return last_sent_;
}

void Connection::Link::close() {
  if (phase_ != Phase::ended) stop(Phase::closing);
}

void Connection::Link::finish() {
  if (phase_ != Phase::streaming || !in_step_) return close();
  phase_ = Phase::finishing;
  limit_.arm(now_us() + finish_patience_us);
  ring_.call_before_submit(*this);
}

void Connection::Link::detach(std::function<void(Result<Detached>)> done) {
  GALLOCY_CHECK(!survives());
  detached_ = std::move(done);
  stop(Phase::detaching);
}

void Connection::Link::fail_with(const Error& error) {
  if (!is_open()) return;
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
  // Only unread bytes that came with a stream are here; otherwise all was handed out before.
  if (!receive_.in_flight()) hand_out_frames();
  flush();
  settle();
  return called_back_;
}

void Connection::Link::flush() {
  const bool may_send = phase_ == Phase::streaming || phase_ == Phase::finishing;
  if (!may_send || send_.in_flight() || send_error_ != 0) return;
  acknowledge_if_due();
  if (const auto bytes = out_.to_send(); !bytes.empty()) {
    ++counters_.send_count;
    // Only when nothing is to be done afterwards may the end of the send go unnoticed.
    const bool last = phase_ == Phase::streaming && bytes.size() == out_.unsent_bytes();
    if (last && !socket_full_) ring_.send_at_once(fd_.get(), bytes, send_);
    else ring_.send(fd_.get(), bytes, send_);
  } else if (phase_ == Phase::finishing && !shut_down_) {
    shut_down_ = true;
    ::shutdown(fd_.get(), SHUT_WR);
  }
}

void Connection::Link::sent(int result, std::uint32_t) {
  if (result == -EAGAIN) {
    socket_full_ = true;
    ring_.call_before_submit(*this);
  } else if (result > 0) {
    counters_.bytes_out += static_cast<std::uint64_t>(result);
    out_.sent(static_cast<std::size_t>(result));
    socket_full_ = out_.unsent_bytes() != 0;
    ring_.call_before_submit(*this);  // the rest, what was queued meanwhile, or end of stream
  } else if (stream_broke(result)) {
    // The peer's last frames may still lie in the socket, such as the reason why it refused us.
    // The receive in flight gets them, then the end of the stream.
    send_error_ = -result;
  } else if (phase_ == Phase::finishing) {
    close();
  } else {
    lose_stream(how_it_ended(result));
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
  while (phase_ == Phase::streaming) {
    FrameView frame;
    const Result<std::size_t> taken = parse_frame(in_.unread(), frame);
    if (!taken) return fail_with(taken.error());
    if (*taken == 0) break;
    in_.consume(*taken);
    const Verdict verdict = judge(frame);
    if (verdict == Verdict::stop) return;
    if (verdict == Verdict::drop) continue;
    ++counters_.frames_in;
    unacknowledged_bytes_ += *taken;
    called_back_ = true;
    events_.on_frame(frame);  // may end this phase
  }
  if (unacknowledged_bytes_ >= ack_every_bytes && survives()) ring_.call_before_submit(*this);
  // What is not handed out any more is kept for take_stream(), or of no use.
  if (phase_ == Phase::finishing) in_.consume(in_.unread().size());
  in_.compact();
}

Connection::Link::Verdict Connection::Link::judge(const FrameView& frame) {
  if (frame.ack > last_sent_) {
    fail_with({EPROTO, Sentence("the peer acknowledged frame ", frame.ack, " when ", last_sent_,
                                " had been sent")});
    return Verdict::stop;
  }
  if (!in_step_) return hear_greeting(frame) ? Verdict::drop : Verdict::stop;
  // A frame that is sent again says what it said at first, which may be less.
  if (frame.ack > last_acked_) {
    last_acked_ = frame.ack;
    if (survives()) out_.acknowledge(frame.ack);
  }
  if (survives() && frame.sequence <= last_received_) {
    counters_.repeated_in += frame.sequence != 0;
    return Verdict::drop;
  }
  if (frame.sequence != last_received_ + 1) {
    fail_with({EPROTO, Sentence("the peer sent frame number ", frame.sequence, " where ",
                                last_received_ + 1, " was due")});
    return Verdict::stop;
  }
  ++last_received_;
  return Verdict::deliver;
}

void Connection::Link::receive_ended(int result) {
  if (phase_ == Phase::streaming) return lose_stream(how_it_ended(result));
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
  if (phase_ == Phase::streaming || phase_ == Phase::finishing) {
    if (!receive_.in_flight()) arm_receive();
  } else if (!receive_.in_flight() && !send_.in_flight()) {
    if (phase_ == Phase::breaking) stream_ended();
    else if (phase_ != Phase::broken && phase_ != Phase::ended) deliver_end();
  }
}

void Connection::Link::arm_receive() {
  ring_.recv(fd_.get(), in_.room(), socket_empty_, receive_);
}

void Connection::Link::deliver_end() {
  const Phase how = std::exchange(phase_, Phase::ended);
  limit_.cancel();
  next_.reset();
  called_back_ = true;
  if (how == Phase::detaching) {
    if (ring_.closing()) return;
    if (has_error_) detached_(tl::unexpected(error_));
    else detached_(take_stream());
    return;
  }
  fd_.reset();
  if (how == Phase::failing) events_.on_closed(error_);
}

Detached Connection::Link::take_stream() {
  const auto unread = in_.unread();
  return {std::move(fd_), {unread.begin(), unread.end()}, out_.take_unsent()};
}

}  // namespace gallocy::net
