// What follows when a member of the job is removed. Every member that is left does this when it
// hears of the new epoch (Node::on(MemberRemoved)), each at its own time:
//
//   - Whatever was asked, granted or promised about pages is over: such messages of the old epoch
//     are dropped. Who has a page still has it, and goes on reading and writing.
//   - It reports to each home what it has of the home's pages (census.hpp) and objects.
//   - A home that has all reports makes its directory from them, and says `rebuilt`. Only then is
//     it asked for pages again: requests that wait are made anew, under their old transactions, for
//     the epoch tells old answers from new ones.
//
// The chunks of the removed node have a new home, the heir, which knows nothing of them but what is
// reported: a page of them that no member has is lost, also one that was zero. Of a home that
// stays, pages are lost that the removed node had for writing, or was being granted.
//
// Messages of a newer epoch wait until this node has heard of it; none of them has bytes. What the
// removed node says is not heard any more, in whatever epoch.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/node_set.hpp"
#include "core/census.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/directory.hpp"
#include "core/event.hpp"
#include "core/holder.hpp"
#include "core/homes.hpp"
#include "core/message.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"
#include "core/sync_calls.hpp"
#include "core/sync_objects.hpp"

namespace gallocy::core {

class Recovery {
 public:
  Recovery(const Config& config, const PageTable& table, ChunkMap& chunks, const Holder& holder,
           const Homes& homes, const SyncCalls& calls, Outbox& outbox)
      : config_(config), table_(table), chunks_(chunks), holder_(holder), homes_(homes),
        calls_(calls), outbox_(outbox) {}

  // Tells each home what is here. REQUIRES: config and chunk map know of the removal.
  void begin(const MemberRemoved& removal);

  // False: the peer may not say that.
  bool on_report(NodeId from, const Report& report);
  // The sender gives back inherited chunks, and its report that its clients had them may have
  // been of the epoch before: then it came after the next removal, and was dropped.
  // False: others have them.
  bool note_returned(NodeId from, const ChunkReturn& what);
  bool is_complete() const { return unreported_.empty(); }
  const Census& census() const { return census_; }
  // Makes the objects from what has been reported, and tells all members that the home is ready.
  void finish(SyncObjects& objects, const std::vector<Directory::TakenBack>& taken_back);

 private:
  struct Held {
    LockReport lock;
    NodeId reporter = no_node;
  };

  bool take(NodeId from, const LockReport& lock);
  void send_report(NodeId home, const std::vector<ChunkNo>& chunks);
  PageReport report_of(PageNo page) const;

  const Config& config_;
  const PageTable& table_;
  ChunkMap& chunks_;
  const Holder& holder_;
  const Homes& homes_;
  const SyncCalls& calls_;
  Outbox& outbox_;
  NodeSet unreported_;  // members that have not reported all
  Census census_;
  SyncObjects::Claims claims_;
  std::map<std::pair<std::uint64_t, ThreadId>, Held> held_;  // of objects of another home
  std::set<ChunkNo> inherited_;   // since the directory was whole
};

}  // namespace gallocy::core
