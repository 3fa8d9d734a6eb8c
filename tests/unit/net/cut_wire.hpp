// A wire between two connections that survive their streams: it forwards a given number of bytes
// in each direction and then resets both streams, in whatever it is in the middle of.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "support.hpp"

namespace gallocy::net::test {

inline constexpr std::size_t unlimited = ~std::size_t{0};

// The kernel answers with a reset, and forgets what it had not delivered yet.
inline void reset(UniqueFd& fd) {
  const linger none{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  fd.reset();
}

class CutWire {
 public:
  CutWire(Peer& a, Peer& b) : ends_{&a, &b} {}

  // A new stream for both ends, cut when that many bytes have gone one way or the other.
  void connect(std::size_t from_a_bytes, std::size_t from_b_bytes) {
    left_ = {from_a_bytes, from_b_bytes};
    held_[0].clear();
    held_[1].clear();
    for (int i = 0; i < 2; ++i) {
      SocketPair pair = tcp_pair();
      ends_[i]->connection.take_up({std::move(pair.a), {}, {}});
      fds_[i] = std::move(pair.b);
      ::fcntl(fds_[i].get(), F_SETFL, O_NONBLOCK);
    }
    if (from_a_bytes == 0 || from_b_bytes == 0) cut();
  }
  bool connected() const { return bool(fds_[0]); }
  void cut() {
    reset(fds_[0]);
    reset(fds_[1]);
  }
  // Forwards what has come.
  void pump() {
    for (int from = 0; from < 2 && connected(); ++from) forward(from);
  }

 private:
  void forward(int from) {
    std::vector<std::byte>& held = held_[from];
    if (held.empty()) {
      held.resize(64 * 1024);
      const auto count = ::recv(fds_[from].get(), held.data(), held.size(), 0);
      held.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    const std::size_t may = std::min(held.size(), left_[from]);
    if (may == 0) return;
    const auto sent = ::send(fds_[1 - from].get(), held.data(), may, MSG_NOSIGNAL);
    if (sent <= 0) return;
    held.erase(held.begin(), held.begin() + sent);
    if (left_[from] == unlimited) return;
    left_[from] -= static_cast<std::size_t>(sent);
    if (left_[from] == 0) cut();
  }

  std::array<Peer*, 2> ends_;
  std::array<UniqueFd, 2> fds_;
  std::array<std::size_t, 2> left_{};
  std::array<std::vector<std::byte>, 2> held_;
};

}  // namespace gallocy::net::test
