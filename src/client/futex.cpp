#include "client/futex.hpp"

#include "client/sync.hpp"

namespace gallocy::client {

namespace {

ipc::Reply request(const std::uint32_t* word, SyncOperation operation, std::uint64_t argument,
                   std::uint32_t bits, std::uint64_t timeout_us = no_timeout,
                   const ipc::ClientRing::Waiter* waiter = nullptr) {
  return process.ring.call(waiter, ipc::Operation::sync, Object{"futex", word}.key(), self.thread,
                           operation, SyncKind::futex, argument, timeout_us, bits);
}

int report_of(const std::uint32_t* word, const ipc::Reply& reply) {
  return report(Object{"futex", word}, reply.status);
}

}  // namespace

int futex_wait(const std::uint32_t* word, std::uint32_t expected, std::uint32_t bits,
               std::uint64_t timeout_us) {
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected) return EAGAIN;
  const ipc::Reply sequence = request(word, SyncOperation::value, 0, bits);
  if (sequence.status != 0) return report_of(word, sequence);
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != expected) return EAGAIN;
  const ipc::ClientRing::Waiter waiter{self.thread, timeout_us != no_timeout};
  return report_of(word, request(word, SyncOperation::take, sequence.values[0], bits, timeout_us,
                                 &waiter));
}

int futex_wake(const std::uint32_t* word, std::uint32_t count, std::uint32_t bits,
               std::uint32_t& woken) {
  const ipc::Reply reply = request(word, SyncOperation::give, count, bits);
  woken = static_cast<std::uint32_t>(reply.values[0]);
  return report_of(word, reply);
}

}  // namespace gallocy::client
