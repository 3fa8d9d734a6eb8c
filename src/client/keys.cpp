// gallocy_pthread_key_*: a key is the same in every rank, since what is known of it lies in the
// job's shared block; a thread's values are its own.
#include "client/keys.hpp"

#include <limits.h>

#include "client/shared.hpp"

using namespace gallocy;
using namespace gallocy::client;

namespace {

// A key's number: generation * GALLOCY_KEYS_MAX + index. Its highest bit is free for who has other
// keys beside these.
constexpr std::uint32_t generation_limit = (UINT32_MAX >> 1) / GALLOCY_KEYS_MAX;

unsigned index_of(pthread_key_t key) { return key % GALLOCY_KEYS_MAX; }
std::uint32_t generation_of(pthread_key_t key) { return key / GALLOCY_KEYS_MAX; }

// Read without the lock: a key that is deleted while it is used is the program's mistake, and
// shows as one of the two.
bool in_use(const Key& entry, std::uint32_t generation) {
  return __atomic_load_n(&entry.used, __ATOMIC_ACQUIRE) == 1 &&
         __atomic_load_n(&entry.generation, __ATOMIC_RELAXED) == generation;
}

Error no_such_key(pthread_key_t key) {
  return {EINVAL, Sentence("there is no key ", key, ": gallocy_pthread_key_create() makes keys")};
}

Status create_key(pthread_key_t* key, void (*destructor)(void*)) {
  if (auto status = require_thread(); !status) return status;
  if (key == nullptr) return fail(EINVAL, "a key needs a place for its number");
  const auto shared = find_or_make_shared();
  if (!shared) return tl::unexpected<Error>(shared.error());
  const SharedLock locked{**shared};
  for (unsigned index = 0; index < GALLOCY_KEYS_MAX; ++index) {
    Key& entry = (*shared)->keys[index];
    if (entry.used != 0 || entry.generation + 1 >= generation_limit) continue;
    __atomic_store_n(&entry.generation, entry.generation + 1, __ATOMIC_RELAXED);
    entry.destructor = destructor;
    __atomic_store_n(&entry.used, 1, __ATOMIC_RELEASE);
    *key = entry.generation * GALLOCY_KEYS_MAX + index;
    return {};
  }
  return fail(EAGAIN, "the job has ", GALLOCY_KEYS_MAX, " keys already");
}

Result<Key*> find_key(pthread_key_t key) {
  const auto shared = find_shared();
  if (!shared) return tl::unexpected<Error>(shared.error());
  if (*shared == nullptr) return tl::unexpected<Error>(no_such_key(key));
  Key& entry = (*shared)->keys[index_of(key)];
  if (!in_use(entry, generation_of(key))) return tl::unexpected<Error>(no_such_key(key));
  return &entry;
}

Status delete_key(pthread_key_t key) {
  if (auto status = require_thread(); !status) return status;
  const auto shared = find_shared();
  if (!shared) return tl::unexpected<Error>(shared.error());
  if (*shared == nullptr) return tl::unexpected<Error>(no_such_key(key));
  const SharedLock locked{**shared};
  Key& entry = (*shared)->keys[index_of(key)];
  if (!in_use(entry, generation_of(key))) return tl::unexpected<Error>(no_such_key(key));
  __atomic_store_n(&entry.used, 0, __ATOMIC_RELEASE);
  return {};
}

Status set_value(pthread_key_t key, const void* value) {
  if (auto status = require_member(); !status) return status;
  if (const auto found = find_key(key); !found) return tl::unexpected<Error>(found.error());
  if (self.values == nullptr) {
    if (value == nullptr) return {};
    self.values = static_cast<Value*>(gallocy_calloc(GALLOCY_KEYS_MAX, sizeof(Value)));
    if (self.values == nullptr) return fail(ENOMEM, "no room for the thread's values");
  }
  self.values[index_of(key)] = {generation_of(key), const_cast<void*>(value)};
  return {};
}

// Returns whether a destructor has run: it may have set values again.
bool destroy_round() {
  bool some = false;
  for (unsigned index = 0; index < GALLOCY_KEYS_MAX; ++index) {
    const Value value = self.values[index];
    if (value.pointer == nullptr) continue;
    self.values[index].pointer = nullptr;
    const auto key = find_key(value.generation * GALLOCY_KEYS_MAX + index);
    if (!key || (*key)->destructor == nullptr) continue;
    (*key)->destructor(value.pointer);
    some = true;
  }
  return some;
}

}  // namespace

void client::destroy_values() {
  if (self.values == nullptr) return;
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS && destroy_round(); ++round) continue;
  gallocy_free(self.values);
  self.values = nullptr;
}

int gallocy_pthread_key_create(pthread_key_t* key, void (*destructor)(void*)) {
  const ErrnoKeeper keeper;
  return report(create_key(key, destructor));
}

int gallocy_pthread_key_delete(pthread_key_t key) {
  const ErrnoKeeper keeper;
  return report(delete_key(key));
}

int gallocy_pthread_setspecific(pthread_key_t key, const void* value) {
  const ErrnoKeeper keeper;
  return report(set_value(key, value));
}

// Looks at the thread's own values only, so that it never waits for a page of the job's.
void* gallocy_pthread_getspecific(pthread_key_t key) {
  if (self.values == nullptr || !require_member()) return nullptr;
  const Value& value = self.values[index_of(key)];
  return value.generation == generation_of(key) ? value.pointer : nullptr;
}
