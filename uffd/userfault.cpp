#include "uffd/userfault.hpp"

#include <fcntl.h>
#include <sys/uio.h>

#include <utility>

#include "base/check.hpp"
#include "uffd/planted.hpp"

namespace gallocy::uffd {
namespace {

constexpr std::uint64_t needed_ioctls =
    std::uint64_t{1} << _UFFDIO_WAKE | std::uint64_t{1} << _UFFDIO_COPY |
    std::uint64_t{1} << _UFFDIO_ZEROPAGE | std::uint64_t{1} << _UFFDIO_WRITEPROTECT |
    std::uint64_t{1} << _UFFDIO_CONTINUE | std::uint64_t{1} << _UFFDIO_POISON;

alignas(page_bytes) constexpr std::byte zero_page[page_bytes]{};

int call(int fd, unsigned long request, void* argument) {
  return ::ioctl(fd, request, argument) == 0 ? 0 : errno;
}

uffdio_range pages(std::uint64_t address, std::uint64_t page_count) {
  return {.start = address, .len = page_count * page_bytes};
}

struct Progress {
  int code;
  std::uint64_t page_count;
};

// The kernel may stop within a range: EAGAIN with the bytes done in the result field, which is
// signed because it also holds -errno. Goes on from there; the error that stopped it, if any,
// comes with the next try. EAGAIN with nothing done is an unread event: the caller's to read.
// Ends: every turn but the last does at least one page.
template <class Step>
Progress advance(std::uint64_t page_count, Step step) {
  std::uint64_t done = 0;
  while (done < page_count) {
    std::int64_t moved_bytes = 0;
    const int code = step(done, moved_bytes);
    if (code == 0) return {0, page_count};
    if (code != EAGAIN || moved_bytes < static_cast<std::int64_t>(page_bytes))
      return {code, done};
    done += static_cast<std::uint64_t>(moved_bytes) / page_bytes;
  }
  return {0, done};
}

// What a client hands over is asked for its name before any ioctl: on a file of another kind
// the same ioctl number may mean anything.
Status require_userfaultfd(int fd) {
  char target[64];
  const FixedText<32> link("/proc/self/fd/", fd);
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  if (length < 0) return fail_errno("cannot look at the userfaultfd (readlink ", link.view(), ")");
  const std::string_view name(target, static_cast<std::size_t>(length));
  if (name != "anon_inode:[userfaultfd]")
    return fail(EBADF, "expected a userfaultfd and got ", name);
  return {};
}

Status make_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
    return fail_errno("cannot make the userfaultfd non-blocking");
  return {};
}

ssize_t read_without_waiting(int fd, void* buffer, std::size_t size_bytes) {
  const iovec vector{.iov_base = buffer, .iov_len = size_bytes};
  return ::preadv2(fd, &vector, 1, -1, RWF_NOWAIT);
}

// REQUIRES: nothing registered yet, so that the read takes no fault away.
bool takes_nowait(int fd) {
  uffd_msg message;
  return read_without_waiting(fd, &message, sizeof message) >= 0 || errno == EAGAIN;
}

}  // namespace

Result<UserFault> UserFault::adopt(UniqueFd fd, std::uint64_t features) {
  if (Status status = require_userfaultfd(fd.get()); !status)
    return tl::unexpected<Error>(status.error());
  if (Status status = make_nonblocking(fd.get()); !status)
    return tl::unexpected<Error>(status.error());
  if (Result<std::uint64_t> offered = handshake(fd.get(), features); !offered)
    return tl::unexpected<Error>(offered.error());
  const bool reads_nowait = takes_nowait(fd.get());
  return UserFault(std::move(fd), reads_nowait);
}

Status UserFault::register_range(std::uint64_t address, std::uint64_t size_bytes) const {
  uffdio_register argument{};
  argument.range = {.start = address, .len = size_bytes};
  argument.mode =
      UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MINOR;
  if (::ioctl(fd(), UFFDIO_REGISTER, &argument) != 0)
    return fail_errno("cannot register ", size_bytes, " bytes at ", Hex{address},
                      " (UFFDIO_REGISTER)");
  if ((argument.ioctls & needed_ioctls) == needed_ioctls) return {};
  [[maybe_unused]] const Status undone = unregister_range(address, size_bytes);
  return fail(EOPNOTSUPP, "the kernel cannot do all page ioctls on ", Hex{address}, ": has ",
              Hex{argument.ioctls}, ", needed ", Hex{needed_ioctls});
}

Status UserFault::unregister_range(std::uint64_t address, std::uint64_t size_bytes) const {
  uffdio_range range{.start = address, .len = size_bytes};
  if (::ioctl(fd(), UFFDIO_UNREGISTER, &range) != 0)
    return fail_errno("cannot unregister ", size_bytes, " bytes at ", Hex{address});
  return {};
}

