#include "net/endpoint.hpp"

#include "support.hpp"

using namespace gallocy::net;
using namespace gallocy::net::test;

TEST_CASE("addresses read and print the same") {
  for (const char* text : {"127.0.0.1:0", "192.0.2.1:65535", "[::1]:7000", "[2001:db8::5]:1"}) {
    const auto endpoint = parse_endpoint(text);
    REQUIRE(endpoint);
    CHECK(endpoint->text().view() == text);
  }
  CHECK(parse_endpoint("192.0.2.1:7000")->port() == 7000);
  CHECK(parse_endpoint("[::1]:7000")->family() == AF_INET6);
}

TEST_CASE("wrong addresses are refused with a sentence that says how to write them") {
  const std::pair<const char*, const char*> wrong[] = {
      {"127.0.0.1", "has no port"},          {"", "has no port"},
      {"127.0.0.1:", "is not a number"},     {"127.0.0.1:65536", "is not a number"},
      {"127.0.0.1:-1", "is not a number"},   {"127.0.0.1:7x", "is not a number"},
      {"localhost:7000", "is not a numeric"}, {"::1:7000", "is not a numeric"},
      {"[127.0.0.1]:7000", "is not a numeric"}, {"[::1:7000", "is not a numeric"},
      {":7000", "is not a numeric"},
      {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1:1", "is not a numeric"}};
  for (const auto& [text, part] : wrong) {
    const auto endpoint = parse_endpoint(text);
    REQUIRE(!endpoint);
    CHECK(contains(endpoint.error().sentence.view(), part));
    CHECK(contains(endpoint.error().sentence.view(), "write ADDR:PORT"));
  }
}
