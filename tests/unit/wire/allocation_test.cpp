// The codec runs once per page moved: it must not allocate.
#include <doctest/doctest.h>

#include <cstdlib>
#include <new>

#include "messages.hpp"
#include "wire/codec.hpp"

namespace {
unsigned long allocation_count = 0;
}

void* operator new(std::size_t size) {
  ++allocation_count;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_CASE("encoding and decoding a message allocates nothing") {
  using namespace gallocy;
  auto bodies = wire::test::every_body();
  // These have lists, and are one message for many blocks or pages.
  std::erase_if(bodies, [](const core::Body& body) {
    return std::holds_alternative<core::BlocksFreed>(body) ||
           std::holds_alternative<core::Report>(body) ||
           std::holds_alternative<core::Rebuilt>(body);
  });
  wire::Buffer buffer;
  // Cap'n Proto takes segments from calloc, not from new: for those
  // Encoding checks that there is never one beside the scratch words.
  const auto before = allocation_count;
  unsigned good_count = 0;
  for (const core::Body& body : bodies) {
    const auto bytes = wire::encode(JobId{1}, wire::test::message_with(body), buffer);
    good_count += wire::decode(bytes).has_value();
  }
  CHECK(allocation_count == before);
  CHECK(good_count == bodies.size());
}
