/*
 * gallocy.hpp: a C++20 layer over gallocy.h, header only. What gallocy.h says of memory, threads,
 * errors, blocking and thread safety holds here too; this header says what C++ adds.
 *
 *     gallocy::init();
 *     using Text = std::basic_string<char, std::char_traits<char>, gallocy::allocator<char>>;
 *     using Counts =
 *         std::map<Text, long, std::less<>, gallocy::allocator<std::pair<const Text, long>>>;
 *     auto& counts = gallocy::find_or_make<Counts>("counts");       // the same map on every node
 *     auto& lock = gallocy::find_or_make<gallocy::Mutex>("lock");
 *     gallocy::Thread thread([&] { std::lock_guard held(lock); ++counts["words"]; });
 *     thread.join();
 *
 * Errors: an errno of gallocy.h becomes a std::system_error of the generic category whose text is
 * gallocy_last_error(); memory that can't be had is std::bad_alloc. An exception that leaves a
 * thread's function ends the program (std::terminate), as with std::thread.
 *
 * What lies in gallocy memory must be usable on every node: no pointers or references to globals,
 * stacks or memory of `new`, no virtual functions of libraries that are not loaded at the same
 * address everywhere, and containers with gallocy::allocator only.
 */
#ifndef GALLOCY_GALLOCY_HPP
#define GALLOCY_GALLOCY_HPP

#include <gallocy/gallocy.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace gallocy {

namespace detail {

[[noreturn]] inline void fail(int code) {
  throw std::system_error(code, std::generic_category(), gallocy_last_error());
}

inline void check(int code) {
  if (code != 0) fail(code);
}

}  // namespace detail

/* As gallocy_init(), which see: returns in rank 0 only, unless the program runs with --spmd. */
inline void init() { detail::check(gallocy_init()); }

/*
 * The standard allocator of gallocy memory: containers with it lie in the region, whole, if they
 * themselves do (see make and find_or_make). Stateless: all are equal, on every node. Memory may be
 * freed on any node. allocate throws std::bad_alloc, and std::bad_array_new_length on overflow.
 */
template <class T>
class allocator {
 public:
  using value_type = T;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;

  constexpr allocator() noexcept = default;
  template <class U>
  constexpr allocator(const allocator<U>&) noexcept {}

  [[nodiscard]] T* allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T))
      throw std::bad_array_new_length();
    void* block = alignof(T) <= alignof(std::max_align_t)
                      ? gallocy_malloc(count * sizeof(T))
                      : gallocy_memalign(alignof(T), count * sizeof(T));
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t) noexcept { gallocy_free(block); }

  template <class U>
  friend constexpr bool operator==(allocator, allocator<U>) noexcept {
    return true;
  }
};

/* A T in gallocy memory. Throws std::bad_alloc and what T's constructor throws. */
template <class T, class... Arguments>
[[nodiscard]] T* make(Arguments&&... arguments) {
  T* block = allocator<T>().allocate(1);
  try {
    return std::construct_at(block, std::forward<Arguments>(arguments)...);
  } catch (...) {
    allocator<T>().deallocate(block, 1);
    throw;
  }
}

/* The end of what make gave, on whatever node. Null is ignored. */
template <class T>
void destroy(T* object) noexcept {
  if (object == nullptr) return;
  std::destroy_at(object);
  allocator<T>().deallocate(object, 1);
}

/*
 * The T that is published under the name (gallocy_publish); if there is none, one is made of the
 * arguments and published. Of several callers at the same time one wins and all get its object,
 * whole. The name does not tell the type: use a name for one type only. The object stays until
 * gallocy_publish(name, nullptr) and destroy.
 */
template <class T, class... Arguments>
T& find_or_make(const char* name, Arguments&&... arguments) {
  if (void* found = gallocy_lookup(name)) return *static_cast<T*>(found);
  if (errno != ENOENT) detail::fail(errno);
  std::unique_ptr<T, void (*)(T*)> made(make<T>(std::forward<Arguments>(arguments)...), destroy<T>);
  const int code = gallocy_publish(name, made.get());
  if (code == 0) return *made.release();
  if (code != EEXIST) detail::fail(code);
  void* found = gallocy_lookup(name);
  if (found == nullptr) detail::fail(errno);
  return *static_cast<T*>(found);
}

/*
 * A mutex between all threads of the job; Lockable, so std::lock_guard, std::unique_lock and
 * std::scoped_lock work with it. It must lie in gallocy memory, as a member or by make: elsewhere
 * the constructor throws EINVAL. lock() throws EDEADLK when the thread has it already; unlock() by
 * another thread than the owner ends the program.
 */
