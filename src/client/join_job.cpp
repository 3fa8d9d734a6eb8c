// Into the job and out of it: join(), gallocy_init and gallocy_finalize.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>

#include "client/agent.hpp"
#include "client/executable.hpp"
#include "client/host.hpp"
#include "client/join.hpp"
#include "client/process.hpp"
#include "client/running.hpp"
#include "client/sweeper.hpp"
#include "client/windows.hpp"
#include "ipc/rank_environment.hpp"
#include "ipc/socket.hpp"
#include "uffd/region.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

constexpr int answer_timeout_ms = 30'000;

struct Invitation {
  FixedText<128> socket_path;
  std::uint64_t job = 0;
  std::uint32_t rank = 0;
};

template <class Number>
Status read_number(const char* name, int base, Number& number) {
  const char* text = ::getenv(name);
  if (text == nullptr) return fail(ENOTCONN, name, " is not set: start the program by gallocy-run");
  if (base == 16 && ::strncmp(text, "0x", 2) == 0) text += 2;
  const char* end = text + ::strlen(text);
  const auto parsed = std::from_chars(text, end, number, base);
  if (parsed.ec != std::errc{} || parsed.ptr != end || text == end)
    return fail(EINVAL, name, " is not a number: '", text, "'");
  return {};
}

Result<Invitation> be_invited() {
  const auto guest = start_host();
  if (!guest) return tl::unexpected<Error>(guest.error());
  process.is_guest = true;
  return Invitation{FixedText<128>(guest->socket_path), guest->job, 0};
}

Result<Invitation> read_environment() {
  const char* socket_path = ::getenv(ipc::socket_variable);
  if (socket_path == nullptr) return be_invited();
  Invitation invitation;
  invitation.socket_path.append(socket_path);
  if (auto status = read_number(ipc::job_variable, 16, invitation.job); !status)
    return tl::unexpected<Error>(status.error());
  if (auto status = read_number(ipc::rank_variable, 10, invitation.rank); !status)
    return tl::unexpected<Error>(status.error());
  return invitation;
}

struct Welcome {
  ipc::ClientWelcome message;
  UniqueFd pages, device, ring, doorbell, orders;
};

Result<Welcome> shake_hands(int socket_fd, const Invitation& invitation) {
  ipc::ClientHello hello;
  hello.job = invitation.job;
  hello.rank = invitation.rank;
  describe_executable(hello);
  // Who reads nothing may have said why.
  if (auto status = ipc::send_message(socket_fd, hello, {}, answer_timeout_ms);
      !status && status.error().code != EPIPE)
    return tl::unexpected<Error>(status.error());
  UniqueFd fds[ipc::welcome_fd_count];
  const auto message = ipc::receive<ipc::ClientWelcome>(socket_fd, fds, answer_timeout_ms);
  if (!message) return tl::unexpected<Error>(message.error());
  if (message->rank != invitation.rank || message->rank_count <= message->rank ||
      message->region_size_bytes % chunk_bytes != 0 || message->region_address % chunk_bytes != 0)
    return fail(EPROTO, "the daemon's welcome makes no sense");
  return Welcome{*message,         std::move(fds[0]), std::move(fds[1]),
                 std::move(fds[2]), std::move(fds[3]), std::move(fds[4])};
}

// The daemon registers the region between the two messages; it is not touched before the second.
Result<std::uint64_t> check_in(int socket_fd, int userfault_fd) {
  const int fds[] = {userfault_fd};
  if (auto status =
          ipc::send_message(socket_fd, ipc::ClientUserfault{}, fds, answer_timeout_ms);
      !status)
    return tl::unexpected<Error>(status.error());
  const auto ready = ipc::receive<ipc::ClientReady>(socket_fd, {}, answer_timeout_ms);
  if (!ready) {
    if (ready.error().code == ETIMEDOUT)
      return fail(ETIMEDOUT, "not every rank of the job has called gallocy_init() within ",
                  answer_timeout_ms / 1000, " seconds");
    return tl::unexpected<Error>(ready.error());
  }
  return ready->thread;
}

Status make_fork_mark() {
  if (process.not_forked != nullptr) return {};
  void* page = ::mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
  if (page == MAP_FAILED) return fail_errno("can't map a page");
  if (::madvise(page, page_bytes, MADV_WIPEONFORK) != 0) {
    ::munmap(page, page_bytes);
    return fail_errno("can't mark a page as not inherited");
  }
  process.not_forked = static_cast<std::uint32_t*>(page);
  *process.not_forked = 1;
  return {};
}

