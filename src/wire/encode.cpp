#include "wire/codec.hpp"
#include "wire/peer.capnp.h"
#include "wire/segment.hpp"

namespace gallocy::wire {
namespace {

using Root = peer::PeerMessage;

peer::Access access_of(core::Access access) {
  return access == core::Access::read ? peer::Access::READ : peer::Access::WRITE;
}

void put(Root::Builder to, const core::PageRequest& from) {
  auto request = to.initPageRequest();
  request.setKind(static_cast<peer::PageRequest::Kind>(from.kind));
  request.setPage(raw(from.page));
  request.setSinceUs(from.since_us);
}

void put(Root::Builder to, const core::Recall& from) {
  auto recall = to.initRecall();
  recall.setAccess(access_of(from.access));
  recall.setPage(raw(from.page));
  recall.setRequester(raw(from.requester));
  recall.setVersion(raw(from.version));
  recall.setAcksExpected(from.acks_expected);
  recall.setSinceUs(from.since_us);
  recall.setDelayedUs(from.delayed_us);
}

void put(Root::Builder to, const core::Invalidate& from) {
  auto invalidate = to.initInvalidate();
  invalidate.setPage(raw(from.page));
  invalidate.setRequester(raw(from.requester));
  invalidate.setSinceUs(from.since_us);
}

void put(Root::Builder to, const core::Hasten& from) {
  auto hasten = to.initHasten();
  hasten.setPage(raw(from.page));
  hasten.setRequester(raw(from.requester));
  hasten.setSinceUs(from.since_us);
}

void put(Root::Builder to, const core::SlotWanted& from) {
  auto wanted = to.initSlotWanted();
  wanted.setPage(raw(from.page));
  wanted.setRequester(raw(from.requester));
  wanted.setSinceUs(from.since_us);
}

void put(Root::Builder to, const core::InvalidateAck& from) {
  to.initInvalidateAck().setPage(raw(from.page));
}

void put(Root::Builder to, const core::PageData& from) {
  auto data = to.initPageData();
  data.setPage(raw(from.page));
  data.setVersion(raw(from.version));
  data.setAccess(access_of(from.access));
  data.setAcksExpected(from.acks_expected);
  data.setDelayedUs(from.delayed_us);
}

void put(Root::Builder to, const core::Grant& from) {
  auto grant = to.initGrant();
  grant.setPage(raw(from.page));
  grant.setVersion(raw(from.version));
  grant.setAccess(access_of(from.access));
  grant.setAcksExpected(from.acks_expected);
  grant.setZero(from.zero);
}

void put(Root::Builder to, const core::Done& from) { to.initDone().setPage(raw(from.page)); }
void put(Root::Builder to, const core::Release& from) { to.initRelease().setPage(raw(from.page)); }

void put(Root::Builder to, const core::ChunkRequest& from) {
  to.initChunkRequest().setCount(from.count);
}

void put(Root::Builder to, const core::ChunkGrant& from) {
  auto grant = to.initChunkGrant();
  grant.setFirst(raw(from.first));
  grant.setCount(from.count);
}

void put(Root::Builder to, const core::ChunkQuery& from) {
  to.initChunkQuery().setChunk(raw(from.chunk));
}

void put(Root::Builder to, const core::ChunkHome& from) {
  auto home = to.initChunkHome();
  home.setChunk(raw(from.chunk));
  home.setHome(raw(from.home));
}

void put(Root::Builder to, const core::SyncRequest& from) {
  auto request = to.initSyncRequest();
  request.setAddress(from.address);
  request.setThread(raw(from.thread));
  request.setOperation(static_cast<peer::SyncRequest::Operation>(from.operation));
  request.setKind(static_cast<peer::SyncRequest::Kind>(from.kind));
  request.setArgument(from.argument);
  request.setBits(from.bits);
  request.setMayBeLent(from.may_be_lent);
}

void put(Root::Builder to, const core::SyncReply& from) {
  auto reply = to.initSyncReply();
  reply.setStatus(from.status);
  reply.setValue(from.value);
  reply.setLent(from.lent);
}

void put(peer::LockReport::Builder to, const core::LockReport& from) {
  to.setAddress(from.address);
  to.setThread(raw(from.thread));
  to.setKind(static_cast<peer::SyncRequest::Kind>(from.kind));
  to.setDepth(from.depth);
  to.setLent(from.lent);
}

void put(Root::Builder to, const core::TokenRecall& from) {
  to.initTokenRecall().setAddress(from.address);
}

void put(Root::Builder to, const core::TokenReturn& from) {
  put(to.initTokenReturn().initLock(), from.lock);
}

void put(Root::Builder to, const core::Unheld& from) {
  auto unheld = to.initUnheld();
  unheld.setAddress(from.address);
  unheld.setThread(raw(from.thread));
}

void put(Root::Builder to, const core::ThreadStart& from) {
  auto start = to.initThreadStart();
  start.setThread(raw(from.thread));
  start.setFunction(from.function);
  start.setArgument(from.argument);
  start.setOfRuntime(from.of_runtime);
}

void put(Root::Builder to, const core::ThreadStarted& from) {
  auto started = to.initThreadStarted();
  started.setThread(raw(from.thread));
  started.setStatus(from.status);
}

void put(Root::Builder to, const core::ThreadExited& from) {
  auto exited = to.initThreadExited();
  exited.setThread(raw(from.thread));
  exited.setResult(from.result);
}

void put(Root::Builder to, const core::ThreadJoin& from) {
  auto join = to.initThreadJoin();
  join.setThread(raw(from.thread));
  join.setJoiner(raw(from.joiner));
}

void put(Root::Builder to, const core::ThreadJoined& from) {
  auto joined = to.initThreadJoined();
  joined.setStatus(from.status);
  joined.setResult(from.result);
}

void put(Root::Builder to, const core::ThreadControl& from) {
  auto control = to.initThreadControl();
  control.setThread(raw(from.thread));
  control.setOperation(static_cast<peer::ThreadControl::Operation>(from.operation));
}

void put(Root::Builder to, const core::ThreadControlled& from) {
  to.initThreadControlled().setStatus(from.status);
}

void put(Root::Builder to, const core::ThreadCancel& from) {
  to.initThreadCancel().setThread(raw(from.thread));
}

void put(Root::Builder to, const core::ThreadCancelled& from) {
  to.initThreadCancelled().setThread(raw(from.thread));
}

void put(Root::Builder to, const core::ThreadCountRequest&) { to.setThreadCountRequest(); }

void put(Root::Builder to, const core::ThreadCount& from) {
  auto count = to.initThreadCount();
  count.setMade(from.made);
  count.setLive(from.live);
}

void put(Root::Builder to, const core::RootRequest& from) {
  to.initRootRequest().setAddress(from.address);
}

void put(Root::Builder to, const core::RootReply& from) {
  to.initRootReply().setAddress(from.address);
}

void put(Root::Builder to, const core::LoanRequest& from) {
  auto request = to.initLoanRequest();
  request.setCount(from.count);
  request.setWanted(raw(from.wanted));
  request.setOvercommit(from.overcommit);
  request.setIdlePages(from.idle_pages);
  request.setClaim(from.claim);
}

void put(Root::Builder to, const core::Loan& from) {
  auto loan = to.initLoan();
  loan.setFirst(raw(from.first));
  loan.setCount(from.count);
  loan.setCouldHold(from.of_home.could_hold);
  loan.setPromised(from.of_home.promised);
  loan.setTouched(from.of_home.touched);
}

void put(Root::Builder to, const core::ChunkReturn& from) {
  auto chunks = to.initChunkReturn();
  chunks.setFirst(raw(from.first));
  chunks.setCount(from.count);
}

void put(Root::Builder to, const core::ChunkReturned&) { to.setChunkReturned(); }

void put(Root::Builder to, const core::Discard& from) {
  to.initDiscard().setChunk(raw(from.chunk));
}

void put(Root::Builder to, const core::Discarded& from) {
  to.initDiscarded().setChunk(raw(from.chunk));
}

void put(Root::Builder to, const core::BlocksFreed& from) {
  auto addresses =
      to.initBlocksFreed().initAddresses(static_cast<unsigned>(from.addresses.size()));
  for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, from.addresses[i]);
}

void put(Root::Builder to, const core::GatherFreed&) { to.setGatherFreed(); }

void put(Root::Builder to, const core::FreedGathered& from) { to.setFreedGathered(from.again); }

void put(Root::Builder to, const core::Writeback& from) {
  auto writeback = to.initWriteback();
  writeback.setPage(raw(from.page));
  writeback.setVersion(raw(from.version));
  writeback.setBytes(from.bytes);
}

void put(Root::Builder to, const core::WritebackAck& from) {
  auto ack = to.initWritebackAck();
  ack.setPage(raw(from.page));
  ack.setOutcome(static_cast<peer::WritebackAck::Outcome>(from.outcome));
}

void put(Root::Builder to, const core::Denial& from) {
  auto denial = to.initDenial();
  denial.setPage(raw(from.page));
  denial.setMemoryPages(from.memory_pages);
}

void put(Root::Builder to, const core::PrefetchRequest& from) {
  auto request = to.initPrefetchRequest();
  request.setFirst(raw(from.first));
  request.setMask(from.wanted);
}

void put(Root::Builder to, const core::PrefetchAnswer& from) {
  auto answer = to.initPrefetchAnswer();
  answer.setFirst(raw(from.first));
  answer.setMask(from.granted);
}

void put(Root::Builder to, const core::PrefetchData& from) {
  auto data = to.initPrefetchData();
  data.setPage(raw(from.page));
  data.setVersion(raw(from.version));
}

void put(Root::Builder to, const core::Report& from) {
  auto report = to.initReport();
  auto pages = report.initPages(static_cast<unsigned>(from.pages.size()));
  for (unsigned i = 0; i < pages.size(); ++i) {
    const core::PageReport& page = from.pages[i];
    pages[i].setPage(raw(page.page));
    pages[i].setCopy(static_cast<peer::PageReport::Copy>(page.copy));
    pages[i].setVersion(raw(page.version));
    pages[i].setKeptFor(raw(page.kept_for.requester));
    pages[i].setKeptCounter(page.kept_for.counter);
    pages[i].setKeptVersion(raw(page.kept_version));
  }
  auto locks = report.initLocks(static_cast<unsigned>(from.locks.size()));
  for (unsigned i = 0; i < locks.size(); ++i) put(locks[i], from.locks[i]);
  auto chunks = report.initChunks(static_cast<unsigned>(from.chunks.size()));
  for (unsigned i = 0; i < chunks.size(); ++i) chunks.set(i, raw(from.chunks[i]));
  report.setLast(from.last);
}

void put(Root::Builder to, const core::Rebuilt& from) {
  auto rebuilt = to.initRebuilt();
  auto pages = rebuilt.initTakenBack(static_cast<unsigned>(from.taken_back.size()));
  for (unsigned i = 0; i < pages.size(); ++i) pages.set(i, raw(from.taken_back[i]));
  rebuilt.setLast(from.last);
}

void put(Root::Builder to, const core::Lost& from) {
  auto lost = to.initLost();
  lost.setPage(raw(from.page));
  lost.setWith(raw(from.with));
  lost.setSince(raw(from.since));
}

}  // namespace

std::span<const std::byte> encode(JobId job, const core::Message& message, Buffer& buffer) {
  {
    Encoding encoding(buffer);
    auto root = encoding.root<Root>();
    root.setEpoch(raw(message.epoch));
    root.setJob(raw(job));
    root.setLeaseMs(message.lease_ms);
    auto transaction = root.initTransaction();
    transaction.setRequester(raw(message.transaction.requester));
    transaction.setCounter(message.transaction.counter);
    std::visit([&](const auto& body) { put(root, body); }, message.body);
  }
  return buffer.bytes();
}

std::size_t payload_bytes(const core::Message& message) {
  const auto* const writeback = std::get_if<core::Writeback>(&message.body);
  if (writeback != nullptr) return writeback->bytes ? page_bytes : 0;
  const bool bytes = std::holds_alternative<core::PageData>(message.body) || is_bulk(message);
  return bytes ? page_bytes : 0;
}

}  // namespace gallocy::wire
