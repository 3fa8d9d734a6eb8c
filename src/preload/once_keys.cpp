// pthread_once and pthread_key_*. A key is the job's, and main() has what constructors of libraries
// have given to theirs. What the runtime's own threads make are the C library's.
#include <errno.h>
#include <pthread.h>

#include "gallocy/gallocy.h"
#include "preload/c11.hpp"
#include "preload/early_keys.hpp"
#include "preload/early_sync.hpp"
#include "preload/real.hpp"
#include "preload/stage.hpp"

GALLOCY_REAL(pthread_once)
GALLOCY_REAL(pthread_key_create)
GALLOCY_REAL(pthread_key_delete)
GALLOCY_REAL(pthread_setspecific)
GALLOCY_REAL(pthread_getspecific)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

// Set in the numbers of the job's keys. The C library has 1,024.
constexpr pthread_key_t job_bit = pthread_key_t{1} << 31;

bool is_of_the_job(pthread_key_t key) { return (key & job_bit) != 0; }

// Of constructors. They get the numbers that the job's first keys will have.
struct EarlyKey {
  void (*destructor)(void*);
  const void* value;
  bool is_deleted;
};
constinit EarlyKey g_early_keys[GALLOCY_KEYS_MAX];
constinit pthread_key_t g_early_count = 0;

constexpr pthread_key_t early_number(pthread_key_t index) { return GALLOCY_KEYS_MAX + index; }

EarlyKey* find_early(pthread_key_t key) {
  const pthread_key_t index = (key & ~job_bit) - early_number(0);
  if (index >= g_early_count || g_early_keys[index].is_deleted) return nullptr;
  return &g_early_keys[index];
}

int create_early(pthread_key_t* key, void (*destructor)(void*)) {
  if (g_early_count == GALLOCY_KEYS_MAX) return EAGAIN;
  g_early_keys[g_early_count] = {destructor, nullptr, false};
  *key = early_number(g_early_count++) | job_bit;
  return 0;
}

int delete_early(pthread_key_t key) {
  EarlyKey* early = find_early(key);
  if (early == nullptr) return EINVAL;
  early->is_deleted = true;
  return 0;
}

int set_early(pthread_key_t key, const void* value) {
  EarlyKey* early = find_early(key);
  if (early == nullptr) return EINVAL;
  early->value = value;
  return 0;
}

void* get_early(pthread_key_t key) {
  const EarlyKey* early = find_early(key);
  return early == nullptr ? nullptr : const_cast<void*>(early->value);
}

void require(int error) {
  if (error != 0) refuse(gallocy_last_error());
}

}  // namespace

void preload::take_early_keys() {
  for (pthread_key_t index = 0; index < g_early_count; ++index) {
    pthread_key_t key = 0;
    require(gallocy_pthread_key_create(&key, g_early_keys[index].destructor));
    if (key != early_number(index)) refuse("a key of a constructor can't have its number");
  }
  for (pthread_key_t index = 0; index < g_early_count; ++index) {
    const EarlyKey& early = g_early_keys[index];
    require(early.is_deleted
                ? gallocy_pthread_key_delete(early_number(index))
                : gallocy_pthread_setspecific(early_number(index), early.value));
  }
}

GALLOCY_TAKES int pthread_once(pthread_once_t* control, void (*function)()) {
  return is_served(control) ? gallocy_pthread_once(control, function)
                            : real::pthread_once(control, function);
}

GALLOCY_TAKES int pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) noexcept {
  if (is_early()) return create_early(key, destructor);
  if (!is_application()) return real::pthread_key_create(key, destructor);
  pthread_key_t made = 0;
  const int error = gallocy_pthread_key_create(&made, destructor);
  if (error != 0) return error;
  *key = made | job_bit;
  return 0;
}

GALLOCY_TAKES int pthread_key_delete(pthread_key_t key) noexcept {
  if (is_early()) return delete_early(key);
  return is_of_the_job(key) ? gallocy_pthread_key_delete(key & ~job_bit)
                            : real::pthread_key_delete(key);
}

GALLOCY_TAKES int pthread_setspecific(pthread_key_t key, const void* value) noexcept {
  if (is_early()) return set_early(key, value);
  return is_of_the_job(key) ? gallocy_pthread_setspecific(key & ~job_bit, value)
                            : real::pthread_setspecific(key, value);
}

GALLOCY_TAKES void* pthread_getspecific(pthread_key_t key) noexcept {
  if (is_early()) return get_early(key);
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
