#include "run/log_tail.hpp"

#include <charconv>
#include <string_view>

namespace gallocy::run {

namespace {

constexpr std::size_t kept_bytes_max = 64 << 10;
constexpr std::size_t line_bytes_max = 4 << 10;  // a longer line is broken up

// Takes "name=value " or "name=value" at the end off the text.
std::optional<std::string_view> take_field(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name) || !text.substr(name.size()).starts_with('=')) return {};
  text.remove_prefix(name.size() + 1);
  const auto end = text.find(' ');
  const std::string_view value = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (value.empty()) return {};
  return value;
}

}  // namespace

std::optional<ReadyLine> parse_ready_line(const std::string& line) {
  constexpr std::string_view prefix = "gallocyd ready ";
  std::string_view text = line;
  if (!text.starts_with(prefix)) return {};
  text.remove_prefix(prefix.size());
  const auto node = take_field(text, "node");
  const auto incarnation = take_field(text, "incarnation");
  const auto address = take_field(text, "listen");
  if (!node || !incarnation || !address || !text.empty()) return {};
  ReadyLine ready;
  const auto parsed = std::from_chars(node->data(), node->data() + node->size(), ready.node);
  if (parsed.ec != std::errc{} || parsed.ptr != node->data() + node->size()) return {};
  ready.address = *address;
  return ready;
}

std::vector<std::string> LogTail::take(std::string_view bytes) {
  std::vector<std::string> lines;
  for (const char c : bytes) {
    if (c != '\n') partial_.push_back(c);
    if (c != '\n' && partial_.size() < line_bytes_max) continue;
    if (auto ready = ready_ ? std::nullopt : parse_ready_line(partial_)) {
      ready_ = std::move(ready);
    } else {
      kept_ += partial_ + "\n";
      lines.push_back(partial_);
    }
    partial_.clear();
  }
  if (kept_.size() > kept_bytes_max) {
    const auto line_end = kept_.find('\n', kept_.size() - kept_bytes_max);
    kept_.erase(0, line_end + 1);
  }
  return lines;
}

std::string LogTail::last_line() const {
  if (!partial_.empty()) return partial_;
  if (kept_.empty()) return {};
  const auto before = kept_.size() < 2 ? std::string::npos : kept_.rfind('\n', kept_.size() - 2);
  const auto begin = before == std::string::npos ? 0 : before + 1;
  return kept_.substr(begin, kept_.size() - 1 - begin);
}

}  // namespace gallocy::run
