// gallocyd: one per node, in the foreground. Its standard output is the ready line, its standard
// error the log.
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <poll.h>

#include "base/output.hpp"
#include "base/stack_limit.hpp"
#include "daemon/control.hpp"
#include "net/watch.hpp"
#include "uffd/planted.hpp"
#include "uffd/probe.hpp"

namespace gallocy::daemon {
namespace {

constexpr int log_fd_floor = 64;  // out of the way of whoever counts on low numbers

// Before the log exists.
int leave(int status, std::string_view sentence) {
  // Not fprintf: it has a buffer of 8 KiB on the stack, which may be smaller (stack_limit.hpp).
  write_all(STDERR_FILENO, "gallocyd: " + std::string(sentence) + "\n");
  return status;
}

Status check_machine() {
  if (const auto found = uffd::probe(); !found) return tl::unexpected(found.error());
  return uffd::self_test();
}

// Blocked before any thread is made, so that every thread inherits that and only the descriptor
// sees them.
Result<UniqueFd> open_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno("can't watch signals");
  return fd;
}

void read_signals(int fd, Control& control, Log& log) {
  signalfd_siginfo info{};
  while (::read(fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGUSR1) {
      control.dump();
    } else {
      log.line(info.ssi_signo == SIGTERM ? "ending: SIGTERM" : "ending: SIGINT");
      control.stop();
    }
  }
}

Incarnation make_incarnation() {
  std::uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {}
  return Incarnation{number};
}

void say_ready(const Options& options, Incarnation incarnation, std::uint16_t port) {
  const net::AddressText text = options.listen.text();
  const std::string_view address = text.view().substr(0, text.view().rfind(':'));
  char line[160];
  const int size = std::snprintf(line, sizeof line,
                                 "gallocyd ready node=%u incarnation=%016" PRIx64
                                 " listen=%.*s:%u\n",
                                 unsigned{raw(options.node)}, raw(incarnation),
                                 static_cast<int>(address.size()), address.data(), unsigned{port});
  // Nobody listening is no reason not to serve.
  static_cast<void>(!::write(STDOUT_FILENO, line, static_cast<std::size_t>(size)));
}

// Standard error, and the file that GALLOCY_LOG names: daemons of several jobs may append to one.
Result<std::vector<UniqueFd>> open_log() {
  std::vector<UniqueFd> fds;
  fds.emplace_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, log_fd_floor));
  const char* path = ::getenv("GALLOCY_LOG");
  if (path == nullptr || *path == '\0') return fds;
  const UniqueFd file(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) return fail_errno("can't open ", path, ", the file that GALLOCY_LOG names");
  fds.emplace_back(::fcntl(file.get(), F_DUPFD_CLOEXEC, log_fd_floor));
  return fds;
}

int serve(const Options& options, int signals) {
  const auto log_files = open_log();
  if (!log_files) return leave(exit_unavailable, log_files.error().sentence.view());
  std::vector<int> log_fds;
  for (const UniqueFd& file : *log_files) log_fds.push_back(file.get());
  const Incarnation incarnation = make_incarnation();
  Log log(std::move(log_fds),
          std::string(FixedText<32>("gallocyd[", raw(options.node), "]").view()));
  if (const Status started = log.start(); !started)
    return leave(exit_unavailable, started.error().sentence.view());
  auto control = Control::open(options, incarnation, log);
  if (!control) {
    log.line(control.error().sentence.view());
    return exit_unavailable;
  }
  net::Watch watch((*control)->ring(), signals, POLLIN,
                   [&](int) { read_signals(signals, **control, log); });
  if (const MemoryLimit usable = usable_memory(); options.memory_bytes > usable.bytes)
    log.line(Sentence("warning: --memory is ", options.memory_bytes >> 20, " MiB, more than the ",
                      usable.bytes >> 20, " MiB that ", usable.reason())
                 .view());
  say_ready(options, incarnation, (*control)->port());
  const Status status = (*control)->run();
  if (status) return 0;
  log.line(status.error().sentence.view());
  return exit_software;
}

[[gnu::noinline]] int run(int argc, char** argv) {
  // Where they are ignored, the call that fails says so itself.
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_IGN);
  const auto parsed = parse_options(argc, argv);
  if (const auto* going = std::get_if<Leave>(&parsed)) {
    if (going->status != 0) {
      std::fputs(going->text.c_str(), stderr);
      return going->status;
    }
    const Status printed = print(going->text);
    return printed ? 0 : leave(exit_io_error, printed.error().sentence.view());
  }
  if (const Status status = check_machine(); !status)
    return leave(exit_unavailable, status.error().sentence.view());
#ifdef GALLOCY_PLANTED
  if (const char* bug = ::getenv("GALLOCY_BUG"); bug == nullptr || !uffd::plant(bug))
    return leave(exit_usage, "GALLOCY_BUG has to name the planted bug, or none");
#endif
  const auto signals = open_signals();
  if (!signals) return leave(exit_unavailable, signals.error().sentence.view());
  return serve(std::get<Options>(parsed), signals->get());
}

int begin(int argc, char** argv) {
  if (const Status enough = check_stack_limit(); !enough)
    return leave(exit_unavailable, enough.error().sentence.view());
  return run(argc, argv);
}

}  // namespace
}  // namespace gallocy::daemon

int main(int argc, char** argv) { return gallocy::daemon::begin(argc, argv); }
