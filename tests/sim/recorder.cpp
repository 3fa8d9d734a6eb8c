#include "recorder.hpp"

#include <fmt/format.h>

#include "core/describe.hpp"

namespace gallocy::sim {

void Recorder::event(TimeUs now_us, NodeId node, const core::Event& event) {
  ++event_count_;
  mix(now_us << 8 | raw(node));
  mix(event.index() << 32 | (page_of(event) ? raw(*page_of(event)) : 0));
  keep({now_us, node, event});
}

void Recorder::action(TimeUs now_us, NodeId node, const core::Action& action) {
  mix(action.index() << 32 | (page_of(action) ? raw(*page_of(action)) : 0));
  keep({now_us, node, action});
}

void Recorder::keep(Line line) {
  if (lines_.size() < capacity) {
    lines_.push_back(std::move(line));
    return;
  }
  lines_[next_] = std::move(line);
  next_ = (next_ + 1) % capacity;
}

std::string Recorder::dump(std::optional<PageNo> page, std::size_t line_count) const {
  std::vector<std::string> texts;
  for (std::size_t back = 1; back <= lines_.size() && texts.size() < line_count; ++back) {
    const Line& line = lines_[(next_ + lines_.size() - back) % lines_.size()];
    const auto about = std::visit([](const auto& what) { return page_of(what); }, line.what);
    if (page && about != page) continue;
    const bool is_event = std::holds_alternative<core::Event>(line.what);
    texts.push_back(fmt::format(
        "  {:>9} us node {} {} {}\n", line.at_us, raw(line.node), is_event ? "" : "   ->",
        std::visit([](const auto& what) { return core::describe(what); }, line.what)));
  }
  std::string all;
  for (auto text = texts.rbegin(); text != texts.rend(); ++text) all += *text;
  return all;
}

}  // namespace gallocy::sim
