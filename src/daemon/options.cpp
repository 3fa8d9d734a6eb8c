#include "daemon/options.hpp"

#include <netinet/in.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/command_line.hpp"
#include "base/memory_size.hpp"

namespace gallocy::daemon {
namespace {

bool is_loopback(const net::Endpoint& at) {
  if (at.family() == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in*>(at.get())->sin_addr.s_addr) >> 24 == 127;
  return at.family() == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(at.get())->sin6_addr);
}

struct Texts {
  std::string listen;
  std::vector<std::string> peers;
  std::string memory;
  unsigned node = 0;
  double peer_timeout_s = 5;
  bool insecure = false;
};

void describe(CLI::App& app, Options& options, Texts& texts) {
  app.set_version_flag("--version", "gallocyd " GALLOCY_VERSION);
  app.footer("The log goes to standard error, and is appended to the file that the environment's\n"
             "GALLOCY_LOG names, if it does. SIGUSR1 writes the state of all jobs to it.");
  app.add_option("--socket", options.socket_path, "UNIX socket for programs of this machine")
      ->required()
      ->type_name("PATH");
  app.add_option("--listen", texts.listen, "where daemons with higher ids dial; port 0: any")
      ->required()
      ->type_name("ADDR:PORT");
  app.add_option("--peer", texts.peers, "a daemon with a lower id; may be repeated")
      ->type_name("ADDR:PORT")
      ->allow_extra_args(false);
  app.add_option("--node-id", texts.node, "this daemon's number, 0 to 63, unique")
      ->required()
      ->type_name("N")
      ->check(CLI::Range(0u, max_node_count - 1));
  app.add_option("--allow-uid", options.allowed_uids,
                 "a user that may use this daemon, besides root and its own; may be repeated")
      ->type_name("UID")
      ->allow_extra_args(false);
  app.add_option("--memory", texts.memory,
                 "how much memory all jobs together may use for pages, in bytes or with K, M or G "
                 "(default half of the machine's, or of what its control group may have)")
      ->type_name("SIZE");
  app.add_option("--peer-timeout", texts.peer_timeout_s,
                 "how many seconds a lost connection to another daemon may take to come back "
                 "before that daemon is taken for dead, 0.1 to 3600 (default 5)")
      ->type_name("SECONDS");
  app.add_option("--fault-stamps", options.fault_stamps_folder,
                 "write when each step of each page fault was taken to a file in FOLDER, at the "
                 "end of each job")
      ->type_name("FOLDER")
      ->check(CLI::ExistingDirectory);
  app.add_flag("--insecure-no-auth", texts.insecure,
               "listen beyond this machine although nothing authenticates peers yet")
      ->disable_flag_override();
}

Status resolve(const Texts& texts, Options& options) {
  const auto listen = net::parse_endpoint(texts.listen);
  if (!listen) return tl::unexpected(listen.error());
  options.listen = *listen;
  options.node = NodeId{static_cast<std::uint8_t>(texts.node)};
  // The comparison is also false for a NaN.
  if (!(texts.peer_timeout_s >= 0.1 && texts.peer_timeout_s <= 3600))
    return fail(EINVAL, "--peer-timeout must be from 0.1 to 3600 seconds");
  options.peer_timeout_us = static_cast<std::uint64_t>(texts.peer_timeout_s * 1e6);
  if (!is_loopback(*listen) && !texts.insecure)
    return fail(EPERM, "refusing to listen at ", texts.listen,
                ": it is not a loopback address, and whoever reaches it could read every job's "
                "memory; give --insecure-no-auth if the network is trusted");
  for (const std::string& text : texts.peers) {
    const auto peer = net::parse_endpoint(text);
    if (!peer) return tl::unexpected(peer.error());
    options.peers.push_back(*peer);
  }
  if (!texts.memory.empty()) {
    const auto size_bytes = parse_memory_size(texts.memory);
    if (!size_bytes || *size_bytes < min_memory_bytes)
      return fail(EINVAL, "--memory ", texts.memory, ": must be a size of at least ",
                  min_memory_bytes >> 20, "M, in bytes or with K, M or G");
    options.memory_bytes = *size_bytes;
  }
  if (options.peers.size() >= max_node_count)
    return fail(EINVAL, "more than ", max_node_count - 1, " peers");
  return {};
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return "gallocyd: " + text + "\n";
}

}  // namespace

bool Options::allows(uid_t uid) const {
  return uid == 0 || uid == ::geteuid() ||
         std::find(allowed_uids.begin(), allowed_uids.end(), uid) != allowed_uids.end();
}

std::variant<Options, Leave> parse_options(int argc, const char* const* argv) {
  CLI::App app{"gallocyd, gallocy's pager daemon: one per node, in the foreground", "gallocyd"};
  Options options;
  Texts texts;
  describe(app, options, texts);
  const std::span<const char* const> words(argv, static_cast<std::size_t>(argc));
  if (const std::string empty = option_with_empty_value(app, words); !empty.empty())
    return Leave{exit_usage, one_line(empty + " was given an empty value")};
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    return Leave{0, std::string(version.what()) + "\n"};
  } catch (const CLI::CallForHelp&) {
    return Leave{0, app.help()};
  } catch (const CLI::ParseError& error) {
    return Leave{exit_usage, one_line(what_is_wrong(error))};
  }
  if (const std::string empty = option_without_value(app); !empty.empty())
    return Leave{exit_usage, one_line(empty + " needs a value")};
  if (const Status status = resolve(texts, options); !status)
    return Leave{exit_usage, one_line(std::string(status.error().sentence.view()))};
  return options;
}

}  // namespace gallocy::daemon
