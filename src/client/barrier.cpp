// gallocy_pthread_barrier_*: the object's bytes say for how many threads it is.
#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

struct Form {
  std::uint32_t word;
  std::uint32_t count;
};
constexpr std::uint32_t barrier_word = 0x676c4201;
static_assert(sizeof(Form) <= sizeof(pthread_barrier_t));

Object object_of(const pthread_barrier_t* barrier) { return {"barrier", barrier}; }

Status check(const pthread_barrier_t* barrier) {
  if (auto status = check_place("barrier", barrier); !status) return status;
  if (first_word(barrier) == barrier_word) return {};
  return tl::unexpected<Error>(not_initialised(object_of(barrier)));
}

}  // namespace

int gallocy_pthread_barrier_init(pthread_barrier_t* barrier, const pthread_barrierattr_t* attr,
                                 unsigned count) {
  const ErrnoKeeper keeper;
  int shared = PTHREAD_PROCESS_PRIVATE;
  if (auto status = check_place("barrier", barrier); !status) return report(status);
  if (attr != nullptr) ::pthread_barrierattr_getpshared(attr, &shared);
  if (auto status = check_shared(shared, "barriers"); !status) return report(status);
  if (count == 0)
    return report(Error{EINVAL, Sentence("a barrier is for at least one thread")});
  const int error = ask(object_of(barrier), SyncOperation::init, SyncKind::barrier);
  if (error != 0) return error;
  reinterpret_cast<Form*>(barrier)->count = count;
  set_first_word(barrier, barrier_word);
  return 0;
}

int gallocy_pthread_barrier_destroy(pthread_barrier_t* barrier) {
  const ErrnoKeeper keeper;
  if (auto status = check(barrier); !status) return report(status);
  const int error = ask(object_of(barrier), SyncOperation::destroy, SyncKind::barrier);
  if (error == 0) set_first_word(barrier, destroyed_word);
  return error;
}

int gallocy_pthread_barrier_wait(pthread_barrier_t* barrier) {
  const ErrnoKeeper keeper;
  if (auto status = check(barrier); !status) return report(status);
  const ipc::Reply reply = process.ring.call(
      ipc::Operation::sync, object_of(barrier).key(), self.thread, SyncOperation::take,
      SyncKind::barrier, reinterpret_cast<const Form*>(barrier)->count, no_timeout);
  if (reply.status != 0) return report(object_of(barrier), reply.status);
  return reply.values[0] != 0 ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}
