#include "net/connection.hpp"

#include "net/link.hpp"

namespace gallocy::net {

Connection::Connection(Ring& ring, UniqueFd fd, ConnectionEvents events)
    : link_(*new Link(ring, 0, std::move(events))) {
  link_->begin({std::move(fd), {}, {}});
}

Connection::Connection(Ring& ring, std::uint64_t patience_us, ConnectionEvents events)
    : link_(*new Link(ring, patience_us, std::move(events))) {
  GALLOCY_CHECK(patience_us != 0);
}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  close();
  link_ = std::move(other.link_);
  return *this;
}

Connection::Connection(Connection&&) noexcept = default;

Connection::~Connection() { close(); }

std::uint64_t Connection::send(std::span<const std::byte> message,
                               std::span<const std::byte> payload) {
  return link_ ? link_->send(message, payload) : 0;
}

void Connection::take_up(Detached stream) {
  if (link_) link_->take_up(std::move(stream));
}

// The link goes on alone until its requests have ended; the handle lets go of it.
void Connection::close() {
  if (!link_) return;
  const Ref<Link> link = std::move(link_);
  link->close();
}

void Connection::finish() {
  if (!link_) return;
  const Ref<Link> link = std::move(link_);
  link->finish();
}

void Connection::detach(std::function<void(Result<Detached>)> done) {
  GALLOCY_CHECK(link_);
  const Ref<Link> link = std::move(link_);
  link->detach(std::move(done));
}

bool Connection::is_open() const { return link_ && link_->is_open(); }
bool Connection::is_broken() const { return link_ && link_->is_broken(); }
std::size_t Connection::queued_bytes() const { return link_ ? link_->queued_bytes() : 0; }
std::size_t Connection::kept_bytes() const { return link_ ? link_->kept_bytes() : 0; }
std::uint64_t Connection::last_sent() const { return link_ ? link_->last_sent() : 0; }
std::uint64_t Connection::last_received() const { return link_ ? link_->last_received() : 0; }
std::uint64_t Connection::last_acked() const { return link_ ? link_->last_acked() : 0; }

const ConnectionCounters& Connection::counters() const {
  static constexpr ConnectionCounters none;
  return link_ ? link_->counters() : none;
}

}  // namespace gallocy::net
