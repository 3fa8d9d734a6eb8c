#include "daemon/control.hpp"

#include <malloc.h>

#include <utility>

// There in a sanitizer build only, whose allocator the C library's figures do not know.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes() __attribute__((weak));

namespace gallocy::daemon {
namespace {

// Of the C++ heap; what only the allocator keeps does not count.
std::size_t heap_used_bytes() {
  if (__sanitizer_get_current_allocated_bytes != nullptr)
    return __sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

Result<std::unique_ptr<Control>> Control::open(const Options& options, Incarnation incarnation,
                                               Log& log) {
  auto ring = net::Ring::create();
  if (!ring) return tl::unexpected(ring.error());
  std::unique_ptr<Control> control(new Control(std::move(*ring), options, incarnation, log));
  if (const Status status = control->listen(); !status) return tl::unexpected(status.error());
  return control;
}

Control::Control(std::unique_ptr<net::Ring> ring, const Options& options, Incarnation incarnation,
                 Log& log)
    : ring_(std::move(ring)),
      mailbox_(*ring_),
      context_{*ring_, later_, log, options, options.node, incarnation} {
  LinkEvents link_events{
      [this](NodeId node) { jobs_->on_link_up(node); },
      [this](NodeId node, const Sentence& why) { jobs_->on_link_down(node, why); },
      [this](NodeId node, const wire::LinkMessage& message) {
        jobs_->on_link_message(node, message);
      }};
  links_ = std::make_unique<Links>(context_, std::move(link_events));
  jobs_ = std::make_unique<Jobs>(context_, *links_, mailbox_);
  ring_->on_wake([this] { jobs_->read_mail(); });
}

Control::~Control() {
  // Sessions first: their ends must not be told to jobs that are gone.
  sessions_.reset();
  reception_.reset();
  jobs_.reset();
  links_.reset();
}

Status Control::listen() {
  auto reception = Reception::open(
      context_, [this](Reception::Guest guest) { on_guest(std::move(guest)); });
  if (!reception) return tl::unexpected(reception.error());
  reception_ = std::move(*reception);
  auto sessions = Sessions::open(
      context_, {[this](Session& session, const ipc::AnyMessage& message) {
                   return jobs_->on_message(session, message);
                 },
                 [this](Session& session) { jobs_->on_session_gone(session); }});
  if (!sessions) return tl::unexpected(sessions.error());
  sessions_ = std::move(*sessions);
  return {};
}

void Control::on_guest(Reception::Guest guest) {
  const Status status = guest.hello.kind == wire::ConnectionKind::link
                            ? links_->welcome(guest)
                            : jobs_->on_guest(guest);
  if (!status) reception_->refuse(std::move(guest), status.error().sentence);
}

Status Control::run() {
  while (!stopping_) {
    if (Status round = ring_->run_once(net::never_us); !round) return round;
    later_.run();
  }
  return {};
}

void Control::stop() {
  stopping_ = true;
  ring_->wake();
}

void Control::dump() const {
  context_.say("node ", raw(context_.self), ", incarnation ", Hex{raw(context_.incarnation)}, ": ",
               sessions_->count(), " sessions, ", reception_->guest_count(),
               " connections without a hello, ", heap_used_bytes(), " bytes of heap");
  links_->dump();
  jobs_->dump();
}

}  // namespace gallocy::daemon
