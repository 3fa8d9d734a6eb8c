#include "daemon/options.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace gallocy;
using namespace gallocy::daemon;

namespace {

std::variant<Options, Leave> parse(std::initializer_list<const char*> extra) {
  std::vector<const char*> arguments{"gallocyd",    "--socket",  "/tmp/s", "--listen",
                                     "127.0.0.1:0", "--node-id", "3"};
  arguments.insert(arguments.end(), extra);
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

// One line with that in it.
bool usage_error(std::initializer_list<const char*> extra, std::string_view part) {
  const auto parsed = parse(extra);
  const auto* leave = std::get_if<Leave>(&parsed);
  if (leave == nullptr) return false;
  CAPTURE(leave->text);
  CHECK(leave->text.find('\n') == leave->text.size() - 1);
  CHECK(leave->text.find(part) != std::string::npos);
  return leave->status == exit_usage;
}

}  // namespace

TEST_CASE("a command line becomes options") {
  const auto parsed = parse({"--peer", "127.0.0.1:1", "--peer", "[::1]:2", "--allow-uid", "65534"});
  const auto* options = std::get_if<Options>(&parsed);
  REQUIRE(options != nullptr);
  CHECK(options->socket_path == "/tmp/s");
  CHECK(raw(options->node) == 3);
  CHECK(options->peers.size() == 2);
  CHECK(options->peers[1].port() == 2);
  CHECK(options->allows(65534));
  CHECK(options->allows(0));
  CHECK(!options->allows(12345));
}

TEST_CASE("what makes no sense is a usage error in one line") {
  CHECK(usage_error({"--frobnicate"}, "frobnicate"));
  CHECK(usage_error({"left-over"}, "left-over"));
  CHECK(usage_error({"--node-id", "64"}, "64"));
  CHECK(usage_error({"--peer", "example.org:1"}, "example.org"));
  CHECK(usage_error({"--allow-uid", "root"}, "root"));
  CHECK(usage_error({"--node-id", "-1"}, "-1"));
  CHECK(usage_error({"--peer", "127.0.0.1:65536"}, "65536"));
  for (const char* const bad : {"-1", "4294967296"})
    CHECK(usage_error({"--allow-uid", bad}, "--allow-uid"));
  const char* const nothing[] = {"gallocyd"};
  const auto parsed = parse_options(1, nothing);
  CHECK(std::get<Leave>(parsed).status == exit_usage);
}

TEST_CASE("no option takes an empty value") {
  for (const char* const option : {"--memory", "--peer", "--allow-uid", "--peer-timeout",
                                   "--fault-stamps"})
    CHECK(usage_error({option, ""}, option));
  for (const unsigned empty : {2u, 4u, 6u}) {
    const char* words[] = {"gallocyd",    "--socket",  "/tmp/s", "--listen",
                           "127.0.0.1:0", "--node-id", "3"};
    words[empty] = "";
    const auto parsed = parse_options(std::size(words), words);
    REQUIRE(std::holds_alternative<Leave>(parsed));
    CHECK(std::get<Leave>(parsed).status == exit_usage);
    CHECK(std::get<Leave>(parsed).text.find(words[empty - 1]) != std::string::npos);
  }
}

TEST_CASE("an option with nothing behind its = does not take the next word") {
  CHECK(usage_error({"--memory=", "64M"}, "--memory was given an empty value"));
  CHECK(usage_error({"--insecure-no-auth="}, "--insecure-no-auth was given an empty value"));
  CHECK(usage_error({"--node-id=", "64"}, "--node-id was given an empty value"));
  CHECK(usage_error({"--memory"}, "--memory needs a value"));
}

TEST_CASE("a flag takes no value") {
  for (const char* const flag : {"--insecure-no-auth=1", "--insecure-no-auth=false"})
    CHECK(usage_error({flag}, "--insecure-no-auth takes no value"));
}

TEST_CASE("memory is half of the machine's unless it is said") {
  CHECK(std::get<Options>(parse({})).memory_bytes == half_of_usable_memory_bytes());
  CHECK(std::get<Options>(parse({"--memory", "64M"})).memory_bytes == 64 << 20);
  for (const char* const bad : {"64X", "M", "-1", "15M", "1", "99999999999999999999G"})
    CHECK(usage_error({"--memory", bad}, bad));
}

TEST_CASE("a lost peer is waited for as long as is said") {
  CHECK(std::get<Options>(parse({})).peer_timeout_us == 5'000'000);
  CHECK(std::get<Options>(parse({"--peer-timeout", "0.5"})).peer_timeout_us == 500'000);
  for (const char* const bad : {"0", "-1", "nan", "3601", "soon"})
    CHECK(usage_error({"--peer-timeout", bad}, "--peer-timeout"));
}

TEST_CASE("fault stamps need a folder that is there") {
  CHECK(std::get<Options>(parse({})).fault_stamps_folder.empty());
  CHECK(std::get<Options>(parse({"--fault-stamps", "/tmp"})).fault_stamps_folder == "/tmp");
  CHECK(usage_error({"--fault-stamps", "/no/such/folder"}, "/no/such/folder"));
}

TEST_CASE("an address beyond this machine needs consent") {
  const char* const plain[] = {"gallocyd", "--socket", "/tmp/s",    "--listen",
                               "0.0.0.0:0", "--node-id", "3",       "--insecure-no-auth"};
  const auto refused = parse_options(7, plain);
  REQUIRE(std::holds_alternative<Leave>(refused));
  CHECK(std::get<Leave>(refused).status == exit_usage);
  CHECK(std::get<Leave>(refused).text.find("not a loopback") != std::string::npos);
  CHECK(std::holds_alternative<Options>(parse_options(8, plain)));
}

TEST_CASE("help and version are no errors") {
  const char* const help[] = {"gallocyd", "--help"};
  const char* const version[] = {"gallocyd", "--version"};
  CHECK(std::get<Leave>(parse_options(2, help)).status == 0);
  CHECK(std::get<Leave>(parse_options(2, help)).text.find("--allow-uid") != std::string::npos);
  const auto said = std::get<Leave>(parse_options(2, version));
  CHECK(said.status == 0);
  CHECK(said.text.starts_with("gallocyd "));
}
