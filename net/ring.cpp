#include "net/ring.hpp"

#include <sys/eventfd.h>

#include <algorithm>

namespace gallocy::net {
namespace {

constexpr unsigned entry_count = 256;
constexpr unsigned completion_count = 4096;
constexpr std::uint64_t drain_round_us = 100'000;

// DEFER_TASKRUN: completions run when this thread asks, not at any return from the kernel.
// TASKRUN_FLAG: whether some would run can be seen without asking the kernel.
// SUBMIT_ALL: one bad request must not keep those behind it from being submitted.
constexpr unsigned wanted_flags[] = {
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    0,
};

int set_up(io_uring& uring) {
  int result = -EINVAL;
  for (const unsigned flags : wanted_flags) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE;
    params.cq_entries = completion_count;
    result = io_uring_queue_init_params(entry_count, &uring, &params);
    if (result != -EINVAL) break;
  }
  return result;
}

tl::unexpected<Error> set_up_failed(int code) {
  if (code == EPERM)
    return fail(code, "io_uring is forbidden here: sysctl kernel.io_uring_disabled=0 and, in a "
                      "container, a seccomp profile that allows io_uring_setup, are needed");
  if (code == ENOSYS)
    return fail(code, "this kernel has no io_uring: Linux 6.6 or newer, and a container whose "
                      "seccomp profile allows io_uring_setup, is needed");
  if (code == ENOMEM)
    return fail(code, "no locked memory left for an io_uring: raise ulimit -l");
  errno = code;
  return fail_errno("io_uring_setup failed");
}

// A round that was cut short: what was not submitted stays queued, the next round goes on.
bool transient(int result) {
  return result == -ETIME || result == -EINTR || result == -EAGAIN || result == -EBUSY;
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create() {
  std::unique_ptr<Ring> ring(new Ring);
  if (Status opened = ring->open(); !opened) return tl::unexpected(opened.error());
  return ring;
}

Status Ring::open() {
  if (const int result = set_up(uring_); result < 0) return set_up_failed(-result);
  open_ = true;
  io_uring_register_ring_fd(&uring_);  // spares a descriptor look-up per enter; may fail
  wake_fd_.reset(eventfd(0, EFD_CLOEXEC));
  if (!wake_fd_) return fail_errno("no eventfd for waking the loop");
  arrived_.reserve(completion_count);
  wake_.arm();
  return {};
}

Ring::~Ring() {
  if (!open_) return;
  GALLOCY_CHECK(pthread_equal(pthread_self(), thread_));
  GALLOCY_CHECK(!running_);
  closing_ = true;
  drain();
  io_uring_queue_exit(&uring_);
}

// The kernel may write into buffers of requests until their CQEs are there, so the ring does not
// go before. Handlers may still make requests; a later round cancels those too.
void Ring::drain() {
  while (in_flight_count_ != 0 || !before_submit_.empty()) {
    prepare();
    io_uring_sqe* sqe = take_sqe();
    io_uring_prep_cancel(sqe, nullptr, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    commit(sqe, nullptr);
    const int result = enter(now_us() + drain_round_us);
    GALLOCY_CHECK(result >= 0 || transient(result), GALLOCY_VALUE(result));
    dispatch();
  }
}

Status Ring::run_once(std::uint64_t deadline_us) {
  GALLOCY_CHECK(!running_);
  GALLOCY_CHECK(pthread_equal(pthread_self(), thread_));
  running_ = true;
  took_what_came_ = !took_what_came_ && !before_submit_.empty() && has_come();
  if (took_what_came_) {
    take_what_came();
    running_ = false;
    return {};
  }
  const bool called_back = prepare();
  const int result = enter(called_back ? 0 : std::min(deadline_us, timers_.first_us()));
  if (result >= 0 || transient(result)) {
    dispatch();
    if (!timers_.empty()) timers_.fire(now_us());
  }
  running_ = false;
  if (result >= 0 || transient(result)) return {};
  errno = -result;
  return fail_errno("io_uring_enter failed");
}

bool Ring::has_come() const {
  return io_uring_cq_ready(&uring_) != 0 ||
         (IO_URING_READ_ONCE(*uring_.sq.kflags) & IORING_SQ_TASKRUN) != 0;
}

// Errors are left to the enter that submits.
void Ring::take_what_came() {
  io_uring_get_events(&uring_);
  dispatch();
}

bool Ring::prepare() {
  bool called_back = false;
  // By index: the calls may list others.
  for (std::size_t i = 0; i < before_submit_.size(); ++i) {
    BeforeSubmit& work = *before_submit_[i];
    work.listed_ = false;
    called_back |= work.before_submit();  // may delete itself
  }
  before_submit_.clear();
  return called_back;
}

void Ring::call_before_submit(BeforeSubmit& work) {
  if (work.listed_) return;
  work.listed_ = true;
  before_submit_.push_back(&work);
}

int Ring::enter(std::uint64_t until_us) {
  // What take_sqe had to collect early must not wait for further events.
  if (!arrived_.empty()) until_us = 0;
  if (until_us == never_us) return io_uring_submit_and_wait(&uring_, 1);
  const std::uint64_t now = until_us == 0 ? 0 : now_us();
  if (until_us <= now) return io_uring_submit_and_get_events(&uring_);
  const std::uint64_t wait_us = until_us - now;
  __kernel_timespec wait{};
  wait.tv_sec = static_cast<std::int64_t>(wait_us / 1'000'000);
  wait.tv_nsec = static_cast<std::int64_t>(wait_us % 1'000'000 * 1000);
  io_uring_cqe* first = nullptr;
  return io_uring_submit_and_wait_timeout(&uring_, &first, 1, &wait, nullptr);
}

void Ring::collect() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&uring_, head, cqe) {
    arrived_.push_back(*cqe);
    ++count;
  }
  io_uring_cq_advance(&uring_, count);
}

// What the kernel has taken and was to be done at once has been done: if it had failed, its CQE
// would be there, or would wait for room in the queue. Before the handlers of this round, who may
// want to send again.
void Ring::complete_silent() {
  if (silent_.empty() || io_uring_sq_ready(&uring_) != 0 || io_uring_cq_has_overflow(&uring_))
    return;
  // By index: a handler may send again, which is not submitted yet.
  const std::size_t count = silent_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Silent silent = silent_[i];
    const bool failed = std::ranges::any_of(arrived_, [&](const io_uring_cqe& cqe) {
      return cqe.user_data == reinterpret_cast<std::uint64_t>(silent.done);
    });
    if (failed) continue;  // dispatched as any other
    --in_flight_count_;
    --silent.done->request_count_;
    silent.done->complete(silent.result, 0);  // may delete itself
  }
  silent_.erase(silent_.begin(), silent_.begin() + static_cast<std::ptrdiff_t>(count));
}

