#include "run/privileges.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdint>

#include "folder.hpp"

using namespace gallocy::run;

namespace {

constexpr User user{1000, 100};

FilePrivileges file_with(mode_t mode, uid_t owner, gid_t group) {
  FilePrivileges file;
  file.mode = S_IFREG | mode;
  file.owner = owner;
  file.group = group;
  return file;
}

}  // namespace

TEST_CASE("a setuid or setgid program gains what its user is not") {
  CHECK(gain(file_with(0755, 0, 0), user) == "");
  CHECK(gain(file_with(04755, 0, 0), user) == "is setuid");
  CHECK(gain(file_with(04755, 1000, 0), user) == "");
  CHECK(gain(file_with(02755, 0, 0), user) == "is setgid");
  CHECK(gain(file_with(02755, 0, 100), user) == "");
  CHECK(gain(file_with(02745, 0, 0), user) == "");
  CHECK(gain(file_with(04755, 0, 0), User{0, 0}) == "");
  CHECK(gain(file_with(04755, 1000, 0), User{0, 0}) == "is setuid");
}

TEST_CASE("a set-id bit counts for the layout of memory, whoever the owner is") {
  CHECK(!is_laid_out_at_random(file_with(0755, 1000, 100)));
  CHECK(is_laid_out_at_random(file_with(04755, 1000, 100)));
  CHECK(is_laid_out_at_random(file_with(02755, 1000, 100)));
  CHECK(!is_laid_out_at_random(file_with(02745, 1000, 100)));
  FilePrivileges file = file_with(06755, 1000, 100);
  file.set_id_counts = false;
  CHECK(!is_laid_out_at_random(file));
}

TEST_CASE("capabilities of a file are news for everybody but root") {
  FilePrivileges file = file_with(0755, 0, 0);
  file.has_capabilities = true;
  CHECK(gain(file, user) == "has file capabilities");
  CHECK(gain(file, User{0, 0}) == "");
  file.capabilities_count = false;
  CHECK(gain(file, user) == "");
}

TEST_CASE("what the system forbids is no gain") {
  FilePrivileges file = file_with(06755, 0, 0);
  file.set_id_counts = false;
  CHECK(gain(file, user) == "");
}

TEST_CASE("a file is asked for what it has") {
  const Folder folder;
  const std::string path = folder.write("file", "", 06751);
  const FilePrivileges file = privileges_of(path);
  CHECK((file.mode & 07777) == 06751);
  CHECK(file.owner == ::geteuid());
  CHECK(!file.has_capabilities);
  // Version 2 of the attribute: cap_net_raw permitted, and effective at once.
  const std::uint32_t capabilities[] = {0x02000001, 1u << 13, 0, 0, 0};
  if (::setxattr(path.c_str(), "security.capability", capabilities, sizeof capabilities, 0) != 0) {
    MESSAGE("this user can't give capabilities to a file: not tested");
    return;
  }
  CHECK(privileges_of(path).has_capabilities);
}
