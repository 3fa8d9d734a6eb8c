// Text of bounded length that never allocates: for errors, sentences and the client library,
// where fmt (and so libstdc++) may not be linked. What does not fit is cut, never overrun.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gallocy {

struct Hex {
  std::uint64_t value;
};

template <std::size_t capacity>
class FixedText {
 public:
  FixedText() { bytes_[0] = '\0'; }
  template <class... Parts>
  explicit FixedText(const Parts&... parts) : FixedText() {
    append(parts...);
  }

  template <class... Parts>
  FixedText& append(const Parts&... parts) {
    (append_one(parts), ...);
    return *this;
  }

  std::string_view view() const { return {bytes_, size_}; }
  const char* c_str() const { return bytes_; }
  bool empty() const { return size_ == 0; }

 private:
  void append_one(std::string_view text) {
    const std::size_t room = capacity - 1 - size_;
    const std::size_t take = text.size() < room ? text.size() : room;
    std::memcpy(bytes_ + size_, text.data(), take);
    size_ += take;
    bytes_[size_] = '\0';
  }
  void append_one(const char* text) { append_one(std::string_view{text}); }
  void append_one(char c) { append_one(std::string_view{&c, 1}); }
  void append_one(std::integral auto number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    append_one(std::string_view{digits, static_cast<std::size_t>(end - digits)});
  }
  void append_one(Hex number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number.value, 16).ptr;
    append_one("0x");
    append_one(std::string_view{digits, static_cast<std::size_t>(end - digits)});
  }

  char bytes_[capacity];
  std::size_t size_ = 0;
};

using Sentence = FixedText<256>;

}  // namespace gallocy
