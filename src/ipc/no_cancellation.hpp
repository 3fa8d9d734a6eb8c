// A cancelled thread would leave its slot claimed and its reply unread, or a lock held.
#pragma once

#include <pthread.h>

namespace gallocy::ipc {

// Back to `state`, as pthread_setcancelstate gave it. A thread of asynchronous type that was
// cancelled meanwhile ends then. In pthread_setcancelstate glibc 2.36 does not make its result
// PTHREAD_CANCELED, and its joiner gets 0; in pthread_setcanceltype it does.
inline void restore_cancel_state(int state) {
  if (state == PTHREAD_CANCEL_DISABLE) return;
  int type = PTHREAD_CANCEL_DEFERRED;
  ::pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
  ::pthread_setcancelstate(state, nullptr);
  if (type != PTHREAD_CANCEL_DEFERRED) ::pthread_setcanceltype(type, nullptr);
}

class NoCancellation {
 public:
  NoCancellation() { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { restore_cancel_state(before_); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace gallocy::ipc
