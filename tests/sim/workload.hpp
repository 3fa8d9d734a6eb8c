// The programs of a run: threads that access pages, lock, allocate, free and create threads.
// An access is one instant in which all its pages are mapped; until then the thread faults on
// one page after the other, like an instruction that is started anew after every fault.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/node.hpp"
#include "settings.hpp"

namespace gallocy::sim {

class World;

struct Touch {
  PageNo page{};
  unsigned cell = 0;
  core::Access access = core::Access::read;
};

struct Operation {
  enum class Kind : std::uint8_t {
    access, locked, chunks, freed, spawn, wild, prefetch,
    recycle,   // take chunks, let others use them for a while, give them back
    visit,     // access such chunks
    trespass,  // access such chunks although they were given back
  };
  Kind kind = Kind::access;
  std::array<Touch, 4> touches{};
  unsigned touch_count = 0;
  unsigned phase = 0;          // of a locked increment, or of recycling
  std::uint64_t seen = 0;      // what it read
  std::uint64_t lock_address = 0;
  bool has_lock = false;
  std::uint64_t lease = 0;     // address of the chunks used, 0: none
  TimeUs started_us = 0;
};

struct SimThread {
  NodeId node{};
  ClientId client{};
  std::uint32_t number = 0;
  ThreadId id{};
  bool busy = false;
  bool gone = false;  // with its node; it may go on where nobody cares
  std::optional<Touch> parked;
  Operation operation;

  std::uint32_t kernel_id() const { return number + 1; }  // never 0, which is that of no thread
};

class Workload {
 public:
  explicit Workload(World& world);

  void start();
  void run_thread(std::uint32_t number);
  void wake(NodeId node, ClientId client, PageNo page);
  void notify_agent(NodeId node, ClientId client);
  void freed_pending(NodeId node, ClientId client, std::uint32_t count);
  // All nodes have memory, and threads use it.
  bool has_begun() const { return has_begun_; }
  // Its threads are no part of the program any more, wherever they are.
  void forget_node(NodeId node);
  void attached(NodeId node, ClientId client, ThreadId thread);

  // The kernel forgets an event that nobody read once the thread is woken; one that was read
  // reaches the core all the same.
  bool still_reported(NodeId node, const core::Fault& fault);

  void check_time();
  void check_ended() const;
  std::uint64_t ended_count() const { return ended_; }
  std::optional<PageNo> page_in_question() const;
  std::string dump() const;

 private:
  struct Agent {
    bool asking = false, again = false;  // for orders
    bool taking = false, ordered = false;  // freed blocks
    std::uint32_t freed_count = 0;
  };
  struct Freed {  // the block is, by that node
    int count = 0;  // and not yet taken
    NodeId by = no_node;
    std::uint64_t at = 0;  // of freed_total_
  };
  struct Lease {  // of chunks that will be given back
    std::uint32_t count = 0;
    unsigned users = 0;  // operations that touch it
    bool ending = false;
  };
  struct Allotted {
    std::uint64_t address;
    NodeId node;
    ClientId client;
  };

  void make_threads();
  void begin_accesses();
  void choose(SimThread& thread);
  Operation any_operation(const SimThread& thread, Pattern pattern);
  Operation access_of(const SimThread& thread, unsigned count, unsigned write_percent);
  Operation several_pages(const SimThread& thread, unsigned count);
  void end(SimThread& thread);
  void haunt(SimThread& thread);
  void run_again(SimThread& thread, TimeUs delay_us);
  void call(const SimThread& thread, decltype(core::ClientCall::call) what, TimeUs delay_us,
            std::function<void(const core::Reply&)> on_reply);

  bool mapped(SimThread& thread);  // all pages of the operation; parks the thread otherwise
  bool poisoned(const SimThread& thread) const;  // one of them is: the access ends with SIGBUS
  void park(SimThread& thread, const Touch& touch);
  void access(SimThread& thread);
  void perform(const SimThread& thread, const Touch& touch);
  void locked_increment(SimThread& thread);
  void unlock(SimThread& thread);
  void lock_call(SimThread& thread, SyncOperation operation);
  bool is_of_the_gone(std::int32_t status) const;
  core::ChunksCall chunks_wish(std::uint32_t count);
  void grow_lease(SimThread& thread);
  void allot(SimThread& thread);
  bool has(const SimThread& thread, std::uint64_t chunk) const;
  void claim(SimThread& thread, std::uint64_t chunk);
  void note_allotted(NodeId node, ClientId client, std::uint64_t address, std::uint32_t count);
  void recycle(SimThread& thread);
  void take_lease(SimThread& thread);
  void end_lease(SimThread& thread);
  void return_chunks(SimThread& thread, std::uint64_t address, std::uint32_t count);
  Operation visit_of(const SimThread& thread);
  Operation trespass_of();
  void touch_some(Operation& operation, std::uint64_t address, std::uint32_t count);
  PageNo any_page_of(std::uint64_t address, std::uint32_t count);
  void gather(SimThread& thread);
  void free_block(SimThread& thread);
  void take_freed(NodeId node, ClientId client);
  void order_to_take(NodeId node, ClientId client);
  void spawn(SimThread& thread);
  void join(SimThread& thread, ThreadId spawned);
  void ask_order(NodeId node, ClientId client);
  void run_spawned(NodeId node, ClientId client, ThreadId spawned);
  void wild_access(SimThread& thread);
  void prefetch(SimThread& thread);

  World& world_;
  std::vector<SimThread> threads_;
  std::map<std::pair<NodeId, ClientId>, Agent> agents_;
  std::map<std::uint64_t, Allotted> allotted_;  // by chunk address
  std::vector<std::uint64_t> chunk_addresses_;
  std::map<std::uint64_t, Lease> leases_;  // by address of the first chunk
  std::vector<std::uint64_t> returned_;    // addresses of chunks
  std::map<std::uint64_t, Freed> freed_;
  std::uint64_t freed_total_ = 0;
  std::set<std::uint64_t> locked_;
  std::vector<PageNo> pages_;
  std::uint64_t ended_ = 0, write_count_ = 0, check_count_ = 0;
  unsigned waiting_for_chunks_ = 0;
  bool has_begun_ = false;
  TimeUs pause_us_ = 0;  // between operations, at most
  unsigned prefetch_percent_ = 0;
  unsigned group_count_ = 1;  // of threads that need the same pages
};

}  // namespace gallocy::sim
