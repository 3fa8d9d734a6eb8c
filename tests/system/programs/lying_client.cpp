// A rank that speaks to its daemon itself, and lies:
//   exited   it reports the end of threads that do not run in it
//   freed    it frees blocks of nobody and gives back chunks of others
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

void free_at_random(ipc::RingMemory& memory, int doorbell) {
  ipc::Ring& shared = memory.ring();
  ipc::ClientRing ring;
  ring.attach(shared, doorbell);
  std::uint64_t word = 1;
  for (int round = 0; round < 200; ++round) {
    for (auto& place : shared.freed) {
      word = word * 6364136223846793005 + 1442695040888963407;
      // Half of them in the region, of any node, there or not.
      const std::uint64_t inside = 0x5500'0000'0000 | (word >> 20 & 0x3'ffff'ffff);
      place.store(word % 2 == 0 ? word : inside | (word & std::uint64_t{0xff} << 48));
    }
    shared.freed_count.store(static_cast<std::uint32_t>(word));
    ring.call(ipc::Operation::ping);
    ring.call(ipc::Operation::return_chunks, word, word >> 32);
    ring.call(ipc::Operation::claim_chunk, word);
    ring.call(ipc::Operation::return_chunks, 0x5500'0000'0000 + round * (2ULL << 20),
              1 + round % 3);
    ring.call(ipc::Operation::home_of, word);
    ring.call(ipc::Operation::chunks, 1, word % 300, word);
    ring.call(ipc::Operation::take_freed);
  }
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
  if (lie == "freed") free_at_random(*memory, fds[3].get());
  if (lie == "orders") block_orders(fds[4].get());
  ::signal(SIGTERM, SIG_IGN);
  if (hello.rank != 0) ::sleep(60);  // the launcher kills it
  ::sleep(1);
  return 0;
}
