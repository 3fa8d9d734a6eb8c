// Programs of this machine on the UNIX socket: newcomers, and launchers for as long as they stay.
// A client is here only until its hello was read; then its socket goes to its job.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>

#include "daemon/context.hpp"
#include "daemon/few_lines.hpp"
#include "ipc/socket.hpp"
#include "net/watch.hpp"

namespace gallocy::daemon {

class Sessions;

class Session {
 public:
  Session(Sessions& sessions, UniqueFd fd, const ipc::PeerCredentials& who);

  const ipc::PeerCredentials& who() const { return who_; }
  // The launcher of that job: the time limit of newcomers is off.
  void bind(JobId job);
  JobId job() const { return job_; }
  bool bound() const { return bound_; }

  // A launcher that does not take its messages has failed: its session ends.
  template <class T>
  void send(const T& message, std::span<const int> fds = {}) {
    if (!fd_) return;
    if (const Status sent = ipc::send_message(fd_.get(), message, fds, 0); !sent)
      drop(sent.error());
  }
  // Says why, and ends the session. Sessions::Events::on_gone comes later.
  void refuse(const Error& error);
  // Ends the session and leaves the socket to the caller.
  UniqueFd take_socket();

 private:
  void readable();
  void drop(const Error& error);
  void end();

  Sessions& sessions_;
  UniqueFd fd_;  // none: ended
  ipc::PeerCredentials who_;
  bool bound_ = false;
  JobId job_{};
  net::Timer patience_;
  std::optional<net::Watch> watch_;
};

class Sessions {
 public:
  // Of both a user has one share: it takes several who mean ill to leave no place for the others.
  // All ranks of a node may come at once.
  static constexpr std::size_t shares = 4;
  static constexpr std::size_t max_newcomer_count = shares * ipc::max_rank_count;
  static constexpr std::size_t max_session_count = 1024;
  static constexpr std::uint64_t first_datagram_limit_s = 5;

  struct Events {
    // An error drops the sender, with a line in the log.
    std::function<Status(Session&, const ipc::AnyMessage&)> on_message;
    std::function<void(Session&)> on_gone;  // once for each session, its last mention
  };

  static Result<std::unique_ptr<Sessions>> open(const Context& context, Events events);
  ~Sessions();  // removes the socket file
  std::size_t count() const { return sessions_.size(); }

 private:
  friend class Session;
  Sessions(const Context& context, Events events, UniqueFd listener);
  void accept();
  void admit(UniqueFd fd);
  Status check_newcomer(uid_t uid) const;
  Status take_one();
  Status turn_away(const Error& why);
  void ended(Session& session);

  const Context& context_;
  Events events_;
  UniqueFd listener_;
  UniqueFd spare_;  // a number for a client that there is no descriptor for
  std::list<std::unique_ptr<Session>> sessions_;
  FewLines turned_away_;
  net::Timer retry_;
  std::optional<net::Watch> watch_;
};

}  // namespace gallocy::daemon
