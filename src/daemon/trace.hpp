// The last protocol events of a job: kept always, printed on SIGUSR1, by a failed check and for
// a page that waits too long. Recording copies a few words; text is made only when printing.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <variant>

#include "base/ids.hpp"
#include "core/event.hpp"

namespace gallocy::daemon {

class Trace {
 public:
  void record(core::TimeUs now_us, const core::Event& event) { next(now_us).what = event; }
  void record(core::TimeUs now_us, const core::Action& action) { next(now_us).what = action; }

  // Oldest first; `page`: only what names that page.
  void print(core::TimeUs now_us, std::optional<PageNo> page,
             const std::function<void(std::string_view)>& line) const;

 private:
  static constexpr std::size_t capacity = 4096;
  struct Entry {
    core::TimeUs at_us = 0;
    std::variant<std::monostate, core::Event, core::Action> what;
  };
  Entry& next(core::TimeUs now_us) {
    Entry& entry = entries_[count_++ % capacity];
    entry.at_us = now_us;
    return entry;
  }

  std::array<Entry, capacity> entries_;
  std::size_t count_ = 0;
};

}  // namespace gallocy::daemon
