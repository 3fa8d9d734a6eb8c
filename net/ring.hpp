// One io_uring and the loop around it: everything that a thread waits for.
//
// Thread: create, use and destroy a Ring on one thread (the kernel binds the submitter). Only
// wake() may be called from others, while the Ring exists.
//
// Lifetime: a Completion, and memory that its request names, must live until the request's last
// CQE was dispatched (in_flight() says; destroying one earlier is a failed check). cancel() only
// asks: the CQE still comes, with -ECANCELED or with whatever happened first. ~Ring cancels
// everything and dispatches until nothing is in flight, so Completions may outlive the Ring or be
// deleted by the dispatch of their last CQE.
//
// No request is lost: a full submission queue is submitted at once, and requests that the kernel
// did not take stay queued for the next round.
#pragma once

#include <liburing.h>
#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/check.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "net/timer.hpp"

namespace gallocy::net {

class Completion {
 public:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  // result: as the system call's, negative errno on failure. With IORING_CQE_F_MORE in the flags
  // a multishot request goes on; without it the request has ended and in_flight() no longer
  // counts it. May make requests, and may delete this Completion if nothing is in flight.
  virtual void complete(int result, std::uint32_t cqe_flags) = 0;
  bool in_flight() const { return request_count_ != 0; }

 protected:
  ~Completion() { GALLOCY_CHECK(request_count_ == 0, GALLOCY_VALUE(request_count_)); }

 private:
  friend class Ring;
  std::uint32_t request_count_ = 0;
};

// Work put off to the end of a round, so that what several handlers ask for becomes one request.
class BeforeSubmit {
 public:
  // Returns whether it called back an owner, who may now see what he waits for: such a round must
  // not sleep.
  virtual bool before_submit() = 0;

 protected:
  ~BeforeSubmit() { GALLOCY_CHECK(!listed_); }
  bool listed() const { return listed_; }

 private:
  friend class Ring;
  bool listed_ = false;
};

class Ring {
 public:
  static Result<std::unique_ptr<Ring>> create();
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // One round: before_submit calls, one io_uring_enter that submits and sleeps until an event, a
  // timer or deadline_us (absolute; never_us; 0 or anything past only looks), then dispatches
  // all completions and due timers. Not from inside a handler.
  // If something has come meanwhile, that is all it dispatches, and the next round submits: what
  // the handlers want to send leaves together with what was to be sent before.
  Status run_once(std::uint64_t deadline_us);

  // Sockets must be blocking ones (no O_NONBLOCK): on those the ring parks a request in poll; on
  // others it ends with -EAGAIN.
  void accept_multishot(int fd, Completion& done);
  void connect(int fd, const sockaddr* address, socklen_t address_bytes, Completion& done);
  // probably_empty: do not try before poll says so, it saves the try that fails.
  void recv(int fd, std::span<std::byte> room, bool probably_empty, Completion& done);
  void send(int fd, std::span<const std::byte> bytes, Completion& done);
  // For a last send before the thread sleeps: it does not end the sleep, as send() would, and so
  // spares a round and a system call a message. Takes what there is room for at once, or ends with
  // -EAGAIN. `done` is called when something else has happened: it must have nothing urgent to do
  // if all was sent. What was not all sent does end the sleep. One at a time for each `done`.
  void send_at_once(int fd, std::span<const std::byte> bytes, Completion& done);
  void read(int fd, std::span<std::byte> room, Completion& done);
  void write(int fd, std::span<const std::byte> bytes, Completion& done);
  // Reports changes, not levels; see Watch, which also re-arms it when the kernel ends it.
  void poll_multishot(int fd, unsigned events, Completion& done);
  // Asks the kernel to end every request of `done`; harmless if there is none.
  void cancel(Completion& done);

  // Once, in this round or at the beginning of the next; before the requests are submitted.
  void call_before_submit(BeforeSubmit& work);

  TimerQueue& timers() { return timers_; }

  // From any thread: ends the sleep of run_once, which then calls the wake handler. Wakes that
  // come close together may be one call; what was written before wake() is visible in it.
  void wake();
  void on_wake(std::function<void()> handler) { wake_handler_ = std::move(handler); }

  bool closing() const { return closing_; }  // in ~Ring: do not arm anything again

 private:
  class Wake final : public Completion {
   public:
    explicit Wake(Ring& ring) : ring_(ring) {}
    void arm();
    void complete(int result, std::uint32_t cqe_flags) override;

   private:
    Ring& ring_;
    std::uint64_t count_ = 0;
  };

  Ring() : wake_(*this) {}
  Status open();
  io_uring_sqe* take_sqe();
  void commit(io_uring_sqe* sqe, Completion* done);
  bool has_come() const;
  void take_what_came();
  bool prepare();
  int enter(std::uint64_t until_us);
  void collect();
  void dispatch();
  void complete_silent();
  void drain();

  io_uring uring_{};
  bool open_ = false;
  bool closing_ = false;
  bool running_ = false;
  bool took_what_came_ = false;  // in the last round, which has submitted nothing
  pthread_t thread_ = pthread_self();
  std::uint64_t in_flight_count_ = 0;  // requests whose last CQE was not yet dispatched
  std::vector<io_uring_cqe> arrived_;  // taken from the kernel, not yet dispatched
  struct Silent {
    Completion* done;
    int result;
  };
  std::vector<Silent> silent_;  // requests that have a CQE only if they failed
  std::vector<BeforeSubmit*> before_submit_;
  TimerQueue timers_;
  UniqueFd wake_fd_;
  std::atomic<bool> wake_pending_ = false;
  std::function<void()> wake_handler_;
  Wake wake_;
};

}  // namespace gallocy::net
