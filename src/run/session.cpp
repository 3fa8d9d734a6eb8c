#include "run/session.hpp"

#include <filesystem>

namespace gallocy::run {

Try<Session> Session::connect(std::string socket_path) {
  // Ranks get the path too, and a program may change its folder before gallocy_init.
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(socket_path, error);
  if (!error && absolute.size() < 100) socket_path = absolute;
  auto socket = ipc::connect_to(socket_path.c_str());
  if (!socket)
    return refuse(is_of_a_limit(socket.error().code) ? exit_unavailable : exit_job_failed,
                  socket.error().sentence.c_str());
  return Session{std::move(socket_path), std::move(*socket)};
}

}  // namespace gallocy::run
