// The state behind a Connection. Included by connection.cpp and link.cpp only.
#pragma once

#include <memory>

#include "net/connection.hpp"
#include "net/receive_buffer.hpp"
#include "net/send_queue.hpp"

namespace gallocy::net {

// At most one receive and one send are in flight. Every entry from the ring (received, sent,
// before_submit) ends in settle(), which arms the receive of an open link and ends one that is
// to end as soon as nothing is in flight: only then is the descriptor closed or handed on, so
// that no request can hit a reused descriptor or swallow bytes.
class Connection::Link final : public Kept, private BeforeSubmit {
 public:
  Link(Ring& ring, Detached stream, ConnectionEvents events);

  std::uint64_t send(std::span<const std::byte> message, std::span<const std::byte> payload);
  void close();
  void finish();
  void detach(std::function<void(Result<Detached>)> done);

  bool is_open() const { return phase_ == Phase::open; }
  std::size_t queued_bytes() const { return out_.unsent_bytes(); }
  std::uint64_t last_sent() const { return last_sent_; }
  std::uint64_t last_received() const { return parser_.last_sequence(); }
  std::uint64_t last_acked() const { return last_acked_; }
  const ConnectionCounters& counters() const { return counters_; }

 private:
  enum class Phase {
    open,
    finishing,  // sends the rest, drops what comes, until the peer closes
    closing,    // the phases from here on wait for their requests to end
    failing,    // then on_closed(error_)
    detaching,  // then detached_(stream or error_)
    ended,
  };

  bool busy() const override;
  bool before_submit() override;
  void received(int result, std::uint32_t cqe_flags);
  void sent(int result, std::uint32_t cqe_flags);

  void hand_out_frames();
  bool accept_ack(std::uint64_t ack);
  void receive_ended(int result);
  Error how_it_ended(int result) const;
  void fail_with(const Error& error);
  void stop(Phase phase);
  void flush();
  void settle();
  void arm_receive();
  void deliver_end();
  Detached take_stream();

  Ring& ring_;
  UniqueFd fd_;
  ConnectionEvents events_;
  Phase phase_ = Phase::open;
  bool socket_empty_ = false;     // the last receive took all there was
  bool shut_down_ = false;        // finishing: end of stream was sent
  int send_error_ = 0;            // the stream broke on sending; receiving will say so, too
  bool has_error_ = false;
  bool called_back_ = false;      // since before_submit began
  Error error_;
  std::uint64_t last_sent_;
  std::uint64_t last_acked_;
  ReceiveBuffer in_;
  FrameParser parser_;
  SendQueue out_;
  ConnectionCounters counters_;
  std::function<void(Result<Detached>)> detached_;
  std::unique_ptr<Timer> finish_timer_;
  Operation<Link> receive_;
  Operation<Link> send_;
};

}  // namespace gallocy::net
