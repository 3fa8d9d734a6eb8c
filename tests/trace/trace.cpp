// Replays a golden trace of three nodes, 0 being the home of chunk 0. Lines that
// begin with ">" are the scenario, indented ones what the core said. With --print the trace is
// written anew instead of compared.
//
//   > N fault read|write PAGE [THREAD]      > N wait MICROSECONDS      > deliver FROM TO
//   > N return CHUNK
//   > N prefetch PAGE COUNT          > deliver bulk FROM TO
//   > N frames COUNT               node N, of which nothing was asked yet, has no more of them
//   > N hears MEMBER HEIR          that the member was removed, and who is home of its chunks now
//   > N slots COUNT                likewise, no more slots for bytes that it has given away
//
// Synchronisation: thread T of node N is alone in its process; A is an offset into chunk 0.
//
//   > N sync T take|give|... mutex|robust|... A [ARGUMENT [WITHIN_US]]
//   > N wait_at T CONDITION MUTEX [WITHIN_US]                > N dies T
//   > N left T A DEPTH             T's client has not the mutex any more that it was lent; how
//                                  often T has it
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "core/describe.hpp"
#include "core/invariants.hpp"
#include "core/node.hpp"

namespace gallocy::core {
namespace {

const std::map<std::string, SyncOperation> operations{
    {"take", SyncOperation::take},       {"try_take", SyncOperation::try_take},
    {"give", SyncOperation::give},       {"give_all", SyncOperation::give_all},
    {"consistent", SyncOperation::consistent}};
const std::map<std::string, SyncKind> kinds{
    {"mutex", SyncKind::normal},        {"robust", SyncKind::robust_normal},
    {"condition", SyncKind::condition}, {"barrier", SyncKind::barrier},
    {"reader", SyncKind::reader},       {"writer", SyncKind::writer}};

constexpr unsigned node_count = 3;

class Scenario {
 public:
  Scenario() {
    for (unsigned number = 0; number < node_count; ++number) {
      nodes_.emplace_back();
      make_node(number, Config{});
    }
    give_chunk();
  }

  // What the core said to the line.
  std::string play(const std::string& line) {
    std::istringstream words(line);
    std::string first, what;
    words >> first;
    if (first == "deliver") {
      std::string name;
      words >> name;
      const bool bulk = name == "bulk";
      if (bulk) words >> name;
      const auto from = static_cast<unsigned>(std::stoul(name));
      unsigned to = 0;
      words >> to;
      auto& pipe = pipes_[{bulk, from, to}];
      if (pipe.empty()) return "  nothing to deliver\n";
      const Message message = pipe.front();
      pipe.pop_front();
      return step(to, PeerMessage{NodeId{static_cast<std::uint8_t>(from)}, message});
    }
    const auto node = static_cast<unsigned>(std::stoul(first));
    words >> what;
    std::uint64_t number = 0;
    if (what == "wait") {
      words >> number;
      now_us_ += number;
      return step(node, Tick{});
    }
    if (what == "return") {
      words >> number;
      return step(node, ClientCall{{}, ReturnChunksCall{region_base + number * chunk_bytes, 1}});
    }
    if (what == "sync" || what == "wait_at" || what == "dies" ||
        what == "left") {
      words >> number;
      return synchronise(node, number, what, words);
    }
    if (what == "prefetch") {
      std::uint64_t count = 0;
      words >> number >> count;
      return step(node, ClientCall{{}, PrefetchCall{region_base + number * page_bytes,
                                                    count * page_bytes}});
    }
    if (what == "hears") {
      unsigned heir = 0;
      words >> number >> heir;
      return step(node, removal_of(id_of(static_cast<unsigned>(number)), id_of(heir)));
    }
    if (what == "slots") {
      Config config;
      words >> config.slot_count;
      make_node(node, config);
      return node == 0 ? give_chunk() : "";
    }
    if (what == "frames") {
      words >> number;
      Config config;
      config.memory_pages = config.slot_count + number;
      config.cache_min_pages = 1;
      config.chunk_frames = 1;
      make_node(node, config);
      return node == 0 ? give_chunk() : "";
    }
    std::string access;
    std::uint32_t thread = 1;
    words >> access >> number;
    if (std::uint32_t other = 0; words >> other) thread = other;
    const PageNo page{number};
    const bool is_protected =
        access == "write" && nodes_.at(node)->table().at(page).state == PageState::shared;
    return step(node, Fault{ClientId{0}, thread, page,
                            access == "read" ? Access::read : Access::write,
                            is_protected ? FaultCause::write_protect : FaultCause::missing});
  }

