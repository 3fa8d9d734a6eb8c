// syscall(): system calls by number. A futex at shared memory is the job's; what is about
// descriptors, folders and the process is rank 0's to make, as those names in first_rank.def.
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "preload/forward.hpp"
#include "preload/futex.hpp"
#include "preload/real.hpp"
#include "preload/refused.hpp"
#include "preload/stage.hpp"
#include "preload/thread_numbers.hpp"

GALLOCY_REAL(syscall)

using namespace gallocy::preload;

// What the program's call of these names means. By name alone it would be the C library's, as in
// all of this library (--wrap in meson.build).
extern "C" {
void* __real_mmap(void* address, size_t size_bytes, int protection, int flags, int fd,
                  off_t offset) noexcept;
int __real_munmap(void* address, size_t size_bytes) noexcept;
void* __real_mremap(void* address, size_t old_bytes, size_t new_bytes, int flags, ...) noexcept;
int __real_mprotect(void* address, size_t size_bytes, int protection) noexcept;
int __real_madvise(void* address, size_t size_bytes, int advice) noexcept;
int __real_msync(void* address, size_t size_bytes, int flags);
[[noreturn]] void __real__exit(int status);
}

namespace {

constexpr unsigned argument_count = 6;

struct NumberedCall {
  long number;
  long arguments[argument_count];
};

constexpr long of_first_rank[] = {
    SYS_accept, SYS_accept4, SYS_access, SYS_acct, SYS_alarm, SYS_bind, SYS_chdir, SYS_chmod,
    SYS_chown, SYS_chroot, SYS_close, SYS_close_range, SYS_connect, SYS_copy_file_range, SYS_creat,
    SYS_dup, SYS_dup2, SYS_dup3, SYS_epoll_create, SYS_epoll_create1, SYS_epoll_ctl,
    SYS_epoll_pwait, SYS_epoll_wait, SYS_eventfd, SYS_eventfd2, SYS_faccessat,
    SYS_faccessat2, SYS_fadvise64, SYS_fallocate, SYS_fanotify_init, SYS_fanotify_mark, SYS_fchdir,
    SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fcntl, SYS_fdatasync, SYS_fgetxattr,
    SYS_flistxattr, SYS_flock, SYS_fremovexattr, SYS_fsetxattr, SYS_fstat, SYS_fstatfs, SYS_fsync,
    SYS_ftruncate, SYS_futimesat, SYS_getcwd, SYS_getdents, SYS_getdents64, SYS_getegid,
    SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getitimer, SYS_getpeername, SYS_getpgid,
    SYS_getpgrp, SYS_getpid, SYS_getppid, SYS_getpriority, SYS_getresgid, SYS_getresuid,
    SYS_getrlimit, SYS_getsid, SYS_getsockname, SYS_getsockopt, SYS_getuid, SYS_getxattr,
    SYS_inotify_add_watch, SYS_inotify_init, SYS_inotify_init1, SYS_inotify_rm_watch, SYS_ioctl,
    SYS_kill, SYS_lchown, SYS_lgetxattr, SYS_link, SYS_linkat, SYS_listen, SYS_listxattr,
    SYS_llistxattr, SYS_lremovexattr, SYS_lseek, SYS_lsetxattr, SYS_lstat, SYS_memfd_create,
    SYS_memfd_secret, SYS_mkdir, SYS_mkdirat, SYS_mknod, SYS_mknodat, SYS_mount, SYS_mq_getsetattr,
    SYS_mq_open, SYS_mq_timedreceive, SYS_mq_timedsend, SYS_mq_unlink, SYS_msgctl, SYS_msgget,
    SYS_msgrcv, SYS_msgsnd, SYS_name_to_handle_at, SYS_newfstatat, SYS_open, SYS_open_by_handle_at,
    SYS_openat, SYS_openat2, SYS_pidfd_getfd, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_pipe,
    SYS_pipe2, SYS_pivot_root, SYS_poll, SYS_ppoll, SYS_pread64, SYS_preadv, SYS_preadv2,
    SYS_prlimit64, SYS_pselect6, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_read, SYS_readahead,
    SYS_readlink, SYS_readlinkat, SYS_readv, SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg,
    SYS_removexattr, SYS_rename, SYS_renameat, SYS_renameat2, SYS_rmdir, SYS_rt_sigqueueinfo,
    SYS_select, SYS_semctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_sendfile, SYS_sendmmsg,
    SYS_sendmsg, SYS_sendto, SYS_setdomainname, SYS_sethostname, SYS_setitimer, SYS_setpgid,
    SYS_setpriority, SYS_setrlimit, SYS_setsid, SYS_setsockopt, SYS_setxattr, SYS_shmctl,
    SYS_shmget, SYS_shutdown, SYS_signalfd, SYS_signalfd4, SYS_socket, SYS_socketpair, SYS_splice,
    SYS_stat, SYS_statfs, SYS_statx, SYS_symlink, SYS_symlinkat, SYS_sync, SYS_sync_file_range,
    SYS_syncfs, SYS_sysinfo, SYS_tee, SYS_timer_delete, SYS_timer_getoverrun, SYS_timer_gettime,
    SYS_timer_settime, SYS_timerfd_create, SYS_timerfd_gettime, SYS_timerfd_settime, SYS_truncate,
    SYS_umask, SYS_umount2, SYS_uname, SYS_unlink, SYS_unlinkat, SYS_utime, SYS_utimensat,
    SYS_utimes, SYS_vmsplice, SYS_wait4, SYS_waitid, SYS_write, SYS_writev};

// Of kernels that the headers may not know.
constexpr long clone3 = 435, epoll_pwait2 = 441, futex_waitv = 449, futex_wake = 454,
               futex_wait = 455, futex_requeue = 456;

bool is_of_first_rank(long number) {
  return number == epoll_pwait2 ||
         std::ranges::find(of_first_rank, number) != std::end(of_first_rank);
}

long make(const NumberedCall& call) {
  const long* a = call.arguments;
  return real::syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// On rank 0's node; the call is on its thread's stack, which is there, too.
long make_there(long call, long, long, long, long, long) {
  return make(*reinterpret_cast<const NumberedCall*>(call));
}

// The place of the call's mask of signals, or null. The mask is the calling thread's and not its
// proxy's, which makes the call without.
const void* take_mask(NumberedCall& call) {
  long* a = call.arguments;
  switch (call.number) {
    case SYS_ppoll: return reinterpret_cast<const void*>(std::exchange(a[3], 0));
    case SYS_epoll_pwait:
    case epoll_pwait2: return reinterpret_cast<const void*>(std::exchange(a[4], 0));
    case SYS_pselect6: {  // behind its sixth argument are the mask's place and its size
      const auto* given = reinterpret_cast<const void* const*>(std::exchange(a[5], 0));
      return given != nullptr ? *given : nullptr;
    }
    default: return nullptr;
  }
}

long make_on_first(NumberedCall call) {
  const void* mask = take_mask(call);
  sigset_t copy;
  ::sigemptyset(&copy);
  if (mask != nullptr) ::memcpy(&copy, mask, sizeof(std::uint64_t));
  return forward({make_there, {reinterpret_cast<long>(&call)}, mask != nullptr ? &copy : nullptr});
}

long returned(long result) {
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

long futex(const NumberedCall& call) {
  const long* a = call.arguments;
  return returned(shared_futex(reinterpret_cast<std::uint32_t*>(a[0]), static_cast<int>(a[1]),
                               static_cast<std::uint32_t>(a[2]), static_cast<std::uint64_t>(a[3]),
                               reinterpret_cast<std::uint32_t*>(a[4]),
                               static_cast<std::uint32_t>(a[5])));
}

// A map that the kernel made by itself would be one node's, and be no memory of the job.
std::optional<long> memory_call(const NumberedCall& call) {
  const long* a = call.arguments;
  auto* address = reinterpret_cast<void*>(a[0]);
  const auto size_bytes = static_cast<std::size_t>(a[1]);
  const auto third = static_cast<int>(a[2]), fourth = static_cast<int>(a[3]);
  switch (call.number) {
    case SYS_mmap:
      return reinterpret_cast<long>(
          __real_mmap(address, size_bytes, third, fourth, static_cast<int>(a[4]), a[5]));
    case SYS_munmap:
      return __real_munmap(address, size_bytes);
    case SYS_mremap:
      return reinterpret_cast<long>(__real_mremap(address, size_bytes,
                                                  static_cast<std::size_t>(a[2]), fourth,
                                                  reinterpret_cast<void*>(a[4])));
    case SYS_mprotect:
      return __real_mprotect(address, size_bytes, third);
    case SYS_madvise:
      return __real_madvise(address, size_bytes, third);
    case SYS_msync:
      return __real_msync(address, size_bytes, third);
    case SYS_mincore:
      return ::mincore(address, size_bytes, reinterpret_cast<unsigned char*>(a[2]));
    case SYS_brk:  // of 0 it only says where that is
      if (address == nullptr) return std::nullopt;
      refuse("brk in a program is not supported");
    default:
      return std::nullopt;
  }
}

long dispatch(const NumberedCall& call) {
  if (const auto done = memory_call(call)) return *done;
  switch (call.number) {
    case SYS_exit_group:
      __real__exit(static_cast<int>(call.arguments[0]));
    case SYS_futex:
      return is_shared(reinterpret_cast<void*>(call.arguments[0])) ? futex(call) : make(call);
    case SYS_fork:
      return refuse_child("fork");
    case SYS_vfork:
      return refuse_child("vfork by syscall");
    case SYS_clone:
      return may_clone(static_cast<unsigned long>(call.arguments[0])) ? make(call)
                                                                      : refuse_child("clone");
    case clone3:
      return returned(-ENOSYS);
    case SYS_execve:
      return ::execve(reinterpret_cast<const char*>(call.arguments[0]),
                      reinterpret_cast<char* const*>(call.arguments[1]),
                      reinterpret_cast<char* const*>(call.arguments[2]));
    case SYS_gettid:
      return thread_number();
    case SYS_tkill:
      return ::tgkill(::getpid(), static_cast<pid_t>(call.arguments[0]),
                      static_cast<int>(call.arguments[1]));
    case SYS_tgkill:
      return ::tgkill(static_cast<pid_t>(call.arguments[0]), static_cast<pid_t>(call.arguments[1]),
                      static_cast<int>(call.arguments[2]));
    case SYS_rt_sigtimedwait:
      return ::sigtimedwait(reinterpret_cast<const sigset_t*>(call.arguments[0]),
                            reinterpret_cast<siginfo_t*>(call.arguments[1]),
                            reinterpret_cast<const timespec*>(call.arguments[2]));
    case futex_waitv:  // as a kernel that is too old for them says it
    case futex_wake:
    case futex_wait:
    case futex_requeue:
      return returned(-ENOSYS);
    default:
      break;
  }
  if (!is_away() || !is_of_first_rank(call.number)) return make(call);
  return make_on_first(call);
}

}  // namespace

#define GALLOCY_NUMBERED(number) \
  NumberedCall call{number, {}}; \
  va_list list; \
  va_start(list, number); \
  for (long& argument : call.arguments) argument = va_arg(list, long); \
  va_end(list)

GALLOCY_TAKES long syscall(long number, ...) noexcept {
  GALLOCY_NUMBERED(number);
  return is_application() ? dispatch(call) : make(call);
}

// What the rooms below call.
extern "C" long __wrap_syscall(long number, ...) {
  GALLOCY_NUMBERED(number);
  return make(call);
}
