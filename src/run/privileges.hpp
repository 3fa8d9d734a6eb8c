// Programs that may do more than their user: the dynamic linker loads no library into them that
// the user names.
#pragma once

#include <sys/types.h>

#include <string>

namespace gallocy::run {

struct FilePrivileges {
  mode_t mode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  bool has_capabilities = false;
  // False on a file system, and the first also in a process, that forbids it.
  bool set_id_counts = true, capabilities_count = true;
};

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

FilePrivileges privileges_of(const std::string& path);
User this_user();

// "is setuid", "is setgid" or "has file capabilities", if that makes a difference for this user as
// the kernel sees it. Empty: it doesn't.
std::string gain(const FilePrivileges& file, const User& user);

// Whether the kernel lays out the program's memory at random all the same: it does for what has a
// set-id bit, also if that is its user's own (PER_CLEAR_ON_SETID).
bool is_laid_out_at_random(const FilePrivileges& file);

}  // namespace gallocy::run
