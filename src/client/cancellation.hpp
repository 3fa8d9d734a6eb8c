// Requests that wait and are cancellation points.
#pragma once

#include <pthread.h>

#include "client/process.hpp"
#include "ipc/no_cancellation.hpp"

namespace gallocy::client {

// The daemon ends the wait with ECANCELED when the thread is cancelled, unless the thread has
// disabled cancellation; that is the request's last argument. Race: the thread is cancelled after
// pthread_testcancel and before its request is seen. The agent calls pthread_cancel first and
// tells the daemon then, which remembers: the wait ends as soon as it begins.
// `waiter`: signal handlers end the wait, too; or null.
template <class... Numbers>
ipc::Reply wait_cancellably(const ipc::ClientRing::Waiter* waiter, ipc::Operation operation,
                            Numbers... numbers) {
  ::pthread_testcancel();
  int state = 0;
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  const ipc::Reply reply =
      process.ring.call(waiter, operation, numbers..., state == PTHREAD_CANCEL_ENABLE ? 1 : 0);
  ipc::restore_cancel_state(state);
  if (reply.status == ECANCELED) ::pthread_testcancel();
  return reply;
}

template <class... Numbers>
ipc::Reply wait_cancellably(ipc::Operation operation, Numbers... numbers) {
  return wait_cancellably(static_cast<const ipc::ClientRing::Waiter*>(nullptr), operation,
                          numbers...);
}

}  // namespace gallocy::client
