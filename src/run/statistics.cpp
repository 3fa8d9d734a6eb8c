#include "run/statistics.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/output.hpp"
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

// A rename would put a file in its place.
bool is_special(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

std::string name_beside(const std::string& path) {
  return fmt::format("{}.{}.tmp", path, ::getpid());
}

UniqueFd create(const std::string& path) {
  return UniqueFd{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
}

// Of a pipe that nobody reads it is an error, and nothing to wait for.
UniqueFd open_special(const std::string& path) {
  UniqueFd file{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
  if (file) ::fcntl(file.get(), F_SETFL, 0);
  return file;
}

tl::unexpected<Refusal> refuse_file(int status, const std::string& path, int error) {
  return refuse(status,
                fmt::format("can't write statistics to {}: {}", path, describe_error(error)));
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

Try<void> check_writable(const std::string& path) {
  const bool special = is_special(path);
  // The rename would take the link away, and /dev/stdout may be one to a file.
  std::error_code error;
  if (!special && std::filesystem::is_symlink(path, error))
    return refuse(exit_usage, fmt::format("can't write statistics to {}: it is a symbolic link to "
                                          "a file; name the file itself", path));
  const std::string written = special ? path : name_beside(path);
  if (const UniqueFd file = special ? open_special(path) : create(written); !file)
    return refuse_file(exit_usage, path, errno);
  if (!special) ::unlink(written.c_str());
  return {};
}

Try<void> write_file(const std::string& path, const std::string& text) {
  const bool special = is_special(path);
  const std::string written = special ? path : name_beside(path);
  const UniqueFd file = special ? open_special(path) : create(written);
  if (file && write_all(file.get(), text) &&
      (special || ::rename(written.c_str(), path.c_str()) == 0))
    return {};
  const int error = errno;
  if (file && !special) ::unlink(written.c_str());
  return refuse_file(exit_io_error, path, error);
}

}  // namespace gallocy::run
