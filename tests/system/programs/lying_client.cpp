// A rank that speaks to its daemon itself, and lies:
//   exited   it reports the end of threads that do not run in it
//   orders   it fills its orders descriptor, makes it a blocking one, and does not hear the end
// Linked with libgallocy, or gallocy-run would start it once and outside a job.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string_view>

#include "gallocy/gallocy.h"
#include "ipc/ring.hpp"
#include "ipc/socket.hpp"
#include "uffd/region.hpp"

using namespace gallocy;

namespace {

constexpr int limit_ms = 10'000;

void report_ends(ipc::RingMemory& memory, int doorbell) {
  ipc::ClientRing ring;
  ring.attach(memory.ring(), doorbell);
  // If the daemon dies, the launcher says so.
  for (const std::uint64_t thread : {0ULL, 1ULL, 77ULL, 1ULL << 48 | 1, ~0ULL})
    ring.call(ipc::Operation::thread_exited, thread, 0);
}

void block_orders(int orders) {
  std::uint64_t count = 0;
  ::fcntl(orders, F_SETFL, O_NONBLOCK);
  [[maybe_unused]] const auto emptied = ::read(orders, &count, sizeof count);
  count = ~std::uint64_t{1};
  [[maybe_unused]] const auto filled = ::write(orders, &count, sizeof count);
  ::fcntl(orders, F_SETFL, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (gallocy_rank() >= 0 || argc < 2) return 64;
  const std::string_view lie = argv[1];
  const auto socket = ipc::connect_to(::getenv("GALLOCY_SOCKET"));
  if (!socket) return 65;
  ipc::ClientHello hello;
  hello.job = ::strtoull(::getenv("GALLOCY_JOB"), nullptr, 16);
  hello.rank = static_cast<std::uint32_t>(::atoi(::getenv("GALLOCY_RANK")));
  if (!ipc::send_message(socket->get(), hello, {}, limit_ms)) return 66;
  UniqueFd fds[ipc::welcome_fd_count];
  const auto welcome = ipc::receive<ipc::ClientWelcome>(socket->get(), fds, limit_ms);
  if (!welcome) return 67;
  const auto region =
      uffd::map_region(fds[0].get(), welcome->region_address, welcome->region_size_bytes);
  const auto userfault = uffd::create_from_device(fds[1].get());
  if (!region || !userfault) return 68;
  const int sent[] = {userfault->get()};
  if (!ipc::send_message(socket->get(), ipc::ClientUserfault{}, sent, limit_ms)) return 69;
  if (!ipc::receive<ipc::ClientReady>(socket->get(), {}, limit_ms)) return 71;
  auto memory = ipc::RingMemory::map(std::move(fds[2]));
  if (!memory) return 72;
  if (lie == "exited") report_ends(*memory, fds[3].get());
  if (lie == "orders") block_orders(fds[4].get());
  ::signal(SIGTERM, SIG_IGN);
  if (hello.rank != 0) ::sleep(60);  // the launcher kills it
  ::sleep(1);
  return 0;
}
