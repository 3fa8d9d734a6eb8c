#include "daemon/job.hpp"

#include <pthread.h>

#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/start_thread.hpp"
#include "daemon/pages.hpp"
#include "daemon/reactor.hpp"
#include "daemon/stats_page.hpp"

namespace gallocy::daemon {
namespace {

struct PeerMail {
  NodeId peer;
  wire::ConnectionKind kind;
  net::Detached connection;
};
struct ClientMail {
  UniqueFd socket;
  ipc::ClientHello hello;
};
struct StartMail {};
struct StatisticsMail {};
struct EndMail {
  std::int32_t status;
};
struct DumpMail {};
struct StopMail {};
using Mail =
    std::variant<PeerMail, ClientMail, StartMail, StatisticsMail, EndMail, DumpMail, StopMail>;

}  // namespace

// The thread and its mailbox. The ring is made on the thread, which binds it, and lives until the
// thread has ended, so the control thread may wake it as long as the Job exists.
class Job::Thread {
 public:
  Thread(const JobSettings& settings, StatsPage page, JobEvents& events, Log& log)
      : settings_(settings), page_(std::move(page)), events_(events), log_(log) {}

  int statistics_fd() const { return page_.fd(); }

  Status start() {
    std::promise<Status> opened;
    auto result = opened.get_future();
    auto thread = start_thread([this, &opened] { run(opened); });
    if (!thread) return tl::unexpected<Error>(thread.error());
    thread_ = std::move(*thread);
    return result.get();
  }

  ~Thread() {
    if (!thread_.joinable()) return;
    if (ring_ != nullptr) post(StopMail{});
    thread_.join();
  }

  void post(Mail mail) {
    const std::lock_guard lock(mutex_);
    mails_.push_back(std::move(mail));
    if (ring_ != nullptr) ring_->wake();  // under the lock: the ring can't go meanwhile
  }

 private:
  void run(std::promise<Status>& opened) {
    ::pthread_setname_np(::pthread_self(), "gallocy-job");
    auto pages =
        Pages::create(settings_.job, settings_.region_size_bytes, core::Config{}.slot_count);
    if (!pages) return opened.set_value(tl::unexpected<Error>(pages.error()));
    auto ring = net::Ring::create();
    if (!ring) return opened.set_value(tl::unexpected<Error>(ring.error()));
    {
      Reactor reactor(**ring, settings_, std::move(*pages), page_, events_, log_);
      ring_ = ring->get();
      opened.set_value(Status{});
      while (deliver(reactor)) reactor.run_once();
    }
    const std::lock_guard lock(mutex_);
    ring_ = nullptr;
  }

  // False: stop.
  bool deliver(Reactor& reactor) {
    std::vector<Mail> mails;
    {
      const std::lock_guard lock(mutex_);
      mails.swap(mails_);
    }
    for (Mail& mail : mails) {
      if (std::holds_alternative<StopMail>(mail)) return false;
      std::visit([&](auto& what) { read(reactor, what); }, mail);
    }
    return true;
  }

  static void read(Reactor& reactor, PeerMail& mail) {
    reactor.add_peer(mail.peer, mail.kind, std::move(mail.connection));
  }
  static void read(Reactor& reactor, ClientMail& mail) {
    reactor.add_client(std::move(mail.socket), mail.hello);
  }
  static void read(Reactor& reactor, StartMail&) { reactor.start_ranks(); }
  static void read(Reactor& reactor, StatisticsMail&) { reactor.request_statistics(); }
  static void read(Reactor& reactor, EndMail& mail) { reactor.end(mail.status); }
  static void read(Reactor& reactor, DumpMail&) { reactor.dump(); }
  static void read(Reactor&, StopMail&) {}

  JobSettings settings_;
  StatsPage page_;
  JobEvents& events_;
  Log& log_;
  std::mutex mutex_;
  std::vector<Mail> mails_;
  net::Ring* ring_ = nullptr;
  std::thread thread_;
};

Job::Job(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}
Job::~Job() = default;

Result<std::unique_ptr<Job>> Job::start(const JobSettings& settings, JobEvents& events, Log& log) {
  auto page = StatsPage::create(raw(settings.job), settings.owner);
  if (!page) return tl::unexpected<Error>(page.error());
  auto thread = std::make_unique<Thread>(settings, std::move(*page), events, log);
  if (auto status = thread->start(); !status) return tl::unexpected<Error>(status.error());
  return std::unique_ptr<Job>(new Job(std::move(thread)));
}

void Job::add_peer(NodeId peer, wire::ConnectionKind kind, net::Detached connection) {
  thread_->post(PeerMail{peer, kind, std::move(connection)});
}
void Job::add_client(UniqueFd socket, const ipc::ClientHello& hello) {
  thread_->post(ClientMail{std::move(socket), hello});
}
void Job::start_ranks() { thread_->post(StartMail{}); }
void Job::request_statistics() { thread_->post(StatisticsMail{}); }
void Job::end(std::int32_t status) { thread_->post(EndMail{status}); }
int Job::statistics_fd() const { return thread_->statistics_fd(); }
void Job::dump() { thread_->post(DumpMail{}); }

}  // namespace gallocy::daemon
