// sigsegv CPU CPU COUNT: the remote fetch without a daemon. A handler of SIGSEGV in the process
// that faults asks the other process for the page over TCP and makes the page readable. It saves
// a change of process, and fails whoever passes such a page to a system call.
#include <sys/mman.h>

#include <cstring>

#include "bench/floors/two.hpp"

namespace {

constexpr std::size_t page_bytes = 4096, header_bytes = 64;

struct {
  int fd = -1;
  std::byte* region = nullptr;
} fetching;  // what the handler knows

struct Reply {
  std::byte header[header_bytes];
  std::byte page[page_bytes];
};

// The page becomes writable, is filled, and is protected again: what it has is a read copy.
void fetch(int, siginfo_t* info, void*) {
  static Reply reply;
  const auto offset = static_cast<std::uint64_t>(static_cast<std::byte*>(info->si_addr) -
                                                 fetching.region) / page_bytes;
  std::uint64_t request[header_bytes / sizeof(std::uint64_t)] = {offset};
  std::byte* const page = fetching.region + offset * page_bytes;
  if (::send(fetching.fd, request, sizeof request, MSG_NOSIGNAL) != sizeof request ||
      ::recv(fetching.fd, &reply, sizeof reply, MSG_WAITALL) != sizeof reply ||
      ::mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0)
    ::_exit(1);
  std::memcpy(page, reply.page, page_bytes);
  if (::mprotect(page, page_bytes, PROT_READ) != 0) ::_exit(1);
}

void touch(std::uint32_t count) {
  struct sigaction action{};
  action.sa_sigaction = fetch;
  action.sa_flags = SA_SIGINFO;
  bench::require(::sigaction(SIGSEGV, &action, nullptr) == 0, "sigaction");
  bench::Samples samples(count);
  for (const std::uint32_t page : bench::shuffled(count)) {
    const volatile auto* word =
        reinterpret_cast<const std::uint64_t*>(fetching.region + page * page_bytes);
    const std::int64_t began_ns = bench::now_ns();
    const std::uint64_t found = *word;
    samples.add_ns(bench::now_ns() - began_ns);
    if (found != bench::pattern(page, 0)) bench::die("page %u has a wrong first word", page);
  }
  samples.print("us");
}

void serve(int fd, std::uint32_t count) {
  Reply reply{};
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint64_t request[header_bytes / sizeof(std::uint64_t)];
    bench::require(::recv(fd, request, sizeof request, MSG_WAITALL) == sizeof request, "recv");
    const std::uint64_t word = bench::pattern(request[0], 0);
    std::memcpy(reply.page, &word, sizeof word);
    bench::require(::send(fd, &reply, sizeof reply, MSG_NOSIGNAL) == sizeof reply, "send");
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::Arguments arguments(argc, argv, "sigsegv CPU CPU COUNT");
  const long cpu = arguments.number(), other_cpu = arguments.number();
  const auto count = static_cast<std::uint32_t>(arguments.number());
  const auto sockets = bench::tcp_pair();
  void* const region = ::mmap(nullptr, count * page_bytes, PROT_NONE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bench::require(region != MAP_FAILED, "mmap");
  fetching.fd = sockets.first.get();
  fetching.region = static_cast<std::byte*>(region);
  bench::run_two(
      cpu, other_cpu, [&] { touch(count); }, [&] { serve(sockets.second.get(), count); });
}
