#include "daemon/trace.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/describe.hpp"

namespace gallocy::daemon {

void Trace::print(core::TimeUs now_us, std::optional<PageNo> page,
                  const std::function<void(std::string_view)>& line) const {
  // Every line that concerns a page names it in the same words.
  const std::string wanted = page ? fmt::format("page {}", raw(*page)) : std::string();
  for (std::size_t i = count_ - std::min(count_, capacity); i < count_; ++i) {
    const Entry& entry = entries_[i % capacity];
    std::string text;
    if (const auto* event = std::get_if<core::Event>(&entry.what)) text = core::describe(*event);
    else if (const auto* action = std::get_if<core::Action>(&entry.what))
      text = "  -> " + core::describe(*action);
    const auto found = text.find(wanted);
    if (found == std::string::npos) continue;
    const auto after = found + wanted.size();
    if (page && after < text.size() && text[after] >= '0' && text[after] <= '9') continue;
    line(fmt::format("{:>12} us ago  {}", now_us - entry.at_us, text));
  }
}

}  // namespace gallocy::daemon
