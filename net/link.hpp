// The state behind a Connection. Included by connection.cpp and the link's own files only:
// link.cpp is about one stream, resumption.cpp about going from one to the next.
#pragma once

#include <memory>
#include <optional>

#include "net/connection.hpp"
#include "net/receive_buffer.hpp"
#include "net/send_queue.hpp"

namespace gallocy::net {

// At most one receive and one send are in flight. Every entry from the ring (received, sent,
// before_submit) ends in settle(), which arms the receive of an open link and ends a stream that
// is to end as soon as nothing is in flight: only then is the descriptor closed or handed on, so
// that no request can hit a reused descriptor, swallow bytes, or send from memory given back.
class Connection::Link final : public Kept, private BeforeSubmit {
 public:
  Link(Ring& ring, std::uint64_t patience_us, ConnectionEvents events);

  void begin(Detached stream);
  std::uint64_t send(std::span<const std::byte> message, std::span<const std::byte> payload);
  void take_up(Detached stream);
  void close();
  void finish();
  void detach(std::function<void(Result<Detached>)> done);

  bool is_open() const { return phase_ <= Phase::breaking; }
  bool is_broken() const { return is_open() && !in_step_; }
  std::size_t queued_bytes() const { return out_.unsent_bytes(); }
  std::size_t kept_bytes() const { return out_.kept_bytes(); }
  std::uint64_t last_sent() const { return last_sent_; }
  std::uint64_t last_received() const { return last_received_; }
  std::uint64_t last_acked() const { return last_acked_; }
  const ConnectionCounters& counters() const { return counters_; }

 private:
  enum class Phase {
    streaming,
    broken,     // no stream
    breaking,   // the phases from here on wait for their requests to end. Then broken, or next_
    closing,
    failing,    // then on_closed(error_)
    detaching,  // then detached_(stream or error_)
    finishing,  // but this one sends the rest, drops what comes, until the peer closes
    ended,
  };
  enum class Verdict { deliver, drop, stop };

  bool survives() const { return patience_us_ != 0; }
  bool busy() const override;
  bool before_submit() override;
  void received(int result, std::uint32_t cqe_flags);
  void sent(int result, std::uint32_t cqe_flags);

  void hand_out_frames();
  Verdict judge(const FrameView& frame);
  void receive_ended(int result);
  Error how_it_ended(int result) const;
  void fail_with(const Error& error);
  void stop(Phase phase);
  void flush();
  void settle();
  void arm_receive();
  void deliver_end();
  Detached take_stream();

  // resumption.cpp
  bool hear_greeting(const FrameView& frame);
  void lose_stream(const Error& error);
  void leave_stream();
  void stream_ended();
  void out_of_patience();
  void acknowledge_if_due();

  Ring& ring_;
  const std::uint64_t patience_us_;  // 0: ends with its stream
  ConnectionEvents events_;
  Phase phase_ = Phase::broken;
  UniqueFd fd_;
  bool in_step_ = false;          // the peer has said what it has
  bool socket_empty_ = false;     // the last receive took all there was
  bool socket_full_ = false;      // it did not take all that was to be sent
  bool shut_down_ = false;        // finishing: end of stream was sent
  int send_error_ = 0;            // the stream broke on sending; receiving will say so, too
  bool has_error_ = false;
  bool called_back_ = false;      // since before_submit began
  Error error_;
  std::uint64_t last_sent_ = 0;
  std::uint64_t last_acked_ = 0;
  std::uint64_t last_received_ = 0;
  std::size_t unacknowledged_bytes_ = 0;  // received since something was sent
  ReceiveBuffer in_;
  SendQueue out_;
  ConnectionCounters counters_;
  std::optional<Detached> next_;  // taken up while the requests of the last one end
  std::uint64_t stream_count_ = 0;  // that came in step
  std::function<void(Result<Detached>)> detached_;
  Timer limit_;                   // of finishing, or of being without a stream
  Operation<Link> receive_;
  Operation<Link> send_;
};

}  // namespace gallocy::net
