#include "fake_daemon.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uffd/region.hpp"

namespace gallocy::test {

namespace {

constexpr int limit_ms = 10'000;

void ring_bell(int fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

void drain(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto size = ::read(fd, &count, sizeof count);
}

}  // namespace

FakeDaemon::FakeDaemon(std::string socket_path, unsigned rank_count)
    : path_(std::move(socket_path)), rank_count_(rank_count) {
  listener_ = std::move(*ipc::listen_at(path_.c_str()));
  pages_.reset(::memfd_create("fake-pages", MFD_CLOEXEC));
  stop_event_.reset(::eventfd(0, EFD_CLOEXEC));
  REQUIRE(::ftruncate(pages_.get(), region_size_bytes) == 0);
  thread_ = std::thread{[this] { serve(); }};
}

void FakeDaemon::die() {
  if (!thread_.joinable()) return;
  ring_bell(stop_event_.get());
  thread_.join();
  clients_.clear();
  listener_.reset();
  pages_.reset();
  ::unlink(path_.c_str());
}

void FakeDaemon::send_order(std::uint32_t rank, std::array<std::uint64_t, 4> order) {
  order_ = order;
  order_rank_ = rank;
}

bool FakeDaemon::attach(UniqueFd socket) {
  auto client = std::make_unique<FakeClient>();
  const auto hello = ipc::receive<ipc::ClientHello>(socket.get(), {}, limit_ms);
  if (!hello) return false;
  client->hello = *hello;
  client->rank = hello->rank;
  client->ring_memory = std::move(*ipc::RingMemory::create());
  client->ring = std::make_unique<ipc::DaemonRing>(client->ring_memory.ring());
  client->doorbell.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  client->orders_event.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const auto device = uffd::open_device();
  if (!device) return false;
  ipc::ClientWelcome welcome;
  welcome.region_address = region_base;
  welcome.memory_chunk_count = 1024;
  welcome.region_size_bytes = region_size_bytes;
  welcome.rank = client->rank;
  welcome.rank_count = rank_count_;
  welcome.node_count = 1;
  const int fds[] = {pages_.get(), device->get(), client->ring_memory.fd(),
                     client->doorbell.get(), client->orders_event.get()};
  if (!ipc::send_message(socket.get(), welcome, fds, limit_ms)) return false;
  UniqueFd userfault[1];
  if (!ipc::receive<ipc::ClientUserfault>(socket.get(), userfault, limit_ms)) return false;
  auto faults = uffd::UserFault::adopt(std::move(userfault[0]));
  if (!faults || !faults->register_range(region_base, region_size_bytes)) return false;
  client->faults = std::make_unique<uffd::UserFault>(std::move(*faults));
  client->socket = std::move(socket);
  clients_.push_back(std::move(client));
  ipc::ClientReady ready;
  ready.thread = next_thread_++;
  ++attached_count;
  return bool(ipc::send_message(clients_.back()->socket.get(), ready, {}, limit_ms));
}

void FakeDaemon::serve() {
  for (;;) {
    if (order_rank_ != ~0ull) {
      for (auto& client : clients_)
        if (client->rank == order_rank_) order(*client, order_);
      order_rank_ = ~0ull;
    }
    std::vector<pollfd> entries{{stop_event_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    bool may_sleep = true;
    for (auto& client : clients_) {
      may_sleep = client->ring->sleep_begin() && may_sleep;
      entries.push_back({client->faults->fd(), POLLIN, 0});
      entries.push_back({client->doorbell.get(), POLLIN, 0});
    }
    ::poll(entries.data(), entries.size(), may_sleep ? 20 : 0);
    if (entries[0].revents != 0) return;
    for (auto& client : clients_) {
      client->ring->sleep_end();
      drain(client->doorbell.get());
      serve_faults(*client);
      serve_requests(*client);
    }
    if (auto socket = ipc::accept_from(listener_.get())) attach(std::move(*socket));
  }
}

void FakeDaemon::serve_faults(FakeClient& client) {
  uffd::Fault faults[uffd::max_faults_per_read];
  const auto read = client.faults->read_faults(faults);
  for (std::size_t i = 0; i < read.count; ++i) {
    const std::uint64_t page = faults[i].address / page_bytes * page_bytes;
    if (page == stuck_address) {
      ++stuck_count;
      continue;
    }
    client.faults->zero_writable(page);
    client.faults->map_present(page, uffd::Mode::writable);
    client.faults->wake(page);
  }
}

void FakeDaemon::serve_requests(FakeClient& client) {
  client.ring->take_freed([&](ipc::FreedBlock block) {
    const auto owner = chunk_owner_.find(block.address / chunk_bytes * chunk_bytes);
    if (owner == chunk_owner_.end()) return;
    owner->second->freed.push_back(block.address);
    owner->second->ring->set_freed_pending(static_cast<unsigned>(owner->second->freed.size()));
  });
  client.ring->take_ready([&](const ipc::Request& request) {
    if (answers) act(client, request);
  });
}

void FakeDaemon::order(FakeClient& client, std::array<std::uint64_t, 4> order) {
  client.orders.push_back(order);
  ring_bell(client.orders_event.get());
}

void FakeDaemon::unlock(FakeClient& client, const ipc::Request& request, Lock& lock) {
  if (lock.owner != request.arguments[1]) {
    client.ring->answer(request.ticket, EPERM);
    return;
  }
  if (--lock.depth == 0) {
    lock.owner = 0;
    if (!lock.waiting.empty()) {
      const auto [thread, waiter] = lock.waiting.front();
      lock.waiting.pop_front();
      lock.owner = thread;
      lock.depth = 1;
      waiter.first->ring->answer(waiter.second, 0);
    }
  }
  client.ring->answer(request.ticket, 0);
}

void FakeDaemon::lock(FakeClient& client, const ipc::Request& request) {
  const std::uint64_t address = request.arguments[0], thread = request.arguments[1];
  const auto operation = static_cast<SyncOperation>(request.arguments[2]);
  const auto kind = static_cast<SyncKind>(request.arguments[3]);
  auto answer = [&](int status) { client.ring->answer(request.ticket, status); };
  if (kind > SyncKind::robust_error_check) return answer(ENOSYS);  // nothing but mutexes
  if (operation == SyncOperation::init) locks_.erase(address);
  Lock& lock = locks_[address];
  if (operation == SyncOperation::init) return answer(0);
  if (operation == SyncOperation::give) return unlock(client, request, lock);
  if (operation == SyncOperation::destroy) return answer(lock.owner == 0 ? 0 : EBUSY);
  if (lock.owner == 0 || (lock.owner == thread && kind == SyncKind::recursive)) {
    lock.owner = thread;
    ++lock.depth;
    return answer(0);
  }
  if (operation == SyncOperation::try_take) return answer(EBUSY);
  if (lock.owner == thread && kind == SyncKind::error_check) return answer(EDEADLK);
  lock.waiting.push_back({thread, {&client, request.ticket}});
}

void FakeDaemon::act(FakeClient& client, const ipc::Request& request) {
  const auto& a = request.arguments;
  auto answer = [&](int status, std::vector<std::uint64_t> values = {}) {
    client.ring->answer(request.ticket, status, values);
  };
  switch (request.operation) {
    case ipc::Operation::home_of:
      if (!chunk_owner_.contains(a[0] / chunk_bytes * chunk_bytes)) return answer(EINVAL);
      return answer(0, {0});
    case ipc::Operation::chunks: {
      if (a[1] != ipc::any_node && a[1] != 0) return answer(EINVAL);
      if (a[2] != 0 && a[2] != next_chunk_) return answer(ENOMEM);
      if (a[0] > (stuck_address - next_chunk_) / chunk_bytes) return answer(ENOMEM);
      for (std::uint64_t i = 0; i < a[0]; ++i)
        chunk_owner_[next_chunk_ + i * chunk_bytes] = &client;
      answer(0, {next_chunk_});
      next_chunk_ += a[0] * chunk_bytes;
      return;
    }
    case ipc::Operation::sync: return lock(client, request);
    case ipc::Operation::thread_create: {
      if (a[2] != ipc::any_node && a[2] >= 1) return answer(EINVAL);
      const std::uint64_t id = next_thread_++;
      threads_[id].creator = &client;
      threads_[id].created = request.ticket;
      return order(*clients_.back(), {1, id, a[0], a[1]});
    }
    case ipc::Operation::thread_started: {
      Thread& thread = threads_[a[0]];
      const std::uint64_t id[] = {a[0]};
      thread.creator->ring->answer(thread.created, static_cast<int>(a[1]), id);
      return answer(0);
    }
    case ipc::Operation::thread_exited: {
      Thread& thread = threads_[a[0]];
      thread.ended = true;
      thread.result = a[1];
      const std::uint64_t result[] = {a[1]};
      if (thread.joiner != nullptr) {
        thread.joiner->ring->answer(thread.ticket, 0, result);
        threads_.erase(a[0]);
      }
      return answer(0);
    }
    case ipc::Operation::thread_join: {
      const auto found = threads_.find(a[0]);
      if (found == threads_.end()) return answer(ESRCH);
      if (found->second.joiner != nullptr) return answer(EINVAL);
      found->second.joiner = &client;
      found->second.ticket = request.ticket;
      if (!found->second.ended) return;
      answer(0, {found->second.result});
      threads_.erase(found);
      return;
    }
    case ipc::Operation::next_order: {
      if (client.orders.empty()) return answer(0, {0});
      const auto order = client.orders.front();
      client.orders.pop_front();
      return answer(0, {order.begin(), order.end()});
    }
    case ipc::Operation::take_freed: {
      std::vector<std::uint64_t> values{0};
      for (; !client.freed.empty() && values[0] < ipc::value_count - 1; ++values[0]) {
        values.push_back(client.freed.front());
        client.freed.pop_front();
      }
      client.ring->set_freed_pending(static_cast<unsigned>(client.freed.size()));
      return answer(0, values);
    }
    default: return answer(0);
  }
}

}  // namespace gallocy::test
