// One or more of every core message.
#pragma once

#include <vector>

#include "core/message.hpp"

namespace gallocy::wire::test {

inline std::vector<core::Body> every_body() {
  using namespace core;
  const PageNo page{0x1ff'ffff'ffff};
  const ThreadId thread{(std::uint64_t{63} << 48) | 7};
  std::vector<Body> bodies{
      Recall{Access::write, page, NodeId{63}, Version{0xffffffff}, 63, 12345, 678},
      Recall{Access::read, PageNo{}, NodeId{}, Version{}, 0, 0},
      Invalidate{page, NodeId{5}, 99},
      Hasten{page, NodeId{5}, 98},
      InvalidateAck{page},
      PageData{page, Version{7}, Access::write, 3, 999},
      Grant{page, Version{8}, Access::read, 2, true},
      Grant{page, Version{8}, Access::write, 0, false},
      Done{page},
      Release{page},
      ChunkRequest{16},
      ChunkGrant{ChunkNo{0xffffffff}, 1},
      ChunkGrant{ChunkNo{}, 0},
      ChunkQuery{ChunkNo{12}},
      ChunkHome{ChunkNo{12}, NodeId{63}},
      ChunkHome{ChunkNo{12}, no_node},
      SyncReply{0},
      SyncReply{4095, ~std::uint64_t{0}},
      SyncReply{0, 0, true},
      TokenRecall{0x5500'0000'0040},
      TokenReturn{{0x5500'0000'0040, thread, SyncKind::recursive, 7}},
      TokenReturn{{0x5500'0000'0040, ThreadId{}, SyncKind::normal, 0}},
      Unheld{0x5500'0000'0040, thread},
      ThreadStart{thread, 0x1234, ~std::uint64_t{0}},
      ThreadStart{thread, 0x1234, ~std::uint64_t{0}, true},
      ThreadStarted{thread, 11},
      ThreadExited{thread, 42},
      ThreadJoin{thread, ThreadId{1}},
      ThreadJoined{3, 42},
      BlocksFreed{{0x5500'0000'1000}},
      BlocksFreed{std::vector<std::uint64_t>(max_freed_blocks, ~std::uint64_t{0})},
      GatherFreed{},
      FreedGathered{},
      FreedGathered{true},
      ThreadControl{thread, ThreadOperation::detach},
      ThreadControl{thread, ThreadOperation::cancel},
      ThreadControl{thread, ThreadOperation::withdraw},
      ThreadControlled{22},
      ThreadCancel{thread},
      ThreadCancelled{thread},
      ThreadCountRequest{},
      ThreadCount{~std::uint64_t{0}, 5},
      RootRequest{0},
      RootReply{0x5500'0000'2000},
      ChunkReturn{ChunkNo{0xfffffffe}, 2},
      ChunkReturned{},
      LoanRequest{3, no_chunk},
      LoanRequest{3, ChunkNo{7}, true},
      LoanRequest{3, ChunkNo{7}, false, 700},
      LoanRequest{1, ChunkNo{7}, false, 0, true},
      Loan{ChunkNo{9}, 4},
      Loan{{}, 0, {1, 2, 3}},
      Discard{ChunkNo{0xffffffff}},
      Discarded{ChunkNo{0xffffffff}},
      Writeback{page, Version{7}, true},
      Writeback{page, Version{7}, false},
      WritebackAck{page, WritebackOutcome::accepted},
      WritebackAck{page, WritebackOutcome::busy},
      WritebackAck{page, WritebackOutcome::bytes_needed},
      Denial{page, 16384},
      PrefetchRequest{page, ~std::uint64_t{0}},
      PrefetchAnswer{page, 5},
      PrefetchData{page, Version{7}},
      Report{},
      Report{{{page, Copy::exclusive, Version{7}, {NodeId{63}, 9}, Version{8}},
              {PageNo{}, Copy::shared, Version{}, {}, {}}},
             {{0x5500'0000'0040, thread, SyncKind::writer, 3},
              {0x5500'0000'0044, ThreadId{}, SyncKind::normal, 0, true}},
             {ChunkNo{0xfffffffe}},
             true},
      Report{std::vector<PageReport>(max_reported, {page, Copy::none, Version{1}, {}, {}}),
             std::vector<LockReport>(max_reported, {8, thread, SyncKind::normal, 0}),
             std::vector<ChunkNo>(max_reported, ChunkNo{5}), false},
      Rebuilt{{}, true},
      Rebuilt{std::vector<PageNo>(max_reported, page), false},
      Lost{page, NodeId{63}, Epoch{~std::uint64_t{0}}},
      SlotWanted{page, NodeId{5}, 97}};
  for (const auto kind : {RequestKind::read, RequestKind::write, RequestKind::upgrade})
    bodies.push_back(PageRequest{kind, page, 17});
  for (unsigned operation = 0; operation <= unsigned(SyncOperation::abandon); ++operation)
    for (unsigned kind = 0; kind <= unsigned(last_sync_kind); ++kind)
      bodies.push_back(SyncRequest{0x5500'0000'0040, thread, SyncOperation(operation),
                                   SyncKind(kind), std::uint64_t{1} << 63 | kind, 1u << 31 | kind,
                                   kind == 0});
  return bodies;
}

inline core::Message message_with(const core::Body& body) {
  return {Epoch{0xfedcba9876543210}, 1500, {NodeId{63}, 0xffff'ffff'ffff}, body};
}

}  // namespace gallocy::wire::test
