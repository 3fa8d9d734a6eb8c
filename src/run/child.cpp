#include "run/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace gallocy::run {

namespace {

// exec's arguments, made before fork: the child of a process with threads must not allocate.
struct ExecArguments {
  explicit ExecArguments(const ChildPlan& plan) {
    for (const auto& argument : plan.arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    for (const auto& entry : plan.environment) envp.push_back(const_cast<char*>(entry.c_str()));
    envp.push_back(nullptr);
    shell_argv = {const_cast<char*>("/bin/sh"), const_cast<char*>(plan.path.c_str())};
    shell_argv.insert(shell_argv.end(), argv.begin() + 1, argv.end());
  }
  std::vector<char*> argv, shell_argv, envp;
};

bool begins_as_elf(const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  char bytes[4] = {};
  const auto count = ::read(file, bytes, sizeof bytes);
  return count == 4 && ::memcmp(bytes, "\177ELF", 4) == 0;
}

[[noreturn]] void run_child(const ChildPlan& plan, const ExecArguments& arguments, pid_t parent,
                            int report_fd) {
  if (plan.own_group) ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, plan.death_signal);
  // Had the launcher died before the prctl, no signal would ever come.
  if (::getppid() != parent) ::_exit(exit_job_failed);
  if (plan.input_fd >= 0) ::dup2(plan.input_fd, STDIN_FILENO);
  if (plan.output_fd >= 0) ::dup2(plan.output_fd, STDOUT_FILENO);
  if (plan.error_fd >= 0) ::dup2(plan.error_fd, STDERR_FILENO);
  // Where the system forbids it the ranks' addresses are compared anyway.
  if (plan.fixed_addresses) ::personality(::personality(0xffffffff) | ADDR_NO_RANDOMIZE);
  ::sigprocmask(SIG_SETMASK, &plan.signal_mask, nullptr);
  ::execve(plan.path.c_str(), arguments.argv.data(), arguments.envp.data());
  int error = errno;
  if (error == ENOEXEC && !begins_as_elf(plan.path.c_str())) {
    ::execve("/bin/sh", arguments.shell_argv.data(), arguments.envp.data());
    error = errno;
  }
  [[maybe_unused]] const auto written = ::write(report_fd, &error, sizeof error);
  ::_exit(exit_not_executable);
}

// glibc 2.36 declares its own wrapper without extern "C".
int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

// 0 if exec succeeded: the pipe's other end was closed by it.
int read_exec_error(int fd) {
  int error = 0;
  ssize_t count;
  do count = ::read(fd, &error, sizeof error);
  while (count < 0 && errno == EINTR);
  return count == sizeof error ? error : 0;
}

}  // namespace

Try<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return refuse_errno("can't make a pipe");
  return Pipe{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

Try<Child> Child::start(const ChildPlan& plan) {
  auto report = make_pipe();
  if (!report) return tl::unexpected<Refusal>(report.error());
  const ExecArguments arguments{plan};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0 && errno == EAGAIN)
    return refuse(exit_unavailable,
                  std::string{"can't start a process"} + remedy_of_no_process(EAGAIN));
  if (pid < 0) return refuse_errno("can't start a process");
  if (pid == 0) run_child(plan, arguments, parent, report->write_end.get());
  if (plan.own_group) ::setpgid(pid, pid);
  report->write_end.reset();
  const int error = read_exec_error(report->read_end.get());
  UniqueFd pidfd{open_pidfd(pid)};
  if (error == 0 && pidfd) return Child{pid, std::move(pidfd)};
  const int pidfd_error = errno;
  // Not reaped yet, so the number is still this child's.
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  if (error != 0)
    return refuse(exit_not_executable, fmt::format("{}: can't be executed: {}", plan.path,
                                                   describe_error(error)));
  errno = pidfd_error;
  return refuse_errno("can't watch a process");
}

Try<Child> Child::guest(pid_t pid) {
  UniqueFd pidfd{open_pidfd(pid)};
  if (!pidfd) return refuse_errno(fmt::format("can't watch process {}", pid));
  return Child{pid, std::move(pidfd), true};
}

bool Child::guest_has_gone() const {
  pollfd entry{pidfd_.get(), POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

bool Child::try_reap() {
  if (wait_status_) return true;
  int status = 0;
  if (is_guest_ ? !guest_has_gone() : ::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  wait_status_ = status;
  return true;
}

void Child::send(int signal) const {
  if (!wait_status_ && !is_guest_)
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

int shell_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? exit_signal_base + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

std::string describe_end(int wait_status) {
  if (!WIFSIGNALED(wait_status))
    return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
  const char* name = ::sigabbrev_np(WTERMSIG(wait_status));
  return fmt::format("was killed by signal {}{}", WTERMSIG(wait_status),
                     name != nullptr ? fmt::format(" (SIG{})", name) : "");
}

}  // namespace gallocy::run
