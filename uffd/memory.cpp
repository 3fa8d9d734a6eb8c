#include "uffd/memory.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "base/check.hpp"
#include "uffd/no_addresses.hpp"

namespace gallocy::uffd {
namespace {

constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Result<UniqueFd> make_sealed_file(const char* name, std::uint64_t size_bytes) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno("cannot make page memory (memfd_create)");
  if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0)
    return fail_errno("cannot size page memory to ", size_bytes, " bytes (ftruncate)");
  if (::fcntl(fd.get(), F_ADD_SEALS, size_seals) != 0)
    return fail_errno("cannot seal page memory (F_ADD_SEALS)");
  return fd;
}

// A child of the daemon has no business with the pages, and a core dump of the daemon must not
// read through a sparse file of many GiB.
bool keep_private(void* address, std::uint64_t size_bytes) {
  return ::madvise(address, size_bytes, MADV_DONTFORK) == 0 &&
         ::madvise(address, size_bytes, MADV_DONTDUMP) == 0;
}

}  // namespace

Result<PageMemory> PageMemory::create(const char* name, std::uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % page_bytes != 0)
    return fail(EINVAL, "page memory of ", size_bytes, " bytes: must be a multiple of ",
                page_bytes);
  Result<UniqueFd> fd = make_sealed_file(name, size_bytes);
  if (!fd) return tl::unexpected<Error>(fd.error());
  void* alias = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
  if (alias == MAP_FAILED)
    return fail_to_map("cannot map ", size_bytes, " bytes of page memory (mmap)");
  PageMemory memory(std::move(*fd), static_cast<std::byte*>(alias), size_bytes);
  if (!keep_private(alias, size_bytes))
    return fail_errno("cannot keep page memory out of children and core dumps (madvise)");
  return memory;
}

PageMemory::PageMemory(UniqueFd fd, std::byte* alias, std::uint64_t size_bytes)
    : fd_(std::move(fd)), alias_(alias), size_bytes_(size_bytes) {}

PageMemory::PageMemory(PageMemory&& other) noexcept
    : fd_(std::move(other.fd_)),
      alias_(std::exchange(other.alias_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

PageMemory& PageMemory::operator=(PageMemory&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  fd_ = std::move(other.fd_);
  alias_ = std::exchange(other.alias_, nullptr);
  size_bytes_ = std::exchange(other.size_bytes_, 0);
  return *this;
}

PageMemory::~PageMemory() { unmap(); }

void PageMemory::unmap() {
  if (alias_ == nullptr) return;
  const int result = ::munmap(alias_, size_bytes_);
  GALLOCY_CHECK(result == 0, GALLOCY_VALUE(alias_), GALLOCY_VALUE(size_bytes_));
  alias_ = nullptr;
}

std::byte* PageMemory::frame(PageNo page) const {
  GALLOCY_CHECK(raw(page) < page_count(), GALLOCY_VALUE(raw(page)),
                GALLOCY_VALUE(page_count()));
  return alias_ + raw(page) * page_bytes;
}

std::uint64_t PageMemory::resident_page_count() const {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) return 0;
  constexpr std::uint64_t block_bytes = 512;  // of st_blocks, whatever the file system's are
  return static_cast<std::uint64_t>(status.st_blocks) * block_bytes / page_bytes;
}

Status PageMemory::drop(PageNo first, std::uint64_t count) const {
  // Written as a difference: first + count may overflow.
  GALLOCY_CHECK(raw(first) <= page_count() && count <= page_count() - raw(first),
                GALLOCY_VALUE(raw(first)), GALLOCY_VALUE(count), GALLOCY_VALUE(page_count()));
  if (count == 0) return {};
  const auto offset = static_cast<off_t>(raw(first) * page_bytes);
  const auto length = static_cast<off_t>(count * page_bytes);
  if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) != 0)
    return fail_errno("cannot drop ", count, " pages from page ", raw(first), " (fallocate)");
  return {};
}

}  // namespace gallocy::uffd