class Mutex {
 public:
  Mutex() {
    pthread_mutexattr_t attributes;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    const int code = gallocy_pthread_mutex_init(&mutex_, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
    detail::check(code);
  }
  ~Mutex() { gallocy_pthread_mutex_destroy(&mutex_); }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() { detail::check(gallocy_pthread_mutex_lock(&mutex_)); }
  bool try_lock() {
    const int code = gallocy_pthread_mutex_trylock(&mutex_);
    if (code != 0 && code != EBUSY) detail::fail(code);
    return code == 0;
  }
  void unlock() noexcept { detail::check(gallocy_pthread_mutex_unlock(&mutex_)); }

  pthread_mutex_t* native_handle() noexcept { return &mutex_; }

 private:
  pthread_mutex_t mutex_;
};

/*
 * A barrier for a fixed number of threads, in gallocy memory like Mutex. It may be used again at
 * once. The constructor throws EINVAL for a count of 0 or a place elsewhere.
 */
class Barrier {
 public:
  explicit Barrier(unsigned count) {
    detail::check(gallocy_pthread_barrier_init(&barrier_, nullptr, count));
  }
  ~Barrier() { gallocy_pthread_barrier_destroy(&barrier_); }
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  /* Waits, as long as it takes, for the others. True in one of the threads. */
  bool arrive_and_wait() {
    const int code = gallocy_pthread_barrier_wait(&barrier_);
    if (code != 0 && code != PTHREAD_BARRIER_SERIAL_THREAD) detail::fail(code);
    return code != 0;
  }

 private:
  pthread_barrier_t barrier_;
};

/*
 * As std::thread, except that the function runs on a node of gallocy's choice, or on() a given one:
 * function and arguments are copied into gallocy memory, and used and destroyed there. What they
 * refer to must lie in gallocy memory as well. The Thread itself may be anywhere.
 * The constructor throws EAGAIN if no more threads can be made. A Thread that is destroyed while
 * joinable ends the program.
 */
class Thread {
 public:
  Thread() noexcept = default;
  template <class Function, class... Arguments>
    requires(!std::is_same_v<std::remove_cvref_t<Function>, Thread>)
  explicit Thread(Function&& function, Arguments&&... arguments)
      : Thread(on(GALLOCY_ANY_NODE, std::forward<Function>(function),
                  std::forward<Arguments>(arguments)...)) {}

  /* On that node. Also throws EINVAL: there is no such node. */
  template <class Function, class... Arguments>
  [[nodiscard]] static Thread on(int node, Function&& function, Arguments&&... arguments) {
    using Call = std::tuple<std::decay_t<Function>, std::decay_t<Arguments>...>;
    std::unique_ptr<Call, void (*)(Call*)> call(
        make<Call>(std::forward<Function>(function), std::forward<Arguments>(arguments)...),
        destroy<Call>);
    Thread thread;
    detail::check(
        gallocy_pthread_create_on(&thread.id_, nullptr, run<Call>, call.get(), node));
    call.release();
    return thread;
  }

  Thread(Thread&& other) noexcept : id_(std::exchange(other.id_, 0)) {}
  Thread& operator=(Thread&& other) noexcept {
    if (joinable()) std::terminate();
    id_ = std::exchange(other.id_, 0);
    return *this;
  }
  ~Thread() {
    if (joinable()) std::terminate();
  }

  bool joinable() const noexcept { return id_ != 0; }
  pthread_t native_handle() const noexcept { return id_; }

  /* Waits, as long as it takes, for the thread's end. Throws EINVAL if not joinable. */
  void join() {
    require_joinable();
    detail::check(gallocy_pthread_join(std::exchange(id_, 0), nullptr));
  }
  void detach() {
    require_joinable();
    detail::check(gallocy_pthread_detach(std::exchange(id_, 0)));
  }

 private:
  void require_joinable() const {
    if (!joinable()) throw std::system_error(EINVAL, std::generic_category(), "no thread here");
  }

  // Not noexcept: cancellation and gallocy_pthread_exit unwind through here.
  template <class Call>
  static void* run(void* context) {
    const std::unique_ptr<Call, void (*)(Call*)> call(static_cast<Call*>(context), destroy<Call>);
    std::apply([](auto&... parts) { std::invoke(std::move(parts)...); }, *call);
    return nullptr;
  }

  pthread_t id_ = 0;
};

}  // namespace gallocy

#endif  // GALLOCY_GALLOCY_HPP
