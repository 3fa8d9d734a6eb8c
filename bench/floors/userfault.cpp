// The kernel's page faults alone: a bare pager in another process, which reads the event by a
// blocking read and answers it at once.
//
//   userfault continue CPU CPU COUNT   the page is there and is mapped
//   userfault install CPU CPU COUNT    the page becomes one of zeros
#include <fcntl.h>
#include <linux/userfaultfd.h>

#include "bench/floors/two.hpp"
#include "uffd/memory.hpp"
#include "uffd/region.hpp"
#include "uffd/userfault.hpp"

namespace {

using namespace gallocy;

template <class T>
T must(Result<T> result) {
  if (!result) bench::die("%s", result.error().sentence.c_str());
  return std::move(*result);
}

// The event is not decoded by uffd, and the descriptor blocks: nothing stands between.
void serve(const uffd::UserFault& userfault, bool present, long count) {
  ::fcntl(userfault.fd(), F_SETFL, ::fcntl(userfault.fd(), F_GETFL) & ~O_NONBLOCK);
  for (long i = 0; i < count; ++i) {
    uffd_msg message;
    bench::require(::read(userfault.fd(), &message, sizeof message) == sizeof message,
                   "read of the userfaultfd");
    const std::uint64_t page = message.arg.pagefault.address & ~(page_bytes - 1);
    if (present)
      bench::require(userfault.map_present(page, uffd::Mode::writable).outcome ==
                         uffd::MapOutcome::installed, "UFFDIO_CONTINUE");
    else
      bench::require(userfault.zero_writable(page).outcome == uffd::InstallOutcome::installed,
                     "UFFDIO_ZEROPAGE");
  }
}

void touch(std::byte* region, bool present, long count) {
  bench::Samples samples(static_cast<std::size_t>(count));
  for (long i = 0; i < count; ++i) {
    volatile auto* word = reinterpret_cast<std::uint64_t*>(
        region + static_cast<std::uint64_t>(i) * page_bytes);
    const std::int64_t began_ns = bench::now_ns();
    if (!present) *word = bench::pattern(static_cast<std::uint64_t>(i), 0);
    const std::uint64_t found = *word;
    samples.add_ns(bench::now_ns() - began_ns);
    if (found != bench::pattern(static_cast<std::uint64_t>(i), 0))
      bench::die("page %ld has a wrong first word", i);
  }
  samples.print("us");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, "userfault continue|install CPU CPU COUNT");
  const std::string how = arguments.word();
  const bool present = how == "continue";
  if (!present && how != "install") arguments.wrong();
  const long cpu = arguments.number(), pager_cpu = arguments.number(), count = arguments.number();

  const std::uint64_t size_bytes = static_cast<std::uint64_t>(count) * page_bytes;
  const auto memory = must(uffd::PageMemory::create("bench", size_bytes));
  for (std::uint64_t page = 0; present && page < memory.page_count(); ++page)
    *reinterpret_cast<std::uint64_t*>(memory.frame(PageNo{page})) = bench::pattern(page, 0);
  const auto region = must(uffd::map_region(memory.fd(), region_base, size_bytes));
  const auto device = must(uffd::open_device());
  const auto userfault =
      must(uffd::UserFault::adopt(must(uffd::create_from_device(device.get()))));
  if (const Status status = userfault.register_range(region_base, size_bytes); !status)
    bench::die("%s", status.error().sentence.c_str());
  // The child has the descriptor; what it serves is this process's address space.
  bench::run_two(
      cpu, pager_cpu, [&] { touch(region.data(), present, count); },
      [&] { serve(userfault, present, count); });
}
