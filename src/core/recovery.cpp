#include "core/recovery.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "core/planted.hpp"

namespace gallocy::core {
namespace {

bool is_worth_telling(const PageReport& report) {
  return report.copy != Copy::none || raw(report.version) != 0 || report.kept_for.counter != 0;
}

bool is_full(const Report& report) {
  return report.pages.size() >= max_reported || report.locks.size() >= max_reported ||
         report.chunks.size() >= max_reported;
}

}  // namespace

// ---- what is here ------------------------------------------------------------------------

void Recovery::begin(const MemberRemoved& removal) {
  unreported_ = config_.nodes;
  census_.clear();
  claims_.clear();
  held_.clear();
  if (removal.heir == config_.self)
    removal.for_each_inherited([this](ChunkNo chunk) { inherited_.insert(chunk); });

  std::map<NodeId, std::vector<ChunkNo>> chunks;
  for (const auto& [chunk, home] : chunks_.homes()) chunks[home].push_back(chunk);
  config_.nodes.for_each([&](NodeId home) {
    std::ranges::sort(chunks[home]);
    send_report(home, chunks[home]);
  });
}

void Recovery::send_report(NodeId home, const std::vector<ChunkNo>& chunks) {
  Report report;
  const auto send_if_full = [&] {
    if (is_full(report)) outbox_.send(home, {}, std::exchange(report, {}));
  };
  for (const ChunkNo chunk : chunks) {
    if (chunks_.client_of(chunk)) report.chunks.push_back(chunk);
    for (std::uint64_t i = 0; i < pages_per_chunk; ++i) {
      const PageReport page = report_of(PageNo{raw(chunk) * pages_per_chunk + i});
      if (is_worth_telling(page)) report.pages.push_back(page);
      send_if_full();
    }
  }
  calls_.for_each_claim([&](const LockReport& lock) {
    if (homes_.home_of(lock.address) != home) return;
    report.locks.push_back(lock);
    send_if_full();
  });
  report.last = true;
  outbox_.send(home, {}, std::move(report));
}

PageReport Recovery::report_of(PageNo page) const {
  const PageEntry& entry = table_.at(page);
  PageReport report{page, Copy::none, entry.version, {}, {}};
  if (entry.state == PageState::shared) report.copy = Copy::shared;
  if (entry.state == PageState::exclusive) report.copy = Copy::exclusive;
  const auto kept = holder_.kept(page);
  if (kept && !planted(Bug::slots_not_looked_at)) {
    report.kept_for = kept->transaction;
    report.kept_version = kept->version;
  }
  return report;
}

// ---- at a home ---------------------------------------------------------------------------

bool Recovery::on_report(NodeId from, const Report& report) {
  if (!unreported_.contains(from)) return false;
  for (const PageReport& page : report.pages)
    if (!homes_.homed_here(page.page) || !census_[page.page].add(from, page)) return false;
  for (const ChunkNo chunk : report.chunks)
    if (inherited_.contains(chunk) && !chunks_.note_loan(from, chunk)) return false;
  for (const LockReport& lock : report.locks)
    if (!take(from, lock)) return false;
  if (report.last) unreported_.erase(from);
  return true;
}

bool Recovery::note_returned(NodeId from, const ChunkReturn& what) {
  if (!unreported_.contains(from)) return true;
  const std::uint64_t end = std::uint64_t{raw(what.first)} + what.count;
  auto chunk = inherited_.lower_bound(what.first);
  while (chunk != inherited_.end() && raw(*chunk) < end) {
    if (!chunks_.note_loan(from, *chunk)) return false;
    chunk = inherited_.erase(chunk);  // once
  }
  return true;
}

bool Recovery::take(NodeId from, const LockReport& lock) {
  if (!homes_.homed_here(lock.address) || !has_owner(lock.kind)) return false;
  if (!lock.lent) claims_.insert({lock.address, lock.thread});
  const bool inherited = inherited_.contains(chunk_of(homes_.page_at(lock.address)));
  if ((lock.depth == 0 && !lock.lent) || !inherited || planted(Bug::locks_not_restored))
    return true;
  return held_.emplace(std::pair{lock.address, lock.thread}, Held{lock, from}).second;
}

void Recovery::finish(SyncObjects& objects, const std::vector<Directory::TakenBack>& taken_back) {
  objects.keep_only(config_.nodes, claims_);
  for (const auto& [key, held] : held_) objects.restore(held.lock, held.reporter);
  inherited_.clear();
  config_.nodes.for_each([&](NodeId member) {
    Rebuilt rebuilt;
    for (const auto& [node, page] : taken_back) {
      if (node != member) continue;
      rebuilt.taken_back.push_back(page);
      if (rebuilt.taken_back.size() >= max_reported)
        outbox_.send(member, {}, std::exchange(rebuilt, {}));
    }
    rebuilt.last = true;
    outbox_.send(member, {}, std::move(rebuilt));
  });
}

}  // namespace gallocy::core
