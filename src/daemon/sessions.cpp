#include "daemon/sessions.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace gallocy::daemon {
namespace {

constexpr unsigned datagrams_per_turn = 16;
constexpr unsigned arrivals_per_turn = 64;
constexpr std::uint64_t retry_us = 100'000;

// Only the file's mode is meant; the umask is the process's, and no other thread makes files.
Result<UniqueFd> listen_for(const Options& options) {
  // Whoever may connect is checked by uid again; without --allow-uid nobody else gets that far.
  const mode_t before = ::umask(options.allowed_uids.empty() ? 0177 : 0111);
  auto listener = ipc::listen_at(options.socket_path.c_str());
  ::umask(before);
  return listener;
}

// What it has sent and nobody has read would reset the connection, and take the answer with it.
// Who sends from here on hears that nobody reads.
void tell_refused(const UniqueFd& fd, const Error& why) {
  ::shutdown(fd.get(), SHUT_RD);
  ipc::AnyMessage unread;
  Status taken;
  while (taken || taken.error().code == EPROTO) taken = ipc::receive_any(fd.get(), unread, {}, 0);
  // To somebody who does not read there is nothing to say.
  static_cast<void>(ipc::send_refused(fd.get(), why, 0));
}

}  // namespace

// ---- Session -------------------------------------------------------------------------------

Session::Session(Sessions& sessions, UniqueFd fd, const ipc::PeerCredentials& who)
    : sessions_(sessions),
      fd_(std::move(fd)),
      who_(who),
      patience_(sessions.context_.ring.timers(), [this] {
        refuse({ETIMEDOUT, Sentence("no first message came within ",
                                    Sessions::first_datagram_limit_s, " s")});
      }) {
  patience_.arm(seconds_from_now(Sessions::first_datagram_limit_s));
  watch_.emplace(sessions.context_.ring, fd_.get(), POLLIN, [this](int) { readable(); });
}

void Session::bind(JobId job) {
  bound_ = true;
  job_ = job;
  patience_.cancel();
}

void Session::readable() {
  for (unsigned i = 0; i < datagrams_per_turn; ++i) {
    if (!fd_) return;
    ipc::AnyMessage message;
    const Status received = ipc::receive_any(fd_.get(), message, {}, 0);
    if (!received && received.error().code == EAGAIN) return;
    if (!received && received.error().code == ECONNRESET) return end();
    if (!received) return drop(received.error());
    if (const Status taken = sessions_.events_.on_message(*this, message); !taken)
      return drop(taken.error());
  }
  if (fd_) watch_->look_again();
}

void Session::drop(const Error& error) {
  if (!fd_) return;
  sessions_.context_.say("process ", who_.pid, " of uid ", who_.uid, " is dropped: ",
                         error.sentence.view());
  end();
}

void Session::refuse(const Error& error) {
  if (!fd_) return;
  sessions_.context_.say("process ", who_.pid, " of uid ", who_.uid, " is refused: ",
                         error.sentence.view());
  tell_refused(fd_, error);
  end();
}

UniqueFd Session::take_socket() {
  UniqueFd fd = std::move(fd_);
  end();
  return fd;
}

void Session::end() {
  patience_.cancel();
  watch_.reset();
  fd_.reset();
  sessions_.ended(*this);
}

// ---- Sessions ------------------------------------------------------------------------------

Result<std::unique_ptr<Sessions>> Sessions::open(const Context& context, Events events) {
  auto listener = listen_for(context.options);
  if (!listener) return tl::unexpected(listener.error());
  return std::unique_ptr<Sessions>(new Sessions(context, std::move(events), std::move(*listener)));
}

Sessions::Sessions(const Context& context, Events events, UniqueFd listener)
    : context_(context),
      events_(std::move(events)),
      listener_(std::move(listener)),
      spare_(::fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0)),
      turned_away_(context),
      retry_(context.ring.timers(), [this] { accept(); }) {
  watch_.emplace(context.ring, listener_.get(), POLLIN, [this](int) { accept(); });
}

Sessions::~Sessions() { ::unlink(context_.options.socket_path.c_str()); }

void Sessions::accept() {
  Status taken;
  for (unsigned i = 0; i < arrivals_per_turn && taken; ++i) taken = take_one();
  // Who comes again and again must not keep those who are inside from being heard.
  if (taken) return watch_->look_again();
  if (taken.error().code == EAGAIN) return;
  // Out of memory, say. The watch reports arrivals only: look again later.
  context_.say(taken.error().sentence.view());
  retry_.arm(net::now_us() + retry_us);
}

// EAGAIN: nobody waits.
Status Sessions::take_one() {
  auto fd = ipc::accept_from(listener_.get());
  if (fd) {
    admit(std::move(*fd));
    return {};
  }
  if (is_of_a_limit(fd.error().code)) return turn_away(fd.error());
  return tl::unexpected(fd.error());
}

// It would wait for a descriptor in vain, and never know why.
Status Sessions::turn_away(const Error& why) {
  spare_.reset();
  Status done;
  if (const auto fd = ipc::accept_from(listener_.get())) {
    tell_refused(*fd, why);
    turned_away_.say("somebody is turned away: ", why.sentence.view());
  } else {
    done = tl::unexpected(fd.error());
  }
  spare_ = UniqueFd(::fcntl(listener_.get(), F_DUPFD_CLOEXEC, 0));
  return done;
}

void Sessions::admit(UniqueFd fd) {
  const auto who = ipc::peer_credentials(fd.get());
  if (!who) return turned_away_.say(who.error().sentence.view());
  if (const Status status = check_newcomer(who->uid); !status) {
    tell_refused(fd, status.error());
    return turned_away_.say("process ", who->pid, " of uid ", who->uid, " is turned away: ",
                            status.error().sentence.view());
  }
  sessions_.push_back(std::make_unique<Session>(*this, std::move(fd), *who));
}

Status Sessions::check_newcomer(uid_t uid) const {
  if (!context_.options.allows(uid))
    return fail(EPERM, "uid ", uid, " may not use this daemon: it was started without --allow-uid ",
                uid);
  std::size_t newcomer_count = 0, own_count = 0, own_newcomer_count = 0;
  for (const auto& session : sessions_) {
    const bool own = session->who().uid == uid, newcomer = !session->bound();
    newcomer_count += newcomer;
    own_count += own;
    own_newcomer_count += own && newcomer;
  }
  if (own_newcomer_count >= max_newcomer_count / shares || own_count >= max_session_count / shares)
    return fail(EBUSY, "uid ", uid, " has too many connections to the daemon: try again");
  if (newcomer_count >= max_newcomer_count || sessions_.size() >= max_session_count)
    return fail(EBUSY, "the daemon has too many connections: try again");
  return {};
}

// Later: the session may be calling, or be sent to by someone who goes through a list of them.
void Sessions::ended(Session& session) {
  context_.later.call([this, &session] {
    const auto at = std::find_if(sessions_.begin(), sessions_.end(),
                                 [&](const auto& each) { return each.get() == &session; });
    if (at == sessions_.end()) return;
    events_.on_gone(session);
    sessions_.erase(at);
  });
}

}  // namespace gallocy::daemon
