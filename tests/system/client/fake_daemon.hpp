// A daemon of one node that says just what protocol.hpp asks for, for tests of the client
// library: real sockets, ring and userfaultfd; pages are zeros, locks and threads a map. It runs
// in a thread of the test and serves the ranks that connect.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ipc/daemon_ring.hpp"
#include "ipc/socket.hpp"
#include "uffd/userfault.hpp"

namespace gallocy::test {

struct FakeClient {
  UniqueFd socket, doorbell, orders_event;
  ipc::RingMemory ring_memory;
  std::unique_ptr<ipc::DaemonRing> ring;
  std::unique_ptr<uffd::UserFault> faults;
  std::deque<std::array<std::uint64_t, 4>> orders;
  std::deque<std::uint64_t> freed;  // by other ranks
  std::uint32_t rank = 0;
  ipc::ClientHello hello;
};

class FakeDaemon {
 public:
  static constexpr std::uint64_t region_size_bytes = 128 * chunk_bytes;
  // Faults of this page are never answered.
  static constexpr std::uint64_t stuck_address = region_base + region_size_bytes - page_bytes;

  FakeDaemon(std::string socket_path, unsigned rank_count);
  ~FakeDaemon() { die(); }

  // Stops serving and closes everything, as the kernel does for a process that dies.
  void die();
  void send_order(std::uint32_t rank, std::array<std::uint64_t, 4> order);

  std::atomic<unsigned> attached_count = 0;
  std::atomic<unsigned> stuck_count = 0;  // threads parked at stuck_address
  std::atomic<bool> answers = true;       // false: takes requests and leaves them

 private:
  struct Lock {
    std::uint64_t owner = 0;
    unsigned depth = 0;
    std::deque<std::pair<std::uint64_t, std::pair<FakeClient*, ipc::Ticket>>> waiting;
  };
  struct Thread {
    bool ended = false;
    std::uint64_t result = 0;
    FakeClient* joiner = nullptr;
    ipc::Ticket ticket;
    FakeClient* creator = nullptr;
    ipc::Ticket created;
  };

  void serve();
  bool attach(UniqueFd socket);
  void serve_faults(FakeClient& client);
  void serve_requests(FakeClient& client);
  void act(FakeClient& client, const ipc::Request& request);
  void lock(FakeClient& client, const ipc::Request& request);
  void unlock(FakeClient& client, const ipc::Request& request, Lock& lock);
  void order(FakeClient& client, std::array<std::uint64_t, 4> order);

  std::string path_;
  unsigned rank_count_;
  UniqueFd listener_, pages_, stop_event_;
  std::vector<std::unique_ptr<FakeClient>> clients_;
  std::map<std::uint64_t, Lock> locks_;
  std::map<std::uint64_t, Thread> threads_;
  std::map<std::uint64_t, FakeClient*> chunk_owner_;
  std::uint64_t next_chunk_ = region_base, next_thread_ = 100;
  std::atomic<std::uint64_t> order_rank_ = ~0ull;
  std::array<std::uint64_t, 4> order_;
  std::thread thread_;
};

}  // namespace gallocy::test
