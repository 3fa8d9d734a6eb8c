// All jobs of this daemon, and what waits for one that is about to exist: launchers, and
// connections of daemons that heard of the job first.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <variant>

#include "daemon/part.hpp"

namespace gallocy::daemon {

class Jobs {
 public:
  static constexpr std::size_t max_job_count = 128;
  static constexpr std::size_t max_parked_count = 64;
  static constexpr std::uint64_t park_limit_s = 5;
  static constexpr std::uint64_t wait_limit_s = 10;

  Jobs(const Context& context, Links& links, Mailbox& mailbox);
  ~Jobs();

  // From the UNIX socket. The error drops the sender.
  Status on_message(Session& session, const ipc::AnyMessage& message);
  void on_session_gone(Session& session);

  // From other daemons. on_guest: an error refuses the guest, who is as it was.
  Status on_guest(Reception::Guest& guest);
  void on_link_up(NodeId node);
  void on_link_down(NodeId node, const Sentence& why);
  void on_link_message(NodeId from, const wire::LinkMessage& message);

  void read_mail();
  void dump() const;

 private:
  struct Waiting;  // a launcher
  struct Parked;   // a daemon's connection

  void on_client(Session& session, const ipc::ClientHello& hello);
  void on_create(Session& session, const ipc::JobCreate& create);
  void on_watch(Session& session, const ipc::JobWatch& watch);
  void send_pages(Session& session) const;
  Status check_create(const ipc::JobCreate& create) const;
  void look_at(Waiting& waiting);
  void look_at_all();
  void give_up(Waiting& waiting);
  void forget(Waiting& waiting);
  bool stop_waiting(const Session& session);  // whether it did
  void end_of_none(Session& session);
  void create(Session& session, const ipc::JobCreate& create);

  // How much memory one more job may use here, of what the others leave. Errors: EINVAL, ENOMEM.
  Result<std::uint64_t> memory_for(std::uint64_t asked_bytes) const;

  void on_open(NodeId from, const wire::JobOpen& open);
  void admit(Part& part, Reception::Guest guest);
  void unpark(Parked& parked, std::string_view why);
  void admit_parked(Part& part);
  Part& add(JobSettings settings, NodeId creator);
  Part* find(JobId job) const;
  std::vector<Part*> all_parts() const;

  const Context& context_;
  Links& links_;
  Mailbox& mailbox_;
  const Part::Services services_;
  std::map<JobId, std::unique_ptr<Part>> parts_;
  std::list<std::unique_ptr<Waiting>> waiting_;
  std::list<std::unique_ptr<Parked>> parked_;
};

}  // namespace gallocy::daemon
