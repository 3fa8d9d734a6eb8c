// The control plane of a daemon: everything but the jobs themselves. Wires the pieces to one
// loop; made, run and destroyed on one thread.
#pragma once

#include <atomic>
#include <memory>

#include "daemon/jobs.hpp"

namespace gallocy::daemon {

class Control {
 public:
  // Listens at both sockets and begins to dial. `options` and `log` must outlive it. Errors: what
  // Ring::create gives (as EOPNOTSUPP or whatever the kernel says), and addresses in use.
  static Result<std::unique_ptr<Control>> open(const Options& options, Incarnation incarnation,
                                               Log& log);
  // Ends all jobs: their threads are joined, clients and launchers lose their sockets.
  ~Control();

  std::uint16_t port() const { return reception_->port(); }
  net::Ring& ring() { return *ring_; }
  // Until stop(). The error is the ring's.
  Status run();
  // From any thread.
  void stop();
  void dump() const;

 private:
  Control(std::unique_ptr<net::Ring> ring, const Options& options, Incarnation incarnation,
          Log& log);
  Status listen();
  void on_guest(Reception::Guest guest);

  // Destroyed from the end: jobs before the mailbox that their threads write to, and everything
  // before the loop. What is left in later_ may be jobs and timers, too.
  std::unique_ptr<net::Ring> ring_;
  Mailbox mailbox_;
  Later later_;
  const Context context_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<Reception> reception_;
  std::unique_ptr<Sessions> sessions_;
};

}  // namespace gallocy::daemon
