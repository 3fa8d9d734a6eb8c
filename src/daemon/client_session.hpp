// One attached process: its socket, ring, userfaultfd, and how far its set-up has come.
#pragma once

#include <functional>
#include <optional>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "daemon/job.hpp"
#include "daemon/pages.hpp"
#include "daemon/windows.hpp"
#include "ipc/daemon_ring.hpp"
#include "ipc/protocol.hpp"
#include "net/ring.hpp"
#include "net/watch.hpp"
#include "uffd/userfault.hpp"

namespace gallocy::daemon {

class ClientSession;

// Called on the job's thread. `failed` and `closed` may destroy the session only later, not
// from inside the call.
struct ClientEvents {
  std::function<void(ClientSession&)> on_registered;  // its region is served from now on
  std::function<void(ClientSession&)> on_faults;      // the userfaultfd is readable
  std::function<void(ClientSession&, const Sentence& why)> on_gone;
};

class ClientSession {
 public:
  ClientSession(net::Ring& ring, ClientId id, UniqueFd socket, const ipc::ClientHello& hello,
                ClientEvents events);

  // Sends the welcome and waits for the userfaultfd.
  Status welcome(const JobSettings& settings, int pages_fd);
  void send_ready(ThreadId first_thread);
  void send_refused(const Sentence& sentence);
  void notify_agent();

  ClientId id() const { return id_; }
  const ipc::ClientHello& hello() const { return hello_; }
  ipc::DaemonRing* ring() { return requests_ ? &*requests_ : nullptr; }
  // None before its region is registered.
  std::optional<ClientView> view() const {
    return userfault_ ? std::optional<ClientView>({*userfault_, windows_}) : std::nullopt;
  }
  // REQUIRES: view().
  Result<RankDescriptors> duplicates(int pages_fd) const;
  // The errno for the client, or 0: from now on it sees these pages there.
  int add_window(const ipc::Window& window);
  void look_again_for_faults() { fault_watch_->look_again(); }
  bool gone() const { return gone_; }
  bool ready_sent() const { return ready_sent_; }

  ThreadId first_thread{};

 private:
  void on_socket();
  bool take_datagram();
  Status take_userfault(UniqueFd fd);
  void leave(const Sentence& why);

  net::Ring& loop_;
  ClientId id_;
  UniqueFd socket_;
  ipc::ClientHello hello_;
  ClientEvents events_;
  ipc::RingMemory ring_memory_;
  std::optional<ipc::DaemonRing> requests_;
  UniqueFd doorbell_, orders_;
  std::optional<uffd::UserFault> userfault_;
  Windows windows_{0};
  std::optional<net::Watch> socket_watch_, doorbell_watch_, fault_watch_;
  bool gone_ = false;
  bool ready_sent_ = false;
};

}  // namespace gallocy::daemon
