// The folder of a job's private sockets: only this user can enter it, and it goes with the job.
// (If gallocy-run is killed by SIGKILL an empty folder stays behind.)
#pragma once

#include <string>

#include "run/refusal.hpp"

namespace gallocy::run {

class ScratchFolder {
 public:
  // In $XDG_RUNTIME_DIR, or /tmp where that can't be used.
  static Try<ScratchFolder> create();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  std::string socket_path(unsigned node) const;

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace gallocy::run
