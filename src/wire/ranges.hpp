// Numbers from a peer become our types here, or an error: nothing out of range gets further.
// Included by the .cpp files of this room only.
#pragma once

#include <cstdint>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "core/message.hpp"

namespace gallocy::wire {

// Remembers the first violation, so that a struct is read in one go and asked once.
class Ranges {
 public:
  NodeId node(std::uint8_t value) { return NodeId{within(value, max_node_count, "node id")}; }
  NodeId node_or_none(std::uint8_t value) {
    return value == raw(no_node) ? no_node : node(value);
  }
  PageNo page(std::uint64_t value) { return PageNo{within(value, page_limit, "page number")}; }
  std::uint64_t page_count(std::uint64_t value) {
    return within(value, page_limit, "number of pages");
  }
  std::uint64_t delay_us(std::uint64_t value) { return within(value, delay_limit_us, "delay"); }
  std::uint64_t time_us(std::uint64_t value) { return within(value, time_limit_us, "time"); }
  std::uint32_t acks(std::uint32_t value) {
    return within(value, std::uint32_t{max_node_count}, "number of acknowledgements");
  }
  std::uint64_t counter(std::uint64_t value) {
    return within(value, counter_limit, "transaction counter");
  }
  std::int32_t status(std::int32_t value, std::int32_t limit = 4096) {
    if (value < 0) violate("status");
    return within(value, limit, "status");
  }
  ThreadId thread(std::uint64_t value) {
    if (value == 0 || value >> 48 >= max_node_count) violate("thread id");
    return ThreadId{value};
  }
  ThreadId thread_or_none(std::uint64_t value) { return value == 0 ? ThreadId{} : thread(value); }
  // For enums of the schema, whose values from a newer peer may be unknown, and unions.
  void violate(const char* what) {
    if (violated_ == nullptr) violated_ = what;
  }
  Status verdict() const {
    if (violated_ == nullptr) return {};
    return fail(EPROTO, "malformed message: ", violated_, " out of range");
  }

 private:
  static constexpr std::uint64_t page_limit = std::uint64_t{1} << 41;  // chunk in 32 bits
  static constexpr std::uint64_t counter_limit = std::uint64_t{1} << 48;
  static constexpr std::uint64_t delay_limit_us = std::uint64_t{1} << 48;
  static constexpr std::uint64_t time_limit_us = std::uint64_t{1} << 56;

  template <class T, class Limit>
  T within(T value, Limit limit, const char* what) {
    if (value < limit) return value;
    violate(what);
    return T{};
  }

  const char* violated_ = nullptr;
};

}  // namespace gallocy::wire
