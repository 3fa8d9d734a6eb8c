// Both ends of the first two frames of a connection between daemons.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "daemon/channel.hpp"
#include "daemon/context.hpp"
#include "daemon/few_lines.hpp"
#include "net/dialer.hpp"
#include "net/listener.hpp"

namespace gallocy::daemon {

wire::Hello hello_of(const Context& context, wire::ConnectionKind kind, JobId job = {});
wire::HelloReply acceptance(const Context& context);

// Dials until deadline_us, says hello, and waits for the answer; again where the connection breaks
// before that came.
class Dial {
 public:
  static constexpr std::uint64_t reply_limit_s = 10;  // longer than a listener parks

  struct Met {
    std::unique_ptr<Channel> channel;  // has no handlers yet
    wire::HelloReply reply;            // accepted
  };
  // Once. The error names the address. ESTALE: another daemon answered than was expected.
  using Done = std::function<void(Result<Met>)>;

  Dial(const Context& context, const net::Endpoint& to, std::uint64_t deadline_us,
       const wire::Hello& hello, std::optional<Incarnation> expected, Done done);
  void stop();  // before it is discarded: done will not be called

 private:
  void attempt();
  void connected(Result<UniqueFd> fd);
  void broke(const Error& error);
  void answered(const wire::LinkMessage& message);
  void finish(Result<Met> outcome);
  template <class... Parts>
  void give_up(int code, const Parts&... parts) {
    finish(fail(code, to_.text().view(), ": ", parts...));
  }

  const Context& context_;
  const net::Endpoint to_;
  const std::uint64_t deadline_us_;
  const wire::Hello hello_;
  const std::optional<Incarnation> expected_;
  Done done_;
  std::unique_ptr<Channel> channel_;
  std::uint64_t pause_us_;
  net::Timer reply_timer_;
  net::Timer again_;
  std::optional<net::Dialer> dialer_;
};

// Listens, and hears every newcomer's hello.
class Reception {
 public:
  static constexpr std::size_t max_guest_count = 64;
  static constexpr std::uint64_t hello_limit_s = 5;

  struct Guest {
    std::unique_ptr<Channel> channel;  // has no handlers yet
    net::AddressText address;
    wire::Hello hello;  // of our version
  };
  using OnHello = std::function<void(Guest)>;

  static Result<std::unique_ptr<Reception>> open(const Context& context, OnHello on_hello);
  ~Reception();
  std::uint16_t port() const { return listener_->port(); }
  std::size_t guest_count() const { return strangers_.size(); }

  // Answers with a sentence, and ends the connection. One log line; the same one is not repeated
  // while a refused peer dials again and again.
  void refuse(Guest guest, const Sentence& sentence);

 private:
  struct Stranger;
  Reception(const Context& context, OnHello on_hello);
  void accepted(Result<net::Accepted> newcomer);
  void heard(Stranger& stranger, const wire::LinkMessage& message);
  void drop(Stranger& stranger, std::string_view why);
  std::unique_ptr<Stranger> take(Stranger& stranger);

  const Context& context_;
  OnHello on_hello_;
  std::list<std::unique_ptr<Stranger>> strangers_;
  FixedText<512> last_refusal_;
  FewLines few_lines_;
  std::optional<net::Listener> listener_;
};

}  // namespace gallocy::daemon
