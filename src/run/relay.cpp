#include "run/relay.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "base/output.hpp"

namespace gallocy::run {

namespace {

constexpr std::string_view relay_option = "--relay-lines-of-rank=";
constexpr std::size_t line_bytes_max = 64 << 10;

// Takes the whole lines out of `text`, and what is too long for one.
std::string tagged_lines(std::string& text, std::string_view tag) {
  std::string lines;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const bool whole = end < text.size() && end - begin <= line_bytes_max;
    if (!whole && text.size() - begin <= line_bytes_max) break;
    const std::size_t size = whole ? end - begin : line_bytes_max;
    lines.append(tag).append(text, begin, size).push_back('\n');
    begin += size + (whole ? 1 : 0);
  }
  text.erase(0, begin);
  return lines;
}

}  // namespace

Try<Relay> Relay::start(unsigned rank, int output_fd, const sigset_t& signal_mask) {
  auto pipe = make_pipe();
  if (!pipe) return tl::unexpected<Refusal>(pipe.error());
  ChildPlan plan;
  plan.path = "/proc/self/exe";
  plan.arguments = {"gallocy-run", fmt::format("{}{}", relay_option, rank)};
  plan.environment = current_environment();
  plan.input_fd = pipe->read_end.get();
  plan.output_fd = output_fd;
  // It ends with its rank, and has to bring out the last words of that.
  plan.death_signal = 0;
  plan.own_group = true;
  plan.signal_mask = signal_mask;
  auto child = Child::start(plan);
  if (!child) return tl::unexpected<Refusal>(child.error());
  return Relay{std::move(pipe->write_end), std::move(*child)};
}

std::optional<unsigned> relayed_rank(int argc, char** argv) {
  if (argc != 2) return std::nullopt;
  std::string_view text = argv[1];
  if (!text.starts_with(relay_option)) return std::nullopt;
  text.remove_prefix(relay_option.size());
  unsigned rank = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), rank);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return rank;
}

int relay_lines(unsigned rank) {
  const std::string tag = fmt::format("[{}] ", rank);
  std::string text;
  char buffer[16 << 10];
  for (;;) {
    const auto count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
    if (!write_all(STDOUT_FILENO, tagged_lines(text, tag))) return exit_job_failed;
  }
  // Others' lines may follow.
  if (!text.empty()) write_all(STDOUT_FILENO, fmt::format("{}{}\n", tag, text));
  return 0;
}

}  // namespace gallocy::run
