#include "net/watch.hpp"

namespace gallocy::net {

class Watch::State final : public Kept {
 public:
  State(Ring& ring, int fd, unsigned events, Callback callback)
      : ring_(ring),
        fd_(fd),
        events_(events),
        callback_(std::move(callback)),
        polled_(*this, &State::polled),
        again_(ring.timers(), [this] { look(); }) {
    ring_.poll_multishot(fd_, events_, polled_);
  }

  void look_again() { again_.arm(0); }

  void stop() {
    stopped_ = true;
    again_.cancel();
    ring_.cancel(polled_);
  }

 private:
  bool busy() const override { return polled_.in_flight(); }

  void look() {
    const Ref<State> hold(*this);
    if (!stopped_) callback_(static_cast<int>(events_));
  }

  void polled(int result, std::uint32_t cqe_flags) {
    if (stopped_ || ring_.closing()) return;
    // Armed before the callback reads: what comes in between is reported by the new poll.
    if (result >= 0 && (cqe_flags & IORING_CQE_F_MORE) == 0)
      ring_.poll_multishot(fd_, events_, polled_);
    callback_(result);
  }

  Ring& ring_;
  const int fd_;
  const unsigned events_;
  Callback callback_;
  bool stopped_ = false;
  Operation<State> polled_;
  Timer again_;
};

Watch::Watch(Ring& ring, int fd, unsigned events, Callback callback)
    : state_(*new State(ring, fd, events, std::move(callback))) {}

Watch::Watch(Watch&&) noexcept = default;

Watch::~Watch() {
  if (state_) state_->stop();
}

void Watch::look_again() { state_->look_again(); }

}  // namespace gallocy::net
