#include "ipc/socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

namespace gallocy::ipc {

namespace {

constexpr int listen_backlog = 128;

std::int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// A limit in time that survives interrupted waits.
class Deadline {
 public:
  explicit Deadline(int timeout_ms) : end_ms_(now_ms() + timeout_ms), waits_(timeout_ms > 0) {}

  std::int64_t rest_ms() const { return end_ms_ - now_ms(); }

  Status wait_for(int fd, short events, const char* what) const {
    if (!waits_) return fail(EAGAIN, what, ": not ready");
    for (;;) {
      const std::int64_t rest_ms = this->rest_ms();
      if (rest_ms <= 0) return fail(ETIMEDOUT, what, ": no answer within the time limit");
      pollfd entry{fd, events, 0};
      const int count = ::poll(&entry, 1, static_cast<int>(rest_ms));
      if (count > 0) return {};
      if (count < 0 && errno != EINTR) return fail_errno(what, ": poll");
    }
  }

 private:
  std::int64_t end_ms_;
  bool waits_;
};

Result<sockaddr_un> address_of(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path)
    return fail(ENAMETOOLONG, "the socket path '", path, "' is empty or longer than ",
                sizeof address.sun_path - 1, " bytes");
  std::memcpy(address.sun_path, path, length);
  return address;
}

Result<UniqueFd> new_socket(int flags) {
  UniqueFd fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0)};
  if (!fd) return fail_errno("can't make a UNIX socket");
  return fd;
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Moves the descriptors of one control message into fds; those beyond are closed.
// Returns how many came.
unsigned take_fds(const cmsghdr& control, std::span<UniqueFd> fds, unsigned taken) {
  const unsigned count = (control.cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (unsigned i = 0; i < count; ++i) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(&control) + i * sizeof(int), sizeof number);
    UniqueFd fd{number};
    if (taken + i < fds.size()) fds[taken + i] = static_cast<UniqueFd&&>(fd);
  }
  return count;
}

unsigned take_all_fds(msghdr& message, std::span<UniqueFd> fds) {
  unsigned taken = 0;
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control))
    if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
      taken += take_fds(*control, fds, taken);
  return taken;
}

void close_all(std::span<UniqueFd> fds) {
  for (UniqueFd& fd : fds) fd.reset();
}

// recvmsg that waits as long as the deadline allows.
Result<std::size_t> receive_waiting(int fd, msghdr& message, int timeout_ms) {
  const Deadline deadline{timeout_ms};
  for (;;) {
    const ssize_t size = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno("receiving from the other side failed");
    if (auto status = deadline.wait_for(fd, POLLIN, "receiving"); !status)
      return tl::unexpected<Error>(status.error());
  }
}

// Whether somebody listens behind a socket file that is in the way.
bool answers(const sockaddr_un& address) {
  const UniqueFd probe{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  return ::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN;
}

}  // namespace

// poll() does not tell when a UNIX socket could be connected, so the kernel has to wait here.
Result<UniqueFd> connect_to(const char* path, int timeout_ms) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected<Error>(address.error());
  auto fd = new_socket(0);
  if (!fd) return fd;
  const Deadline deadline{timeout_ms};
  for (std::int64_t rest_ms = timeout_ms; rest_ms > 0; rest_ms = deadline.rest_ms()) {
    const timeval rest{rest_ms / 1000, rest_ms % 1000 * 1000};
    if (::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &rest, sizeof rest) != 0)
      return fail_errno("can't limit the time to connect in");
    if (::connect(fd->get(), generic(*address), sizeof *address) == 0) return fd;
    // EAGAIN: the time is over. An interrupted connect of a UNIX socket has not happened.
    if (errno != EINTR && errno != EAGAIN)
      return fail_errno("can't connect to the pager daemon at '", path,
                        "' (is gallocyd running?)");
  }
  return fail(ETIMEDOUT, "the pager daemon at '", path, "' accepts nobody: it is stopped (kill "
              "-CONT lets it go on) or stuck (end it, and start it anew)");
}

