// Two processes: a client without any privilege, made to die, and a pager that serves it.
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.hpp"
#include "child.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

union Control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

msghdr message_of(iovec& vector, Control& control) {
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  return message;
}

bool send_fd(int socket, int fd) {
  char byte = 'f';
  iovec vector{.iov_base = &byte, .iov_len = 1};
  Control control{};
  msghdr message = message_of(vector, control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(socket, &message, 0) == 1;
}

UniqueFd receive_fd(int socket) {
  char byte = 0;
  iovec vector{.iov_base = &byte, .iov_len = 1};
  Control control{};
  msghdr message = message_of(vector, control);
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  int fd = -1;
  if (header != nullptr) std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

void say(int socket) { [[maybe_unused]] const auto sent = ::write(socket, "x", 1); }
bool hear(int socket) {
  char byte;
  return ::read(socket, &byte, 1) == 1;
}

// A client as nobody: makes a userfaultfd from the device fd it was given, hands it over, and
// when told writes the first page of the region to the socket, by the kernel.
[[noreturn]] void run_client(int socket, int device, int memfd) {
  ::alarm(20);
  if (::geteuid() == 0 && !become_nobody()) ::_exit(2);
  if (open_device()) ::printf("note: nobody may open the device here\n");
  Result<UniqueFd> userfaultfd = create_from_device(device);
  if (!userfaultfd) ::_exit(3);
  Result<Region> region = map_region(memfd, region_base, bench_size_bytes);
  if (!region) ::_exit(4);
  if (!send_fd(socket, userfaultfd->get()) || !hear(socket)) ::_exit(5);
  if (::write(socket, region->data(), page_bytes) != static_cast<ssize_t>(page_bytes)) ::_exit(6);
  hear(socket);  // until it is killed
  ::_exit(7);
}

struct Client {
  Client() : memory(must(PageMemory::create("pages", bench_size_bytes))) {
    const UniqueFd device = must(open_device());
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    process = ::fork();
    if (process == 0) run_client(ends[1], device.get(), memory.fd());
    socket.reset(ends[0]);
    ::close(ends[1]);
  }
  ~Client() { kill(); }

  void kill() {
    if (process <= 0) return;
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
    process = -1;
  }

  PageMemory memory;
  UniqueFd socket;
  pid_t process = -1;
};

}  // namespace

TEST_CASE("an unprivileged client's system call is served by another process") {
  const Client client;
  const UserFault userfault = must(UserFault::adopt(receive_fd(client.socket.get())));
  must(userfault.register_range(region_base, bench_size_bytes));
  say(client.socket.get());
  const Fault fault = next_fault(userfault);
  CHECK(fault.kind == FaultKind::missing);
  CHECK(fault.thread == static_cast<std::uint32_t>(client.process));
  CHECK(userfault.copy(region_base, filled_pages(33).data(), Mode::read_only).outcome ==
        InstallOutcome::installed);
  Page got(page_bytes);
  CHECK(::recv(client.socket.get(), got.data(), page_bytes, MSG_WAITALL) ==
        static_cast<ssize_t>(page_bytes));
  CHECK(got == filled_pages(33));
}

TEST_CASE("a client that died while parked: process_gone everywhere, and no event") {
  Client client;
  const UserFault userfault = must(UserFault::adopt(receive_fd(client.socket.get())));
  must(userfault.register_range(region_base, bench_size_bytes));
  say(client.socket.get());
  CHECK(next_fault(userfault).kind == FaultKind::missing);
  client.kill();
  CHECK(quiet(userfault));
  *client.memory.frame(PageNo{1}) = std::byte{1};
  CHECK(userfault.copy(region_base, filled_pages(1).data(), Mode::writable).outcome ==
        InstallOutcome::process_gone);
  CHECK(userfault.zero_writable(region_base).outcome == InstallOutcome::process_gone);
  CHECK(userfault.map_present(region_base, Mode::writable).outcome == MapOutcome::process_gone);
  CHECK(userfault.protect(region_base).outcome == ProtectOutcome::process_gone);
  CHECK(userfault.unprotect(region_base).outcome == ProtectOutcome::process_gone);
  CHECK(userfault.poison(region_base).outcome == PoisonOutcome::process_gone);
  CHECK(userfault.wake(region_base).outcome == WakeOutcome::done);
  const Status status = userfault.register_range(region_base, bench_size_bytes);
  REQUIRE(!status);
  CHECK(status.error().code == ENOMEM);  // not ESRCH, which the page ioctls say
}