void Ring::dispatch() {
  collect();
  complete_silent();
  // By index: a handler's request may find the queues full and collect more.
  for (std::size_t i = 0; i < arrived_.size(); ++i) {
    const std::uint64_t user_data = arrived_[i].user_data;
    const int result = arrived_[i].res;
    const std::uint32_t flags = arrived_[i].flags;
    const std::uint32_t ended = (flags & IORING_CQE_F_MORE) == 0 ? 1 : 0;
    in_flight_count_ -= ended;
    auto* done = reinterpret_cast<Completion*>(user_data);
    if (done == nullptr) continue;  // a cancel
    done->request_count_ -= ended;
    done->complete(result, flags);  // may delete itself
  }
  arrived_.clear();
}

io_uring_sqe* Ring::take_sqe() {
  while (true) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(&uring_)) return sqe;
    // Full: submit now. A kernel that refuses because completions wait (EBUSY) gets room by
    // taking them over; they are dispatched by the round, never from inside a handler.
    const int result = io_uring_submit(&uring_);
    GALLOCY_CHECK(result >= 0 || transient(result), GALLOCY_VALUE(result));
    if (result <= 0) collect();
  }
}

void Ring::commit(io_uring_sqe* sqe, Completion* done) {
  io_uring_sqe_set_data(sqe, done);
  ++in_flight_count_;
  if (done != nullptr) ++done->request_count_;
}

void Ring::accept_multishot(int fd, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  commit(sqe, &done);
}

void Ring::connect(int fd, const sockaddr* address, socklen_t address_bytes, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_connect(sqe, fd, address, address_bytes);
  commit(sqe, &done);
}

void Ring::recv(int fd, std::span<std::byte> room, bool probably_empty, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_recv(sqe, fd, room.data(), room.size(), 0);
  if (probably_empty) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  commit(sqe, &done);
}

void Ring::send(int fd, std::span<const std::byte> bytes, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_send(sqe, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  commit(sqe, &done);
}

void Ring::send_at_once(int fd, std::span<const std::byte> bytes, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  // DONTWAIT: it is done, or has failed, when the call that submits it returns. WAITALL: less than
  // all counts as failed.
  io_uring_prep_send(sqe, fd, bytes.data(), bytes.size(),
                     MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  commit(sqe, &done);
  silent_.push_back({&done, static_cast<int>(bytes.size())});
}

void Ring::read(int fd, std::span<std::byte> room, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_read(sqe, fd, room.data(), static_cast<unsigned>(room.size()), 0);
  commit(sqe, &done);
}

void Ring::write(int fd, std::span<const std::byte> bytes, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_write(sqe, fd, bytes.data(), static_cast<unsigned>(bytes.size()), 0);
  commit(sqe, &done);
}

void Ring::poll_multishot(int fd, unsigned events, Completion& done) {
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_poll_multishot(sqe, fd, events);
  commit(sqe, &done);
}

void Ring::cancel(Completion& done) {
  if (!done.in_flight()) return;
  io_uring_sqe* sqe = take_sqe();
  io_uring_prep_cancel(sqe, &done, IORING_ASYNC_CANCEL_ALL);
  commit(sqe, nullptr);
}

void Ring::wake() {
  // A flag already up means that the handler is still to run, and it takes the flag down before
  // it looks at what callers left for it; the exchanges order the two.
  if (wake_pending_.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_.get(), &one, sizeof one);
}

void Ring::Wake::arm() {
  ring_.read(ring_.wake_fd_.get(), std::as_writable_bytes(std::span(&count_, 1)), *this);
}

void Ring::Wake::complete(int, std::uint32_t) {
  if (ring_.closing_) return;
  arm();
  if (ring_.wake_pending_.exchange(false) && ring_.wake_handler_) ring_.wake_handler_();
}

}  // namespace gallocy::net