Result<UniqueFd> listen_at(const char* path) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected<Error>(address.error());
  auto fd = new_socket(SOCK_NONBLOCK);
  if (!fd) return fd;
  if (::bind(fd->get(), generic(*address), sizeof *address) != 0) {
    if (errno != EADDRINUSE) return fail_errno("can't make the socket '", path, "'");
    if (answers(*address))
      return fail(EADDRINUSE, "another daemon serves at the socket '", path,
                  "': end it, or name another --socket");
    // Only a socket is ever removed, never a user's file of that name.
    struct stat status{};
    if (::lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
      return fail(EADDRINUSE, "'", path, "' is in the way and is no socket: name another "
                  "--socket");
    ::unlink(path);
    if (::bind(fd->get(), generic(*address), sizeof *address) != 0)
      return fail_errno("can't make the socket '", path, "'");
  }
  if (::listen(fd->get(), listen_backlog) != 0)
    return fail_errno("can't listen at '", path, "'");
  return fd;
}

Result<UniqueFd> accept_from(int listener) {
  for (;;) {
    UniqueFd fd{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (fd) return fd;
    // ECONNABORTED: whoever waited has gone; the next one may be there.
    if (errno != EINTR && errno != ECONNABORTED) return fail_errno("can't take another program");
  }
}

Result<PeerCredentials> peer_credentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return fail_errno("can't learn who is on the other side of a socket");
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

Status send_datagram(int fd, std::span<const std::byte> bytes, std::span<const int> fds,
                     int timeout_ms) {
  if (fds.size() > max_fds_per_datagram) return fail(EINVAL, "too many descriptors to send");
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(max_fds_per_datagram * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const Deadline deadline{timeout_ms};
  for (;;) {
    if (::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return fail_errno("sending to the other side failed");
    if (auto status = deadline.wait_for(fd, POLLOUT, "sending"); !status) return status;
  }
}

Result<Datagram> receive_datagram(int fd, std::span<std::byte> buffer, std::span<UniqueFd> fds,
                                  int timeout_ms) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(max_fds_per_datagram * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto size = receive_waiting(fd, message, timeout_ms);
  if (!size) return tl::unexpected<Error>(size.error());

  const unsigned fd_count = take_all_fds(message, fds);
  const bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  // There was room for more than came: the kernel could not open them here.
  if ((message.msg_flags & MSG_CTRUNC) != 0 && fd_count < max_fds_per_datagram) {
    close_all(fds);
    return fail(EMFILE, "can't take the descriptors of a message: EMFILE", remedy_of(EMFILE));
  }
  if (cut || fd_count > fds.size()) {
    close_all(fds);
    return fail(EPROTO, "received a message that is too long or has too many descriptors");
  }
  if (*size == 0) {
    close_all(fds);
    return fail(ECONNRESET, "the other side has closed the connection");
  }
  return Datagram{*size, fd_count};
}

Status receive_any(int fd, AnyMessage& message, std::span<UniqueFd> fds, int timeout_ms) {
  const auto datagram = receive_datagram(fd, message.bytes_, fds, timeout_ms);
  if (!datagram) return tl::unexpected<Error>(datagram.error());
  message.fd_count_ = datagram->fd_count;
  const Header& header = message.header();
  if (datagram->size_bytes < sizeof(Header) || header.magic_word != magic) {
    close_all(fds);
    return fail(EPROTO, "the other side does not speak gallocy's protocol");
  }
  if (header.version_number != version) {
    close_all(fds);
    return fail(EPROTO, "the other side speaks version ", header.version_number,
                " of gallocy's protocol, this side version ", version,
                ": start both from one installation");
  }
  if (header.size_bytes != datagram->size_bytes) {
    close_all(fds);
    return fail(EPROTO, "received ", datagram->size_bytes, " bytes of a message of ",
                header.size_bytes);
  }
  return {};
}

Error error_of(const Refused& refused) {
  const std::size_t length = ::strnlen(refused.sentence, sizeof refused.sentence);
  return Error{refused.code > 0 ? refused.code : EPROTO,
               Sentence(std::string_view{refused.sentence, length})};
}

Status send_refused(int fd, const Error& error, int timeout_ms) {
  Refused refused;
  refused.code = error.code;
  const std::string_view text = error.sentence.view();
  std::memcpy(refused.sentence, text.data(), std::min(text.size(), sizeof refused.sentence - 1));
  return send_message(fd, refused, {}, timeout_ms);
}

}  // namespace gallocy::ipc
