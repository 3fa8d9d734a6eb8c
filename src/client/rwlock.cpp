// gallocy_pthread_rwlock_*
#include "client/sync.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

Object object_of(const pthread_rwlock_t* lock) { return {"read-write lock", lock}; }

int operate(pthread_rwlock_t* lock, SyncOperation operation, SyncKind kind,
            std::uint64_t timeout_us = no_timeout) {
  const ErrnoKeeper keeper;
  if (auto status = check_place("read-write lock", lock); !status) return report(status);
  // Zero also in what PTHREAD_RWLOCK_INITIALIZER and its relatives write.
  if (first_word(lock) != 0) return report(not_initialised(object_of(lock)));
  return ask(object_of(lock), operation, kind, process.is_unmodified ? readers_counted : 0,
             timeout_us);
}

int lock_until(pthread_rwlock_t* lock, SyncKind kind, clockid_t clock, const timespec* until) {
  const auto left_us = time_left_us(clock, until);
  return left_us ? operate(lock, SyncOperation::take, kind, *left_us) : report(left_us.error());
}

}  // namespace

int gallocy_pthread_rwlock_init(pthread_rwlock_t* lock, const pthread_rwlockattr_t* attr) {
  const ErrnoKeeper keeper;
  int shared = PTHREAD_PROCESS_PRIVATE;
  if (auto status = check_place("read-write lock", lock); !status) return report(status);
  if (attr != nullptr) ::pthread_rwlockattr_getpshared(attr, &shared);
  if (auto status = check_shared(shared, "read-write locks"); !status) return report(status);
  const int error = ask(object_of(lock), SyncOperation::init, SyncKind::writer);
  if (error == 0) set_first_word(lock, 0);
  return error;
}

int gallocy_pthread_rwlock_destroy(pthread_rwlock_t* lock) {
  const int error = operate(lock, SyncOperation::destroy, SyncKind::writer);
  if (error == 0) set_first_word(lock, destroyed_word);
  return error;
}

int gallocy_pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  return operate(lock, SyncOperation::take, SyncKind::reader);
}
int gallocy_pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) {
  return operate(lock, SyncOperation::try_take, SyncKind::reader);
}
int gallocy_pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const struct timespec* until) {
  return lock_until(lock, SyncKind::reader, CLOCK_REALTIME, until);
}
int gallocy_pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock,
                                       const struct timespec* until) {
  return lock_until(lock, SyncKind::reader, clock, until);
}

int gallocy_pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  return operate(lock, SyncOperation::take, SyncKind::writer);
}
int gallocy_pthread_rwlock_trywrlock(pthread_rwlock_t* lock) {
  return operate(lock, SyncOperation::try_take, SyncKind::writer);
}
int gallocy_pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const struct timespec* until) {
  return lock_until(lock, SyncKind::writer, CLOCK_REALTIME, until);
}
int gallocy_pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock,
                                       const struct timespec* until) {
  return lock_until(lock, SyncKind::writer, clock, until);
}

int gallocy_pthread_rwlock_unlock(pthread_rwlock_t* lock) {
  return operate(lock, SyncOperation::give, SyncKind::writer);
}
