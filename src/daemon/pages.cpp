#include "daemon/pages.hpp"

#include <cstring>

#include "base/check.hpp"
#include "uffd/planted.hpp"

namespace gallocy::daemon {
namespace {

uffd::Mode mode_of(core::Access access) {
  return access == core::Access::write ? uffd::Mode::writable : uffd::Mode::read_only;
}

// What is left after the outcomes that a method handles itself: the client is on its way out or
// has unmapped its own region, or the machine has no memory.
template <class Kernel>
Pages::Outcome remaining(Kernel outcome) {
  return outcome == Kernel::out_of_memory ? Pages::Outcome::out_of_memory
                                          : Pages::Outcome::client_gone;
}

}  // namespace

Result<Pages> Pages::create(JobId job, std::uint64_t region_size_bytes,
                            std::uint32_t slot_count) {
  const std::uint64_t page_count = region_size_bytes / page_bytes;
  const std::uint64_t table_bytes = page_count * sizeof(core::PageEntry);
  const Sentence name("gallocy-", Hex{raw(job)});
  auto frames = uffd::PageMemory::create(name.c_str(), region_size_bytes);
  if (!frames) return tl::unexpected<Error>(frames.error());
  auto slots = uffd::PageMemory::create("gallocy-slots", slot_count * page_bytes);
  if (!slots) return tl::unexpected<Error>(slots.error());
  auto table = uffd::PageMemory::create(
      "gallocy-table", (table_bytes + page_bytes - 1) / page_bytes * page_bytes);
  if (!table) return tl::unexpected<Error>(table.error());
  return Pages(std::move(*frames), std::move(*slots), std::move(*table));
}

std::span<core::PageEntry> Pages::entries() const {
  return {reinterpret_cast<core::PageEntry*>(table_.frame(PageNo{0})), frames_.page_count()};
}

Pages::Outcome Pages::install(const ClientView& client, const core::Install& what,
                              std::span<const std::byte> message_bytes) {
  const uffd::Mode mode = mode_of(what.access);
  switch (what.source) {
    case core::Source::message:
      return install_bytes(client, what.page, mode, message_bytes);
    case core::Source::zero:
      return install_zeros(client, what.page, mode);
    case core::Source::present:
      return map_frame(client, what.page, mode);
  }
  __builtin_unreachable();
}

Pages::Outcome Pages::install_bytes(const ClientView& client, PageNo page, uffd::Mode mode,
                                    std::span<const std::byte> message_bytes) {
  if (uffd::planted(uffd::Bug::wake_without_install)) {
    wake(client, page);
    return Outcome::done;
  }
  const auto result = client.userfault.copy(client.address_of(page), message_bytes.data(), mode);
  if (result.outcome == uffd::InstallOutcome::installed) return Outcome::done;
  // These are the only bytes of the page now: they outlive this client in any case.
  store(page, message_bytes);
  if (result.outcome == uffd::InstallOutcome::already_present)
    return map_frame(client, page, mode);
  return remaining(result.outcome);
}

Pages::Outcome Pages::install_zeros(const ClientView& client, PageNo page, uffd::Mode mode) {
  const auto try_once = [&] {
    return mode == uffd::Mode::writable ? client.userfault.zero_writable(client.address_of(page))
                                        : client.userfault.zero_read_only(client.address_of(page));
  };
  auto result = try_once();
  if (result.outcome == uffd::InstallOutcome::already_present) {
    // A frame where the page table says that there is none: somebody who is not served by a
    // userfaultfd (a fork child that mapped the memory itself) touched the hole.
    drop(page);
    result = try_once();
  }
  return result.outcome == uffd::InstallOutcome::installed ? Outcome::done
                                                           : remaining(result.outcome);
}

Pages::Outcome Pages::map_frame(const ClientView& client, PageNo page, uffd::Mode mode) {
  const auto result = client.userfault.map_present(client.address_of(page), mode);
  switch (result.outcome) {
    case uffd::MapOutcome::installed:
      return Outcome::done;
    case uffd::MapOutcome::already_present:
      // Another thread's fault was answered after this one was queued. It does not wake.
      if (mode == uffd::Mode::writable) return unprotect(client, page);
      wake(client, page);
      return Outcome::done;
    case uffd::MapOutcome::absent:
      // A page of zeros that nobody was left to install when it was granted.
      return install_zeros(client, page, mode);
    default:
      return remaining(result.outcome);
  }
}

Pages::Outcome Pages::unprotect(const ClientView& client, PageNo page) {
  const auto result = client.userfault.unprotect(client.address_of(page));
  return result.outcome == uffd::ProtectOutcome::done ? Outcome::done : remaining(result.outcome);
}

Pages::Outcome Pages::protect(const ClientView& client, PageNo page) {
  const auto result = client.userfault.protect(client.address_of(page));
  return result.outcome == uffd::ProtectOutcome::done ? Outcome::done : remaining(result.outcome);
}

// Of a page that was protected when it went the kernel keeps a mark, which refuses the poison as a
// mapped page does; the access would only be woken, and wait for the page again for ever. Waiting
// threads are woken when the poison is there, not by the unprotect, or they would ask once more.
Pages::Outcome Pages::poison(const ClientView& client, PageNo page) {
  const std::uint64_t address = client.address_of(page);
  auto result = client.userfault.poison(address);
  if (result.outcome == uffd::PoisonOutcome::already_present) {
    drop(page);  // a frame that nobody owns, as in install_zeros()
    const auto cleared = client.userfault.unprotect(address, 1, uffd::Wake::later);
    if (cleared.outcome != uffd::ProtectOutcome::done) return remaining(cleared.outcome);
    result = client.userfault.poison(address);
  }
  if (result.outcome == uffd::PoisonOutcome::poisoned) return Outcome::done;
  if (result.outcome != uffd::PoisonOutcome::already_present) return remaining(result.outcome);
  wake(client, page);  // poisoned already
  return Outcome::done;
}

void Pages::wake(const ClientView& client, PageNo page) {
  client.userfault.wake(client.address_of(page));
}

void Pages::store(PageNo page, std::span<const std::byte> message_bytes) {
  GALLOCY_CHECK(message_bytes.size() == page_bytes, GALLOCY_VALUE(message_bytes.size()));
  std::memcpy(frames_.frame(page), message_bytes.data(), page_bytes);
}

void Pages::capture(PageNo page, std::uint32_t slot) {
  std::memcpy(slots_.frame(PageNo{slot}), frames_.frame(page), page_bytes);
}

void Pages::restore(PageNo page, std::uint32_t slot) {
  std::memcpy(frames_.frame(page), slots_.frame(PageNo{slot}), page_bytes);
}

void Pages::drop(PageNo page, std::uint32_t count) {
  const auto status = frames_.drop(page, count);
  GALLOCY_CHECK(status.has_value(), GALLOCY_VALUE(raw(page)), GALLOCY_VALUE(status.error().code));
}

}  // namespace gallocy::daemon
