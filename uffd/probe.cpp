#include "uffd/probe.hpp"

#include <sys/utsname.h>

#include <charconv>
#include <cstring>

#include "uffd/features.hpp"
#include "uffd/region.hpp"

namespace gallocy::uffd {
namespace {

bool is_old(const Capabilities& found) {
  if (found.kernel_major != min_kernel_major) return found.kernel_major < min_kernel_major;
  return found.kernel_minor < min_kernel_minor;
}

Result<std::uint64_t> offered_features() {
  Result<UniqueFd> device = open_device();
  if (!device) return tl::unexpected<Error>(device.error());
  Result<UniqueFd> fd = create_from_device(device->get());
  if (!fd) return tl::unexpected<Error>(fd.error());
  return handshake(fd->get(), 0);
}

}  // namespace

Capabilities parse_release(const char* release) {
  Capabilities found;
  const char* end = release + std::strlen(release);
  const auto major = std::from_chars(release, end, found.kernel_major);
  if (major.ptr != end && *major.ptr == '.')
    std::from_chars(major.ptr + 1, end, found.kernel_minor);
  return found;
}

Status check_capabilities(const Capabilities& found) {
  const std::uint64_t missing = needed_features & ~found.features;
  if (!is_old(found) && missing == 0) return {};
  Sentence sentence("cannot serve pages:");
  if (is_old(found))
    sentence.append(" kernel ", found.kernel_major, ".", found.kernel_minor,
                    " is too old", missing != 0 ? " and" : "");
  if (missing != 0) sentence.append(" userfaultfd lacks ", feature_names(missing).view());
  sentence.append("; boot Linux ", min_kernel_major, ".", min_kernel_minor,
                  " or newer with CONFIG_USERFAULTFD");
  return fail(EOPNOTSUPP, sentence.view());
}

Result<Capabilities> probe() {
  utsname name{};
  if (::uname(&name) != 0) return fail_errno("cannot ask for the kernel's version (uname)");
  Capabilities found = parse_release(name.release);
  Result<std::uint64_t> features = offered_features();
  // On an old kernel the device may be absent altogether; the version is then the better
  // answer.
  if (!features && !is_old(found)) return tl::unexpected<Error>(features.error());
  found.features = features.value_or(0);
  if (Status status = check_capabilities(found); !status)
    return tl::unexpected<Error>(status.error());
  return found;
}

}  // namespace gallocy::uffd
