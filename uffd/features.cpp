#include "uffd/features.hpp"

namespace gallocy::uffd {
namespace {

struct NamedFeature {
  std::uint64_t bit;
  const char* name;
};

constexpr NamedFeature named_features[] = {
    {UFFD_FEATURE_PAGEFAULT_FLAG_WP, "PAGEFAULT_FLAG_WP"},
    {UFFD_FEATURE_EVENT_FORK, "EVENT_FORK"},
    {UFFD_FEATURE_EVENT_REMAP, "EVENT_REMAP"},
    {UFFD_FEATURE_EVENT_REMOVE, "EVENT_REMOVE"},
    {UFFD_FEATURE_MISSING_SHMEM, "MISSING_SHMEM"},
    {UFFD_FEATURE_EVENT_UNMAP, "EVENT_UNMAP"},
    {UFFD_FEATURE_THREAD_ID, "THREAD_ID"},
    {UFFD_FEATURE_MINOR_SHMEM, "MINOR_SHMEM"},
    {UFFD_FEATURE_EXACT_ADDRESS, "EXACT_ADDRESS"},
    {UFFD_FEATURE_WP_HUGETLBFS_SHMEM, "WP_HUGETLBFS_SHMEM"},
    {UFFD_FEATURE_WP_UNPOPULATED, "WP_UNPOPULATED"},
    {UFFD_FEATURE_POISON, "POISON"},
};

// EINVAL means two things. A handshake that asks for nothing tells them apart: it succeeds on
// any userfaultfd that has not had one.
tl::unexpected<Error> explain_refusal(int fd, std::uint64_t wanted) {
  uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
  if (::ioctl(fd, UFFDIO_API, &api) != 0)
    return fail(EBUSY, "this userfaultfd was initialised before; hand over a fresh one");
  return fail(EOPNOTSUPP, "the kernel's userfaultfd lacks ",
              feature_names(wanted & ~std::uint64_t{api.features}).view(),
              "; boot Linux 6.6 or newer with CONFIG_USERFAULTFD");
}

}  // namespace

Sentence feature_names(std::uint64_t features) {
  Sentence names;
  for (const NamedFeature& feature : named_features) {
    if ((features & feature.bit) == 0) continue;
    names.append(names.empty() ? "" : ", ", feature.name);
    features &= ~feature.bit;
  }
  if (features != 0) names.append(names.empty() ? "" : ", ", Hex{features});
  return names;
}

Result<std::uint64_t> handshake(int fd, std::uint64_t wanted) {
  uffdio_api api{.api = UFFD_API, .features = wanted, .ioctls = 0};
  if (::ioctl(fd, UFFDIO_API, &api) == 0) return std::uint64_t{api.features};
  if (errno != EINVAL) return fail_errno("userfaultfd handshake (UFFDIO_API)");
  return explain_refusal(fd, wanted);
}

}  // namespace gallocy::uffd
