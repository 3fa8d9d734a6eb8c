#include "wire/codec.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "hostile.hpp"
#include "messages.hpp"

using namespace gallocy;
using namespace gallocy::wire;
using namespace gallocy::wire::test;

namespace {

constexpr JobId job{0x0123456789abcdef};

// The codec writes zeros where nothing is, so equal messages are equal bytes, and every field
// that the decoder forgot or mixed up shows.
bool comes_back(const core::Message& message) {
  Buffer first, second;
  const auto bytes = encode(job, message, first);
  const Result<Decoded> decoded = decode(Aligned(bytes).bytes());
  if (!decoded) FAIL(decoded.error().sentence.c_str());
  const auto again = encode(decoded->job, decoded->message, second);
  return decoded->job == job && decoded->message.body.index() == message.body.index() &&
         std::ranges::equal(bytes, again);
}

bool refused(const core::Body& body) {
  Buffer buffer;
  const auto decoded = decode(encode(job, message_with(body), buffer));
  return !decoded && decoded.error().code == EPROTO;
}

bool refused(const core::Transaction& transaction) {
  core::Message message = message_with(core::Done{});
  message.transaction = transaction;
  Buffer buffer;
  return !decode(encode(job, message, buffer));
}

}  // namespace

TEST_CASE("every message comes back as it was") {
  std::set<std::size_t> kinds;
  std::set<std::vector<std::byte>> encodings;
  for (const core::Body& body : every_body()) {
    CAPTURE(body.index());
    CHECK(comes_back(message_with(body)));
    kinds.insert(body.index());
    Buffer buffer;
    const auto bytes = encode(job, message_with(body), buffer);
    encodings.emplace(bytes.begin(), bytes.end());
  }
  CHECK(kinds.size() == std::variant_size_v<core::Body>);
  CHECK(encodings.size() == every_body().size());  // no two look the same
}

TEST_CASE("fields arrive where they belong") {
  Buffer buffer;
  const core::Message sent =
      message_with(core::Recall{core::Access::write, PageNo{11}, NodeId{12}, Version{13}, 14, 15});
  const auto got = decode(encode(job, sent, buffer));
  REQUIRE(got);
  CHECK(got->message.epoch == sent.epoch);
  CHECK(got->message.lease_ms == 1500);
  CHECK((got->message.transaction == sent.transaction));
  const auto& recall = std::get<core::Recall>(got->message.body);
  CHECK(recall.access == core::Access::write);
  CHECK(raw(recall.page) == 11);
  CHECK(raw(recall.requester) == 12);
  CHECK(raw(recall.version) == 13);
  CHECK(recall.acks_expected == 14);
  CHECK(recall.since_us == 15);
}

TEST_CASE("a message outside any transaction is one") {
  core::Message message = message_with(core::BlocksFreed{{1}});
  message.transaction = {};
  CHECK(comes_back(message));
}

TEST_CASE("only page data and what is written back has bytes beside it") {
  for (const core::Body& body : every_body()) {
    const auto* const writeback = std::get_if<core::Writeback>(&body);
    const bool bytes = writeback != nullptr ? writeback->bytes
                                            : std::holds_alternative<core::PageData>(body) ||
                                                  std::holds_alternative<core::PrefetchData>(body);
    CHECK(payload_bytes(message_with(body)) == (bytes ? page_bytes : 0));
  }
}

