// Runs of synchronisation alone: the cores of several nodes, and threads that are coroutines. A
// thread is created, scheduled, cancelled and joined through the cores as in a cluster; its program
// reads like one, and checks by ordinary variables what its objects promise.
//
// On one node there is a second client, which dies in some runs; in others all of that node does.
// Some jobs end with the client: then nobody may get anything of it in the time until they have.
#pragma once

#include <cerrno>
#include <coroutine>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "members.hpp"
#include "network.hpp"
#include "recorder.hpp"
#include "settings.hpp"

namespace gallocy::sim {

// What a thread does: begun at once, destroyed with its thread.
struct Program {
  struct promise_type {
    Program get_return_object() {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { throw; }
  };
  std::coroutine_handle<> handle;
};

struct Actor {  // a thread
  NodeId node{};
  ClientId client{};
  ThreadId id{};
  bool cancellable = false;
  bool known = false;  // its node has been told that it runs
  bool dead = false;  // its client has died
  bool ended = false;
  unsigned tokens = 0;  // of semaphores, as their homes count them
  std::coroutine_handle<> program;

  Actor() = default;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor() {
    if (program) program.destroy();
  }
};

class SyncWorld;

// co_await: the reply to a call.
struct Asking {
  SyncWorld& world;
  Actor& actor;
  core::ClientCall call;
  core::Reply reply{};

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  core::Reply await_resume() const { return reply; }
};

// co_await: time passes.
struct Resting {
  SyncWorld& world;
  Actor& actor;
  TimeUs for_us;

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume() const {}
};

// co_await: the futex system call's wait, as client/futex.cpp makes it: EAGAIN if the word is not
// the expected one.
struct FutexWaiting {
  SyncWorld& world;
  Actor& actor;
  core::SyncRequest request;  // of the take
  const unsigned& word;
  unsigned expected;
  TimeUs timeout_us;
  std::int32_t status = EAGAIN;

  bool await_ready() const { return word != expected; }
  void await_suspend(std::coroutine_handle<> waiting);
  std::int32_t await_resume() const { return status; }

 private:
  void look_again(std::uint64_t sequence, std::coroutine_handle<> waiting);
};

using Begin = std::function<Program(Actor&)>;

class SyncWorld final : public Surroundings {
 public:
  explicit SyncWorld(const Settings& settings);

  // Until nothing is left to happen. Throws Failure.
  void run();
  std::string dump(const std::string& reason) const;

  const Settings& settings() const { return settings_; }
  const Recorder& recorder() const { return recorder_; }
  const Faults& faults() const { return faults_; }
  std::uint64_t operation_count() const { return operation_count_; }
  TimeUs now_us() const { return now_us_; }

  // ---- for programs ----
  Random& random() { return random_; }
  unsigned node_count() const { return static_cast<unsigned>(machines_.size()); }
  std::uint64_t new_address();  // of an object, at any home
  NodeId any_node();
  NodeId safe_node();  // where nobody dies
  bool any_removed() const { return members_.removed_any(); }
  // For what has no owner: what a lost node had of it is lost with it.
  NodeId counting_node() { return removes_ ? safe_node() : any_node(); }
  NodeId last_node() const { return NodeId{static_cast<std::uint8_t>(node_count() - 1)}; }
  bool will_die(const Actor& actor) const {
    return actor.node == dying_node_ && (removes_ || actor.client == dying_client);
  }
  void expect(bool holds, const char* what) const;
  void count_operation() { ++operation_count_; }

  // A thread that runs there; the call that creates one, for a thread that wants to know its id.
  void spawn(NodeId node, bool cancellable, Begin begin);
  core::ThreadCreateCall creation(NodeId node, bool cancellable, Begin begin);
  void all_planned() { planned_ = true; }
  bool is_dead(ThreadId thread) const;
  // Dead, and others get what it had.
  bool has_heirs(ThreadId thread) const { return is_dead(thread) && !ends_with_client(); }
  // Called for each thread of the client that dies.
  std::function<void(Actor&)> on_death;

