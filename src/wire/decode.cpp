#include <algorithm>

#include "wire/codec.hpp"
#include "wire/peer.capnp.h"
#include "wire/ranges.hpp"
#include "wire/segment.hpp"

namespace gallocy::wire {
namespace {

using Root = peer::PeerMessage;

// Both have the same enumerators in the same order; `last` is the last one that we know.
template <class To, class From>
To known(From value, To last, Ranges& ranges, const char* what) {
  if (static_cast<std::uint32_t>(value) <= static_cast<std::uint32_t>(last))
    return static_cast<To>(value);
  ranges.violate(what);
  return To{};
}

core::Access access(peer::Access value, Ranges& ranges) {
  return known(value, core::Access::write, ranges, "access");
}

core::PageRequest take(peer::PageRequest::Reader from, Ranges& ranges) {
  return {known(from.getKind(), core::RequestKind::upgrade, ranges, "kind of request"),
          ranges.page(from.getPage()), ranges.time_us(from.getSinceUs())};
}

core::Recall take(peer::Recall::Reader from, Ranges& ranges) {
  return {access(from.getAccess(), ranges),   ranges.page(from.getPage()),
          ranges.node(from.getRequester()),   Version{from.getVersion()},
          ranges.acks(from.getAcksExpected()), ranges.time_us(from.getSinceUs()),
          ranges.delay_us(from.getDelayedUs())};
}

core::Invalidate take(peer::Invalidate::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), ranges.node(from.getRequester()),
          ranges.time_us(from.getSinceUs())};
}

core::Hasten take(peer::Hasten::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), ranges.node(from.getRequester()),
          ranges.time_us(from.getSinceUs())};
}

core::SlotWanted take(peer::SlotWanted::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), ranges.node(from.getRequester()),
          ranges.time_us(from.getSinceUs())};
}

core::PageData take(peer::PageData::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), Version{from.getVersion()},
          access(from.getAccess(), ranges), ranges.acks(from.getAcksExpected()),
          ranges.delay_us(from.getDelayedUs())};
}

core::Grant take(peer::Grant::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), Version{from.getVersion()},
          access(from.getAccess(), ranges), ranges.acks(from.getAcksExpected()), from.getZero()};
}

// ChunkGrant, Loan and ChunkReturn.
template <class Run>
Run chunk_run(auto from, Ranges& ranges) {
  if (std::uint64_t{from.getFirst()} + from.getCount() > std::uint64_t{1} << 32)
    ranges.violate("run of chunks");
  return {ChunkNo{from.getFirst()}, from.getCount()};
}

core::Loan take(peer::Loan::Reader from, Ranges& ranges) {
  const auto run = chunk_run<core::ChunkGrant>(from, ranges);
  return {run.first, run.count,
          {ranges.page_count(from.getCouldHold()), ranges.page_count(from.getPromised()),
           ranges.page_count(from.getTouched())}};
}

SyncKind kind(peer::SyncRequest::Kind value, Ranges& ranges) {
  return known(value, last_sync_kind, ranges, "kind of synchronisation object");
}

core::SyncRequest take(peer::SyncRequest::Reader from, Ranges& ranges) {
  return {from.getAddress(), ranges.thread(from.getThread()),
          known(from.getOperation(), SyncOperation::abandon, ranges,
                "synchronisation operation"),
          kind(from.getKind(), ranges), from.getArgument(), from.getBits(),
          from.getMayBeLent()};
}

// No thread: of what is lent, or had by nobody.
core::LockReport take(peer::LockReport::Reader from, Ranges& ranges) {
  return {from.getAddress(), ranges.thread_or_none(from.getThread()), kind(from.getKind(), ranges),
          from.getDepth(), from.getLent()};
}

core::BlocksFreed take(peer::BlocksFreed::Reader from, Ranges& ranges) {
  core::BlocksFreed blocks;
  const auto addresses = from.getAddresses();
  if (addresses.size() == 0 || addresses.size() > core::max_freed_blocks)
    ranges.violate("number of blocks");
  else
    for (const std::uint64_t address : addresses) blocks.addresses.push_back(address);
  return blocks;
}

core::Writeback take(peer::Writeback::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), Version{from.getVersion()}, from.getBytes()};
}

core::WritebackAck take(peer::WritebackAck::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()),
          known(from.getOutcome(), core::WritebackOutcome::bytes_needed, ranges,
                "outcome of a writeback")};
}

core::Denial take(peer::Denial::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), from.getMemoryPages()};
}

