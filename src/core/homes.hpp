// The road to the home of an address: where a request about it goes, once that is known.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "core/chunk_map.hpp"
#include "core/config.hpp"
#include "core/outbox.hpp"
#include "core/page_table.hpp"

namespace gallocy::core {

class Homes {
 public:
  Homes(const Config& config, const PageTable& table, ChunkMap& chunks, Outbox& outbox)
      : config_(config), table_(table), chunks_(chunks), outbox_(outbox) {}

  bool valid_address(std::uint64_t address) const {
    return address >= config_.region_address &&
           (address - config_.region_address) / page_bytes < table_.page_count();
  }
  PageNo page_at(std::uint64_t address) const {
    return PageNo{(address - config_.region_address) / page_bytes};
  }
  std::uint64_t address_of(ChunkNo chunk) const {
    return config_.region_address + raw(chunk) * chunk_bytes;
  }
  NodeId home_of(std::uint64_t address) const {  // no_node: not known here
    return chunks_.home_of(chunk_of(page_at(address)));
  }

  bool homed_here(PageNo page) const {
    return table_.contains(page) && chunks_.home_of(chunk_of(page)) == config_.self;
  }
  bool homed_here(std::uint64_t address) const {
    return valid_address(address) && home_of(address) == config_.self;
  }

  // What is sent to one address arrives in the order in which it was sent. If the coordinator
  // knows of no home, the request comes back from ChunkMap::on_home.
  void send(std::uint64_t address, Transaction transaction, Body body) {
    const NodeId home = home_of(address);
    if (home == no_node)
      chunks_.ask_home(chunk_of(page_at(address)), ForHome{transaction, std::move(body)});
    else if (!chunks_.is_ready(home))
      waiting_.push_back({address, {transaction, std::move(body)}});
    else
      outbox_.send(home, transaction, std::move(body));
  }

  // What waited to hear the home of the chunk.
  void send(ChunkNo chunk, const ForHome& request) {
    send(address_of(chunk), request.transaction, request.body);
  }

  // After a removal some homes have become ready.
  void send_waiting() {
    for (Waiting& one : std::exchange(waiting_, {}))
      send(one.address, one.request.transaction, std::move(one.request.body));
  }
  // What waited for a home that is removed will be asked anew by who knows of it.
  void forget_waiting(NodeId removed) {
    std::erase_if(waiting_, [&](const Waiting& one) { return home_of(one.address) == removed; });
  }

 private:
  struct Waiting {
    std::uint64_t address = 0;
    ForHome request;
  };

  const Config& config_;
  const PageTable& table_;
  ChunkMap& chunks_;
  Outbox& outbox_;
  std::vector<Waiting> waiting_;  // for its home to be ready, in the order in which they came
};

}  // namespace gallocy::core