 private:
  static NodeId id_of(unsigned number) { return NodeId{static_cast<std::uint8_t>(number)}; }

  // The same for all who hear of it.
  const MemberRemoved& removal_of(NodeId node, NodeId heir) {
    for (const MemberRemoved& removal : removals_)
      if (removal.node == node) return removal;
    removals_.push_back({node, heir, Epoch{removals_.size() + 2}, {{ChunkNo{0}, 1, home_}}});
    if (home_ == node) home_ = heir;
    return removals_.back();
  }

  void make_node(unsigned number, Config config) {
    config.self = NodeId{static_cast<std::uint8_t>(number)};
    config.nodes = NodeSet{(1U << node_count) - 1};
    entries_[number].assign(pages_per_chunk, {});
    nodes_[number] = std::make_unique<Node>(config, entries_[number]);
  }

  std::string give_chunk() {
    step(0, ClientCall{{}, ChunksCall{1}});
    return "";
  }

  std::string synchronise(unsigned node, std::uint64_t number, const std::string& what,
                          std::istringstream& words) {
    const ClientId client{static_cast<std::uint16_t>(number)};
    const ThreadId thread{std::uint64_t{node} << 48 | number};
    if (what == "dies") return step(node, ClientGone{client});
    if (what == "left") {
      TokenTaken taken{client};
      words >> taken.address >> taken.depth;
      taken.address += region_base;
      if (taken.depth > 0) taken.owner = thread;
      return step(node, taken);
    }
    SyncCall call;
    call.request.thread = thread;
    std::uint64_t mutex = 0;
    if (what == "wait_at") {
      call.request.kind = SyncKind::condition;
      words >> call.request.address >> mutex;
    } else {
      std::string operation, kind;
      words >> operation >> kind >> call.request.address;
      call.request.operation = operations.at(operation);
      call.request.kind = kinds.at(kind);
      if (!(words >> call.request.argument)) call.request.argument = 0;
    }
    if (!(words >> call.timeout_us)) call.timeout_us = no_timeout;
    call.request.address += region_base;
    if (what == "sync") return step(node, ClientCall{{client, 0, 0}, call});
    return step(node, ClientCall{{client, 0, 0},
                                 ConditionWaitCall{call, region_base + mutex, SyncKind::normal}});
  }

  std::string step(unsigned number, const Event& event) {
    Actions actions;
    nodes_.at(number)->step(now_us_, event, actions);
    nodes_.at(number)->carried_out(now_us_);
    check_invariants(*nodes_.at(number));
    std::string said;
    for (const Action& action : actions) {
      said += "  " + describe(action) + "\n";
      if (const Send* send = std::get_if<Send>(&action))
        pipes_[{is_bulk(send->message), number, raw(send->to)}].push_back(send->message);
    }
    return said;
  }

  TimeUs now_us_ = 1'000'000;
  std::vector<MemberRemoved> removals_;
  NodeId home_{0};  // of chunk 0
  std::map<unsigned, std::vector<PageEntry>> entries_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::tuple<bool, unsigned, unsigned>, std::deque<Message>> pipes_;  // bulk, from, to
};

std::string replay(std::istream& trace, std::string& original) {
  Scenario scenario;
  std::string line, replayed;
  while (std::getline(trace, line)) {
    original += line + "\n";
    if (line.starts_with("  ")) continue;
    replayed += line + "\n";
    if (line.starts_with("> ")) replayed += scenario.play(line.substr(2));
  }
  return replayed;
}

}  // namespace
}  // namespace gallocy::core

int main(int argc, char** argv) {
  const bool print = argc == 3 && std::string(argv[1]) == "--print";
  if (argc != 2 && !print) return 64;
  std::ifstream trace(argv[argc - 1]);
  if (!trace) return 64;
  std::string original;
  const std::string replayed = gallocy::core::replay(trace, original);
  if (print || replayed != original) std::cout << replayed;
  return print || replayed == original ? 0 : 1;
}
