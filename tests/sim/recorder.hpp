// The last events and actions of a run, for the dump of a failure, and the hash of all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "machine.hpp"

namespace gallocy::sim {

class Recorder {
 public:
  void event(TimeUs now_us, NodeId node, const core::Event& event);
  void action(TimeUs now_us, NodeId node, const core::Action& action);

  std::uint64_t event_count() const { return event_count_; }
  std::uint64_t hash() const { return hash_; }
  // The last of them that are about `page`, or about any.
  std::string dump(std::optional<PageNo> page, std::size_t line_count) const;

 private:
  static constexpr std::size_t capacity = 16'384;
  struct Line {
    TimeUs at_us;
    NodeId node;
    std::variant<core::Event, core::Action> what;
  };
  void keep(Line line);
  void mix(std::uint64_t word) { hash_ = (hash_ ^ word) * 0x100'0000'01b3; }

  std::vector<Line> lines_;
  std::size_t next_ = 0;
  std::uint64_t event_count_ = 0;
  std::uint64_t hash_ = 0xcbf2'9ce4'8422'2325;
};

}  // namespace gallocy::sim
