// Chunks that are given back and handed out again: what is in them then is zero, and everything
// that happens to them meanwhile ends.
#include <fmt/format.h>

#include <cerrno>

#include "world.hpp"
#include "workload.hpp"

namespace gallocy::sim {
namespace {

constexpr std::uint64_t used_pages = 5;  // of a chunk, that threads meet on

PageNo first_page(std::uint64_t address) { return PageNo{(address - region_base) / page_bytes}; }

}  // namespace

void Workload::recycle(SimThread& thread) {
  Operation& operation = thread.operation;
  switch (operation.phase) {
    case 0: return take_lease(thread);
    case 1:
      operation.phase = 2;
      if (world_.random().one_in(3)) return grow_lease(thread);
      [[fallthrough]];
    case 2: {
      Lease& lease = leases_.at(operation.lease);
      lease.ending = true;
      check_time();
      if (lease.users > 0) return run_again(thread, 20);
      return end_lease(thread);
    }
    default: return end(thread);
  }
}

void Workload::take_lease(SimThread& thread) {
  const auto count = static_cast<std::uint32_t>(world_.random().between(1, 2));
  call(thread, chunks_wish(count), 1,
       [this, &thread, count](const core::Reply& reply) {
         if (reply.status == ENOMEM || is_of_the_gone(reply.status)) return end(thread);
         if (reply.status != 0) throw Failure(fmt::format("chunks: {}", reply.status));
         const std::uint64_t address = reply.values[0];
         for (std::uint32_t i = 0; i < count; ++i)
           if (allotted_.contains(address + i * chunk_bytes))
             throw Failure(fmt::format("chunk {:#x} was given twice", address));
         const auto after = leases_.lower_bound(address + count * chunk_bytes);
         if (after != leases_.begin())
           if (const auto& [first, lease] = *std::prev(after);
               first + lease.count * chunk_bytes > address)
             throw Failure(fmt::format("chunk {:#x} was given twice", address));
         leases_[address] = {count, 0, false};
         thread.operation.lease = address;
         thread.operation.phase = 1;
         run_again(thread, world_.random().between(20, 3'000));
       });
}

// One chunk more, right behind.
void Workload::grow_lease(SimThread& thread) {
  const std::uint64_t address = thread.operation.lease;
  const std::uint64_t end = address + leases_.at(address).count * chunk_bytes;
  call(thread, core::ChunksCall{1, no_node, end}, 1,
       [this, &thread, address, end](const core::Reply& reply) {
         // EINVAL at the end of the region.
         if (reply.status != 0 && reply.status != ENOMEM && reply.status != EINVAL)
           throw Failure(fmt::format("growing: {}", reply.status));
         if (reply.status == 0 && reply.values[0] != end) throw Failure("not as wanted");
         if (reply.status == 0) {
           if (allotted_.contains(end) || leases_.contains(end))
             throw Failure(fmt::format("chunk {:#x} was given twice", end));
           ++leases_.at(address).count;
         }
         run_again(thread, world_.random().between(20, 1'000));
       });
}

// What the program says is over: whoever gets the chunks next, at whatever time, finds zeros.
void Workload::end_lease(SimThread& thread) {
  const std::uint64_t address = thread.operation.lease;
  const std::uint32_t count = leases_.at(address).count;
  leases_.erase(address);
  for (std::uint64_t i = 0; i < count * pages_per_chunk; ++i)
    world_.oracle().forget(PageNo{raw(first_page(address)) + i});
  if (returned_.size() >= 4) returned_.erase(returned_.begin());
  returned_.push_back(address);
  if (count == 1 || world_.random().one_in(2)) return return_chunks(thread, address, count);
  // In pieces, of which the last one ends the operation.
  call(thread, core::ReturnChunksCall{address + chunk_bytes, count - 1}, 1,
       [this, &thread, address](const core::Reply& reply) {
         if (reply.status != 0) throw Failure(fmt::format("return: {}", reply.status));
         return_chunks(thread, address, 1);
       });
}

void Workload::return_chunks(SimThread& thread, std::uint64_t address, std::uint32_t count) {
  call(thread, core::ReturnChunksCall{address, count}, 1,
       [this, &thread](const core::Reply& reply) {
         if (reply.status != 0) throw Failure(fmt::format("return: {}", reply.status));
         thread.operation.phase = 3;
         run_again(thread, 1);
       });
}

PageNo Workload::any_page_of(std::uint64_t address, std::uint32_t count) {
  const std::uint64_t chunk = address + world_.random().below(count) * chunk_bytes;
  return PageNo{raw(first_page(chunk)) + world_.random().below(used_pages)};
}

Operation Workload::visit_of(const SimThread& thread) {
  Random& random = world_.random();
  std::vector<std::uint64_t> open;
  for (const auto& [address, lease] : leases_)
    if (!lease.ending) open.push_back(address);
  if (open.empty()) return access_of(thread, 1, 40);
  Operation operation;
  operation.kind = Operation::Kind::visit;
  operation.lease = random.pick(open);
  Lease& lease = leases_.at(operation.lease);
  ++lease.users;
  touch_some(operation, operation.lease, lease.count);
  return operation;
}

// Now and then several, so that accesses of all ages meet there.
void Workload::touch_some(Operation& operation, std::uint64_t address, std::uint32_t count) {
  Random& random = world_.random();
  constexpr unsigned counts[] = {1, 1, 1, 2, 4};
  operation.touch_count = random.pick(counts);
  for (unsigned i = 0; i < operation.touch_count; ++i)
    operation.touches[i] = {any_page_of(address, count),
                            static_cast<unsigned>(random.below(cells_per_page)),
                            random.one_in(2) ? core::Access::write : core::Access::read};
}

// Nothing is written, or it would be found by who gets the chunk next.
Operation Workload::trespass_of() {
  Operation operation;
  operation.kind = Operation::Kind::trespass;
  if (returned_.empty()) return operation;
  touch_some(operation, world_.random().pick(returned_), 1);
  return operation;
}

}  // namespace gallocy::sim
