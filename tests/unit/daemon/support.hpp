// Daemons in threads of this process, and programs that talk to them. Every wait has a limit.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "daemon/control.hpp"
#include "fake_job.hpp"
#include "net/frame.hpp"

namespace gallocy::daemon::test {

inline constexpr int patience_ms = 15'000;

class Folder {
 public:
  Folder() { REQUIRE(::mkdtemp(path_) != nullptr); }
  ~Folder() { ::rmdir(path_); }
  std::string file(unsigned node) const { return std::string(path_) + "/" + std::to_string(node); }

 private:
  char path_[32] = "/tmp/gallocy-control-XXXXXX";
};

inline Options options_of(std::string socket_path, unsigned node,
                          const std::vector<std::uint16_t>& peer_ports) {
  Options options;
  options.socket_path = std::move(socket_path);
  options.node = NodeId{static_cast<std::uint8_t>(node)};
  options.peer_timeout_us = 1'000'000;
  options.listen = *net::parse_endpoint("127.0.0.1:0");
  for (const std::uint16_t port : peer_ports)
    options.peers.push_back(*net::parse_endpoint("127.0.0.1:" + std::to_string(port)));
  return options;
}

class Daemon {
 public:
  explicit Daemon(const Options& options)
      : options_(options),
        log_fd_(::memfd_create("log", MFD_CLOEXEC)),
        log_({log_fd_.get()}, "node " + std::to_string(raw(options.node))) {
    std::promise<std::uint16_t> port;
    auto bound = port.get_future();
    thread_ = std::thread([this, &port] { run(port); });
    port_ = bound.get();
  }
  ~Daemon() { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    control_->stop();
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  const std::string& socket_path() const { return options_.socket_path; }

  std::string log() const {
    std::string text(1 << 20, '\0');
    const auto size = ::pread(log_fd_.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }
  bool logs(std::string_view part) const {
    for (int i = 0; i < patience_ms / 5; ++i) {
      if (log().find(part) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    MESSAGE(log());
    return false;
  }

 private:
  void run(std::promise<std::uint16_t>& port) {
    GALLOCY_CHECK(log_.start());
    auto control = Control::open(options_, Incarnation{next_incarnation()}, log_);
    if (!control) {
      log_.line(control.error().sentence.view());
      return port.set_value(0);
    }
    control_ = control->get();
    port.set_value(control_->port());
    if (const Status status = control_->run(); !status) log_.line(status.error().sentence.view());
  }
  static std::uint64_t next_incarnation() {
    static std::atomic<std::uint64_t> next = 1;
    return next++;
  }

  const Options options_;
  UniqueFd log_fd_;
  Log log_;
  std::uint16_t port_ = 0;
  Control* control_ = nullptr;
  std::thread thread_;
};

// Node 0 .. count-1, each linked to the lower ones.
struct Cluster {
  explicit Cluster(unsigned count) {
    std::vector<std::uint16_t> ports;
    for (unsigned node = 0; node < count; ++node) {
      nodes.push_back(std::make_unique<Daemon>(options_of(folder.file(node), node, ports)));
      ports.push_back(nodes.back()->port());
    }
  }
  std::string logs() const {
    std::string text;
    for (const auto& node : nodes) text += node->log();
    return text;
  }
  Daemon& operator[](std::size_t node) { return *nodes[node]; }

  Folder folder;
  std::vector<std::unique_ptr<Daemon>> nodes;
};

// A program on a daemon's UNIX socket.
class Program {
 public:
  explicit Program(const Daemon& daemon)
      : fd(std::move(*ipc::connect_to(daemon.socket_path().c_str()))) {}

  template <class T>
  void send(const T& message) {
    REQUIRE(ipc::send_message(fd.get(), message, {}, patience_ms));
  }
  template <class T>
  Result<T> receive(std::span<UniqueFd> fds = {}) {
    return ipc::receive<T>(fd.get(), fds, patience_ms);
  }
  std::string refusal() {
    const auto answer = receive<ipc::JobReady>();
    return answer ? "no refusal" : std::string(answer.error().sentence.view());
  }
  bool at_end() {
    std::byte byte[1];
    pollfd entry{fd.get(), POLLIN, 0};
    return ::poll(&entry, 1, patience_ms) == 1 && ::recv(fd.get(), byte, 1, 0) <= 0;
  }

  UniqueFd fd;
};

inline std::uint64_t new_job() {
  static std::uint64_t last = 1000;
  return ++last;
}

inline ipc::JobCreate create_of(std::uint64_t job, unsigned node_count) {
  ipc::JobCreate create;
  create.job = job;
  create.region_size_bytes = 64 * chunk_bytes;
  create.rank_count = create.node_count = node_count;
  for (unsigned node = 0; node < node_count; ++node)
    create.nodes[node] = static_cast<std::uint8_t>(node);
  return create;
}

inline ipc::JobWatch watch_of(std::uint64_t job) {
  ipc::JobWatch watch;
  watch.job = job;
  return watch;
}

inline ipc::ClientHello hello_of(std::uint64_t job, unsigned rank) {
  ipc::ClientHello hello;
  hello.job = job;
  hello.rank = rank;
  return hello;
}

// A launcher's sessions at all nodes of a job that has become ready.
struct Launched {
  explicit Launched(Cluster& cluster) : job(new_job()) {
    for (const auto& node : cluster.nodes) sessions.emplace_back(*node);
    sessions[0].send(create_of(job, static_cast<unsigned>(sessions.size())));
    for (unsigned node = 1; node < sessions.size(); ++node) sessions[node].send(watch_of(job));
    for (unsigned node = 0; node < sessions.size(); ++node) {
      const auto ready = sessions[node].receive<ipc::JobReady>();
      if (!ready) FAIL(std::string(ready.error().sentence.view()), "\n", cluster.logs());
      CHECK(ready->job == job);
      CHECK(ready->node == node);
    }
  }
  std::uint64_t job;
  std::vector<Program> sessions;
};

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace gallocy::daemon::test
