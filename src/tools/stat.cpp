#include "tools/stat.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "gallocy/stats.h"
#include "ipc/socket.hpp"
#include "tools/sockets.hpp"

namespace gallocy::tools {
namespace {

constexpr int answer_limit_ms = 5'000;
constexpr std::size_t page_size_bytes = (sizeof(gallocy_stats) + 4095) / 4096 * 4096;

constexpr const char* fault_names[GALLOCY_FAULT_KINDS] = {
    "local", "first_touch", "remote_read", "remote_write", "upgrade", "poisoned"};

std::string job_text(std::uint64_t job) { return fmt::format("{:016x}", job); }

Result<gallocy_stats> read_page(const UniqueFd& memory) {
  void* mapped = ::mmap(nullptr, page_size_bytes, PROT_READ, MAP_SHARED, memory.get(), 0);
  if (mapped == MAP_FAILED) return fail_errno("can't map a statistics page");
  gallocy_stats copy;
  const int status = ::gallocy_stats_read(static_cast<const gallocy_stats*>(mapped), &copy);
  ::munmap(mapped, page_size_bytes);
  if (status != 0) return fail(EPROTO, "a statistics page is of another version of gallocy");
  return copy;
}

Status does_not_answer() {
  return fail(ETIMEDOUT, "the daemon does not answer: it is stopped (kill -CONT lets it go on) or "
              "stuck (end it, and start it anew)");
}

// All pages that the daemon at `path` shows us.
Status ask(const std::string& path, std::vector<gallocy_stats>& pages) {
  const auto socket = ipc::connect_to(path.c_str());
  if (!socket) return tl::unexpected<Error>(socket.error());
  // Who reads nothing may have said why.
  if (auto sent = ipc::send_message(socket->get(), ipc::PagesRequest{}, {}, answer_limit_ms);
      !sent && sent.error().code != EPIPE)
    return sent;
  for (;;) {
    ipc::AnyMessage message;
    UniqueFd memory[1];
    if (auto got = ipc::receive_any(socket->get(), message, memory, answer_limit_ms); !got)
      return got.error().code != ETIMEDOUT ? got : does_not_answer();
    if (message.as<ipc::PagesEnd>() != nullptr) return {};
    if (const auto* refused = message.as<ipc::Refused>())
      return tl::unexpected(ipc::error_of(*refused));
    if (message.as<ipc::StatisticsPage>() == nullptr || message.fd_count() != 1)
      return fail(EPROTO, "the daemon at ", path.c_str(), " talks nonsense");
    const auto page = read_page(memory[0]);
    if (!page) return tl::unexpected<Error>(page.error());
    pages.push_back(*page);
  }
}

std::string faults_text(const gallocy_rank_stats& rank, const char* form, const char* between) {
  std::string text;
  for (unsigned kind = 0; kind < GALLOCY_FAULT_KINDS; ++kind)
    text += fmt::format(fmt::runtime(form), fmt::arg("between", text.empty() ? "" : between),
                        fmt::arg("name", fault_names[kind]),
                        fmt::arg("count", rank.faults[kind]));
  return text;
}

std::string text_of(const gallocy_stats& page) {
  std::string text = fmt::format(
      "job {} of uid {} on node {}: {} KiB resident, peer bytes {} in, {} out, faults p50 {} us, "
      "p99 {} us\n",
      job_text(page.job), page.owner_uid, page.node, page.resident_pages * 4,
      page.peer_bytes_in, page.peer_bytes_out, page.fault_latency_p50_us,
      page.fault_latency_p99_us);
  for (std::uint32_t i = 0; i < page.rank_count; ++i)
    text += fmt::format("  rank {}: {} threads; faults {}\n", page.ranks[i].rank,
                        page.ranks[i].threads_run,
                        faults_text(page.ranks[i], "{between}{count} {name}", ", "));
  return text;
}

std::string json_of(const gallocy_stats& page) {
  std::string ranks;
  for (std::uint32_t i = 0; i < page.rank_count; ++i)
    ranks += fmt::format("{}{{\"rank\": {}, \"threads_run\": {}, \"faults\": {{{}}}}}",
                         ranks.empty() ? "" : ", ", page.ranks[i].rank, page.ranks[i].threads_run,
                         faults_text(page.ranks[i], "{between}\"{name}\": {count}", ", "));
  return fmt::format(
      "{{\"job\": \"{}\", \"uid\": {}, \"node\": {}, \"written_us\": {}, \"resident_pages\": {}, "
      "\"peer_bytes_in\": {}, \"peer_bytes_out\": {}, \"fault_latency_us\": {{\"p50\": {}, "
      "\"p99\": {}}}, \"ranks\": [{}]}}",
      job_text(page.job), page.owner_uid, page.node, page.written_us, page.resident_pages,
      page.peer_bytes_in, page.peer_bytes_out, page.fault_latency_p50_us,
      page.fault_latency_p99_us, ranks);
}

std::string text_of(const std::vector<gallocy_stats>& pages, bool json) {
  std::string text;
  for (const gallocy_stats& page : pages)
    text += json ? (text.empty() ? "" : ",\n ") + json_of(page) : text_of(page);
  return json ? fmt::format("[{}]\n", text) : text;
}

void say(const std::string& sentence) {
  std::fputs(fmt::format("gallocy: {}\n", sentence).c_str(), stderr);
}

// "4f", or "0x4f".
std::optional<std::uint64_t> parse_job(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  std::uint64_t job = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, job, 16);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return job;
}

}  // namespace

Report stat(const StatOptions& options) {
  const auto job = options.job ? parse_job(*options.job) : std::nullopt;
  if (options.job && !job) {
    say(fmt::format("--job {}: must be a job's number in hexadecimal, as gallocy stat prints it",
                    *options.job));
    return {{}, exit_usage};
  }
  std::vector<std::string> sockets = options.sockets;
  if (sockets.empty())
    for (const Scratch& scratch : find_scratch_folders())
      sockets.insert(sockets.end(), scratch.sockets.begin(), scratch.sockets.end());
  std::vector<gallocy_stats> pages;
  int status = 0;
  for (const std::string& socket : sockets) {
    const Status asked = ask(socket, pages);
    if (asked) continue;
    // A daemon that was only found may end while it is asked.
    const int code = asked.error().code;
    const bool has_ended = code != EPROTO && code != ETIMEDOUT && code != EBUSY;
    if (options.sockets.empty() && has_ended) continue;
    say(fmt::format("{}: {}", socket, asked.error().sentence.view()));
    if (options.sockets.empty()) {  // others may tell more
      status = exit_unavailable;
      continue;
    }
    const bool none = code == ENOENT || code == ENAMETOOLONG;
    return {{}, none ? exit_usage : exit_unavailable};
  }
  std::erase_if(pages, [&](const gallocy_stats& page) { return job && page.job != *job; });
  std::sort(pages.begin(), pages.end(), [](const auto& a, const auto& b) {
    return std::pair{a.job, a.node} < std::pair{b.job, b.node};
  });
  std::string text = text_of(pages, options.json);
  if (job && pages.empty()) {
    say(fmt::format("there is no job {}, or it is another user's", job_text(*job)));
    status = exit_unavailable;
  } else if (text.empty()) {
    text = "no jobs\n";
  }
  return {text, status};
}

}  // namespace gallocy::tools
