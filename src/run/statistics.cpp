#include "run/statistics.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/unique_fd.hpp"

namespace gallocy::run {

namespace {

struct FaultName {
  ipc::FaultKind kind;
  const char* key;
  const char* words;
};
constexpr FaultName fault_names[] = {
    {ipc::FaultKind::local, "local", "local"},
    {ipc::FaultKind::first_touch, "first_touch", "first touch"},
    {ipc::FaultKind::remote_read, "remote_read", "remote read"},
    {ipc::FaultKind::remote_write, "remote_write", "remote write"},
    {ipc::FaultKind::upgrade, "upgrade", "upgrade"},
    {ipc::FaultKind::poisoned, "poisoned", "poisoned"},
};
static_assert(std::size(fault_names) == ipc::fault_kind_count);

std::uint64_t faults_of(const RankFigures& rank, ipc::FaultKind kind) {
  return rank.counted.faults[static_cast<unsigned>(kind)];
}

std::string faults_json(const RankFigures& rank) {
  std::string text;
  for (const auto& name : fault_names)
    text += fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", name.key,
                        faults_of(rank, name.kind));
  return text;
}

}  // namespace

Figures collect(const std::vector<const ipc::JobStatistics*>& daemons) {
  Figures figures;
  auto& ranks = figures.ranks;
  for (const ipc::JobStatistics* daemon : daemons) {
    const unsigned count = std::min(daemon->rank_count, ipc::max_rank_count);
    figures.latency_us.merge(daemon->latency_us);
    for (unsigned i = 0; i < count; ++i) {
      RankFigures& rank = ranks.emplace_back(RankFigures{daemon->ranks[i]});
      if (i > 0) continue;
      rank.peer_bytes_in = daemon->peer_bytes_in;
      rank.peer_bytes_out = daemon->peer_bytes_out;
      rank.pages_evicted = daemon->pages_evicted;
      rank.connections_resumed = daemon->connections_resumed;
    }
  }
  std::sort(ranks.begin(), ranks.end(), [](const auto& a, const auto& b) {
    return a.counted.rank < b.counted.rank;
  });
  return figures;
}

std::string grouped(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text.push_back(',');
    text.push_back(digits[i]);
  }
  return text;
}

std::string line_of(const Figures& figures) {
  const auto& ranks = figures.ranks;
  std::uint64_t all = 0, bytes_in = 0, bytes_out = 0, resumed_count = 0;
  std::string kinds, threads;
  for (const auto& name : fault_names) {
    std::uint64_t count = 0;
    for (const auto& rank : ranks) count += faults_of(rank, name.kind);
    all += count;
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", grouped(count), name.words);
  }
  for (const auto& rank : ranks) {
    bytes_in += rank.peer_bytes_in;
    bytes_out += rank.peer_bytes_out;
    resumed_count += rank.connections_resumed;
    threads += fmt::format("{}{} on node {}", threads.empty() ? "" : ", ",
                           grouped(rank.counted.threads_run), rank.counted.node);
  }
  const std::string resumed =
      resumed_count == 0 ? ""
                         : fmt::format(", connections resumed {} times", grouped(resumed_count));
  return fmt::format("{} faults ({}), p50 {} us, p99 {} us; peer bytes {} in, {} out{}; threads {}",
                     grouped(all), kinds, grouped(figures.latency_us.percentile(50)),
                     grouped(figures.latency_us.percentile(99)),
                     grouped(bytes_in), grouped(bytes_out), resumed,
                     threads.empty() ? "none" : threads);
}

std::string json_of(const Figures& figures) {
  std::string text;
  for (const auto& rank : figures.ranks)
    text += fmt::format(
        "{}  {{\"rank\": {}, \"node\": {}, \"threads_run\": {},\n   \"faults\": {{{}}},\n"
        "   \"peer_bytes_in\": {}, \"peer_bytes_out\": {}, \"pages_evicted\": {},\n"
        "   \"connections_resumed\": {}}}",
        text.empty() ? "" : ",\n", rank.counted.rank, rank.counted.node,
        rank.counted.threads_run, faults_json(rank), rank.peer_bytes_in, rank.peer_bytes_out,
        rank.pages_evicted, rank.connections_resumed);
  return fmt::format(
      "{{\"ranks\": [\n{}\n],\n\"fault_latency_us\": {{\"p50\": {}, \"p99\": {}}}}}\n", text,
      figures.latency_us.percentile(50), figures.latency_us.percentile(99));
}

Try<void> write_file(const std::string& path, const std::string& text) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  const UniqueFd file{
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
  const bool written =
      file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (written && ::rename(temporary.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  if (file) ::unlink(temporary.c_str());
  return refuse(exit_job_failed, fmt::format("can't write statistics to {}: {}", path,
                                             ::strerrordesc_np(error)));
}

}  // namespace gallocy::run
