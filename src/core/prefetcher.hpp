// Read copies that nobody waits for yet, asked for in runs.
//
// The home grants what it can at once and for free, says so on the control connection, and sends
// the bytes on the bulk connection. It counts the requester as a sharer from then on and waits for
// nothing. The two connections are not ordered between them, so bytes may come before the answer,
// and an invalidation before the bytes: then the requester acknowledges and drops the bytes when
// they come. An access to a page that is on its way waits for it here (Requester::try_submit): the
// answer or the bytes end that.
//
// The bytes are put into the frame and mapped at the first touch, by a local fault: which client
// will touch the page, and whether, is not known.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/ids.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/event.hpp"
#include "core/memory.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"

namespace gallocy::core {

struct Prefetch {
  Transaction transaction;
  NodeId home = no_node;
  bool granted = false;      // the answer is here
  bool invalidated = false;  // the bytes on their way are old, and no frame waits for them
};

class Prefetcher {
 public:
  Prefetcher(const Config& config, PageTable& table, ChunkMap& chunks, Memory& memory,
             Outbox& outbox)
      : config_(config), table_(table), chunks_(chunks), memory_(memory), outbox_(outbox) {}

  // Pages first, first + 1, ... of the region. A hint: what cannot be had now is left out.
  void on_call(PageNo first, std::uint64_t count);
  void on_home(ChunkNo chunk, NodeId home);

  // False: the peer may not say that.
  bool on_answer(NodeId from, Transaction transaction, const PrefetchAnswer& answer);
  bool on_data(NodeId from, Transaction transaction, const PrefetchData& data);
  // True if the invalidation is for a page whose bytes are still on their way.
  bool on_invalidate(PageNo page);
  // The same for all pages of the chunk.
  void on_discard(ChunkNo chunk);

  // A removal: nothing is on its way any more.
  void begin_epoch();

  // Asks for what there is room for. `demand_waits`: somebody needs frames more.
  void advance(bool demand_waits);

  // An access of the page has to wait for the answer or the bytes.
  bool on_its_way(PageNo page) const {
    const auto found = prefetches_.find(page);
    return found != prefetches_.end() && !found->second.invalidated;
  }
  const std::unordered_map<PageNo, Prefetch>& prefetches() const { return prefetches_; }
  std::size_t backlog_size() const { return backlog_.size(); }

 private:
  static constexpr std::size_t max_backlog = 64;
  static constexpr std::uint64_t max_range_pages = 16'384;
  struct Range {
    std::uint64_t first, count;
  };

  bool ask_for_window(Range& range);
  bool wanted(PageNo page) const;
  bool has_frame() const;
  void end(PageNo page);

  const Config& config_;
  PageTable& table_;
  ChunkMap& chunks_;
  Memory& memory_;
  Outbox& outbox_;
  std::unordered_map<PageNo, Prefetch> prefetches_;
  std::array<std::uint32_t, max_node_count> outstanding_{};  // pages
  std::uint64_t pinned_ = 0;
  std::deque<Range> backlog_;
  bool asking_home_ = false;  // of the first range's first page
};

}  // namespace gallocy::core
