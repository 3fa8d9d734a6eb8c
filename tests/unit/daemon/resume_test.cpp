// What becomes of links and of jobs' connections when their streams break.
#include "stranger.hpp"

using namespace gallocy;
using namespace gallocy::daemon;
using namespace gallocy::daemon::test;

namespace {

wire::Hello hello_of_session(std::uint64_t session) {
  wire::Hello hello = hello_of_node(5);
  hello.session = session;
  return hello;
}

struct Met {
  UniqueFd fd;
  wire::HelloReply reply;
};

Met meet(const Daemon& daemon, const wire::Hello& hello) {
  UniqueFd fd = dial(daemon);
  send_frame(fd.get(), hello);
  const wire::HelloReply reply = reply_from(fd.get());
  return {std::move(fd), reply};
}

// What the daemon that listens says it has, in the first frame after its reply.
std::uint64_t greeting_from(int fd) {
  std::byte bytes[net::frame_header_bytes];
  pollfd entry{fd, POLLIN, 0};
  REQUIRE(::poll(&entry, 1, patience_ms) == 1);
  REQUIRE(::recv(fd, bytes, sizeof bytes, MSG_WAITALL) == sizeof bytes);
  const auto header = net::decode_header(bytes);
  REQUIRE(header);
  CHECK(header->sequence == 0);
  return header->ack;
}

void send_greeting(int fd, std::uint64_t last_received) {
  std::byte bytes[net::frame_header_bytes];
  net::encode_header({0, 0, 0, last_received}, bytes);
  send_bytes(fd, bytes);
}

std::size_t count_of(const std::string& log, std::string_view part) {
  std::size_t count = 0;
  for (auto at = log.find(part); at != std::string::npos; at = log.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a link goes on over another stream, and its numbers with it") {
  Cluster cluster(1);
  {
    const Met first = meet(cluster[0], hello_of_session(1));
    CHECK(first.reply.accepted);
    CHECK(!first.reply.goes_on);
    send_greeting(first.fd.get(), 0);
    CHECK(greeting_from(first.fd.get()) == 0);
    send_frame(first.fd.get(), wire::JobReady{JobId{77}});  // of no job: dropped
  }
  CHECK(cluster[0].logs("the link to node 5 at 127.0.0.1"));
  const Met second = meet(cluster[0], hello_of_session(1));
  CHECK(second.reply.goes_on);
  CHECK(greeting_from(second.fd.get()) == 1);
  send_greeting(second.fd.get(), 0);

  // Also where the listener has not noticed the end of the last one.
  const Met third = meet(cluster[0], hello_of_session(1));
  CHECK(third.reply.goes_on);
  CHECK(greeting_from(third.fd.get()) == 1);
  CHECK(closed_by_peer(second.fd.get()));
  CHECK(count_of(cluster[0].log(), "has gone") == 0);
  CHECK(count_of(cluster[0].log(), "linked to node 5") == 1);
}

TEST_CASE("a link that the dialler has given up begins anew") {
  Cluster cluster(1);
  const Met first = meet(cluster[0], hello_of_session(1));
  const Met second = meet(cluster[0], hello_of_session(2));
  CHECK(second.reply.accepted);
  CHECK(!second.reply.goes_on);
  CHECK(greeting_from(second.fd.get()) == 0);
  CHECK(closed_by_peer(first.fd.get()));
  CHECK(cluster[0].logs("has given up the link"));
  CHECK(cluster[0].logs("linked to node 5"));
}

TEST_CASE("another incarnation is another daemon: refused while the first stands, else a death") {
  Cluster cluster(1);
  Met first = meet(cluster[0], hello_of_session(1));
  wire::Hello other = hello_of_session(1);
  other.incarnation = Incarnation{0x5ec0d};
  CHECK(contains(refusal_of(cluster[0], other), "is taken by the daemon at"));
  first.fd.reset();
  CHECK(cluster[0].logs("broke"));
  const Met second = meet(cluster[0], other);
  CHECK(second.reply.accepted);
  CHECK(!second.reply.goes_on);
  CHECK(cluster[0].logs("node 5 has gone (127.0.0.1"));
  CHECK(cluster[0].logs("its daemon was started anew"));
}

TEST_CASE("numbers on a link that make no sense end it at once") {
  Cluster cluster(1);
  {
    const Met first = meet(cluster[0], hello_of_session(1));
    send_greeting(first.fd.get(), 0);
    send_frame(first.fd.get(), wire::JobReady{JobId{77}});
    CHECK(greeting_from(first.fd.get()) == 0);
  }
  const Met second = meet(cluster[0], hello_of_session(1));
  CHECK(second.reply.goes_on);
  send_greeting(second.fd.get(), 1'000'000);
  CHECK(closed_by_peer(second.fd.get()));
  CHECK(cluster[0].logs("acknowledged frame 1000000"));
}

TEST_CASE("a peer that does not come back is gone, with its name and the time") {
  Cluster cluster(1);
  meet(cluster[0], hello_of_session(1)).fd.reset();
  CHECK(cluster[0].logs("node 5 has gone (127.0.0.1"));
  CHECK(cluster[0].logs("did not come back within 1 s"));
}

TEST_CASE("a connection of a job that broke gets another stream from the control thread") {
  Cluster cluster(2);
  const Launched launched(cluster);
  const auto streams = [&](unsigned node, std::size_t count) {
    return FakeJobs::all().wait(launched.job, node, [&](const FakeRecord& record) {
      return record.connections.size() == count &&
             record.kinds.back() == wire::ConnectionKind::job_bulk;
    });
  };
  const auto break_it = [&](unsigned node) {
    FakeJobs::all().events(launched.job, node).connection_broken(
        JobId{launched.job}, NodeId{static_cast<std::uint8_t>(1 - node)},
        wire::ConnectionKind::job_bulk);
  };
  break_it(0);  // it waits to be dialled
  break_it(1);
  CHECK(streams(0, 3));
  CHECK(streams(1, 3));
  break_it(1);
  CHECK(streams(0, 4));
  CHECK(streams(1, 4));
  const Launched next(cluster);  // all goes on
}

TEST_CASE("a daemon that was started anew at the same address is another: jobs end at once") {
  Folder folder;
  Options options = options_of(folder.file(0), 0, {});
  options.peer_timeout_us = 3600'000'000;
  auto first = std::make_unique<Daemon>(options);
  Options dialling = options_of(folder.file(1), 1, {first->port()});
  dialling.peer_timeout_us = options.peer_timeout_us;
  Daemon second(dialling);
  const std::uint64_t job = new_job();
  Program creator(*first), watcher(second);
  creator.send(create_of(job, 2));
  watcher.send(watch_of(job));
  REQUIRE(watcher.receive<ipc::JobReady>());
  options.listen = *net::parse_endpoint("127.0.0.1:" + std::to_string(first->port()));
  first.reset();
  Daemon anew(options);
  REQUIRE(anew.port() != 0);
  const auto failed = watcher.receive<ipc::JobFailed>();
  REQUIRE(failed);
  CHECK(contains(failed->sentence, "node 0 has gone (127.0.0.1"));
  CHECK(contains(failed->sentence, "its daemon was started anew"));
}