RangeResult<InstallOutcome> UserFault::copy(std::uint64_t address, const void* source,
                                            Mode mode, std::uint64_t page_count) const {
  const std::uint64_t flags = mode == Mode::read_only ? UFFDIO_COPY_MODE_WP : 0;
  const auto from = reinterpret_cast<std::uint64_t>(source);
  const Progress progress = advance(page_count, [&](std::uint64_t done, std::int64_t& moved) {
    const uffdio_range rest = pages(address + done * page_bytes, page_count - done);
    uffdio_copy argument{.dst = rest.start, .src = from + done * page_bytes, .len = rest.len,
                         .mode = flags, .copy = 0};
    const int code = call(fd(), UFFDIO_COPY, &argument);
    moved = argument.copy;
    return code;
  });
  return {install_outcome(progress.code), progress.page_count, progress.code};
}

RangeResult<InstallOutcome> UserFault::zero_writable(std::uint64_t address) const {
  uffdio_zeropage argument{.range = pages(address, 1), .mode = 0, .zeropage = 0};
  const int code = call(fd(), UFFDIO_ZEROPAGE, &argument);
  return {install_outcome(code), code == 0 ? 1u : 0u, code};
}

RangeResult<InstallOutcome> UserFault::zero_read_only(std::uint64_t address) const {
  return copy(address, zero_page, Mode::read_only);
}

RangeResult<MapOutcome> UserFault::map_present(std::uint64_t address, Mode mode,
                                               std::uint64_t page_count, Wake waking) const {
  const bool protect = mode == Mode::read_only && !planted(Bug::continue_without_protection);
  const std::uint64_t flags = (protect ? UFFDIO_CONTINUE_MODE_WP : 0) |
                              (waking == Wake::later ? UFFDIO_CONTINUE_MODE_DONTWAKE : 0);
  const Progress progress = advance(page_count, [&](std::uint64_t done, std::int64_t& moved) {
    uffdio_continue argument{.range = pages(address + done * page_bytes, page_count - done),
                             .mode = flags, .mapped = 0};
    const int code = call(fd(), UFFDIO_CONTINUE, &argument);
    moved = argument.mapped;
    return code;
  });
  return {map_outcome(progress.code), progress.page_count, progress.code};
}

RangeResult<ProtectOutcome> UserFault::write_protect(std::uint64_t address,
                                                     std::uint64_t page_count,
                                                     std::uint64_t mode) const {
  uffdio_writeprotect argument{.range = pages(address, page_count), .mode = mode};
  const int code = call(fd(), UFFDIO_WRITEPROTECT, &argument);
  return {protect_outcome(code), code == 0 ? page_count : 0, code};
}

RangeResult<ProtectOutcome> UserFault::protect(std::uint64_t address,
                                               std::uint64_t page_count) const {
  return write_protect(address, page_count, UFFDIO_WRITEPROTECT_MODE_WP);
}

RangeResult<ProtectOutcome> UserFault::unprotect(std::uint64_t address, std::uint64_t page_count,
                                                 Wake waking) const {
  return write_protect(address, page_count,
                       waking == Wake::later ? UFFDIO_WRITEPROTECT_MODE_DONTWAKE : 0);
}

RangeResult<PoisonOutcome> UserFault::poison(std::uint64_t address) const {
  uffdio_poison argument{.range = pages(address, 1), .mode = 0, .updated = 0};
  const int code = call(fd(), UFFDIO_POISON, &argument);
  return {poison_outcome(code), code == 0 ? 1u : 0u, code};
}

RangeResult<WakeOutcome> UserFault::wake(std::uint64_t address, std::uint64_t page_count) const {
  uffdio_range range = pages(address, page_count);
  const int code = call(fd(), UFFDIO_WAKE, &range);
  return {wake_outcome(code), code == 0 ? page_count : 0, code};
}

ReadOutcome UserFault::read_faults(std::span<Fault> out) const {
  GALLOCY_CHECK(!out.empty());
  uffd_msg messages[max_faults_per_read];
  const std::size_t room = out.size() < max_faults_per_read ? out.size() : max_faults_per_read;
  // An old kernel leaves a window between look and read; a client that uses it stalls its own
  // job only.
  if (!reads_nowait_ && !nonblocking()) return {ReadState::closed, 0, EPROTO};
  const std::size_t size_bytes = room * sizeof messages[0];
  const ssize_t got = reads_nowait_ ? read_without_waiting(fd(), messages, size_bytes)
                                    : ::read(fd(), messages, size_bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {ReadState::would_block, 0, errno};
  if (got <= 0) return {ReadState::closed, 0, got < 0 ? errno : 0};
  const std::size_t count = static_cast<std::size_t>(got) / sizeof messages[0];
  for (std::size_t i = 0; i < count; ++i) out[i] = decode_fault(messages[i]);
  return {ReadState::faults, count, 0};
}

bool UserFault::nonblocking() const {
  const int flags = ::fcntl(fd(), F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

}  // namespace gallocy::uffd
