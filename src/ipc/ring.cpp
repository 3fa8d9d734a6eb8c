#include "ipc/ring.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>

#include "base/check.hpp"
#include "ipc/futex.hpp"
#include "ipc/no_cancellation.hpp"

namespace gallocy::ipc {

namespace {

constexpr std::int64_t spin_budget_ns = 20'000;
constexpr int looks_per_clock_reading = 32;
constexpr int look_interval_ms = 100;
constexpr int long_ms = 3'600'000;  // with a limit, every signal handler ends a system call
constexpr std::size_t ring_bytes = (sizeof(Ring) + 4095) / 4096 * 4096;

Result<Ring*> map_ring(int fd) {
  void* address = ::mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return fail_errno("can't map the request ring");
  return static_cast<Ring*>(address);
}

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000L + now.tv_nsec;
}

void relax() { __builtin_ia32_pause(); }

bool several_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  return ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

// Asked once per thread: a page's holder is told whose accesses are over, and looks at it often.
std::uint32_t thread_id() {
  static thread_local constinit std::uint32_t id = 0;
  if (id == 0) id = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  return id;
}

}  // namespace

Result<RingMemory> RingMemory::create() {
  RingMemory memory;
  memory.fd_.reset(::memfd_create("gallocy-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.fd_) return fail_errno("can't make the memory of a request ring");
  const int fd = memory.fd_.get();
  if (::ftruncate(fd, ring_bytes) != 0) return fail_errno("can't size a request ring");
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno("can't seal a request ring");
  const auto mapped = map_ring(fd);
  if (!mapped) return tl::unexpected<Error>(mapped.error());
  memory.ring_ = *mapped;
  memory.ring_->magic_word = magic;
  memory.ring_->version_number = version;
  return memory;
}

Result<RingMemory> RingMemory::map(UniqueFd fd) {
  RingMemory memory;
  memory.fd_ = static_cast<UniqueFd&&>(fd);
  struct stat status{};
  if (::fstat(memory.fd_.get(), &status) != 0 ||
      status.st_size != static_cast<off_t>(ring_bytes))
    return fail(EPROTO, "the daemon sent a request ring of the wrong size");
  const auto mapped = map_ring(memory.fd_.get());
  if (!mapped) return tl::unexpected<Error>(mapped.error());
  memory.ring_ = *mapped;
  if (memory.ring_->magic_word != magic || memory.ring_->version_number != version)
    return fail(EPROTO, "the daemon sent memory that is no request ring of this version");
  ::madvise(memory.ring_, ring_bytes, MADV_DONTFORK);
  return memory;
}

RingMemory::RingMemory(RingMemory&& other) noexcept
    : fd_(static_cast<UniqueFd&&>(other.fd_)), ring_(std::exchange(other.ring_, nullptr)) {}

RingMemory& RingMemory::operator=(RingMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(ring_, other.ring_);
  return *this;
}

RingMemory::~RingMemory() {
  if (ring_ != nullptr) ::munmap(ring_, ring_bytes);
}

Ring& RingMemory::release() {
  fd_.reset();
  return *std::exchange(ring_, nullptr);
}

void ClientRing::attach(Ring& ring, int doorbell_fd) {
  ring_ = &ring;
  doorbell_fd_ = doorbell_fd;
  // On one CPU the daemon can't answer while this thread spins.
  may_spin_ = several_cpus();
}

// The lowest free slot: few threads then share few cache lines and few words of the bitmap.
bool ClientRing::try_claim(unsigned& index) {
  for (unsigned word = 0; word < slot_count / 64; ++word) {
    std::uint64_t used = claimed_[word].load();
    while (~used != 0) {
      const unsigned bit = static_cast<unsigned>(std::countr_one(used));
      if (!claimed_[word].compare_exchange_weak(used, used | std::uint64_t{1} << bit)) continue;
      index = word * 64 + bit;
      return true;
    }
  }
  return false;
}

// More threads wait than there are slots: sleep until one is released. Race: a slot is released
// after this thread's look and before its sleep. The look comes after starved_ was raised, so
// the releaser sees starved_ and changes releases_, and the sleep ends at once.
unsigned ClientRing::claim() {
  unsigned index = 0;
  if (try_claim(index)) return index;
  starved_.fetch_add(1);
  for (;;) {
    const std::uint32_t releases = releases_.load();
    if (try_claim(index)) break;
    futex_wait(releases_, releases);
  }
  starved_.fetch_sub(1);
  return index;
}

void ClientRing::release(unsigned index) {
  claimed_[index / 64].fetch_and(~(std::uint64_t{1} << index % 64));
  if (starved_.load() == 0) return;
  releases_.fetch_add(1);
  futex_wake(releases_, 1);
}

// The bit and the look at daemon_sleeps are both sequentially consistent, as are the daemon's
// store of daemon_sleeps and its second look at the bits. So of the two, at least one sees the
// other: no request is left with a sleeping daemon.
void ClientRing::publish(unsigned index) {
  ring_->ready[index / 64].fetch_or(std::uint64_t{1} << index % 64);
  ring_if_asleep();
}

void ClientRing::ring_if_asleep() {
  if (ring_->daemon_sleeps.load() == 0) return;
  const int saved_errno = errno;
  const std::uint64_t one = 1;
  // Fails only when the counter is full (then it has been rung) or the daemon is gone.
  [[maybe_unused]] const long written = ::syscall(SYS_write, doorbell_fd_, &one, sizeof one);
  errno = saved_errno;
}

// Each begins elsewhere, so that threads do not fight for the same place.
bool ClientRing::put_freed(std::uint64_t word) {
  const std::uint64_t start = word >> 4;
  for (unsigned i = 0; i < freed_place_count; ++i) {
    std::uint64_t empty = 0;
    if (ring_->freed[(start + i) % freed_place_count].compare_exchange_strong(empty, word))
      return true;
  }
  return false;
}

// The daemon is rung for the first block after it has looked; it takes the others with that. As
// in publish(): count and look at daemon_sleeps, both sequentially consistent.
void ClientRing::free_elsewhere(FreedBlock block) {
  while (!put_freed(block.word())) submit(Operation::ping, {});
  if (ring_->freed_count.fetch_add(1) == 0) ring_if_asleep();
}

bool ClientRing::spin(const Slot& slot, std::uint32_t sequence) const {
  const std::int64_t end_ns = now_ns() + spin_budget_ns;
  do {
    for (int i = 0; i < looks_per_clock_reading; ++i) {
      if (slot.replied.load(std::memory_order_acquire) == sequence) return true;
      relax();
    }
  } while (now_ns() < end_ns);
  return false;
}

// False: the daemon is gone and has not answered. The answer is looked for once more after that
// is known, because a daemon may answer and then leave.
bool ClientRing::await(Sent sent, LookAround look, const Waiter* waiter) {
  Slot& slot = ring_->slots[sent.index];
  if (may_spin_ && spin(slot, sent.sequence)) return true;
  const int timeout_ms = look != nullptr ? look_interval_ms
                         : waiter != nullptr && waiter->has_limit ? long_ms : -1;
  for (bool gone = false;;) {
    const std::uint32_t seen = slot.replied.load(std::memory_order_acquire);
    if (seen == sent.sequence) return true;
    if (gone) return false;
    if (futex_wait(slot.replied, seen, timeout_ms) && waiter != nullptr)
      call(Operation::thread_interrupted, waiter->thread);
    gone = look != nullptr && look();
  }
}

ClientRing::Sent ClientRing::put(Operation operation, std::span<const std::uint64_t> arguments) {
  GALLOCY_CHECK(ring_ != nullptr && arguments.size() <= argument_count);
  const unsigned index = claim();
  Slot& slot = ring_->slots[index];
  slot.operation = operation;
  slot.thread = thread_id();
  for (unsigned i = 0; i < argument_count; ++i)
    slot.arguments[i] = i < arguments.size() ? arguments[i] : 0;
  const std::uint32_t sequence = slot.sequence.load(std::memory_order_relaxed) + 1;
  slot.sequence.store(sequence, std::memory_order_release);
  publish(index);
  return {index, sequence};
}

Reply ClientRing::take(Sent sent, LookAround look, const Waiter* waiter) {
  Reply reply{ENOTCONN, {}};
  if (await(sent, look, waiter)) {
    const Slot& slot = ring_->slots[sent.index];
    reply.status = slot.status;
    for (unsigned i = 0; i < value_count; ++i) reply.values[i] = slot.values[i];
  }
  release(sent.index);
  return reply;
}

Reply ClientRing::submit(Operation operation, std::span<const std::uint64_t> arguments,
                         LookAround look, const Waiter* waiter) {
  const NoCancellation guard;
  return take(put(operation, arguments), look, waiter);
}

}  // namespace gallocy::ipc