TEST_CASE("numbers out of range are refused") {
  const PageNo far{std::uint64_t{1} << 41};
  const ThreadId good{1}, none{}, foreign{std::uint64_t{64} << 48 | 1};
  CHECK(refused(core::Done{far}));
  CHECK(refused(core::PageRequest{core::RequestKind::read, far, 0}));
  CHECK(refused(core::PageRequest{core::RequestKind::read, {}, std::uint64_t{1} << 56}));
  CHECK(refused(core::PageRequest{core::RequestKind{3}, {}, 0}));
  CHECK(refused(core::Recall{core::Access::read, {}, NodeId{64}, {}, 0, 0}));
  CHECK(refused(core::Recall{core::Access::read, {}, no_node, {}, 0, 0}));
  CHECK(refused(core::Recall{core::Access::read, {}, NodeId{1}, {}, 64, 0}));
  CHECK(refused(core::Invalidate{{}, NodeId{200}, 0}));
  CHECK(refused(core::PageData{{}, {}, core::Access::read, 64}));
  CHECK(refused(core::ChunkGrant{ChunkNo{0xffffffff}, 2}));
  CHECK(refused(core::Loan{ChunkNo{0xffffffff}, 2}));
  CHECK(refused(core::Loan{{}, 0, {0, std::uint64_t{1} << 56, 0}}));
  CHECK(refused(core::ChunkReturn{ChunkNo{0xffffffff}, 2}));
  CHECK(refused(core::ChunkHome{{}, NodeId{64}}));
  CHECK(refused(core::SyncRequest{0, none, {}, {}}));
  CHECK(refused(core::SyncRequest{0, good, SyncOperation{10}, {}}));
  CHECK(refused(core::SyncRequest{0, good, {}, SyncKind{13}}));
  CHECK(refused(core::SyncReply{-1}));
  CHECK(refused(core::SyncReply{4096}));
  CHECK(refused(core::BlocksFreed{}));
  CHECK(refused(core::BlocksFreed{std::vector<std::uint64_t>(core::max_freed_blocks + 1, 1)}));
  CHECK(refused(core::ThreadStart{foreign, 0, 0}));
  CHECK(refused(core::ThreadJoin{good, none}));
  CHECK(refused(core::Writeback{far, {}, false}));
  CHECK(refused(core::WritebackAck{far, {}}));
  CHECK(refused(core::WritebackAck{{}, core::WritebackOutcome{3}}));
  CHECK(refused(core::Denial{far, 1}));
  CHECK(refused(core::PrefetchRequest{far, 1}));
  CHECK(refused(core::PrefetchAnswer{far, 1}));
  CHECK(refused(core::PrefetchData{far, {}}));
  CHECK(refused(core::Transaction{NodeId{64}, 1}));
  CHECK(refused(core::Transaction{NodeId{1}, std::uint64_t{1} << 48}));
  CHECK(refused(core::Transaction{no_node, 1}));
}

TEST_CASE("a cut message is refused, wherever it is cut") {
  for (const core::Body& body : every_body()) {
    Buffer buffer;
    const auto whole = encode(job, message_with(body), buffer);
    CHECK(count_refused_truncations(whole, decode) == whole.size());
  }
}

TEST_CASE("zeros and random bytes mean nothing") {
  std::mt19937_64 random(1);
  for (std::size_t size = 0; size <= 64; ++size) {
    std::vector<std::byte> zeros(8 * size);
    CHECK(!decode(Aligned(zeros).bytes()));
    for (std::byte& byte : zeros) byte = std::byte(random());
    const auto decoded = decode(Aligned(zeros).bytes());
    if (!decoded) CHECK(decoded.error().code == EPROTO);
  }
}

TEST_CASE("a mutated message is an error or another valid message, never a crash") {
  std::mt19937_64 random(2);
  const auto bodies = every_body();
  unsigned refused_count = 0;
  for (unsigned i = 0; i < 10'000; ++i) {
    Buffer buffer;
    Aligned bytes(encode(job, message_with(bodies[random() % bodies.size()]), buffer));
    mutate(bytes.bytes(), random);
    const auto decoded = decode(bytes.bytes());
    if (!decoded) {
      ++refused_count;
      CHECK(decoded.error().code == EPROTO);
      continue;
    }
    // What is let through is in range: it survives the trip itself.
    CHECK(comes_back(decoded->message));
  }
  CHECK(refused_count > 1000);
}
