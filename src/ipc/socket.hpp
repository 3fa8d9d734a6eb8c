// Datagrams of protocol.hpp over a UNIX SOCK_SEQPACKET socket, with descriptors beside them.
// Nothing here allocates, throws or raises SIGPIPE, and every wait has a limit:
//   timeout_ms > 0: wait at most so long, then ETIMEDOUT (clients, launchers)
//   timeout_ms = 0: never wait, EAGAIN instead (a daemon's loop)
// The socket may be blocking or not. Descriptors received are close-on-exec. A message that is
// not exactly what was expected is EPROTO: the caller drops the sender.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "ipc/protocol.hpp"

namespace gallocy::ipc {

inline constexpr unsigned max_fds_per_datagram = 8;

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// A blocking socket, close-on-exec. A daemon that is stopped accepts nobody, and once enough wait
// for that, the next has to wait before it is connected: ETIMEDOUT. REQUIRES: timeout_ms > 0.
inline constexpr int connect_limit_ms = 5'000;
Result<UniqueFd> connect_to(const char* path, int timeout_ms = connect_limit_ms);

// A non-blocking listener. A socket file that a dead daemon left is replaced, one that answers
// is EADDRINUSE. The file's mode follows the caller's umask.
Result<UniqueFd> listen_at(const char* path);

// Non-blocking; EAGAIN when nobody waits.
Result<UniqueFd> accept_from(int listener);

// Who was on the other side when it connected, as the kernel saw it.
Result<PeerCredentials> peer_credentials(int fd);

Status send_datagram(int fd, std::span<const std::byte> bytes, std::span<const int> fds,
                     int timeout_ms);

struct Datagram {
  std::size_t size_bytes = 0;
  unsigned fd_count = 0;
};

// ECONNRESET: the other side has closed. More descriptors than fds has room for are closed and
// the datagram is EPROTO, as is one longer than the buffer.
Result<Datagram> receive_datagram(int fd, std::span<std::byte> buffer, std::span<UniqueFd> fds,
                                  int timeout_ms);

template <class T>
struct KindOf;
template <Kind kind>
struct KindIs {
  static constexpr Kind value = kind;
};
template <> struct KindOf<ClientHello> : KindIs<Kind::client_hello> {};
template <> struct KindOf<ClientWelcome> : KindIs<Kind::client_welcome> {};
template <> struct KindOf<ClientUserfault> : KindIs<Kind::client_userfault> {};
template <> struct KindOf<ClientReady> : KindIs<Kind::client_ready> {};
template <> struct KindOf<Refused> : KindIs<Kind::refused> {};
template <> struct KindOf<JobCreate> : KindIs<Kind::job_create> {};
template <> struct KindOf<JobWatch> : KindIs<Kind::job_watch> {};
template <> struct KindOf<JobReady> : KindIs<Kind::job_ready> {};
template <> struct KindOf<JobStart> : KindIs<Kind::job_start> {};
template <> struct KindOf<JobStatisticsRequest> : KindIs<Kind::job_statistics_request> {};
template <> struct KindOf<JobStatistics> : KindIs<Kind::job_statistics> {};
template <> struct KindOf<JobEnd> : KindIs<Kind::job_end> {};
template <> struct KindOf<RankAttached> : KindIs<Kind::rank_attached> {};
template <> struct KindOf<RankGone> : KindIs<Kind::rank_gone> {};
template <> struct KindOf<JobFailed> : KindIs<Kind::job_failed> {};
template <> struct KindOf<JobOver> : KindIs<Kind::job_over> {};
template <> struct KindOf<NodeQuery> : KindIs<Kind::node_query> {};
template <> struct KindOf<NodeInfo> : KindIs<Kind::node_info> {};
template <> struct KindOf<GuestInvitation> : KindIs<Kind::guest_invitation> {};
template <> struct KindOf<PagesRequest> : KindIs<Kind::pages_request> {};
template <> struct KindOf<StatisticsPage> : KindIs<Kind::statistics_page> {};
template <> struct KindOf<PagesEnd> : KindIs<Kind::pages_end> {};

template <class T>
inline constexpr Kind kind_of = KindOf<T>::value;

// Any one message, for a receiver that learns from the header what came. Holds the largest.
class AnyMessage {
 public:
  Kind kind() const { return header().kind; }
  unsigned fd_count() const { return fd_count_; }

  // Null unless the message is a T in kind and size. The number of descriptors is the caller's
  // to compare.
  template <class T>
  const T* as() const {
    static_assert(sizeof(T) <= sizeof(JobStatistics));
    if (kind() != kind_of<T> || header().size_bytes != sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(bytes_);
  }

 private:
  friend Status receive_any(int, AnyMessage&, std::span<UniqueFd>, int);
  const Header& header() const { return *reinterpret_cast<const Header*>(bytes_); }

  alignas(JobStatistics) std::byte bytes_[sizeof(JobStatistics)] = {};
  unsigned fd_count_ = 0;
};

// Magic, version and size in the header are right when this succeeds.
Status receive_any(int fd, AnyMessage& message, std::span<UniqueFd> fds, int timeout_ms);

// The error that a Refused tells of.
Error error_of(const Refused& refused);

// Fills the header and sends.
template <class T>
Status send_message(int fd, T message, std::span<const int> fds, int timeout_ms) {
  message.header = Header{};
  message.header.kind = kind_of<T>;
  message.header.size_bytes = sizeof(T);
  return send_datagram(fd, std::as_bytes(std::span{&message, 1}), fds, timeout_ms);
}

Status send_refused(int fd, const Error& error, int timeout_ms);

// Exactly a T with exactly fds.size() descriptors; a Refused in its place becomes its error.
template <class T>
Result<T> receive(int fd, std::span<UniqueFd> fds, int timeout_ms) {
  AnyMessage message;
  if (auto status = receive_any(fd, message, fds, timeout_ms); !status)
    return tl::unexpected<Error>(status.error());
  if (const Refused* refused = message.as<Refused>())
    return tl::unexpected<Error>(error_of(*refused));
  const T* expected = message.as<T>();
  if (expected == nullptr)
    return fail(EPROTO, "received a message of kind ", static_cast<unsigned>(message.kind()),
                " in place of kind ", static_cast<unsigned>(kind_of<T>));
  if (message.fd_count() != fds.size())
    return fail(EPROTO, "received ", message.fd_count(), " descriptors in place of ",
                fds.size());
  return *expected;
}

}  // namespace gallocy::ipc
