// What the ranks of a job share without any of them having told the other an address: names and
// keys. It lies in gallocy memory and is found by the job's root; who needs it first makes it.
#pragma once

#include "client/process.hpp"

namespace gallocy::client {

struct Name {  // its text follows
  Name* next;
  void* pointer;
  char* text() { return reinterpret_cast<char*>(this + 1); }
};

struct Key {
  std::uint32_t generation;  // how often the key was made; keys of other generations are over
  std::uint32_t used;        // 1 from key_create to key_delete
  void (*destructor)(void*);
};

inline constexpr unsigned name_bucket_count = 256;

struct Shared {  // made of zeros
  Key keys[GALLOCY_KEYS_MAX];
  alignas(page_bytes) Name* names[name_bucket_count];
  alignas(page_bytes) pthread_mutex_t lock;  // of changes, and of names
};

class SharedLock {
 public:
  explicit SharedLock(Shared& shared) : lock_(shared.lock) { gallocy_pthread_mutex_lock(&lock_); }
  ~SharedLock() { gallocy_pthread_mutex_unlock(&lock_); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  pthread_mutex_t& lock_;
};

// Null, without an error, if there is none yet.
Result<Shared*> find_shared();
Result<Shared*> find_or_make_shared();

}  // namespace gallocy::client
