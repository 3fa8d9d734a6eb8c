// One run: machines, network, threads of programs, oracle, and one virtual clock.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "members.hpp"
#include "network.hpp"
#include "oracle.hpp"
#include "recorder.hpp"
#include "settings.hpp"

namespace gallocy::sim {

class Workload;

using OnReply = std::function<void(const core::Reply&)>;

class World final : public Surroundings {
 public:
  explicit World(const Settings& settings);
  ~World();

  // Until nothing is left to happen. Throws Failure.
  void run();
  std::string dump(const std::string& reason) const;

  std::uint64_t operation_count() const;
  const Recorder& recorder() const { return recorder_; }
  const Faults& faults() const { return faults_; }

  // ---- for the workload ----
  TimeUs now_us() const { return now_us_; }
  Random& random() { return random_; }
  Oracle& oracle() { return oracle_; }
  Machine& machine(NodeId node) { return *machines_[raw(node)]; }
  unsigned node_count() const { return static_cast<unsigned>(machines_.size()); }
  const Settings& settings() const { return settings_; }
  Pattern pattern() const { return pattern_; }
  // The last operation has begun.
  void calm_down();
  bool overdue() const { return faults_.stopped() && now_us_ > calm_at_us_ + calm_limit_us; }

  void plan_thread(TimeUs at_us, NodeId node, std::uint32_t thread) {
    timeline_.plan(at_us, Happening::Kind::thread, node, thread);
  }
  // The event reaches the daemon some time after the thread has parked.
  void post_fault(NodeId node, const core::Fault& fault, TimeUs delay_us);
  void call(NodeId node, ClientId client, core::ClientCall call, TimeUs delay_us,
            OnReply on_reply);
  // Something that nobody waits for.
  void tell(NodeId node, const core::Event& event) { step(node, event); }
  bool any_removed() const { return members_.removed_any(); }
  bool is_member(NodeId node) const { return members_.contains(node); }
  void later(TimeUs delay_us, NodeId node, std::function<void()> what);

 private:
  struct AnsweredCall {
    NodeId node;
    OnReply on_reply;
  };

  bool hands_out(const core::Message& message) const;
  void send(NodeId from, NodeId to, const core::Message& message, const Bytes& bytes) override;
  void wake(NodeId node, ClientId client, PageNo page) override;
  void reply(NodeId node, const core::Reply& reply) override;
  void notify_agent(NodeId node, ClientId client) override;
  void freed_pending(NodeId node, ClientId client, std::uint32_t count) override;
  void attached(NodeId node, ClientId client, ThreadId thread) override;
  void record(NodeId node, const core::Action& action) override;

  void make_machines();
  bool put_off(const Happening& happening);
  void happen(const Happening& happening);
  void step(NodeId node, const core::Event& event, const Bytes& bytes = std::nullopt);
  void plan_tick(NodeId node);
  void tick(const Happening& happening);

  bool is_over(const Happening& happening);
  void trouble_members();
  void lose_node(FaultKind kind);
  void remove(NodeId node);
  void hear(NodeId node);
  void plan_membership(TimeUs delay_us, std::function<void()> what);

  Settings settings_;
  Random random_;
  Pattern pattern_{};
  TimeUs now_us_ = 0, calm_at_us_ = 0;
  Timeline timeline_;
  Faults faults_;
  Network network_;
  Recorder recorder_;
  Machines machines_;
  Members members_;
  bool removes_ = false;  // fewer nodes are fewer rivals: in most runs all stay
  Oracle oracle_;
  std::vector<TimeUs> tick_at_us_;
  Pool<core::Fault> page_faults_;
  Pool<core::ClientCall> calls_;
  Pool<std::function<void()>> later_;
  std::unordered_map<std::uint32_t, AnsweredCall> answers_;  // by the tag's sequence
  std::uint32_t call_count_ = 0;
  std::unique_ptr<Workload> workload_;
};

}  // namespace gallocy::sim
