// What a user without access to the device is told. Of its own, because it may have to skip.
#include <errno.h>

#include "bench.hpp"
#include "child.hpp"

using namespace gallocy;
using namespace gallocy::uffd;
using namespace gallocy::uffd::testing;

namespace {

[[noreturn]] void skip(const char* why) {
  ::printf("skipped: %s\n", why);
  ::fflush(stdout);
  ::_exit(77);
}

bool mentions(const Error& error, std::string_view word) {
  return error.sentence.view().find(word) != std::string_view::npos;
}

}  // namespace

TEST_CASE("without permission the sentence says what to do") {
  if (::geteuid() != 0) skip("only root can become another user");
  const int status = status_of_child([] {
    if (!become_nobody()) return 2;
    const Result<UniqueFd> device = open_device();
    if (device) return 77;
    if (device.error().code != EACCES) return 3;
    if (!mentions(device.error(), "EACCES")) return 4;
    return mentions(device.error(), "chmod 0660 /dev/userfaultfd") ? 0 : 5;
  });
  if (exited_with(status, 77)) skip("everybody may open /dev/userfaultfd here");
  CHECK_MESSAGE(exited_with(status, 0), "wait status ", status);
}
