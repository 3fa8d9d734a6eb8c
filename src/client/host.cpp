#include "client/host.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gallocy/gallocy.h"
#include "ipc/socket.hpp"

namespace gallocy::client {

namespace {

constexpr int answer_timeout_ms = 30'000;
using Path = FixedText<4096>;

// Not substr(), which may throw.
std::string_view head(std::string_view text, std::size_t size) {
  return {text.data(), size < text.size() ? size : text.size()};
}

bool is_executable(const Path& path) { return ::access(path.c_str(), X_OK) == 0; }

// $GALLOCY_RUN, or where it lies relative to this library, installed or in the build tree, or in
// PATH. Empty: nowhere.
Path find_launcher() {
  if (const char* named = ::getenv("GALLOCY_RUN"); named != nullptr && *named != '\0')
    return Path(named);
  Dl_info self{};
  if (::dladdr(reinterpret_cast<void*>(&gallocy_init), &self) != 0 && self.dli_fname != nullptr) {
    const std::string_view library = self.dli_fname;
    const auto slash = library.rfind('/');
    const std::string_view folder = slash == library.npos ? "." : head(library, slash);
    for (const char* place : {"/../bin/", "/../../bin/", "/../run/"})
      if (const Path path(folder, place, "gallocy-run"); is_executable(path)) return path;
  }
  const char* search = ::getenv("PATH");
  for (std::string_view rest = search != nullptr ? search : ""; !rest.empty();) {
    const auto colon = rest.find(':');
    if (const Path path(head(rest, colon), "/gallocy-run"); is_executable(path)) return path;
    rest.remove_prefix(colon == rest.npos ? rest.size() : colon + 1);
  }
  return {};
}

// In the child of a process that may have threads: system calls only. The launcher has a process
// group of its own, since what Ctrl-C ends is this program, and the launcher by that.
[[noreturn]] void become_launcher(const Path& path, int fd) {
  if (const pid_t child = ::_Fork(); child != 0) ::_exit(child < 0 ? 1 : 0);
  ::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (const int null = ::open("/dev/null", O_RDONLY); null > 0) ::dup2(null, STDIN_FILENO);
  ::fcntl(fd, F_SETFD, 0);
  const FixedText<32> option("--guest-fd=", fd);
  char name[] = "gallocy-run";
  char* arguments[] = {name, const_cast<char*>(option.c_str()), nullptr};
  ::execve(path.c_str(), arguments, environ);
  ::_exit(1);
}

}  // namespace

Result<ipc::GuestInvitation> start_host() {
  const Path path = find_launcher();
  if (path.empty())
    return fail(ENOTCONN, "this program was not started by gallocy-run, and there is no "
                          "gallocy-run to be found: set GALLOCY_RUN to its path");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("can't make a pair of sockets");
  const UniqueFd ours(ends[0]);
  UniqueFd launchers(ends[1]);
  const pid_t child = ::_Fork();
  if (child < 0) return fail_errno("can't start gallocy-run");
  if (child == 0) become_launcher(path, launchers.get());
  launchers.reset();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  auto invitation = ipc::receive<ipc::GuestInvitation>(ours.get(), {}, answer_timeout_ms);
  if (!invitation && invitation.error().code == ECONNRESET)
    return fail(ENOTCONN, head(path.view(), 150), " could not be run");
  if (invitation) invitation->socket_path[sizeof invitation->socket_path - 1] = '\0';
  return invitation;
}

}  // namespace gallocy::client
