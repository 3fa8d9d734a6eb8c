// Peers and programs that are confused, too many, silent or malicious.
#include <sys/stat.h>
#include <sys/syscall.h>

#include <random>

#include "stranger.hpp"

using namespace gallocy;
using namespace gallocy::daemon;
using namespace gallocy::daemon::test;

namespace {

constexpr uid_t nobody = 65534, stranger_uid = 12345;
constexpr std::size_t newcomer_share = Sessions::max_newcomer_count / Sessions::shares;

// The credentials of a connection are those of the thread that makes it.
template <class Work>
void as_uid(uid_t uid, Work work) {
  std::thread([&] {
    REQUIRE(::syscall(SYS_setresuid, uid, uid, uid) == 0);
    work();
  }).join();
}

// A daemon that serves this one besides root.
class OpenToNobody {
 public:
  OpenToNobody() {
    ::chmod(folder_.file(0).substr(0, folder_.file(0).rfind('/')).c_str(), 0711);
    Options options = options_of(folder_.file(0), 0, {});
    options.allowed_uids = {nobody};
    daemon_.emplace(options);
  }
  const Daemon& daemon() const { return *daemon_; }

 private:
  Folder folder_;
  std::optional<Daemon> daemon_;
};

void still_serves(Cluster& cluster) { const Launched launched(cluster); }

}  // namespace

TEST_CASE("random bytes over TCP cost their sender the connection and nobody else anything") {
  Cluster cluster(2);
  std::mt19937_64 random(1);
  for (int i = 0; i < 30; ++i) {
    const UniqueFd fd = dial(cluster[0]);
    std::vector<std::byte> bytes(32 + random() % 4000);
    for (std::byte& byte : bytes) byte = std::byte(random());
    send_bytes(fd.get(), bytes);
    CHECK(closed_by_peer(fd.get()));
  }
  CHECK(cluster[0].logs("is dropped"));
  still_serves(cluster);
}

TEST_CASE("a first frame that is no hello, and frames after it, are refused") {
  Cluster cluster(2);
  const UniqueFd fd = dial(cluster[0]);
  send_frame(fd.get(), wire::JobReady{JobId{1}});
  CHECK(closed_by_peer(fd.get()));
  CHECK(cluster[0].logs("no hello"));
  still_serves(cluster);
}

TEST_CASE("hellos that must be refused are, with a sentence") {
  Cluster cluster(3);
  still_serves(cluster);  // by now the links stand
  wire::Hello old = hello_of_node(9);
  old.version = 7;
  CHECK(contains(refusal_of(cluster[0], old), "version 7"));
  CHECK(contains(refusal_of(cluster[0], hello_of_node(0)), "this daemon's own"));
  CHECK(contains(refusal_of(cluster[1], hello_of_node(0)), "the higher id dials"));
  CHECK(contains(refusal_of(cluster[0], hello_of_node(2)), "is taken by the daemon at 127.0.0.1"));
  wire::Hello job = hello_of_node(2);
  job.kind = wire::ConnectionKind::job_control;
  CHECK(contains(refusal_of(cluster[0], job), "has no link"));
  CHECK(refusal_of(cluster[0], hello_of_node(9)) == "accepted");
  still_serves(cluster);
}

TEST_CASE("a daemon with the id of another is refused, and says so once") {
  Folder folder;
  Cluster cluster(2);
  still_serves(cluster);
  Daemon twin(options_of(folder.file(0), 1, {cluster[0].port()}));
  CHECK(twin.logs("node id 1 is taken"));
  CHECK(cluster[0].logs("node id 1 is taken"));
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // it dials on
  const std::string log = cluster[0].log();
  CHECK(log.find("is taken") == log.rfind("is taken"));
  still_serves(cluster);
}

TEST_CASE("an early connection waits for its job, and is refused when none comes") {
  Cluster cluster(1);
  const UniqueFd link = dial(cluster[0]);
  send_frame(link.get(), hello_of_node(5));
  CHECK(reply_from(link.get()).accepted);
  wire::Hello early = hello_of_node(5);
  early.kind = wire::ConnectionKind::job_control;
  early.job = JobId{77};
  CHECK(contains(refusal_of(cluster[0], early), "not opened in time"));
}

TEST_CASE("malformed link messages end the link with a line in the log") {
  Cluster cluster(1);
  const UniqueFd link = dial(cluster[0]);
  send_frame(link.get(), hello_of_node(5));
  CHECK(reply_from(link.get()).accepted);
  const std::vector<std::byte> nonsense(64, std::byte{0xee});
  send_bytes(link.get(), nonsense);
  CHECK(closed_by_peer(link.get()));
  CHECK(cluster[0].logs("node 5 has gone"));
}

TEST_CASE("more connections than the limit are turned away until the silent ones have gone") {
  Cluster cluster(1);
  std::vector<UniqueFd> silent;
  for (unsigned i = 0; i < Reception::max_guest_count + 5; ++i) silent.push_back(dial(cluster[0]));
  CHECK(cluster[0].logs("is turned away"));
  for (const UniqueFd& fd : silent) CHECK(closed_by_peer(fd.get()));
  CHECK(cluster[0].logs("no hello in time"));
}

