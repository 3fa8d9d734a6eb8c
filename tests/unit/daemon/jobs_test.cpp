#include "support.hpp"

using namespace gallocy;
using namespace gallocy::daemon;
using namespace gallocy::daemon::test;

namespace {

bool ended_with(std::uint64_t job, unsigned node, std::int32_t status) {
  return FakeJobs::all().wait(job, node, [&](const FakeRecord& record) {
    return record.end_status == status && record.destroyed;
  });
}

std::string failure_at(Program& launcher) {
  const auto failed = launcher.receive<ipc::JobFailed>();
  return failed ? failed->sentence : std::string(failed.error().sentence.view());
}

std::string refusal_of_client(Daemon& daemon, std::uint64_t job, unsigned rank) {
  Program client(daemon);
  client.send(hello_of(job, rank));
  const auto welcome = client.receive<ipc::ClientWelcome>();
  return welcome ? "welcome" : std::string(welcome.error().sentence.view());
}

}  // namespace

TEST_CASE("a job lives on three nodes from its creation to its end") {
  Cluster cluster(3);
  Launched launched(cluster);
  for (unsigned node = 0; node < 3; ++node)
    CHECK(FakeJobs::all().wait(launched.job, node, [&](const FakeRecord& record) {
      return record.peers.size() == 2 && !record.peers.contains(node) &&
             record.settings.nodes.count() == 3 && record.settings.rank_nodes.size() == 3 &&
             record.settings.region_size_bytes == 64 * chunk_bytes &&
             record.settings.owner == ::getuid();
    }));

  Program client(cluster[1]);
  client.send(hello_of(launched.job, 1));
  UniqueFd descriptors[ipc::rank_fd_count];
  const auto attached = launched.sessions[1].receive<ipc::RankAttached>(descriptors);
  REQUIRE(attached);
  CHECK(attached->rank == 1);

  ipc::JobStart start;
  start.job = launched.job;
  for (Program& session : launched.sessions) session.send(start);
  for (unsigned node = 0; node < 3; ++node)
    CHECK(FakeJobs::all().wait(launched.job, node,
                               [](const FakeRecord& record) { return record.started; }));

  ipc::JobStatisticsRequest request;
  request.job = launched.job;
  launched.sessions[2].send(request);
  const auto statistics = launched.sessions[2].receive<ipc::JobStatistics>();
  REQUIRE(statistics);
  CHECK(statistics->node == 2);
  CHECK(statistics->peer_bytes_in == 4711);

  FakeJobs::all().events(launched.job, 1).rank_gone(JobId{launched.job}, 1);
  const auto gone = launched.sessions[1].receive<ipc::RankGone>();
  REQUIRE(gone);
  CHECK(gone->rank == 1);

  ipc::JobEnd end;
  end.job = launched.job;
  for (Program& session : launched.sessions) session.send(end);
  for (unsigned node = 0; node < 3; ++node) {
    CHECK(ended_with(launched.job, node, 0));
    const auto over = launched.sessions[node].receive<ipc::JobOver>();
    REQUIRE(over);
    CHECK(over->job == launched.job);
    bool destroyed = false;
    FakeJobs::all().change(JobId{launched.job}, NodeId{static_cast<std::uint8_t>(node)},
                           [&](const FakeRecord& record) { destroyed = record.destroyed; });
    CHECK(destroyed);
  }
}

TEST_CASE("whoever ends a job that never began or is over hears that it is over") {
  Cluster cluster(1);
  ipc::JobEnd end;
  Program watcher(cluster[0]);
  end.job = new_job();
  watcher.send(watch_of(end.job));
  watcher.send(end);
  CHECK(watcher.receive<ipc::JobOver>());
  Program creator(cluster[0]);
  creator.send(create_of(end.job, 2));  // there is no link to node 1
  creator.send(end);
  CHECK(creator.receive<ipc::JobOver>());
  Launched launched(cluster);
  end.job = launched.job;
  launched.sessions[0].send(end);
  CHECK(launched.sessions[0].receive<ipc::JobOver>());
  launched.sessions[0].send(end);
  CHECK(launched.sessions[0].receive<ipc::JobOver>());
}

TEST_CASE("the connections of a job carry frames from one job to the other") {
  Cluster cluster(2);
  Launched launched(cluster);
  const auto of_node = [&](unsigned node) {
    net::Detached stream;
    FakeJobs::all().change(JobId{launched.job}, NodeId{static_cast<std::uint8_t>(node)},
                           [&](FakeRecord& record) {
                             for (std::size_t i = 0; i < record.kinds.size(); ++i)
                               if (record.kinds[i] == wire::ConnectionKind::job_control)
                                 stream = std::move(record.connections[i]);
                           });
    return stream;
  };
  auto ring = net::Ring::create();
  REQUIRE(ring);
  std::uint64_t sequence = 0;
  {
    net::Connection a(**ring, 10'000'000, {[](const auto&) {}, [](const Error&) {}, {}});
    net::Connection b(**ring, 10'000'000,
                      {[&](const net::FrameView& frame) { sequence = frame.sequence; },
                       [](const Error&) {}, {}});
    a.take_up(of_node(0));
    b.take_up(of_node(1));
    const std::byte word[8] = {};
    CHECK(a.send(word) == 1);
    const std::uint64_t deadline = net::now_us() + 10'000'000;
    while (sequence == 0 && net::now_us() < deadline) REQUIRE((*ring)->run_once(deadline));
  }
  CHECK(sequence == 1);
}

