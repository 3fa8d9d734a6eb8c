// The job's shared block, and gallocy_publish and gallocy_lookup over it.
#include "client/shared.hpp"

#include <string.h>

using namespace gallocy;
using namespace gallocy::client;

namespace {

constexpr std::size_t name_bytes_max = 255;

constinit std::atomic<Shared*> g_shared = nullptr;  // once it is known

Result<Shared*> ask_root(const Shared* proposal) {
  const ipc::Reply reply =
      process.ring.call(ipc::Operation::root, heap::address_of(proposal));
  auto* shared = reinterpret_cast<Shared*>(reply.values[0]);
  if (reply.status != 0) return fail(reply.status, "the daemon did not say what the job shares");
  if (shared == nullptr) return shared;
  if (!in_region(shared, sizeof *shared) || reply.values[0] % alignof(pthread_mutex_t) != 0)
    return fail(EPROTO, "the daemon's root of the job makes no sense");
  g_shared.store(shared, std::memory_order_release);
  return shared;
}

unsigned bucket_of(const char* name) {
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (; *name != 0; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 16777619;
  return hash % name_bucket_count;
}

Status check_name(const char* name) {
  if (auto status = require_thread(); !status) return status;
  if (name == nullptr || *name == 0) return fail(EINVAL, "a name is a text of at least one byte");
  if (::strnlen(name, name_bytes_max + 1) > name_bytes_max)
    return fail(EINVAL, "a name has at most ", name_bytes_max, " bytes");
  return {};
}

// Where the name's entry hangs, or would be put. REQUIRES: the lock.
Name** place_of(Shared& shared, const char* name) {
  Name** place = &shared.names[bucket_of(name)];
  while (*place != nullptr && ::strcmp((*place)->text(), name) != 0) place = &(*place)->next;
  return place;
}

Status add_name(Shared& shared, const char* name, void* pointer) {
  const std::size_t text_bytes = ::strlen(name) + 1;
  auto* entry = static_cast<Name*>(gallocy_malloc(sizeof(Name) + text_bytes));
  if (entry == nullptr) return fail(ENOMEM, "no room for the name '", name, "'");
  *entry = {nullptr, pointer};
  ::memcpy(entry->text(), name, text_bytes);
  {
    const SharedLock locked{shared};
    Name** place = place_of(shared, name);
    if (*place == nullptr) {
      *place = entry;
      return {};
    }
  }
  gallocy_free(entry);
  return fail(EEXIST, "the name '", name, "' is in use already");
}

Status remove_name(Shared& shared, const char* name) {
  Name* entry = nullptr;
  {
    const SharedLock locked{shared};
    Name** place = place_of(shared, name);
    entry = *place;
    if (entry != nullptr) *place = entry->next;
  }
  if (entry == nullptr) return fail(ENOENT, "nothing is published as '", name, "'");
  gallocy_free(entry);
  return {};
}

Status publish(const char* name, void* pointer) {
  if (auto status = check_name(name); !status) return status;
  if (pointer != nullptr && !in_gallocy_memory(pointer, 1))
    return fail(EINVAL, "only gallocy memory can be published: ", Hex{heap::address_of(pointer)},
                " is none");
  const auto shared = pointer != nullptr ? find_or_make_shared() : find_shared();
  if (!shared) return tl::unexpected<Error>(shared.error());
  if (*shared == nullptr) return fail(ENOENT, "nothing is published as '", name, "'");
  return pointer != nullptr ? add_name(**shared, name, pointer) : remove_name(**shared, name);
}

Result<void*> lookup(const char* name) {
  if (auto status = check_name(name); !status) return tl::unexpected<Error>(status.error());
  const auto shared = find_shared();
  if (!shared) return tl::unexpected<Error>(shared.error());
  if (*shared != nullptr) {
    const SharedLock locked{**shared};
    if (const Name* entry = *place_of(**shared, name); entry != nullptr) return entry->pointer;
  }
  return fail(ENOENT, "nothing is published as '", name, "'");
}

}  // namespace

Result<Shared*> client::find_shared() {
  if (Shared* shared = g_shared.load(std::memory_order_acquire); shared != nullptr) return shared;
  return ask_root(nullptr);
}

// Two ranks may make one each at the same time: the coordinator takes one, the other is given back.
Result<Shared*> client::find_or_make_shared() {
  auto shared = find_shared();
  if (!shared || *shared != nullptr) return shared;
  auto* made = static_cast<Shared*>(gallocy_calloc(1, sizeof(Shared)));
  if (made == nullptr) return fail(ENOMEM, "no room for what the job shares");
  shared = ask_root(made);
  if (!shared || *shared != made) gallocy_free(made);
  return shared;
}

int gallocy_publish(const char* name, void* pointer) {
  const ErrnoKeeper keeper;
  return report(publish(name, pointer));
}

void* gallocy_lookup(const char* name) {
  const int saved_errno = errno;
  const auto found = lookup(name);
  errno = found ? saved_errno : report(found.error());
  return found ? *found : nullptr;
}
