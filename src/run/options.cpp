#include "run/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "base/command_line.hpp"
#include "base/memory_size.hpp"

namespace gallocy::run {

namespace {

constexpr const char* version_text = "gallocy-run " GALLOCY_VERSION "\n";

constexpr const char* footer =
    "PROGRAM is started once per rank; without --spmd its main() goes on in rank 0 only (see\n"
    "gallocy.h).\n"
    "Exit status: that of rank 0; 128+N if a rank was killed by signal N; 64 usage;\n"
    "69 this machine or a limit (ulimit) keeps gallocy from running, or PROGRAM can't be shared;\n"
    "70 a daemon or another rank failed or ended; 74 what gallocy-run prints can't be written;\n"
    "124 --timeout; 126 PROGRAM can't be executed; 127 PROGRAM was not found.\n"
    "Environment: GALLOCYD names the daemon's executable; GALLOCY_LOG a file to which private\n"
    "daemons append their log.";

constexpr std::string_view json_prefix = "json:";

Try<void> read_statistics_option(const std::string& value, Options& options) {
  if (value == "line") {
    options.statistics_line = true;
    return {};
  }
  if (!value.starts_with(json_prefix) || value.size() == json_prefix.size())
    return refuse(exit_usage,
                  fmt::format("--stat={} is not known; write --stat or --stat=json:FILE", value));
  options.statistics_file = value.substr(json_prefix.size());
  return {};
}

Try<void> read_statistics_options(const std::vector<std::string>& values, Options& options) {
  for (const auto& value : values)
    if (auto read = read_statistics_option(value, options); !read) return read;
  return {};
}

// "NAME=value", or "NAME" for the launcher's own value.
Try<void> read_export(const std::string& given, Options& options) {
  const auto equals = given.find('=');
  const std::string name = given.substr(0, equals);
  if (name.empty()) return refuse(exit_usage, fmt::format("-x {}: a variable needs a name", given));
  if (equals != std::string::npos) {
    options.exported.push_back(given);
    return {};
  }
  const char* value = ::getenv(name.c_str());
  if (value == nullptr)
    return refuse(exit_usage,
                  fmt::format("-x {0}: there is no such variable here; write -x {0}=VALUE", name));
  options.exported.push_back(fmt::format("{}={}", name, value));
  return {};
}

Try<void> read_exports(const std::vector<std::string>& given, Options& options) {
  for (const auto& each : given)
    if (auto read = read_export(each, options); !read) return read;
  return {};
}

Try<void> read_command(std::vector<std::string> rest, Options& options) {
  // CLI11 leaves the "--" in place, and hands over an unknown option as if it were the program.
  const bool separated = !rest.empty() && rest.front() == "--";
  if (separated) rest.erase(rest.begin());
  if (rest.empty()) return refuse(exit_usage, "no program given; try gallocy-run --help");
  if (rest.front().starts_with('-'))
    return refuse(exit_usage,
                  separated ? fmt::format("a program's name can't begin with '-': {}; write ./{}",
                                          rest.front(), rest.front())
                            : fmt::format("unknown option {}; try gallocy-run --help",
                                          rest.front()));
  if (rest.front().empty()) return refuse(exit_usage, "the program's name is empty");
  options.command = std::move(rest);
  return {};
}

Try<void> read_sockets(std::string_view list, bool given, Options& options) {
  while (given) {
    const auto comma = list.find(',');
    if (comma == 0 || list.empty())
      return refuse(exit_usage, "--daemon has an empty name; write SOCKET,SOCKET,...");
    options.daemon_sockets.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return {};
}

Try<void> read_memory(const std::string& text, bool given, Options& options) {
  if (!given) return {};
  const auto size_bytes = parse_memory_size(text);
  if (!size_bytes || *size_bytes < min_memory_bytes)
    return refuse(exit_usage, fmt::format("--memory {}: must be a size of at least {}M, in bytes "
                                          "or with K, M or G", text, min_memory_bytes >> 20));
  options.memory_bytes = *size_bytes;
  return {};
}

Try<void> read_placement(const std::string& text, Options& options) {
  if (text == "spread") options.placement = PlacementPolicy::spread;
  else if (text == "pack") options.placement = PlacementPolicy::pack;
  else if (text == "roundrobin") options.placement = PlacementPolicy::round_robin;
  else return refuse(exit_usage, fmt::format("--placement {}: must be spread, pack or roundrobin",
                                             text));
  return {};
}

Try<void> check_numbers(long rank_count, bool count_given, Options& options) {
  if (!count_given && !options.daemon_sockets.empty())
    rank_count = static_cast<long>(options.daemon_sockets.size());
  if (rank_count < 1 || rank_count > static_cast<long>(ipc::max_rank_count))
    return refuse(exit_usage, fmt::format("-n must be from 1 to {}, not {}",
                                          ipc::max_rank_count, rank_count));
  options.rank_count = static_cast<unsigned>(rank_count);
  if (options.daemon_sockets.size() > options.rank_count)
    return refuse(exit_usage, fmt::format("{} daemons are too many for {} ranks",
                                          options.daemon_sockets.size(), rank_count));
  // The comparison is also false for a NaN.
  if (!(options.timeout_s >= 0 && options.timeout_s <= 1e9))
    return refuse(exit_usage, "--timeout must be a number of seconds, 0 for none");
  return {};
}

Try<void> check_peer_timeout(bool given, const Options& options) {
  if (!given) return {};
  if (!(options.peer_timeout_s >= 0.1 && options.peer_timeout_s <= 3600))
    return refuse(exit_usage, "--peer-timeout must be from 0.1 to 3600 seconds");
  if (!options.daemon_sockets.empty())
    return refuse(exit_usage, "--peer-timeout is for private daemons; those of --daemon have their "
                              "own");
  return {};
}

void replace_text(std::string& text, std::string_view old_text, std::string_view new_text) {
  if (const auto at = text.find(old_text); at != std::string::npos)
    text.replace(at, old_text.size(), new_text);
}

// CLI11 does not know that a command follows, and shows a flag's value as it is declared.
std::string help_of(const CLI::App& app) {
  std::string text = app.help();
  replace_text(text, "gallocy-run [OPTIONS]", "gallocy-run [OPTIONS] PROGRAM [ARGUMENTS...]");
  replace_text(text, "--no-preload{false}", "--no-preload");
  replace_text(text, "--stat{line}      ", "--stat[=json:FILE]");
  return text;
}

// Once all have been looked at: what is left is PROGRAM and its own.
std::span<const char* const> own_words(const CLI::App& app, int argc, char** argv) {
  const std::span<const char* const> words(argv, static_cast<std::size_t>(argc));
  return words.first(words.size() - std::min(words.size(), app.remaining().size()));
}

std::string empty_value(const std::string& option) { return option + " was given an empty value"; }

tl::unexpected<Refusal> refuse_words(const std::string& sentence) {
  return refuse(exit_usage, sentence + "; try gallocy-run --help");
}

}  // namespace

Try<Request> parse_command_line(int argc, char** argv) {
  Request request;
  Options& options = request.options;
  CLI::App app{"Runs a program on several nodes that share their memory.",
               "gallocy-run"};
  app.footer(footer);
  app.prefix_command();
  app.option_defaults()->disable_flag_override();
  long rank_count = 1;
  // Not a list for CLI11: that would take the program's name.
  std::string sockets;
  std::string memory, placement = "spread";
  std::vector<std::string> statistics, exports;
  bool preloaded = false, version = false;
  CLI::Option* count =
      app.add_option("-n", rank_count,
                     "how many ranks, 1 to 64 (default 1, or one for each socket of --daemon)");
  CLI::Option* daemon =
      app.add_option("--daemon", sockets,
                     "use running daemons, ranks go round; without it one private daemon is "
                     "started for each rank")
          ->type_name("SOCKET,...");
  CLI::Option* size = app.add_option("--memory", memory,
                 "how much memory each node may use for the job's pages, in bytes or with K, M or "
                 "G (default half of the machine's, or of what its control group may have, divided "
                 "by the daemons started; of a running daemon's a quarter of what others leave)")
      ->type_name("SIZE");
  CLI::Option* peer_timeout =
      app.add_option("--peer-timeout", options.peer_timeout_s,
                     "how many seconds a lost connection between private daemons may take to come "
                     "back before the job ends, 0.1 to 3600 (default 5)")
          ->type_name("SECONDS");
  app.add_option("--timeout", options.timeout_s, "end the job after so many seconds")
      ->type_name("SECONDS");
  // A flag with a value, not an option with an optional one: that would take the program's name.
  app.add_flag("--stat{line}", statistics, "print statistics at the end, or write them to FILE")
      ->disable_flag_override(false);
  app.add_flag("--spmd", options.every_rank_runs_main,
               "main() goes on in every rank: gallocy_init() returns in each");
  app.add_option("--placement", placement,
                 "where threads run: spread (default), on the node with the fewest; pack, as many "
                 "as there are CPUs, then on the next node; roundrobin, in turn")
      ->type_name("POLICY");
  app.add_flag("--tag", options.tagged, "begin each line of output with its rank: [2] text");
  app.add_option("-x", exports, "set a variable for the ranks, or pass it on; may be repeated")
      ->type_name("NAME[=VALUE]")
      ->allow_extra_args(false);
  CLI::Option* preload =
      app.add_flag("--preload,!--no-preload", preloaded,
                   "whether to share the memory of a PROGRAM that is not written for gallocy "
                   "(default: share it, unless PROGRAM is linked with libgallocy)");
  app.add_flag("--explain", options.explained, "say what PROGRAM is made of, and how it is run");
  app.add_flag("-v,--verbose", options.verbose, "show the log of private daemons");
  app.add_flag("--version", version, "print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    request.text = help_of(app);
    return request;
  } catch (const CLI::ConversionError& error) {  // also of a word behind `--timeout=`
    const std::string empty = option_with_empty_value(app, own_words(app, argc, argv));
    return refuse_words(empty.empty() ? what_is_wrong(error) : empty_value(empty));
  } catch (const CLI::ParseError& error) {
    return refuse_words(what_is_wrong(error));
  }
  if (const std::string empty = option_with_empty_value(app, own_words(app, argc, argv));
      !empty.empty())
    return refuse_words(empty_value(empty));
  if (const std::string empty = option_without_value(app); !empty.empty())
    return refuse_words(empty + " needs a value");
  if (version) {
    request.text = version_text;
    return request;
  }
  if (preload->count() > 0) options.preload = preloaded;
  auto checked = read_sockets(sockets, daemon->count() > 0, options)
                     .and_then([&] {
                       return check_peer_timeout(peer_timeout->count() > 0, options);
                     })
                     .and_then([&] {
                       return check_numbers(rank_count, count->count() > 0, options);
                     })
                     .and_then([&] { return read_memory(memory, size->count() > 0, options); })
                     .and_then([&] { return read_placement(placement, options); })
                     .and_then([&] { return read_statistics_options(statistics, options); })
                     .and_then([&] { return read_exports(exports, options); })
                     .and_then([&] { return read_command(app.remaining(), options); });
  if (!checked) return tl::unexpected<Refusal>(checked.error());
  return request;
}

}  // namespace gallocy::run
