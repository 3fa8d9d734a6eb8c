#include "daemon/stats_page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace gallocy::daemon {
namespace {

constexpr std::size_t size_bytes = (sizeof(gallocy_stats) + 4095) / 4096 * 4096;
static_assert(ipc::fault_kind_count == GALLOCY_FAULT_KINDS);
static_assert(ipc::max_rank_count == GALLOCY_STATS_RANKS_MAX);

}  // namespace

Result<StatsPage> StatsPage::create(std::uint64_t job, std::uint32_t owner_uid) {
  UniqueFd fd(::memfd_create("gallocy-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno("can't make a page for statistics");
  if (::ftruncate(fd.get(), size_bytes) != 0) return fail_errno("can't size the statistics page");
  void* mapped = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return fail_errno("can't map the statistics page");
  auto* page = static_cast<gallocy_stats*>(mapped);
  StatsPage made(std::move(fd), page);
  // This mapping stays writable, none that comes later is.
  constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  if (::fcntl(made.fd(), F_ADD_SEALS, seals) != 0)
    return fail_errno("can't seal the statistics page");
  page->magic = GALLOCY_STATS_MAGIC;
  page->version = GALLOCY_STATS_VERSION;
  page->size_bytes = sizeof *page;
  page->job = job;
  page->owner_uid = owner_uid;
  return made;
}

StatsPage::StatsPage(StatsPage&& other) noexcept
    : fd_(std::move(other.fd_)), page_(std::exchange(other.page_, nullptr)) {}

StatsPage::~StatsPage() {
  if (page_ != nullptr) ::munmap(page_, size_bytes);
}

void StatsPage::write(const ipc::JobStatistics& statistics, std::uint64_t now_us) {
  Histogram latency_us;
  latency_us.merge(statistics.latency_us);
  const std::uint32_t sequence = page_->sequence;
  __atomic_store_n(&page_->sequence, sequence + 1, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  page_->node = statistics.node;
  page_->written_us = now_us;
  page_->peer_bytes_in = statistics.peer_bytes_in;
  page_->peer_bytes_out = statistics.peer_bytes_out;
  page_->resident_pages = statistics.resident_pages;
  page_->fault_latency_p50_us = latency_us.percentile(50);
  page_->fault_latency_p99_us = latency_us.percentile(99);
  page_->rank_count = statistics.rank_count;
  for (std::uint32_t i = 0; i < statistics.rank_count; ++i) {
    const ipc::RankStatistics& from = statistics.ranks[i];
    page_->ranks[i].rank = from.rank;
    page_->ranks[i].threads_run = from.threads_run;
    std::ranges::copy(from.faults, page_->ranks[i].faults);
  }
  __atomic_store_n(&page_->sequence, sequence + 2, __ATOMIC_RELEASE);
}

}  // namespace gallocy::daemon
