#include "net/listener.hpp"

namespace gallocy::net {
namespace {

constexpr int backlog = 128;
constexpr std::uint64_t retry_us = 100'000;

Result<UniqueFd> listen_at(const Endpoint& at) {
  UniqueFd fd(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("no socket to listen at ", at.text().view());
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), at.get(), at.size_bytes) != 0) {
    if (errno != EADDRINUSE) return fail_errno("cannot listen at ", at.text().view());
    return fail(EADDRINUSE, "cannot listen at ", at.text().view(), ": EADDRINUSE; end what listens "
                "there, or choose another port");
  }
  if (::listen(fd.get(), backlog) != 0) return fail_errno("cannot listen at ", at.text().view());
  return fd;
}

}  // namespace

class Listener::State final : public Kept {
 public:
  State(Ring& ring, UniqueFd fd, std::uint16_t port, OnAccept on_accept)
      : ring_(ring),
        fd_(std::move(fd)),
        port_(port),
        on_accept_(std::move(on_accept)),
        accept_(*this, &State::accepted),
        retry_(ring.timers(), [this] { arm(); }) {
    arm();
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    stopped_ = true;
    retry_.cancel();
    ring_.cancel(accept_);
  }

 private:
  bool busy() const override { return accept_.in_flight(); }
  void arm() { ring_.accept_multishot(fd_.get(), accept_); }

  void accepted(int result, std::uint32_t cqe_flags) {
    // Owned before anything else: one accepted just before stop() must be closed.
    UniqueFd fd(result >= 0 ? result : -1);
    if (stopped_ || ring_.closing()) return;
    if ((cqe_flags & IORING_CQE_F_MORE) == 0) arm_again(result);
    if (fd) {
      hand_over(std::move(fd));
    } else if (result != -ECONNABORTED && result != -EINTR) {
      errno = -result;
      on_accept_(fail_errno("cannot accept a connection"));
    }
  }

  // Out of descriptors or memory does not pass at once: do not spin.
  void arm_again(int result) {
    if (result >= 0 || result == -ECONNABORTED || result == -EINTR) arm();
    else retry_.arm(now_us() + retry_us);
  }

  void hand_over(UniqueFd fd) {
    // A multishot accept has no room for addresses.
    const Result<Endpoint> peer = peer_endpoint(fd.get());
    if (!peer) return;  // already gone again
    on_accept_(Accepted{std::move(fd), peer->text()});
  }

  Ring& ring_;
  UniqueFd fd_;
  const std::uint16_t port_;
  OnAccept on_accept_;
  bool stopped_ = false;
  Operation<State> accept_;
  Timer retry_;
};

Result<Listener> Listener::open(Ring& ring, const Endpoint& at, OnAccept on_accept) {
  Result<UniqueFd> fd = listen_at(at);
  if (!fd) return tl::unexpected(fd.error());
  const Result<Endpoint> bound = local_endpoint(fd->get());
  if (!bound) return tl::unexpected(bound.error());
  return Listener(*new State(ring, std::move(*fd), bound->port(), std::move(on_accept)));
}

Listener::Listener(State& state) : state_(state) {}

Listener::Listener(Listener&&) noexcept = default;

Listener::~Listener() {
  if (state_) state_->stop();
}

std::uint16_t Listener::port() const { return state_->port(); }

}  // namespace gallocy::net
