#include "client/process.hpp"

#include <unistd.h>

#include "client/windows.hpp"

namespace gallocy::client {

constinit Process process;
thread_local constinit Self self;
thread_local constinit unsigned held_locks = 0;

int report(const Error& error) {
  static_assert(sizeof self.error == ipc::sentence_bytes);
  const std::string_view text = error.sentence.view();
  const std::size_t size = text.size() < sizeof self.error ? text.size() : sizeof self.error - 1;
  std::memcpy(self.error, text.data(), size);
  self.error[size] = '\0';
  return error.code;
}

Status require_member() {
  if (is_fork_child())
    return fail(EPERM, "a child made by fork() has no shared memory: it may only exec or _exit");
  switch (process.phase.load(std::memory_order_acquire)) {
    case Phase::member: return {};
    case Phase::leaving:
    case Phase::left: return fail(EPERM, "gallocy was called after gallocy_finalize()");
    default: return fail(EPERM, "gallocy was called before gallocy_init() had succeeded");
  }
}

Status require_thread() {
  if (auto status = require_member(); !status) return status;
  if (self.thread == 0)
    return fail(EPERM, "this thread is unknown to the job: make it with gallocy_pthread_create()");
  return {};
}

bool was_handed_out(std::uint64_t address) {
  const std::uint64_t number = (address - process.region_address) / chunk_bytes;
  std::atomic<std::uint64_t>* word =
      number / 64 < std::size(process.known_chunks) ? &process.known_chunks[number / 64] : nullptr;
  const std::uint64_t bit = std::uint64_t{1} << number % 64;
  if (word != nullptr && (word->load(std::memory_order_relaxed) & bit) != 0) return true;
  if (process.ring.call(ipc::Operation::home_of, address).status != 0) return false;
  if (word != nullptr) word->fetch_or(bit, std::memory_order_relaxed);
  return true;
}

bool in_gallocy_memory(const void* pointer, std::size_t size_bytes) {
  const std::uint64_t address = heap::address_of(pointer);
  const auto handed_out = [](std::uint64_t own_address) {
    return in_region(reinterpret_cast<void*>(own_address), 1) && was_handed_out(own_address);
  };
  return handed_out(own_address_of(address)) &&
         handed_out(own_address_of(address + size_bytes - 1));
}

void say(const Sentence& sentence) {
  [[maybe_unused]] const auto written = ::write(2, sentence.c_str(), sentence.view().size());
}

}  // namespace gallocy::client

using namespace gallocy::client;

namespace {

int number_of_member(std::uint32_t Process::*number) {
  return require_member() ? static_cast<int>(process.*number) : -1;
}

}  // namespace

int gallocy_rank() { return number_of_member(&Process::rank); }
int gallocy_size() { return number_of_member(&Process::rank_count); }
int gallocy_node() { return number_of_member(&Process::node); }
int gallocy_node_count() { return number_of_member(&Process::node_count); }
const char* gallocy_last_error() { return self.error; }
