#include "wire/link.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "hostile.hpp"

using namespace gallocy;
using namespace gallocy::wire;
using namespace gallocy::wire::test;

namespace {

Hello a_hello() {
  return {link_version, 3, Epoch{4}, NodeId{63}, Incarnation{0xfedcba9876543210},
          ConnectionKind::job_control, JobId{77}, 9};
}

JobOpen an_open(std::uint64_t region_size_bytes, const std::vector<NodeId>& nodes) {
  JobOpen open;
  open.job = JobId{1};
  open.uid = 0xfffffffe;
  open.region_size_bytes = region_size_bytes;
  open.rank_nodes = nodes;
  open.memory_bytes = 64 << 20;
  for (const NodeId node : nodes) open.rank_cpus.push_back(raw(node) + 1);
  open.placement = PlacementPolicy::round_robin;
  open.every_rank_runs_main = true;
  return open;
}

std::vector<LinkMessage> every_message() {
  std::vector<NodeId> nodes;
  for (unsigned rank = 0; rank < max_rank_nodes; ++rank)
    nodes.push_back(NodeId{static_cast<std::uint8_t>(rank)});
  const Sentence longest{std::string(400, 'x').c_str()};
  Hello plain = a_hello();
  plain.kind = ConnectionKind::link;
  return {a_hello(), plain,
          HelloReply{link_version, 1, Epoch{2}, NodeId{5}, Incarnation{6}, true, true, Sentence{}},
          HelloReply{link_version, 1, Epoch{2}, NodeId{5}, Incarnation{6}, false, false, longest},
          an_open(64 * chunk_bytes, nodes), an_open(chunk_bytes, {NodeId{2}}),
          JobReady{JobId{3}}, JobFailed{JobId{4}, longest}, JobEnd{JobId{5}, 255}};
}

bool comes_back(const LinkMessage& message) {
  Buffer first, second;
  const auto bytes = encode(message, first);
  const auto decoded = decode_link(Aligned(bytes).bytes());
  if (!decoded) FAIL(decoded.error().sentence.c_str());
  return decoded->index() == message.index() &&
         std::ranges::equal(bytes, encode(*decoded, second));
}

bool refused(const LinkMessage& message) {
  Buffer buffer;
  const auto decoded = decode_link(encode(message, buffer));
  return !decoded && decoded.error().code == EPROTO;
}

template <class Change>
bool refused_hello(Change change) {
  Hello hello = a_hello();
  change(hello);
  return refused(hello);
}

}  // namespace

TEST_CASE("every link message comes back as it was") {
  for (const LinkMessage& message : every_message()) CHECK(comes_back(message));
}

TEST_CASE("a hello of another version is read far enough to be refused") {
  Hello hello = a_hello();
  hello.version = link_version + 1;
  hello.node = NodeId{200};  // whatever a later version means by it
  Buffer buffer;
  const auto decoded = decode_link(encode(hello, buffer));
  REQUIRE(decoded);
  CHECK(std::get<Hello>(*decoded).version == link_version + 1);
}

TEST_CASE("a wrong magic number is refused") {
  Buffer buffer;
  Aligned bytes(encode(a_hello(), buffer));
  unsigned changed = 0;
  for (std::size_t at = 0; at + 4 <= bytes.bytes().size(); at += 4) {
    if (std::memcmp(bytes.bytes().data() + at, &link_magic, 4) != 0) continue;
    bytes.bytes()[at] ^= std::byte{1};
    ++changed;
  }
  CHECK(changed == 1);
  CHECK(!decode_link(bytes.bytes()));
}

TEST_CASE("link numbers out of range are refused") {
  CHECK(refused_hello([](Hello& hello) { hello.node = NodeId{64}; }));
  CHECK(refused_hello([](Hello& hello) { hello.kind = ConnectionKind{3}; }));
  CHECK(refused(an_open(chunk_bytes - 1, {NodeId{}})));
  CHECK(refused(an_open(0, {NodeId{}})));
  CHECK(refused(an_open(chunk_bytes, {})));
  CHECK(refused(an_open(chunk_bytes, {NodeId{64}})));
  CHECK(refused(an_open(chunk_bytes, std::vector(65, NodeId{}))));
  JobOpen open = an_open(chunk_bytes, {NodeId{}});
  open.rank_cpus.clear();
  CHECK(refused(open));
  open = an_open(chunk_bytes, {NodeId{}});
  open.placement = PlacementPolicy{3};
  CHECK(refused(open));
  CHECK(refused(JobEnd{JobId{1}, 256}));
  CHECK(refused(JobEnd{JobId{1}, -1}));
}

TEST_CASE("a peer's sentence cannot write to a terminal") {
  Buffer buffer;
  const auto decoded =
      decode_link(encode(JobFailed{JobId{1}, Sentence{"a\x1b[2J\nb"}}, buffer));
  REQUIRE(decoded);
  CHECK(std::get<JobFailed>(*decoded).sentence.view() == "a?[2J?b");
}

TEST_CASE("a cut link message is refused") {
  for (const LinkMessage& message : every_message()) {
    Buffer buffer;
    const auto whole = encode(message, buffer);
    CHECK(count_refused_truncations(whole, decode_link) == whole.size());
  }
}

TEST_CASE("a mutated link message is an error or a valid message, never a crash") {
  std::mt19937_64 random(3);
  const auto messages = every_message();
  for (unsigned i = 0; i < 10'000; ++i) {
    Buffer buffer;
    Aligned bytes(encode(messages[random() % messages.size()], buffer));
    mutate(bytes.bytes(), random);
    const auto decoded = decode_link(bytes.bytes());
    if (!decoded) CHECK(decoded.error().code == EPROTO);
  }
}
