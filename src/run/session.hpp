// One control connection to one daemon of the job. Receiving never waits; sending waits a
// second at most.
#pragma once

#include <optional>
#include <string>

#include "ipc/socket.hpp"
#include "run/refusal.hpp"

namespace gallocy::run {

class Session {
 public:
  static Try<Session> connect(std::string socket_path);

  int fd() const { return socket_.get(); }
  const std::string& socket_path() const { return socket_path_; }
  bool open() const { return bool(socket_); }
  void close() { socket_.reset(); }

  // False if the daemon does not take it; its death then tells why.
  template <class T>
  bool send(const T& message) {
    return open() && bool(ipc::send_message(fd(), message, {}, send_limit_ms));
  }

  // EAGAIN: nothing there. Any other error: the daemon has gone or talks nonsense.
  Status receive(ipc::AnyMessage& message, std::span<UniqueFd> fds) {
    return ipc::receive_any(fd(), message, fds, 0);
  }

  std::optional<unsigned> node;                  // private daemons: known, others: NodeInfo came
  unsigned cpu_count = 0;                        // 0: NodeInfo has not come
  bool ready = false;                            // JobReady came
  bool failed = false;                           // JobFailed came: an end of file is no news
  bool over = false;                             // JobOver came
  std::optional<ipc::JobStatistics> statistics;  // came

 private:
  static constexpr int send_limit_ms = 1'000;

  Session(std::string socket_path, UniqueFd socket)
      : socket_path_(std::move(socket_path)), socket_(std::move(socket)) {}

  std::string socket_path_;
  UniqueFd socket_;
};

}  // namespace gallocy::run
