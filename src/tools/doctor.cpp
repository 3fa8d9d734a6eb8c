#include "tools/doctor.hpp"

#include <fmt/format.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <cstdint>
#include <fstream>

#include "base/ids.hpp"
#include "base/stack_limit.hpp"
#include "base/usable_memory.hpp"
#include "net/ring.hpp"
#include "tools/sockets.hpp"
#include "uffd/probe.hpp"
#include "uffd/region.hpp"

namespace gallocy::tools {
namespace {

constexpr std::uint64_t region_bytes = 64ull << 30;      // that a job maps
constexpr std::uint64_t enough_memory_kib = 512 << 10;   // for a job of some use
constexpr std::uint64_t enough_descriptors = 1024;

// The first number of a file of /proc, or of the line that begins with `key`.
std::uint64_t number_in(const char* path, const std::string& key = {}) {
  std::ifstream file(path);
  std::string word;
  std::uint64_t number = 0;
  if (!key.empty())
    while (file >> word && word != key) continue;
  return file >> number ? number : 0;
}

Finding ok(std::string subject, std::string text) {
  return {std::move(subject), Verdict::ok, std::move(text), {}};
}

Finding kernel() {
  utsname name{};
  ::uname(&name);
  const auto release = uffd::parse_release(name.release);
  const auto wanted = std::pair{uffd::min_kernel_major, uffd::min_kernel_minor};
  if (std::pair{release.kernel_major, release.kernel_minor} >= wanted)
    return ok("kernel", name.release);
  return {"kernel", Verdict::missing, fmt::format("{} is too old", name.release),
          fmt::format("install Linux {}.{} or newer", wanted.first, wanted.second)};
}

// The sentences of what is tried name their remedy themselves.
Finding userfaultfd() {
  const char* const subject = "userfaultfd";
  if (const auto found = uffd::probe(); !found)
    return {subject, Verdict::missing, "cannot be used", found.error().sentence.c_str()};
  if (const Status status = uffd::self_test(); !status)
    return {subject, Verdict::missing, "fails its test", status.error().sentence.c_str()};
  return ok(subject, fmt::format("{} opens, pages can be served", uffd::device_path));
}

// The kernel says EPERM both if it is switched off and if a container forbids it.
Finding io_uring() {
  const char* const subject = "io_uring";
  const auto ring = net::Ring::create();
  if (ring) return ok(subject, "works");
  if (number_in("/proc/sys/kernel/io_uring_disabled") != 0)
    return {subject, Verdict::missing, "is switched off", "sysctl kernel.io_uring_disabled=0"};
  return {subject, Verdict::missing, "cannot be used", ring.error().sentence.c_str()};
}

Finding memory() {
  const char* const subject = "memory";
  const std::uint64_t available_kib = number_in("/proc/meminfo", "MemAvailable:");
  const auto limit = control_group_limit();
  if (limit && limit->bytes >> 10 < available_kib) {
    const std::string text =
        fmt::format("at most {} MiB, by the limit of a control group", limit->bytes >> 20);
    if (limit->bytes >> 10 >= enough_memory_kib) return ok(subject, text);
    return {subject, Verdict::warning, text,
            fmt::format("raise {}, or use small jobs only", limit->file)};
  }
  const std::string text = fmt::format("{} MiB available", available_kib >> 10);
  if (available_kib >= enough_memory_kib) return ok(subject, text);
  return {subject, Verdict::warning, text, "end other programs, or use small jobs only"};
}

std::uint64_t limit_of(__rlimit_resource resource) {
  rlimit limit{};
  return ::getrlimit(resource, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

Finding address_space() {
  // Program and daemon map the region once each; the daemon also its page table.
  const std::uint64_t bytes = limit_of(RLIMIT_AS);
  if (bytes >= 2 * region_bytes) return ok("address space", "no limit that matters");
  return {"address space", Verdict::missing,
          fmt::format("limited to {} MiB, a job needs {} GiB of addresses", bytes >> 20,
                      2 * region_bytes >> 30),
          "ulimit -v unlimited"};
}

Finding file_size() {
  const std::uint64_t bytes = limit_of(RLIMIT_FSIZE);
  if (bytes >= region_bytes) return ok("file size", "no limit that matters");
  return {"file size", Verdict::missing,
          fmt::format("limited to {} MiB, a job's memory counts as a sparse file of {} GiB",
                      bytes >> 20, region_bytes >> 30),
          "ulimit -f unlimited"};
}

Finding stack() {
  const std::uint64_t bytes = limit_of(RLIMIT_STACK);
  if (bytes >= min_stack_bytes) return ok("stack", "no limit that matters");
  return {"stack", Verdict::missing, fmt::format("limited to {} KiB", bytes >> 10),
          "ulimit -s 8192"};
}

Finding descriptors() {
  const std::uint64_t count = limit_of(RLIMIT_NOFILE);
  const std::string text = fmt::format("{} a process", count);
  if (count >= enough_descriptors) return ok("descriptors", text);
  return {"descriptors", Verdict::warning, text + ", large jobs may need more",
          fmt::format("ulimit -n {}", enough_descriptors)};
}

Finding addresses() {
  const int before = ::personality(0xffffffff);
  const bool allowed = before >= 0 && ::personality(before | ADDR_NO_RANDOMIZE) >= 0;
  if (before >= 0) ::personality(before);
  if (allowed) return ok("addresses", "randomisation can be switched off for a job");
  return {"addresses", Verdict::warning, "randomisation can't be switched off here",
          "allow the personality system call, or link programs with -no-pie"};
}

// To be pasted.
std::string quoted(const std::string& path) {
  std::string text = "'";
  for (const char c : path) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

Finding stale_files() {
  std::string stale;
  std::size_t jobs = 0;
  for (const Scratch& scratch : find_scratch_folders()) {
    if (scratch.stale) stale += " " + quoted(scratch.folder);
    else if (!scratch.sockets.empty()) ++jobs;
  }
  if (stale.empty()) return ok("stale files", fmt::format("none ({} jobs are running)", jobs));
  return {"stale files", Verdict::warning, "left by a gallocy-run that was killed",
          "rm -r" + stale};
}

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok: return "ok";
    case Verdict::warning: return "warning";
    case Verdict::missing: break;
  }
  return "MISSING";
}

}  // namespace

std::vector<Finding> examine() {
  return {kernel(),      userfaultfd(), io_uring(),  memory(),     address_space(),
          file_size(),   stack(),       descriptors(), addresses(), stale_files()};
}

Report doctor() {
  std::string text;
  bool usable = true;
  for (const Finding& finding : examine()) {
    text += fmt::format("{:.<16} {:<8} {}\n", finding.subject + " ", name_of(finding.verdict),
                        finding.text);
    if (!finding.remedy.empty()) text += fmt::format("{:25} -> {}\n", "", finding.remedy);
    usable = usable && finding.verdict != Verdict::missing;
  }
  text += usable ? "gallocy can run on this machine\n"
                 : "gallocy can't run on this machine as it is\n";
  return {text, usable ? 0 : exit_unavailable};
}

}  // namespace gallocy::tools