core::PageReport take(peer::PageReport::Reader from, Ranges& ranges) {
  core::PageReport report{ranges.page(from.getPage()),
                          known(from.getCopy(), core::Copy::exclusive, ranges, "copy"),
                          Version{from.getVersion()}, {}, Version{from.getKeptVersion()}};
  report.kept_for = {ranges.node_or_none(from.getKeptFor()), ranges.counter(from.getKeptCounter())};
  return report;
}

core::Report take(peer::Report::Reader from, Ranges& ranges) {
  core::Report report;
  const std::size_t most =
      std::max({from.getPages().size(), from.getLocks().size(), from.getChunks().size()});
  if (most > core::max_reported) {
    ranges.violate("length of a report");
    return report;
  }
  for (const auto page : from.getPages()) report.pages.push_back(take(page, ranges));
  for (const auto lock : from.getLocks()) report.locks.push_back(take(lock, ranges));
  for (const std::uint32_t chunk : from.getChunks()) report.chunks.push_back(ChunkNo{chunk});
  report.last = from.getLast();
  return report;
}

core::Rebuilt take(peer::Rebuilt::Reader from, Ranges& ranges) {
  core::Rebuilt rebuilt;
  if (from.getTakenBack().size() > core::max_reported)
    ranges.violate("number of pages taken back");
  else
    for (const std::uint64_t page : from.getTakenBack())
      rebuilt.taken_back.push_back(ranges.page(page));
  rebuilt.last = from.getLast();
  return rebuilt;
}

core::Lost take(peer::Lost::Reader from, Ranges& ranges) {
  return {ranges.page(from.getPage()), ranges.node(from.getWith()), Epoch{from.getSince()}};
}

