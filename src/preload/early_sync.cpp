#include "preload/early_sync.hpp"

#include <pthread.h>
#include <semaphore.h>

#include <algorithm>
#include <span>

#include "gallocy/gallocy.h"
#include "preload/real.hpp"

GALLOCY_REAL(pthread_mutex_unlock)
GALLOCY_REAL(pthread_rwlock_unlock)
GALLOCY_REAL(sem_getvalue)

namespace gallocy::preload {

namespace {

struct EarlyObject {
  EarlyKind kind;
  void* place;
  unsigned argument;
  unsigned holds;  // how many times the thread has it
};

constexpr std::size_t early_object_count_max = 1024;
constinit EarlyObject g_objects[early_object_count_max];
constinit std::size_t g_count = 0;

std::span<EarlyObject> objects() { return {g_objects, g_count}; }

EarlyObject* find(const void* place) {
  const auto found = std::ranges::find(objects(), place, &EarlyObject::place);
  return found == objects().end() ? nullptr : &*found;
}

EarlyObject& find_or_add(EarlyKind kind, void* place) {
  if (EarlyObject* known = find(place); known != nullptr) return *known;
  if (g_count == early_object_count_max)
    refuse(Sentence("libraries have used more than ", early_object_count_max, " locks, semaphores, "
                    "barriers and conditions before main()").c_str());
  return g_objects[g_count++] = {kind, place, 0, 0};
}

bool is_rwlock(const EarlyObject& object) {
  return object.kind == EarlyKind::reader || object.kind == EarlyKind::writer;
}

void leave(const EarlyObject& object) {
  for (unsigned i = 0; i < object.holds; ++i)
    if (object.kind == EarlyKind::mutex)
      real::pthread_mutex_unlock(static_cast<pthread_mutex_t*>(object.place));
    else
      real::pthread_rwlock_unlock(static_cast<pthread_rwlock_t*>(object.place));
}

int take_lock(const EarlyObject& object) {
  if (object.kind == EarlyKind::mutex)
    return gallocy_pthread_mutex_lock(static_cast<pthread_mutex_t*>(object.place));
  auto* lock = static_cast<pthread_rwlock_t*>(object.place);
  return object.kind == EarlyKind::reader ? gallocy_pthread_rwlock_rdlock(lock)
                                          : gallocy_pthread_rwlock_wrlock(lock);
}

int take_semaphore(sem_t* semaphore) {
  int value = 0;
  real::sem_getvalue(semaphore, &value);
  return gallocy_sem_init(semaphore, 0, static_cast<unsigned>(value));
}

int take_condition(pthread_cond_t* condition, unsigned clock) {
  pthread_condattr_t attributes;
  ::pthread_condattr_init(&attributes);
  ::pthread_condattr_setclock(&attributes, static_cast<clockid_t>(clock));
  return gallocy_pthread_cond_init(condition, &attributes);
}

int make(const EarlyObject& object) {
  switch (object.kind) {
    case EarlyKind::mutex: return 0;  // its bytes say all
    case EarlyKind::reader:
    case EarlyKind::writer:
      return gallocy_pthread_rwlock_init(static_cast<pthread_rwlock_t*>(object.place), nullptr);
    case EarlyKind::semaphore: return take_semaphore(static_cast<sem_t*>(object.place));
    case EarlyKind::barrier:
      return gallocy_pthread_barrier_init(static_cast<pthread_barrier_t*>(object.place), nullptr,
                                          object.argument);
    case EarlyKind::condition:
      return take_condition(static_cast<pthread_cond_t*>(object.place), object.argument);
  }
  return 0;
}

void take(const EarlyObject& object) {
  if (!is_shared(object.place)) return;  // it was on the stack
  int error = make(object);
  for (unsigned i = 0; i < object.holds && error == 0; ++i) error = take_lock(object);
  if (error != 0) refuse(gallocy_last_error());
}

}  // namespace

void note_early_object(EarlyKind kind, void* place, unsigned argument) {
  find_or_add(kind, place) = {kind, place, argument, 0};
}

void note_early_use(EarlyKind kind, void* place) { find_or_add(kind, place).kind = kind; }

void note_early_take(EarlyKind kind, void* place) {
  EarlyObject& object = find_or_add(kind, place);
  object.kind = kind;
  ++object.holds;
}

void note_early_give(void* place) {
  EarlyObject* object = find(place);
  if (object == nullptr || object->holds == 0) return;
  if (--object->holds == 0 && !is_rwlock(*object)) forget_early_object(place);
}

void forget_early_object(void* place) {
  if (EarlyObject* object = find(place); object != nullptr) *object = g_objects[--g_count];
}

void leave_early_locks() {
  for (const EarlyObject& object : objects()) leave(object);
}

void take_early_objects() {
  for (const EarlyObject& object : objects()) take(object);
}

}  // namespace gallocy::preload
