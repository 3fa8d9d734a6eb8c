#include "run/privileges.hpp"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace gallocy::run {

namespace {

bool is_setuid(const FilePrivileges& file) { return (file.mode & S_ISUID) != 0; }

bool is_setgid(const FilePrivileges& file) {
  constexpr mode_t setgid = S_ISGID | S_IXGRP;  // without the group's x it means something else
  return (file.mode & setgid) == setgid;
}

}  // namespace

FilePrivileges privileges_of(const std::string& path) {
  FilePrivileges file;
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return file;
  file.mode = status.st_mode;
  file.owner = status.st_uid;
  file.group = status.st_gid;
  file.has_capabilities = ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
  struct statvfs place;
  file.capabilities_count = ::statvfs(path.c_str(), &place) != 0 || !(place.f_flag & ST_NOSUID);
  file.set_id_counts =
      file.capabilities_count && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
  return file;
}

bool is_laid_out_at_random(const FilePrivileges& file) {
  return file.set_id_counts && (is_setuid(file) || is_setgid(file));
}

User this_user() { return {::getuid(), ::getgid()}; }

std::string gain(const FilePrivileges& file, const User& user) {
  if (file.set_id_counts && is_setuid(file) && file.owner != user.uid) return "is setuid";
  if (file.set_id_counts && is_setgid(file) && file.group != user.gid) return "is setgid";
  // The superuser has them all.
  if (file.capabilities_count && file.has_capabilities && user.uid != 0)
    return "has file capabilities";
  return {};
}

}  // namespace gallocy::run