core::Body body_of(Root::Reader from, Ranges& ranges) {
  switch (from.which()) {
    case Root::PAGE_REQUEST: return take(from.getPageRequest(), ranges);
    case Root::RECALL: return take(from.getRecall(), ranges);
    case Root::INVALIDATE: return take(from.getInvalidate(), ranges);
    case Root::INVALIDATE_ACK:
      return core::InvalidateAck{ranges.page(from.getInvalidateAck().getPage())};
    case Root::PAGE_DATA: return take(from.getPageData(), ranges);
    case Root::GRANT: return take(from.getGrant(), ranges);
    case Root::DONE: return core::Done{ranges.page(from.getDone().getPage())};
    case Root::RELEASE: return core::Release{ranges.page(from.getRelease().getPage())};
    case Root::CHUNK_REQUEST: return core::ChunkRequest{from.getChunkRequest().getCount()};
    case Root::CHUNK_GRANT: return chunk_run<core::ChunkGrant>(from.getChunkGrant(), ranges);
    case Root::CHUNK_QUERY: return core::ChunkQuery{ChunkNo{from.getChunkQuery().getChunk()}};
    case Root::CHUNK_HOME:
      return core::ChunkHome{ChunkNo{from.getChunkHome().getChunk()},
                             ranges.node_or_none(from.getChunkHome().getHome())};
    case Root::SYNC_REQUEST: return take(from.getSyncRequest(), ranges);
    case Root::SYNC_REPLY:
      return core::SyncReply{ranges.status(from.getSyncReply().getStatus()),
                             from.getSyncReply().getValue(), from.getSyncReply().getLent()};
    case Root::TOKEN_RECALL: return core::TokenRecall{from.getTokenRecall().getAddress()};
    case Root::TOKEN_RETURN:
      return core::TokenReturn{take(from.getTokenReturn().getLock(), ranges)};
    case Root::UNHELD:
      return core::Unheld{from.getUnheld().getAddress(),
                          ranges.thread(from.getUnheld().getThread())};
    case Root::THREAD_START:
      return core::ThreadStart{ranges.thread(from.getThreadStart().getThread()),
                               from.getThreadStart().getFunction(),
                               from.getThreadStart().getArgument(),
                               from.getThreadStart().getOfRuntime()};
    case Root::THREAD_STARTED:
      return core::ThreadStarted{ranges.thread(from.getThreadStarted().getThread()),
                                 ranges.status(from.getThreadStarted().getStatus())};
    case Root::THREAD_EXITED:
      return core::ThreadExited{ranges.thread(from.getThreadExited().getThread()),
                                from.getThreadExited().getResult()};
    case Root::THREAD_JOIN:
      return core::ThreadJoin{ranges.thread(from.getThreadJoin().getThread()),
                              ranges.thread(from.getThreadJoin().getJoiner())};
    case Root::THREAD_JOINED:
      return core::ThreadJoined{ranges.status(from.getThreadJoined().getStatus()),
                                from.getThreadJoined().getResult()};
    case Root::THREAD_CONTROL:
      return core::ThreadControl{
          ranges.thread(from.getThreadControl().getThread()),
          known(from.getThreadControl().getOperation(), ThreadOperation::withdraw, ranges,
                "thread operation")};
    case Root::THREAD_CONTROLLED:
      return core::ThreadControlled{ranges.status(from.getThreadControlled().getStatus())};
    case Root::THREAD_CANCEL:
      return core::ThreadCancel{ranges.thread(from.getThreadCancel().getThread())};
    case Root::THREAD_CANCELLED:
      return core::ThreadCancelled{ranges.thread(from.getThreadCancelled().getThread())};
    case Root::THREAD_COUNT_REQUEST: return core::ThreadCountRequest{};
    case Root::THREAD_COUNT:
      return core::ThreadCount{from.getThreadCount().getMade(), from.getThreadCount().getLive()};
    case Root::ROOT_REQUEST: return core::RootRequest{from.getRootRequest().getAddress()};
    case Root::ROOT_REPLY: return core::RootReply{from.getRootReply().getAddress()};
    case Root::LOAN_REQUEST:
      return core::LoanRequest{from.getLoanRequest().getCount(),
                               ChunkNo{from.getLoanRequest().getWanted()},
                               from.getLoanRequest().getOvercommit(),
                               ranges.page_count(from.getLoanRequest().getIdlePages()),
                               from.getLoanRequest().getClaim()};
    case Root::LOAN: return take(from.getLoan(), ranges);
    case Root::CHUNK_RETURN: return chunk_run<core::ChunkReturn>(from.getChunkReturn(), ranges);
    case Root::CHUNK_RETURNED: return core::ChunkReturned{};
    case Root::DISCARD: return core::Discard{ChunkNo{from.getDiscard().getChunk()}};
    case Root::DISCARDED: return core::Discarded{ChunkNo{from.getDiscarded().getChunk()}};
    case Root::WRITEBACK: return take(from.getWriteback(), ranges);
    case Root::WRITEBACK_ACK: return take(from.getWritebackAck(), ranges);
    case Root::DENIAL: return take(from.getDenial(), ranges);
    case Root::PREFETCH_REQUEST:
      return core::PrefetchRequest{ranges.page(from.getPrefetchRequest().getFirst()),
                                   from.getPrefetchRequest().getMask()};
    case Root::PREFETCH_ANSWER:
      return core::PrefetchAnswer{ranges.page(from.getPrefetchAnswer().getFirst()),
                                  from.getPrefetchAnswer().getMask()};
    case Root::PREFETCH_DATA:
      return core::PrefetchData{ranges.page(from.getPrefetchData().getPage()),
                                Version{from.getPrefetchData().getVersion()}};
    case Root::HASTEN: return take(from.getHasten(), ranges);
    case Root::BLOCKS_FREED: return take(from.getBlocksFreed(), ranges);
    case Root::GATHER_FREED: return core::GatherFreed{};
    case Root::FREED_GATHERED: return core::FreedGathered{from.getFreedGathered()};
    case Root::REPORT: return take(from.getReport(), ranges);
    case Root::REBUILT: return take(from.getRebuilt(), ranges);
    case Root::LOST: return take(from.getLost(), ranges);
    case Root::SLOT_WANTED: return take(from.getSlotWanted(), ranges);
    case Root::NONE: break;
  }
  ranges.violate("kind of message");  // also what a newer peer's union may hold
  return core::Body{};
}

core::Transaction transaction_of(peer::Transaction::Reader from, Ranges& ranges) {
  const core::Transaction transaction{ranges.node_or_none(from.getRequester()),
                                      ranges.counter(from.getCounter())};
  if (transaction.requester == no_node && transaction.counter != 0)
    ranges.violate("transaction");
  return transaction;
}

}  // namespace

Result<Decoded> decode(std::span<const std::byte> bytes) {
  return decode_segment<Root>(bytes, [](Root::Reader root) -> Result<Decoded> {
    Ranges ranges;
    Decoded decoded;
    decoded.job = JobId{root.getJob()};
    decoded.message.epoch = Epoch{root.getEpoch()};
    decoded.message.lease_ms = root.getLeaseMs();
    decoded.message.transaction = transaction_of(root.getTransaction(), ranges);
    decoded.message.body = body_of(root, ranges);
    if (auto verdict = ranges.verdict(); !verdict) return tl::unexpected(verdict.error());
    return decoded;
  });
}

}  // namespace gallocy::wire