TEST_CASE("a client is refused for a wrong job, rank or node, and for coming twice") {
  Cluster cluster(2);
  Launched launched(cluster);
  CHECK(contains(refusal_of_client(cluster[0], 999, 0), "there is no job"));
  CHECK(contains(refusal_of_client(cluster[0], launched.job, 1), "belongs to node 1"));
  CHECK(contains(refusal_of_client(cluster[0], launched.job, 2), "no rank 2"));
  CHECK(contains(refusal_of_client(cluster[0], launched.job, 0xffffffff), "no rank"));
  Program client(cluster[0]);
  client.send(hello_of(launched.job, 0));
  CHECK(FakeJobs::all().wait(launched.job, 0,
                             [](const FakeRecord& record) { return record.ranks.contains(0); }));
  CHECK(contains(refusal_of_client(cluster[0], launched.job, 0), "attached already"));
}

TEST_CASE("a job's launcher that dies ends it everywhere") {
  Cluster cluster(2);
  Launched launched(cluster);
  launched.sessions[0].fd.reset();
  CHECK(ended_with(launched.job, 0, 70));
  CHECK(ended_with(launched.job, 1, 70));
  Launched next(cluster);
  next.sessions[1].fd.reset();
  CHECK(ended_with(next.job, 0, 70));
  CHECK(ended_with(next.job, 1, 70));
}

TEST_CASE("a failure on one node is told to the launcher at every node") {
  Cluster cluster(3);
  Launched launched(cluster), other(cluster);
  FakeJobs::all().events(launched.job, 1).job_failed(JobId{launched.job}, Sentence("boom"));
  for (unsigned node = 0; node < 3; ++node) {
    CHECK(failure_at(launched.sessions[node]) == "boom");
    CHECK(ended_with(launched.job, node, 70));
  }
  // The other job goes on.
  ipc::JobStatisticsRequest request;
  request.job = other.job;
  other.sessions[1].send(request);
  CHECK(other.sessions[1].receive<ipc::JobStatistics>());
}

TEST_CASE("a daemon that goes away fails the jobs that it takes part in, by name") {
  Cluster cluster(3);
  Launched launched(cluster);
  Program alone(cluster[0]);
  const std::uint64_t single = new_job();
  alone.send(create_of(single, 1));
  REQUIRE(alone.receive<ipc::JobReady>());
  cluster[1].stop();
  for (const unsigned node : {0, 2}) {
    const std::string why = failure_at(launched.sessions[node]);
    CAPTURE(why);
    CHECK(contains(why, "node 1 has gone (127.0.0.1:"));
    CHECK(ended_with(launched.job, node, 70));
  }
  CHECK(launched.sessions[1].at_end());
  ipc::JobStart start;
  start.job = single;
  alone.send(start);
  CHECK(FakeJobs::all().wait(single, 0,
                             [](const FakeRecord& record) { return record.started; }));
}

TEST_CASE("a job waits for a daemon that is still to come") {
  Folder folder;
  Daemon first(options_of(folder.file(0), 0, {}));
  Program launcher(first);
  const std::uint64_t job = new_job();
  launcher.send(create_of(job, 2));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Daemon second(options_of(folder.file(1), 1, {first.port()}));
  CHECK(launcher.receive<ipc::JobReady>());
}

TEST_CASE("a job on a node that never comes is refused, and so is watching a job that never is") {
  Cluster cluster(1);
  Program launcher(cluster[0]), watcher(cluster[0]);
  launcher.send(create_of(new_job(), 2));
  watcher.send(watch_of(4));
  CHECK(contains(launcher.refusal(), "node 1 has no link to node 0"));
  CHECK(contains(watcher.refusal(), "was not created"));
}

TEST_CASE("creations that make no sense are refused") {
  Cluster cluster(1);
  const auto refusal = [&](auto change) {
    ipc::JobCreate create = create_of(new_job(), 1);
    change(create);
    Program launcher(cluster[0]);
    launcher.send(create);
    return launcher.refusal();
  };
  CHECK(contains(refusal([](auto& create) { create.job = 0; }), "job id"));
  CHECK(contains(refusal([](auto& create) { create.rank_count = 65; }), "65 ranks"));
  CHECK(contains(refusal([](auto& create) { create.rank_count = 0; }), "0 ranks"));
  CHECK(contains(refusal([](auto& create) { create.node_count = 2; }), "2 nodes"));
  CHECK(contains(refusal([](auto& create) { create.node_count = 0; }), "0 nodes"));
  CHECK(contains(refusal([](auto& create) { create.nodes[0] = 64; }), "node id"));
  CHECK(contains(refusal([](auto& create) { create.nodes[0] = 1; }), "node of rank 0"));
  CHECK(contains(refusal([](auto& create) { ++create.region_size_bytes; }), "region"));
  CHECK(contains(refusal([](auto& create) { create.region_size_bytes = 1ull << 60; }), "region"));
  Launched launched(cluster);
  CHECK(contains(refusal([&](auto& create) { create.job = launched.job; }), "exists already"));
}

TEST_CASE("a job that does not start is refused with its own sentence") {
  Cluster cluster(1);
  FakeJobs::all().refuse_start = true;
  Program launcher(cluster[0]);
  launcher.send(create_of(new_job(), 1));
  CHECK(contains(launcher.refusal(), "the fake job does not start"));
  FakeJobs::all().refuse_start = false;
}