 private:
  friend struct Asking;
  friend struct Resting;
  friend struct FutexWaiting;
  using OnReply = std::function<void(const core::Reply&)>;
  struct Answer {
    NodeId node;
    ClientId client;
    OnReply on_reply;
  };
  struct Agent {
    bool asking = false, again = false;
  };
  struct Plan {
    Begin begin;
    bool cancellable;
  };

  void send(NodeId from, NodeId to, const core::Message& message, const Bytes& bytes) override;
  void wake(NodeId, ClientId, PageNo) override {}
  void reply(NodeId node, const core::Reply& reply) override;
  void notify_agent(NodeId node, ClientId client) override;
  void freed_pending(NodeId, ClientId, std::uint32_t) override {}
  void attached(NodeId, ClientId, ThreadId) override {}
  void record(NodeId node, const core::Action& action) override;

  void make_machines();
  void take_chunks();
  bool put_off(const Happening& happening);
  void happen(const Happening& happening);
  void step(NodeId node, const core::Event& event);
  void plan_tick(NodeId node);
  void tick(const Happening& happening);

  void call(NodeId node, ClientId client, core::ClientCall call, OnReply on_reply);
  void note_tokens(const core::SyncRequest& request, int change);
  void later(TimeUs delay_us, std::function<void()> what);
  void resume(Actor& actor, std::coroutine_handle<> program);
  void end_if_done(Actor& actor);  // as its agent notices it

  void ask_order(NodeId node, ClientId client);
  void obey(NodeId node, ClientId client, const core::Reply& order);
  void start(NodeId node, ClientId client, ThreadId thread, std::uint64_t plan);
  void trouble();
  void cancel_someone();
  void kill();
  void choose_who_dies();
  void lose_node(std::vector<Actor*> dead);
  void remove(const std::vector<Actor*>& dead);
  void hear(NodeId member, const std::vector<Actor*>& dead);
  void expect_no_dead_in_queues() const;
  void expect_in_no_queue(ThreadId cancelled) const;
  template <class Visit>
  void for_each_waiter(Visit visit) const;
  bool ends_with_client() const { return killed_ && !removes_ && !outlives_clients_; }
  bool gone(NodeId node, ClientId client) const {
    return killed_ && node == dying_node_ && (removes_ || client == dying_client);
  }
  void check_quiet() const;
  bool is_had_by_borrower(std::uint64_t address, const core::SyncObjects::Entry& entry) const;

  static constexpr ClientId main_client{0}, dying_client{1};
  static constexpr TimeUs time_limit_us = 60'000'000;
  static constexpr TimeUs settled_after_us = 200'000;  // several times what a message may need

  Settings settings_;
  Random random_;
  TimeUs now_us_ = 0;
  Timeline timeline_;
  Faults faults_;
  Network network_;
  Recorder recorder_;
  Machines machines_;
  Members members_;
  std::vector<TimeUs> tick_at_us_;
  Pool<std::pair<core::ClientCall, NodeId>> calls_;
  Pool<std::function<void()>> later_;
  std::unordered_map<std::uint32_t, Answer> answers_;  // by the tag's sequence
  std::uint32_t call_count_ = 0;
  std::map<std::pair<NodeId, ClientId>, Agent> agents_;
  std::vector<Plan> plans_;
  std::map<ThreadId, std::unique_ptr<Actor>> actors_;
  std::vector<std::uint64_t> chunks_;
  std::uint64_t object_count_ = 0, operation_count_ = 0;
  std::size_t uncreated_ = 0, allotted_ = 0;
  NodeId dying_node_ = no_node;  // no_node: nobody dies
  bool outlives_clients_ = true;   // as core's configuration has it
  bool removes_ = false;           // all of that node dies
  bool crashes_ = false;           // and ends at once
  std::size_t unheard_ = 0;        // members that have not heard of it
  TimeUs end_us_ = time_limit_us;  // of the job, if the client's death is that
  bool planned_ = false, troubled_ = false, killed_ = false;
};

// Plans the threads of a run. In sync_programs.cpp.
void plan_programs(SyncWorld& world);
// Those that wait by futexes, in futex_programs.cpp.
void plan_futex_programs(SyncWorld& world, unsigned rounds);

}  // namespace gallocy::sim
