// pthread_once and pthread_key_*. A key that a library has made before the start is the C
// library's, and the same number in every rank, since all ranks load the same libraries. A key that
// is made later is the job's.
#include <errno.h>
#include <pthread.h>

#include "gallocy/gallocy.h"
#include "preload/c11.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_once)
GALLOCY_REAL(pthread_key_create)
GALLOCY_REAL(pthread_key_delete)
GALLOCY_REAL(pthread_setspecific)
GALLOCY_REAL(pthread_getspecific)

using namespace gallocy::preload;

namespace {

// Set in the numbers of the job's keys. The C library has 1,024.
constexpr pthread_key_t job_bit = pthread_key_t{1} << 31;

bool is_of_the_job(pthread_key_t key) { return (key & job_bit) != 0; }

}  // namespace

GALLOCY_TAKES int pthread_once(pthread_once_t* control, void (*function)()) {
  return is_served(control) ? gallocy_pthread_once(control, function)
                            : real::pthread_once(control, function);
}

GALLOCY_TAKES int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) noexcept {
  if (!is_application()) return real::pthread_key_create(key, destructor);
  pthread_key_t made = 0;
  const int error = gallocy_pthread_key_create(&made, destructor);
  if (error != 0) return error;
  *key = made | job_bit;
  return 0;
}

GALLOCY_TAKES int pthread_key_delete(pthread_key_t key) noexcept {
  return is_of_the_job(key) ? gallocy_pthread_key_delete(key & ~job_bit)
                            : real::pthread_key_delete(key);
}

GALLOCY_TAKES int pthread_setspecific(pthread_key_t key, const void* value) noexcept {
  return is_of_the_job(key) ? gallocy_pthread_setspecific(key & ~job_bit, value)
                            : real::pthread_setspecific(key, value);
}

GALLOCY_TAKES void* pthread_getspecific(pthread_key_t key) noexcept {
  return is_of_the_job(key) ? gallocy_pthread_getspecific(key & ~job_bit)
                            : real::pthread_getspecific(key);
}

GALLOCY_TAKES int tss_create(tss_t* key, tss_dtor_t destructor) {
  return as_c11(::pthread_key_create(key, destructor));
}
GALLOCY_TAKES void tss_delete(tss_t key) { ::pthread_key_delete(key); }
GALLOCY_TAKES void* tss_get(tss_t key) { return ::pthread_getspecific(key); }
GALLOCY_TAKES int tss_set(tss_t key, void* value) {
  return as_c11(::pthread_setspecific(key, value));
}

GALLOCY_TAKES void call_once(once_flag* flag, void (*function)()) {
  ::pthread_once(reinterpret_cast<pthread_once_t*>(flag), function);
}

// What the rooms below call.
extern "C" {
int __wrap_pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) {
  return real::pthread_key_create(key, destructor);
}
int __wrap_pthread_setspecific(pthread_key_t key, const void* value) {
  return real::pthread_setspecific(key, value);
}
}
