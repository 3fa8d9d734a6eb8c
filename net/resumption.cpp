// A link between two of its streams, and how it begins one.
#include <utility>

#include "net/link.hpp"
#include "net/socket_options.hpp"

namespace gallocy::net {
namespace {

void append_greeting(std::vector<std::byte>& bytes, std::uint64_t last_received) {
  std::byte greeting[frame_header_bytes];
  encode_header({0, 0, 0, last_received}, greeting);
  bytes.insert(bytes.end(), std::begin(greeting), std::end(greeting));
}

FixedText<32> duration(std::uint64_t time_us) {
  if (time_us % 1'000'000 == 0) return FixedText<32>(time_us / 1'000'000, " s");
  return FixedText<32>(time_us / 1000, " ms");
}

}  // namespace

void Connection::Link::begin(Detached stream) {
  fd_ = std::move(stream.fd);
  tune(fd_.get());
  in_.begin(stream.unread);
  in_step_ = !survives();
  socket_empty_ = false;
  send_error_ = 0;
  if (survives()) {
    append_greeting(stream.unsent, last_received_);
    out_.begin_stream(std::move(stream.unsent));
    unacknowledged_bytes_ = 0;
  }
  phase_ = Phase::streaming;
  ring_.call_before_submit(*this);  // hands out what is there, and arms the first receive
}

void Connection::Link::take_up(Detached stream) {
  GALLOCY_CHECK(survives());
  if (!is_open()) return;
  if (phase_ == Phase::broken) return begin(std::move(stream));
  next_ = std::move(stream);
  if (phase_ == Phase::streaming) leave_stream();
}

void Connection::Link::lose_stream(const Error& error) {
  if (phase_ != Phase::streaming) return;
  if (!survives() || ring_.closing()) return fail_with(error);
  error_ = error;
  leave_stream();
}

// Patience ends with the peer's greeting, not with a stream: one after the other that brings
// nothing is no return.
void Connection::Link::leave_stream() {
  in_step_ = false;
  stop(Phase::breaking);
  if (!limit_.armed()) limit_.arm(now_us() + patience_us_);
}

void Connection::Link::stream_ended() {
  fd_.reset();
  phase_ = Phase::broken;
  if (next_) return begin(*std::exchange(next_, std::nullopt));
  called_back_ = true;
  if (events_.on_broken) events_.on_broken(error_);
}

void Connection::Link::out_of_patience() {
  const Ref<Link> hold(*this);
  if (!is_open()) return close();  // it was finishing
  fail_with({ETIMEDOUT, Sentence("the peer did not come back within ",
                                 duration(patience_us_).view(),
                                 error_.sentence.empty() ? "" : ": ", error_.sentence.view())});
}

bool Connection::Link::hear_greeting(const FrameView& frame) {
  if (frame.sequence != 0) {
    fail_with({EPROTO, Sentence("the peer sent frame number ", frame.sequence,
                                " on a stream before it said what it has")});
    return false;
  }
  if (frame.ack < last_acked_) {
    fail_with({EPROTO, Sentence("the peer has forgotten frames: it acknowledged frame ",
                                last_acked_, ", and now has ", frame.ack)});
    return false;
  }
  in_step_ = true;
  limit_.cancel();
  if (stream_count_++ != 0) ++counters_.resumed_count;
  last_acked_ = frame.ack;
  out_.resume(frame.ack);
  ring_.call_before_submit(*this);
  return true;
}

// Whatever was said since carried it.
void Connection::Link::acknowledge_if_due() {
  if (!survives() || unacknowledged_bytes_ < ack_every_bytes) return;
  unacknowledged_bytes_ = 0;
  out_.append({0, 0, 0, last_received_}, {}, {});
}

}  // namespace gallocy::net
