// What the functions of C11 answer for an error of the POSIX ones. The C library's call its POSIX
// ones directly, past ours; so each is made of ours, beside it. (--wrap leaves a name alone only in
// the file that defines it.) The objects are the same: glibc's mtx_t holds a pthread_mutex_t.
#pragma once

#include <errno.h>
#include <pthread.h>
#include <threads.h>

namespace gallocy::preload {

inline pthread_mutex_t* mutex_of(mtx_t* mutex) {
  return reinterpret_cast<pthread_mutex_t*>(mutex);
}

inline int as_c11(int error) {
  switch (error) {
    case 0: return thrd_success;
    case ENOMEM:
    case EAGAIN: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
  }
}

}  // namespace gallocy::preload
