#include "daemon/client_session.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/socket.hpp"
#include "uffd/region.hpp"

namespace gallocy::daemon {
namespace {

// A client shares the modes of every descriptor that it was sent: it may make its eventfd a
// blocking one and empty or fill it. The reactor must not wait for it; it would never leave, and
// the control thread, which waits for the reactor, would not serve any job any more.

// The daemon's end of the pipe is its own. Full, it has been rung often enough.
void ring_bell(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

void drain_bell(int fd) {
  std::uint64_t count;
  const iovec vector{.iov_base = &count, .iov_len = sizeof count};
  [[maybe_unused]] const auto read = ::preadv2(fd, &vector, 1, -1, RWF_NOWAIT);
}

}  // namespace

ClientSession::ClientSession(net::Ring& ring, ClientId id, UniqueFd socket,
                             const ipc::ClientHello& hello, ClientEvents events)
    : loop_(ring), id_(id), socket_(std::move(socket)), hello_(hello),
      events_(std::move(events)) {}

Status ClientSession::welcome(const JobSettings& settings, int pages_fd) {
  windows_ = Windows(settings.region_size_bytes);
  auto memory = ipc::RingMemory::create();
  if (!memory) return tl::unexpected<Error>(memory.error());
  ring_memory_ = std::move(*memory);
  requests_.emplace(ring_memory_.ring());
  doorbell_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!doorbell_) return fail_errno("cannot make an eventfd");
  int orders[2];
  if (::pipe2(orders, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno("cannot make a pipe");
  const UniqueFd clients_end(orders[0]);
  orders_ = UniqueFd(orders[1]);
  auto device = uffd::open_device();
  if (!device) return tl::unexpected<Error>(device.error());

  ipc::ClientWelcome welcome;
  welcome.region_address = region_base;
  welcome.region_size_bytes = settings.region_size_bytes;
  welcome.rank = hello_.rank;
  welcome.rank_count = static_cast<std::uint32_t>(settings.rank_nodes.size());
  welcome.node = raw(settings.self);
  welcome.node_count = settings.nodes.count();
  welcome.every_rank_runs_main = settings.every_rank_runs_main;
  welcome.memory_chunk_count = static_cast<std::uint32_t>(
      std::min(settings.memory_bytes, settings.region_size_bytes) / chunk_bytes);
  const int fds[ipc::welcome_fd_count] = {pages_fd, device->get(), ring_memory_.fd(),
                                          doorbell_.get(), clients_end.get()};
  if (auto sent = ipc::send_message(socket_.get(), welcome, fds, 0); !sent) return sent;
  socket_watch_.emplace(loop_, socket_.get(), POLLIN | POLLRDHUP, [this](int) { on_socket(); });
  doorbell_watch_.emplace(loop_, doorbell_.get(), POLLIN, [this](int ready) {
    if (ready > 0) drain_bell(doorbell_.get());
  });
  return {};
}

// The watch reports arrivals, not levels: everything that is there has to be taken.
void ClientSession::on_socket() {
  while (!gone_ && take_datagram()) {
  }
}

bool ClientSession::take_datagram() {
  ipc::AnyMessage message;
  UniqueFd fds[1];
  const auto status = ipc::receive_any(socket_.get(), message, fds, 0);
  if (!status && status.error().code == EAGAIN) return false;
  if (!status) {
    leave(status.error().code == ECONNRESET ? Sentence("it has closed its socket")
                                            : status.error().sentence);
    return false;
  }
  if (userfault_ || message.as<ipc::ClientUserfault>() == nullptr || message.fd_count() != 1) {
    leave(Sentence("it sent something else than its userfaultfd"));
    return false;
  }
  if (auto taken = take_userfault(std::move(fds[0])); !taken) {
    send_refused(taken.error().sentence);
    leave(taken.error().sentence);
  }
  return true;
}

Status ClientSession::take_userfault(UniqueFd fd) {
  auto userfault = uffd::UserFault::adopt(std::move(fd));
  if (!userfault) return tl::unexpected<Error>(userfault.error());
  const auto registered =
      userfault->register_range(region_base, windows_.region_size_bytes());
  if (!registered) return registered;
  userfault_.emplace(std::move(*userfault));
  fault_watch_.emplace(loop_, userfault_->fd(), POLLIN, [this](int ready) {
    if (gone_) return;
    if (ready < 0 || (ready & POLLERR) != 0) leave(Sentence("it spoiled its userfaultfd"));
    else events_.on_faults(*this);
  });
  events_.on_registered(*this);
  return {};
}

Result<RankDescriptors> ClientSession::duplicates(int pages_fd) const {
  RankDescriptors duplicates{UniqueFd{::fcntl(userfault_->fd(), F_DUPFD_CLOEXEC, 0)},
                             UniqueFd{::fcntl(pages_fd, F_DUPFD_CLOEXEC, 0)}};
  if (!duplicates.userfault || !duplicates.pages)
    return fail_errno("can't duplicate the descriptors of a rank");
  return duplicates;
}

// In this order, and in one turn of the reactor: no page is installed, protected or taken away
// between the two, so from the first fault in the window on everything is done where the client
// sees the page. What may be left over from before:
//
// - A thread that waits at an own address. The client has closed those addresses before it asked:
//   woken, the thread finds them closed (SIGSEGV), instead of waiting for a page that is installed
//   elsewhere.
// - A fault at an own address that was queued and not read, or read and not answered. The page is
//   then installed in the window, where the next access finds it.
// - Mapped pages at own addresses, maybe writable. Nobody can reach them, as said; and when the
//   page is dropped they go with it, since that is done to the file.
int ClientSession::add_window(const ipc::Window& window) {
  if (const int code = windows_.check(window); code != 0) return code;
  const auto registered = userfault_->register_range(window.address, window.size_bytes);
  if (!registered) return registered.error().code;
  windows_.add(window);
  userfault_->wake(window.own_address, window.size_bytes / page_bytes);
  return 0;
}

void ClientSession::send_ready(ThreadId thread) {
  ipc::ClientReady ready;
  ready.thread = raw(thread);
  ready_sent_ = true;
  if (auto sent = ipc::send_message(socket_.get(), ready, {}, 0); !sent)
    leave(sent.error().sentence);
}

void ClientSession::send_refused(const Sentence& sentence) {
  if (gone_) return;
  // It may have gone meanwhile; its end of file says so.
  [[maybe_unused]] const auto sent =
      ipc::send_refused(socket_.get(), Error{ECONNABORTED, sentence}, 0);
}

void ClientSession::notify_agent() {
  if (orders_) ring_bell(orders_.get());
}

void ClientSession::leave(const Sentence& why) {
  if (std::exchange(gone_, true)) return;
  events_.on_gone(*this, why);
}

}  // namespace gallocy::daemon
