#include "support.hpp"

#include <cerrno>

using namespace gallocy;
using namespace gallocy::core;

namespace {

std::string reply_to(Core& core, LockOperation operation, LockKind kind, unsigned thread) {
  const LockRequest request{region_base + 64, ThreadId{thread}, operation, kind};
  const auto lines = core.step(ClientCall{{}, request});
  return lines.empty() ? "waits" : lines.at(0).substr(lines.at(0).find(": ") + 2);
}

}  // namespace

TEST_CASE("what the owner gets for locking again depends on the kind") {
  Core core(0);
  give_chunk(core);
  REQUIRE(reply_to(core, LockOperation::lock, LockKind::normal, 1) == "0");
  CHECK(reply_to(core, LockOperation::lock, LockKind::recursive, 1) == "0");
  CHECK(reply_to(core, LockOperation::lock, LockKind::error_check, 1) == std::to_string(EDEADLK));
  CHECK(reply_to(core, LockOperation::try_lock, LockKind::normal, 1) == std::to_string(EBUSY));
  CHECK(reply_to(core, LockOperation::lock, LockKind::normal, 1) == "waits");
}

TEST_CASE("only the owner unlocks, and a lock in use is not destroyed") {
  Core core(0);
  give_chunk(core);
  reply_to(core, LockOperation::lock, LockKind::normal, 1);
  CHECK(reply_to(core, LockOperation::unlock, LockKind::normal, 2) == std::to_string(EPERM));
  CHECK(reply_to(core, LockOperation::destroy, LockKind::normal, 1) == std::to_string(EBUSY));
  CHECK(reply_to(core, LockOperation::unlock, LockKind::normal, 1) == "0");
  CHECK(core.node.locks().entry_count() == 0);
}
