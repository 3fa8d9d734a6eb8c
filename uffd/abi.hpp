// The part of the userfaultfd ABI that is newer than Linux 6.1's headers, which is what
// Debian 12 ships. Numbers are the kernel's own (include/uapi/linux/userfaultfd.h of 6.6).
// Whether the running kernel knows them is asked at run time (uffd/probe.hpp), never here.
#pragma once

#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#ifndef USERFAULTFD_IOC_NEW  // Linux 6.1
#define USERFAULTFD_IOC 0xAA
#define USERFAULTFD_IOC_NEW _IO(USERFAULTFD_IOC, 0x00)
#endif

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM  // Linux 5.19
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

#ifndef UFFDIO_CONTINUE_MODE_WP  // Linux 6.4
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif

#ifndef UFFD_FEATURE_WP_UNPOPULATED  // Linux 6.4; matters to anonymous memory only
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif

#ifndef UFFD_FEATURE_POISON  // Linux 6.6
#define UFFD_FEATURE_POISON (1 << 14)
#endif

#ifndef UFFDIO_POISON  // Linux 6.6
struct uffdio_poison {
  struct uffdio_range range;
  __u64 mode;
  __s64 updated;  // bytes marked, or a negative errno
};
#define _UFFDIO_POISON (0x08)
#define UFFDIO_POISON _IOWR(UFFDIO, _UFFDIO_POISON, struct uffdio_poison)
#endif
