#include "daemon/hello.hpp"

#include <algorithm>
#include <utility>

namespace gallocy::daemon {
namespace {

// Before a connection is tried again that was lost between the hellos.
constexpr std::uint64_t first_pause_us = 20'000;
constexpr std::uint64_t longest_pause_us = 500'000;

}  // namespace

wire::Hello hello_of(const Context& context, wire::ConnectionKind kind, JobId job) {
  wire::Hello hello;
  hello.node = context.self;
  hello.incarnation = context.incarnation;
  hello.kind = kind;
  hello.job = job;
  return hello;
}

wire::HelloReply acceptance(const Context& context) {
  wire::HelloReply reply;
  reply.node = context.self;
  reply.incarnation = context.incarnation;
  reply.accepted = true;
  return reply;
}

// ---- Dial ----------------------------------------------------------------------------------

Dial::Dial(const Context& context, const net::Endpoint& to, std::uint64_t deadline_us,
           const wire::Hello& hello, std::optional<Incarnation> expected, Done done)
    : context_(context),
      to_(to),
      deadline_us_(deadline_us),
      hello_(hello),
      expected_(expected),
      done_(std::move(done)),
      pause_us_(first_pause_us),
      reply_timer_(context.ring.timers(), [this] { give_up(ETIMEDOUT, "no answer to a hello"); }),
      again_(context.ring.timers(), [this] { attempt(); }) {
  attempt();
}

void Dial::attempt() {
  dialer_.emplace(context_.ring, to_, deadline_us_,
                  [this](Result<UniqueFd> fd) { connected(std::move(fd)); });
}

void Dial::connected(Result<UniqueFd> fd) {
  if (!done_) return;
  if (!fd) return finish(tl::unexpected(fd.error()));
  channel_ = std::make_unique<Channel>(context_.ring, std::move(*fd));
  channel_->on_message = [this](const wire::LinkMessage& message) { answered(message); };
  channel_->on_closed = [this](const Error& error) { broke(error); };
  channel_->send(hello_);
  reply_timer_.arm(std::min(seconds_from_now(reply_limit_s), deadline_us_));
}

void Dial::broke(const Error& error) {
  reply_timer_.cancel();
  context_.later.discard(std::move(channel_));
  const std::uint64_t again_us = net::now_us() + pause_us_;
  if (error.code == EPROTO || again_us >= deadline_us_)
    return give_up(error.code, error.sentence.view());
  pause_us_ = std::min(2 * pause_us_, longest_pause_us);
  if (done_) again_.arm(again_us);
}

void Dial::answered(const wire::LinkMessage& message) {
  const auto* reply = std::get_if<wire::HelloReply>(&message);
  if (reply == nullptr) return give_up(EPROTO, "it did not answer a hello");
  if (reply->version != wire::link_version)
    return give_up(EPROTO, "it speaks version ", reply->version, " of the protocol, this daemon ",
                   wire::link_version);
  if (expected_ && reply->incarnation != *expected_)
    return give_up(ESTALE, "the daemon of node ", raw(reply->node), " was started anew");
  if (!reply->accepted)
    return give_up(ECONNREFUSED, "node ", raw(reply->node), " refused: ", reply->sentence.view());
  channel_->on_message = nullptr;
  channel_->on_closed = nullptr;
  finish(Met{std::move(channel_), *reply});
}

void Dial::stop() {
  done_ = nullptr;
  again_.cancel();
}

void Dial::finish(Result<Met> outcome) {
  reply_timer_.cancel();
  again_.cancel();
  context_.later.discard(std::move(channel_));  // it may be calling
  if (const auto done = std::exchange(done_, nullptr)) done(std::move(outcome));
}

// ---- Reception -----------------------------------------------------------------------------

struct Reception::Stranger {
  Stranger(Reception& reception, net::Accepted newcomer)
      : channel(std::make_unique<Channel>(reception.context_.ring, std::move(newcomer.fd))),
        address(newcomer.peer),
        patience(reception.context_.ring.timers(), [this, &reception] {
          reception.drop(*this, "it said no hello in time");
        }) {
    patience.arm(seconds_from_now(hello_limit_s));
  }

  std::unique_ptr<Channel> channel;
  net::AddressText address;
  net::Timer patience;
};

Reception::Reception(const Context& context, OnHello on_hello)
    : context_(context), on_hello_(std::move(on_hello)), few_lines_(context) {}
Reception::~Reception() = default;

Result<std::unique_ptr<Reception>> Reception::open(const Context& context, OnHello on_hello) {
  std::unique_ptr<Reception> reception(new Reception(context, std::move(on_hello)));
  auto listener = net::Listener::open(
      context.ring, context.options.listen,
      [here = reception.get()](Result<net::Accepted> newcomer) {
        here->accepted(std::move(newcomer));
      });
  if (!listener) return tl::unexpected(listener.error());
  reception->listener_.emplace(std::move(*listener));
  return reception;
}

void Reception::accepted(Result<net::Accepted> newcomer) {
  if (!newcomer) return few_lines_.say(newcomer.error().sentence.view());
  if (strangers_.size() >= max_guest_count)
    return few_lines_.say(newcomer->peer.view(), " is turned away: ", max_guest_count,
                          " connections have not said hello yet");
  auto& stranger =
      *strangers_.emplace_back(std::make_unique<Stranger>(*this, std::move(*newcomer)));
  stranger.channel->on_message = [this, &stranger](const wire::LinkMessage& message) {
    heard(stranger, message);
  };
  stranger.channel->on_closed = [this, &stranger](const Error& error) {
    drop(stranger, error.sentence.view());
  };
}

void Reception::heard(Stranger& stranger, const wire::LinkMessage& message) {
  const auto* hello = std::get_if<wire::Hello>(&message);
  if (hello == nullptr) return drop(stranger, "its first frame is no hello");
  const auto taken = take(stranger);
  Guest guest{std::move(taken->channel), taken->address, *hello};
  guest.channel->on_message = nullptr;
  guest.channel->on_closed = nullptr;
  if (hello->version != wire::link_version)
    return refuse(std::move(guest),
                  Sentence("version ", hello->version, " of the protocol meets version ",
                           wire::link_version, ": install one version of gallocy on all nodes"));
  on_hello_(std::move(guest));
}

void Reception::drop(Stranger& stranger, std::string_view why) {
  auto taken = take(stranger);
  few_lines_.say(taken->address.view(), " is dropped: ", why);
  taken->channel->on_message = nullptr;
  taken->channel->on_closed = nullptr;
  context_.later.discard(std::move(taken));
}

std::unique_ptr<Reception::Stranger> Reception::take(Stranger& stranger) {
  const auto at = std::find_if(strangers_.begin(), strangers_.end(),
                               [&](const auto& each) { return each.get() == &stranger; });
  auto taken = std::move(*at);
  strangers_.erase(at);
  return taken;
}

void Reception::refuse(Guest guest, const Sentence& sentence) {
  // Without the port, which differs each time: a refused peer dials again and again.
  const std::string_view address = guest.address.view();
  const FixedText<512> line(address.substr(0, address.rfind(':')), " is refused: ",
                            sentence.view());
  if (line.view() != last_refusal_.view()) context_.say(line.view());
  last_refusal_ = line;
  wire::HelloReply reply = acceptance(context_);
  reply.accepted = false;
  reply.sentence = sentence;
  guest.channel->send(reply);
  guest.channel->finish();
  context_.later.discard(std::move(guest.channel));
}

}  // namespace gallocy::daemon
