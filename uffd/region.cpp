#include "uffd/region.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

#include "base/check.hpp"
#include "uffd/abi.hpp"
#include "uffd/no_addresses.hpp"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace gallocy::uffd {
namespace {

const char* remedy_for(int code) {
  switch (code) {
    case EACCES:
      return "; start gallocyd as root or give its user access: "
             "chgrp gallocy /dev/userfaultfd && chmod 0660 /dev/userfaultfd";
    case EPERM:
      return "; a container or security policy forbids the device: allow it "
             "(for example --device /dev/userfaultfd)";
    case ENOENT:
      return "; it needs Linux 6.6 or newer with CONFIG_USERFAULTFD, and in a container "
             "the device passed in (for example --device /dev/userfaultfd)";
    default:
      return "";
  }
}

}  // namespace

Region::Region(Region&& other) noexcept
    : address_(other.address_), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

Region& Region::operator=(Region&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  address_ = other.address_;
  size_bytes_ = std::exchange(other.size_bytes_, 0);
  return *this;
}

void Region::unmap() {
  if (size_bytes_ == 0) return;
  const int result = ::munmap(data(), size_bytes_);
  GALLOCY_CHECK(result == 0, GALLOCY_VALUE(address_), GALLOCY_VALUE(size_bytes_));
  size_bytes_ = 0;
}

Status Region::open() const {
  if (::mprotect(data(), size_bytes_, PROT_READ | PROT_WRITE) != 0)
    return fail_errno("cannot make the ", size_bytes_, " bytes at ", Hex{address_}, " accessible");
  return {};
}

// The mapping is inaccessible until it is out of reach of fork: a child forked by another
// thread in between gets SIGSEGV, not a plain view of the pages.
Result<Region> map_closed(int memfd, std::uint64_t address, std::uint64_t size_bytes,
                          PageNo first_page, Existing existing) {
  void* wanted = reinterpret_cast<void*>(address);
  const auto offset = static_cast<off_t>(raw(first_page) * page_bytes);
  const int placing = existing == Existing::replaced ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  void* start = ::mmap(wanted, size_bytes, PROT_NONE, MAP_SHARED | placing, memfd, offset);
  if (start == MAP_FAILED)
    return fail_to_map("cannot map the region of ", size_bytes, " bytes at ", Hex{address},
                       errno == EEXIST ? ", where something else is mapped" : "");
  Region region(reinterpret_cast<std::uint64_t>(start), size_bytes);
  // A kernel or sandbox that does not know the flag takes the address as a hint.
  if (start != wanted)
    return fail(EEXIST, "cannot map the region at ", Hex{address}, ": got ",
                Hex{region.address()});
  if (::madvise(start, size_bytes, MADV_DONTFORK) != 0 ||
      ::madvise(start, size_bytes, MADV_DONTDUMP) != 0)
    return fail_errno("cannot keep the region out of children and core dumps");
  return region;
}

Result<Region> map_region(int memfd, std::uint64_t address, std::uint64_t size_bytes,
                          PageNo first_page) {
  auto region = map_closed(memfd, address, size_bytes, first_page, Existing::refused);
  if (!region) return region;
  if (auto status = region->open(); !status) return tl::unexpected<Error>(status.error());
  return region;
}

Result<UniqueFd> open_device(const char* path) {
  UniqueFd device(::open(path, O_RDWR | O_CLOEXEC));
  if (device) return device;
  tl::unexpected<Error> failure = fail_errno("cannot open ", path);
  failure.value().sentence.append(remedy_for(failure.value().code));
  return failure;
}

Result<UniqueFd> create_from_device(int device_fd) {
  UniqueFd fd(::ioctl(device_fd, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno("cannot make a userfaultfd (USERFAULTFD_IOC_NEW)");
  return fd;
}

}  // namespace gallocy::uffd
