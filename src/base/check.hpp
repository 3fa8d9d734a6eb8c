// A check states what must hold if gallocy itself is right; it is on in every build, prints
// the values and aborts. What a peer, client or user sent is never checked here: that is an
// error, and the sender is dropped.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace gallocy {

struct CheckValue {
  std::string_view name;
  std::uint64_t value;
};

using CheckHook = void (*)(void* context);

// Called once before abort(), to print state that explains the failure. Not thread-safe:
// set it before threads start.
void set_check_hook(CheckHook hook, void* context);

[[noreturn]] void check_failed(const char* file, int line, const char* expression,
                               const CheckValue* values, unsigned value_count);

namespace detail {
template <class T>
constexpr std::uint64_t check_number(const T& value) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<std::uintptr_t>(value);
  else return static_cast<std::uint64_t>(value);
}
}  // namespace detail

}  // namespace gallocy

#define GALLOCY_VALUE(expression) \
  ::gallocy::CheckValue { #expression, ::gallocy::detail::check_number(expression) }

// CHECK(a < b, GALLOCY_VALUE(a), GALLOCY_VALUE(b))
#define GALLOCY_CHECK(expression, ...)                                                      \
  do {                                                                                      \
    if (!(expression)) [[unlikely]] {                                                       \
      const ::gallocy::CheckValue gallocy_values[] = {__VA_ARGS__ __VA_OPT__(, ){{}, 0}};   \
      ::gallocy::check_failed(__FILE__, __LINE__, #expression, gallocy_values,              \
                              sizeof gallocy_values / sizeof gallocy_values[0] - 1);        \
    }                                                                                       \
  } while (false)