TEST_CASE("random datagrams cost their sender the session and nobody else anything") {
  Cluster cluster(1);
  std::mt19937_64 random(1);
  for (int i = 0; i < 30; ++i) {
    Program program(cluster[0]);
    std::vector<std::byte> bytes(1 + random() % 8000);
    for (std::byte& byte : bytes) byte = std::byte(random());
    send_bytes(program.fd.get(), bytes);
    CHECK(program.at_end());
  }
  CHECK(cluster[0].logs("does not speak gallocy's protocol"));
  Program wrong(cluster[0]);
  wrong.send(ipc::ClientReady{});
  CHECK(wrong.at_end());
  Launched launched(cluster);
  launched.sessions[0].send(ipc::ClientReady{});
  CHECK(launched.sessions[0].at_end());
  still_serves(cluster);
}

TEST_CASE("descriptors that nobody asked for are closed and their sender dropped") {
  Cluster cluster(1);
  Program program(cluster[0]);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const int given[] = {write_end.get()};
  REQUIRE(ipc::send_message(program.fd.get(), watch_of(1), given, patience_ms));
  CHECK(program.at_end());
  write_end.reset();
  // The daemon's copy was the last.
  pollfd entry{read_end.get(), POLLIN, 0};
  CHECK(::poll(&entry, 1, patience_ms) == 1);
  CHECK((entry.revents & POLLHUP) != 0);
}

TEST_CASE("silent programs are dropped, and too many are turned away") {
  Cluster cluster(1);
  std::vector<Program> silent;
  for (unsigned i = 0; i < newcomer_share; ++i) silent.emplace_back(cluster[0]);
  Program late(cluster[0]);
  CHECK(contains(late.refusal(), "too many connections"));
  for (Program& program : silent) CHECK(contains(program.refusal(), "no first message came"));
  CHECK(cluster[0].logs("no first message came"));
  still_serves(cluster);
}

TEST_CASE("a user who takes all places that he can get leaves places for the others") {
  if (::getuid() != 0) return;
  const OpenToNobody open;
  std::vector<Program> silent;
  std::optional<Program> late;
  as_uid(nobody, [&] {
    for (unsigned i = 0; i < newcomer_share; ++i) silent.emplace_back(open.daemon());
    late.emplace(open.daemon());
  });
  CHECK(contains(late->refusal(), "uid 65534 has too many connections"));
  Program launcher(open.daemon());
  launcher.send(create_of(new_job(), 1));
  CHECK(launcher.receive<ipc::JobReady>());
}

TEST_CASE("who may not use the daemon takes no place and few lines of the log") {
  if (::getuid() != 0) return;
  constexpr unsigned comer_count = 2'000;
  const OpenToNobody open;
  const auto begin = std::chrono::steady_clock::now();
  as_uid(stranger_uid, [&] {
    for (unsigned i = 0; i < comer_count; ++i) {
      Program stranger(open.daemon());
      // What he says may be there when he is turned away, or find nobody who reads it.
      static_cast<void>(ipc::send_message(stranger.fd.get(), ipc::NodeQuery{}, {}, patience_ms));
      if (i % 2 == 0) continue;
      const std::string said = stranger.refusal();
      if (!contains(said, "uid 12345 may not use this daemon")) FAIL(said);
    }
  });
  Program launcher(open.daemon());
  launcher.send(create_of(new_job(), 1));
  CHECK(launcher.receive<ipc::JobReady>());
  CHECK(open.daemon().logs(" more have been turned away"));
  const auto passed = std::chrono::steady_clock::now() - begin;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(passed).count();
  unsigned line_count = 0;
  const std::string log = open.daemon().log();
  for (std::size_t at = 0; (at = log.find("turned away", at + 1)) != log.npos;)
    ++line_count;
  CHECK(line_count <= FewLines::max_per_second * (seconds + 2));
}

TEST_CASE("only users that are allowed create jobs, and only a job's owner attaches to it") {
  if (::getuid() != 0) return;
  const OpenToNobody open;
  const Daemon& daemon = open.daemon();
  struct stat status {};
  REQUIRE(::stat(daemon.socket_path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0666);

  std::optional<Program> launcher, root(daemon);
  const std::uint64_t job = new_job();
  as_uid(nobody, [&] { launcher.emplace(daemon); });
  launcher->send(create_of(job, 1));
  REQUIRE(launcher->receive<ipc::JobReady>());
  root->send(hello_of(job, 0));
  CHECK(contains(root->refusal(), "belongs to uid 65534, not to uid 0"));

  const std::uint64_t job_of_root = new_job();
  root.emplace(daemon);
  root->send(create_of(job_of_root, 1));
  REQUIRE(root->receive<ipc::JobReady>());
  std::optional<Program> watcher;
  as_uid(nobody, [&] { watcher.emplace(daemon); });
  watcher->send(watch_of(job_of_root));
  CHECK(contains(watcher->refusal(), "belongs to uid 0, not to uid 65534"));
}

TEST_CASE("without --allow-uid nobody else gets as far as connecting") {
  if (::getuid() != 0) return;
  Cluster cluster(1);
  struct stat status {};
  REQUIRE(::stat(cluster[0].socket_path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  cluster[0].stop();
}
