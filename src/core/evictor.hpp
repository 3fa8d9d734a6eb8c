// Gives copies of the cache back to their homes when frames run short, oldest grant first: clean
// ones, which cost a notice, then those of pages that only this node has.
//
// The holder keeps the copy, protected, until the home has answered: no page's only copy is ever in
// a socket. A recall or an invalidation that comes before the answer is served as ever: it ends the
// eviction if the copy goes, and the late answer is dropped by its transaction. A home that accepts
// is not busy with the page and stays idle until the holder has dropped its copy and says so, since
// nobody else may write while somebody here can still read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/holder.hpp"
#include "core/memory.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"
#include "core/requester.hpp"

namespace gallocy::core {

class Evictor {
 public:
  Evictor(const Config& config, PageTable& table, const ChunkMap& chunks, const Holder& holder,
          const Requester& requester, Memory& memory, Outbox& outbox)
      : config_(config), table_(table), chunks_(chunks), holder_(holder), requester_(requester),
        memory_(memory), outbox_(outbox) {}

  // False: the home may not say that. The answer to an eviction that is over is dropped.
  bool on_ack(Transaction transaction, const WritebackAck& ack, TimeUs now_us);

  // Begins evictions while fewer frames are free or about to be than `waiting` and a few more.
  void make_room(std::size_t waiting, TimeUs now_us);

  // 0: nothing waits for a page whose hold has to end first.
  TimeUs next_deadline() const { return again_at_us_; }

 private:
  static constexpr std::uint64_t most_at_once = 64;
  static constexpr std::size_t scan_length = 64;

  std::uint64_t spare_pages() const { return std::min(most_at_once, config_.cache_min_pages / 4); }
  bool may_go(PageNo page, const Pending* oldest, TimeUs now_us) const;
  bool evict_one(const Memory::Order& order, const Pending* oldest, TimeUs now_us);
  void ask(PageNo page, bool exclusive, bool bytes);
  void refused(PageNo page, const Eviction& eviction, TimeUs now_us);
  void drop(PageNo page, Transaction transaction);

  const Config& config_;
  PageTable& table_;
  const ChunkMap& chunks_;
  const Holder& holder_;
  const Requester& requester_;
  Memory& memory_;
  Outbox& outbox_;
  TimeUs rest_until_us_ = 0;  // a home has refused
  TimeUs again_at_us_ = 0;
};

}  // namespace gallocy::core
