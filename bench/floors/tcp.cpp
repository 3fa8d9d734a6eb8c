// The network alone: what a page fault between nodes cannot be faster than.
//
//   tcp ring CPU CPU REQUEST_BYTES REPLY_BYTES COUNT       round trips, by the daemon's own ring
//   tcp blocking CPU CPU REQUEST_BYTES REPLY_BYTES COUNT   the same by send and recv
//   tcp stream CPU CPU MIB                                 one direction as fast as it goes
//
// Every reply is asked for by the request's last word and says it in its own last word.
#include <cstring>
#include <memory>
#include <span>

#include "bench/floors/two.hpp"
#include "net/ring.hpp"

namespace {

using bench::require;
constexpr std::size_t word_bytes = sizeof(std::uint64_t);

struct Plan {
  std::size_t request_bytes, reply_bytes;
  long count;
};

std::uint64_t last_word(std::span<const std::byte> bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes.data() + bytes.size() - word_bytes, word_bytes);
  return word;
}

void set_last_word(std::span<std::byte> bytes, std::uint64_t word) {
  std::memcpy(bytes.data() + bytes.size() - word_bytes, &word, word_bytes);
}

class BlockingEnd {
 public:
  explicit BlockingEnd(int fd) : fd_(fd) {}
  void send(std::span<const std::byte> bytes) {
    require(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()), "send");
  }
  void receive(std::span<std::byte> room) {
    require(::recv(fd_, room.data(), room.size(), MSG_WAITALL) ==
                static_cast<ssize_t>(room.size()), "recv");
  }
  void finish() {}

 private:
  int fd_;
};

// As a connection of net does it: what is sent leaves with the receive that waits for the answer,
// in one call, and the ring sleeps in the kernel.
class RingEnd {
 public:
  explicit RingEnd(int fd) : fd_(fd) {
    auto ring = gallocy::net::Ring::create();
    if (!ring) bench::die("%s", ring.error().sentence.c_str());
    ring_ = std::move(*ring);
  }

  // The bytes stay where they are until the next send, or finish().
  void send(std::span<const std::byte> bytes) {
    finish();
    ring_->send_at_once(fd_, bytes, sent_);
  }
  void receive(std::span<std::byte> room) {
    while (!room.empty()) {
      ring_->recv(fd_, room, true, received_);
      while (received_.in_flight()) round();
      require(received_.result > 0, "recv in the ring");
      room = room.subspan(static_cast<std::size_t>(received_.result));
    }
  }
  void finish() {
    while (sent_.in_flight())
      require(ring_->run_once(0).has_value() && sent_.result >= 0, "send in the ring");
  }

 private:
  struct Done final : gallocy::net::Completion {
    void complete(int outcome, std::uint32_t) override { result = outcome; }
    int result = 0;
  };
  void round() { require(ring_->run_once(gallocy::net::never_us).has_value(), "io_uring_enter"); }

  int fd_;
  Done sent_, received_;
  std::unique_ptr<gallocy::net::Ring> ring_;
};

template <class End>
void ask(End& end, const Plan& plan) {
  bench::Samples samples(static_cast<std::size_t>(plan.count));
  std::vector<std::byte> request(plan.request_bytes), reply(plan.reply_bytes);
  for (long i = 0; i < plan.count; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    const std::int64_t began_ns = bench::now_ns();
    set_last_word(request, number);
    end.send(request);
    end.receive(reply);
    samples.add_ns(bench::now_ns() - began_ns);
    if (last_word(reply) != number) bench::die("reply %ld has a wrong last word", i);
  }
  end.finish();
  samples.print("us");
}

template <class End>
void answer(End& end, const Plan& plan) {
  std::vector<std::byte> request(plan.request_bytes), reply(plan.reply_bytes);
  for (long i = 0; i < plan.count; ++i) {
    end.receive(request);
    set_last_word(reply, last_word(request));
    end.send(reply);
  }
  end.finish();
}

template <class End>
void round_trips(long cpu, long other_cpu, const Plan& plan) {
  const auto sockets = bench::tcp_pair();
  bench::run_two(
      cpu, other_cpu,
      [&] {
        End end(sockets.first.get());
        ask(end, plan);
      },
      [&] {
        End end(sockets.second.get());
        answer(end, plan);
      });
}

// The receiver looks at a word of each page, as a scan of memory does.
void stream(long cpu, long other_cpu, std::size_t mib) {
  constexpr std::size_t piece_bytes = 256 * 1024, page_bytes = 4096;
  const std::size_t piece_count = mib * 4;
  const auto sockets = bench::tcp_pair();
  const auto receive_all = [&] {
    BlockingEnd end(sockets.first.get());
    std::vector<std::byte> room(piece_bytes);
    bench::Samples samples(1);
    const std::int64_t began_ns = bench::now_ns();
    for (std::size_t piece = 0; piece < piece_count; ++piece) {
      end.receive(room);
      for (std::size_t at = 0; at < piece_bytes; at += page_bytes)
        if (last_word({room.data() + at, page_bytes}) != piece)
          bench::die("piece %zu of the stream is wrong", piece);
    }
    const auto seconds = static_cast<double>(bench::now_ns() - began_ns) / 1e9;
    samples.add(static_cast<double>(piece_count * piece_bytes) / 1e6 / seconds);
    samples.print("MB/s");
  };
  const auto send_all = [&] {
    BlockingEnd end(sockets.second.get());
    std::vector<std::byte> bytes(piece_bytes);
    for (std::size_t piece = 0; piece < piece_count; ++piece) {
      for (std::size_t at = 0; at < piece_bytes; at += page_bytes)
        set_last_word({bytes.data() + at, page_bytes}, piece);
      end.send(bytes);
    }
  };
  bench::run_two(cpu, other_cpu, receive_all, send_all);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv,
                             "tcp ring|blocking CPU CPU REQUEST_BYTES REPLY_BYTES COUNT\n"
                             "       tcp stream CPU CPU MIB");
  const std::string how = arguments.word();
  const long cpu = arguments.number(), other_cpu = arguments.number();
  if (how == "stream") {
    stream(cpu, other_cpu, static_cast<std::size_t>(arguments.number()));
    return 0;
  }
  Plan plan{};
  plan.request_bytes = static_cast<std::size_t>(arguments.number());
  plan.reply_bytes = static_cast<std::size_t>(arguments.number());
  plan.count = arguments.number();
  if (plan.request_bytes < word_bytes || plan.reply_bytes < word_bytes) arguments.wrong();
  if (how == "ring") round_trips<RingEnd>(cpu, other_cpu, plan);
  else if (how == "blocking") round_trips<BlockingEnd>(cpu, other_cpu, plan);
  else arguments.wrong();
}
