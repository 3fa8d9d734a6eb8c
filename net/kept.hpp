// Memory that the kernel may still name. A handle (Connection, Listener, ...) may be destroyed at
// any moment, also from inside its own callback; its state must live on until the last CQE of
// its requests was dispatched. So the state is on the heap and deletes itself when nobody holds
// it and it is not busy.
//
// The count is not atomic: everything about a ring happens on the ring's thread.
#pragma once

#include <cstdint>
#include <utility>

#include "net/ring.hpp"

namespace gallocy::net {

class Kept {
 public:
  Kept() = default;
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  void keep() { ++holders_; }
  void drop() {
    if (--holders_ == 0 && !busy()) delete this;
  }

 protected:
  virtual ~Kept() = default;
  // Whether a request is in flight or a call from the ring is to come. Whatever ends that does
  // so under a Ref, whose end looks here again.
  virtual bool busy() const = 0;

 private:
  std::uint32_t holders_ = 0;
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T& object) : object_(&object) { object_->keep(); }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { reset(); }

  void reset() {
    if (T* object = std::exchange(object_, nullptr)) object->drop();
  }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

// One kind of request of a Kept owner, dispatched to a method of it.
template <class Owner>
class Operation final : public Completion {
 public:
  using Method = void (Owner::*)(int result, std::uint32_t cqe_flags);
  Operation(Owner& owner, Method method) : owner_(owner), method_(method) {}

  void complete(int result, std::uint32_t cqe_flags) override {
    const Ref<Owner> hold(owner_);
    (owner_.*method_)(result, cqe_flags);
  }

 private:
  Owner& owner_;
  Method method_;
};

}  // namespace gallocy::net
