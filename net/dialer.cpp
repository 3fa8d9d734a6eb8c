#include "net/dialer.hpp"

#include <algorithm>

namespace gallocy::net {
namespace {

constexpr std::uint64_t first_pause_us = 10'000;
constexpr std::uint64_t longest_pause_us = 500'000;

// A dial to a local port that nobody listens at may get that very port as its own and, by TCP's
// simultaneous open, succeed in connecting to itself.
bool connected_to_itself(int fd) {
  const Result<Endpoint> local = local_endpoint(fd);
  const Result<Endpoint> peer = peer_endpoint(fd);
  return local && peer && local->text().view() == peer->text().view();
}

}  // namespace

class Dialer::State final : public Kept {
 public:
  State(Ring& ring, const Endpoint& to, std::uint64_t deadline_us, Done done)
      : ring_(ring),
        to_(to),
        deadline_us_(deadline_us),
        done_(std::move(done)),
        connect_(*this, &State::connected),
        timer_(ring.timers(), [this] { timer_fired(); }) {
    timer_.arm(0);  // not from here: done is called from the loop only
  }

  void stop() {
    finished_ = true;
    timer_.cancel();
    ring_.cancel(connect_);
  }

 private:
  bool busy() const override { return connect_.in_flight(); }

  void timer_fired() {
    const Ref<State> hold(*this);
    if (connect_.in_flight()) ring_.cancel(connect_);  // the deadline has passed
    else attempt();
  }

  // A new socket each time: POSIX leaves one that failed to connect unspecified.
  void attempt() {
    fd_.reset(::socket(to_.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd_) return finish(fail_errno("no socket to dial ", to_.text().view()));
    ring_.connect(fd_.get(), to_.get(), to_.size_bytes, connect_);
    timer_.arm(deadline_us_);
  }

  void connected(int result, std::uint32_t) {
    timer_.cancel();
    if (finished_ || ring_.closing()) return;
    if (result == 0 && !connected_to_itself(fd_.get())) return finish(std::move(fd_));
    fd_.reset();
    const std::uint64_t again_us = now_us() + pause_us_;
    if (again_us >= deadline_us_) return finish(give_up(result == 0 ? -ECONNREFUSED : result));
    pause_us_ = std::min(2 * pause_us_, longest_pause_us);
    timer_.arm(again_us);
  }

  tl::unexpected<Error> give_up(int result) {
    if (result == -ECANCELED) result = -ETIMEDOUT;
    errno = -result;
    return fail_errno("no connection to ", to_.text().view(), " in the time given");
  }

  void finish(Result<UniqueFd> outcome) {
    finished_ = true;
    done_(std::move(outcome));
  }

  Ring& ring_;
  const Endpoint to_;
  const std::uint64_t deadline_us_;
  std::uint64_t pause_us_ = first_pause_us;
  Done done_;
  UniqueFd fd_;
  bool finished_ = false;
  Operation<State> connect_;
  Timer timer_;
};

Dialer::Dialer(Ring& ring, const Endpoint& to, std::uint64_t deadline_us, Done done)
    : state_(*new State(ring, to, deadline_us, std::move(done))) {}

Dialer::Dialer(Dialer&&) noexcept = default;

Dialer::~Dialer() {
  if (state_) state_->stop();
}

}  // namespace gallocy::net
