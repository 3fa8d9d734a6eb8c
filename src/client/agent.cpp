#include "client/agent.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/process.hpp"
#include "client/running.hpp"
#include "client/runtime_thread.hpp"
#include "client/sweeper.hpp"
#include "ipc/socket.hpp"

namespace gallocy::client {

namespace {

constexpr int exit_without_daemon = 70;
constexpr int ending_interval_ms = 1;

// Threads may be parked in faults that nobody will answer: only the end of the process ends
// them. exit() would run code of the application that may touch such pages.
[[noreturn]] void end_without_daemon() {
  ipc::AnyMessage message;
  const ipc::Refused* refused = nullptr;
  if (ipc::receive_any(process.socket_fd, message, {}, 0)) refused = message.as<ipc::Refused>();
  if (refused != nullptr)
    say(Sentence("gallocy: the pager daemon of node ", process.node, " has dropped rank ",
                 process.rank, ": ", ipc::error_of(*refused).sentence.view(), "\n"));
  else
    say(Sentence("gallocy: the pager daemon of node ", process.node, " has gone; rank ",
                 process.rank, " ends\n"));
  ::_exit(exit_without_daemon);
}

[[noreturn]] void end_without_descriptors() {
  say(Sentence("gallocy: the program has closed a descriptor that it did not open, by which rank ",
               process.rank, " speaks with its daemon; the rank ends\n"));
  ::_exit(exit_without_daemon);
}

// gallocy-run says why, if it is there.
[[noreturn]] void end_with_job(int status) {
  if (process.is_guest && status != 0)
    say(Sentence("gallocy: the gallocy-run that hosts this program has gone; rank ", process.rank,
                 " ends\n"));
  ::_exit(status);
}

template <class... Numbers>
ipc::Reply ask(ipc::Operation operation, Numbers... numbers) {
  const std::uint64_t arguments[] = {static_cast<std::uint64_t>(numbers)..., 0};
  const ipc::Reply reply =
      process.ring.submit(operation, {arguments, sizeof...(numbers)}, daemon_has_gone);
  if (reply.status != 0 && daemon_has_gone()) end_without_daemon();
  return reply;
}

// An eventfd, or a pipe: what is left in it rings again.
void drain(int fd) {
  std::uint64_t words[64];
  [[maybe_unused]] const auto size = ::read(fd, words, sizeof words);
}

// False: the agent shall end.
bool take_orders() {
  for (;;) {
    const ipc::Reply reply = ask(ipc::Operation::next_order);
    if (reply.status != 0) return true;
    const auto& values = reply.values;
    switch (static_cast<OrderKind>(values[0])) {
      case OrderKind::start_thread: {
        const int error = start_thread(values[1], values[2], values[3]);
        ask(ipc::Operation::thread_started, values[1], error);
        break;
      }
      case OrderKind::end: end_with_job(static_cast<int>(values[1]));
      case OrderKind::cancel_thread:
        cancel_thread(values[1]);
        ask(ipc::Operation::thread_cancelled, values[1]);
        break;
      case OrderKind::last_thread_ended: return false;
      case OrderKind::take_freed: order_sweep(Sweep::freed); break;
      case OrderKind::give_spare: order_sweep(Sweep::freed_and_spare); break;
      default: return true;
    }
  }
}

void tell_exited(std::uint64_t thread, void* result) {
  ask(ipc::Operation::thread_exited, thread, heap::address_of(result));
}

void serve() {
  bool some_are_ending = false;
  while (process.phase.load(std::memory_order_acquire) != Phase::left) {
    pollfd entries[] = {{process.socket_fd, POLLIN, 0},
                        {process.orders_fd, POLLIN, 0},
                        {process.finished_fd, POLLIN, 0}};
    if (::poll(entries, 3, some_are_ending ? ending_interval_ms : -1) < 0) continue;
    if (process.phase.load(std::memory_order_acquire) == Phase::left) break;
    if (entries[0].revents & POLLNVAL) end_without_descriptors();
    if (entries[0].revents != 0) end_without_daemon();
    if (entries[1].revents != 0) {
      drain(process.orders_fd);
      if (!take_orders()) {
        // Without the agent and main() the process ends with its last thread, as every process
        // does. Should that be one that gallocy knows nothing of, it must not wait for an agent.
        process.phase.store(Phase::left, std::memory_order_release);
        stop_sweeper();
        break;
      }
    }
    if (entries[2].revents != 0) drain(process.finished_fd);
    if (entries[2].revents != 0 || some_are_ending) some_are_ending = collect_ended(tell_exited);
  }
}

Status make_threads() {
  if (auto status = start_sweeper(); !status) return status;
  const int error = start_runtime_thread(process.agent, serve);
  if (error == 0) return {};
  stop_sweeper();
  return fail(error, "can't start gallocy's agent thread", remedy_of_no_process(error));
}

}  // namespace

// Nothing is ever said on the socket after ClientReady but good-bye.
bool daemon_has_gone() {
  pollfd entry{process.socket_fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

Status start_agent() {
  process.finished_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (process.finished_fd < 0) return fail_errno("can't make an eventfd");
  if (auto status = prepare_threads(); !status) return status;
  if (process.runs_main && !process.main_is_apart) adopt_this_thread();
  // sigfillset leaves out 32 and 33, which the C library needs for cancel and setuid.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &process.thread_mask);
  Status status = make_threads();
  ::pthread_sigmask(SIG_SETMASK, &process.thread_mask, nullptr);
  return status;
}

void stop_agent() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(process.finished_fd, &one, sizeof one);
  ::pthread_join(process.agent, nullptr);
}

}  // namespace gallocy::client