void remember(const ipc::ClientWelcome& welcome) {
  process.region_address = welcome.region_address;
  process.region_size_bytes = welcome.region_size_bytes;
  process.rank = welcome.rank;
  process.rank_count = welcome.rank_count;
  process.node = welcome.node;
  process.node_count = welcome.node_count;
  process.memory_chunk_count = welcome.memory_chunk_count;
  process.runs_main = welcome.rank == 0 || welcome.every_rank_runs_main != 0;
}

// Everything that can fail is owned by a local until nothing can fail any more; the agent, which
// needs it all, is started last.
Status join_job() {
  const auto invitation = read_environment();
  if (!invitation) return tl::unexpected<Error>(invitation.error());
  if (auto status = make_fork_mark(); !status) return status;
  auto socket = ipc::connect_to(invitation->socket_path.c_str());
  if (!socket) return tl::unexpected<Error>(socket.error());
  auto welcome = shake_hands(socket->get(), *invitation);
  if (!welcome) return tl::unexpected<Error>(welcome.error());
  auto ring = ipc::RingMemory::map(std::move(welcome->ring));
  if (!ring) return tl::unexpected<Error>(ring.error());
  auto region = uffd::map_region(welcome->pages.get(), welcome->message.region_address,
                                 welcome->message.region_size_bytes);
  if (!region) return tl::unexpected<Error>(region.error());
  auto userfault = uffd::create_from_device(welcome->device.get());
  if (!userfault) return tl::unexpected<Error>(userfault.error());
  welcome->device.reset();
  const auto thread = check_in(socket->get(), userfault->get());
  if (!thread) return tl::unexpected<Error>(thread.error());

  remember(welcome->message);
  process.ring.attach(ring->ring(), welcome->doorbell.get());
  process.socket_fd = socket->get();
  process.pages_fd = welcome->pages.get();
  process.orders_fd = welcome->orders.get();
  process.userfault_fd = userfault->get();
  self.thread = *thread;
  // Before the agent: it may be told to start a thread, which calls gallocy, before this thread
  // gets to run again. gallocy_init() takes it back if there is no agent.
  process.phase.store(Phase::member, std::memory_order_release);
  if (auto status = start_agent(); !status) return status;
  userfault->release();
  socket->release();
  welcome->pages.release();
  welcome->orders.release();
  welcome->doorbell.release();
  ring->release();
  region->release();
  return {};
}

}  // namespace

Status client::join() {
  if (is_fork_child()) return require_member();
  const ipc::NoCancellation guard;
  Phase phase = Phase::outside;
  if (!process.phase.compare_exchange_strong(phase, Phase::joining))
    return fail(EALREADY, "gallocy_init() has been called already");
  const Status status = join_job();
  process.phase.store(status ? Phase::member : Phase::outside, std::memory_order_release);
  return status;
}

int gallocy_init() {
  const ErrnoKeeper keeper;
  if (const Status status = client::join(); !status) return report(status);
  const ipc::NoCancellation guard;
  // The process serves threads that the agent starts, and the agent ends it.
  if (!process.runs_main)
    for (;;) ::pause();
  return 0;
}

// The socket stays open: the daemon learns from it when the process is really gone.
int gallocy_finalize() {
  const ErrnoKeeper keeper;
  if (auto status = require_member(); !status) return report(status);
  const ipc::NoCancellation guard;
  Phase phase = Phase::member;
  if (!process.phase.compare_exchange_strong(phase, Phase::leaving))
    return report(Error{EPERM, Sentence("gallocy_finalize() has been called already")});
  stop_sweeper();
  process.phase.store(Phase::left, std::memory_order_release);
  // From here on the agent takes an end of file for what it is: a daemon that let this rank go.
  const ipc::Reply reply = process.ring.submit(ipc::Operation::finalize, {}, daemon_has_gone);
  stop_agent();
  disown_this_thread();
  self.values = nullptr;
  unmap_windows();
  ::munmap(reinterpret_cast<void*>(process.region_address), process.region_size_bytes);
  ::close(process.userfault_fd);
  ::close(process.pages_fd);
  ::close(process.orders_fd);
  ::close(process.finished_fd);
  if (reply.status == 0) return 0;
  return report(Error{reply.status, Sentence("this rank has left its job, but its daemon did not "
                                             "agree: error ", reply.status)});
}
