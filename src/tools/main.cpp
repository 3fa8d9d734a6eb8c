// gallocy: the tool for people.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/command_line.hpp"
#include "base/output.hpp"
#include "base/stack_limit.hpp"
#include "tools/doctor.hpp"
#include "tools/stat.hpp"

using namespace gallocy::tools;

namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return "gallocy: " + text + "; try gallocy --help\n";
}

// Where there is no subcommand CLI11 does not say what stands in its place.
std::string what_is_wrong(const CLI::App& app, const CLI::ParseError& error) {
  const auto unknown = app.remaining();
  if (!app.get_subcommands().empty() || unknown.empty()) return gallocy::what_is_wrong(error);
  return unknown.front() + " is neither doctor nor stat";
}

int give_out(const std::string& text, int status) {
  const auto printed = gallocy::print(text);
  if (printed) return status;
  std::fprintf(stderr, "gallocy: %s\n", printed.error().sentence.c_str());
  return gallocy::exit_io_error;
}

// Of the tool itself. That a job needs more is for doctor to say.
constexpr rlim_t tool_stack_bytes = 64 << 10;

[[gnu::noinline]] int run(int argc, char** argv) {
  // doctor is to say so.
  ::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{"Looks at machines and jobs of gallocy.", "gallocy"};
  app.set_version_flag("--version", "gallocy " GALLOCY_VERSION);
  app.require_subcommand(1);
  CLI::App* doctor_command = app.add_subcommand(
      "doctor", "says what this machine has and lacks for gallocy, and what to do about it; exit "
                "status 0, or 69 if it lacks something");
  CLI::App* stat_command = app.add_subcommand(
      "stat", "prints what the jobs of this machine's daemons do; without --socket those that "
              "gallocy-run has started, your own (root: all)");
  StatOptions options;
  stat_command->add_option("--socket", options.sockets, "a daemon's socket; may be repeated")
      ->type_name("PATH")
      ->allow_extra_args(false);
  stat_command->add_option("--job", options.job,
                           "only this job, by the number that stat prints; exit status 69 if "
                           "there is none")
      ->type_name("ID");
  stat_command->add_flag("--json", options.json, "as JSON: an array with an object a job and node")
      ->disable_flag_override();
  const std::span<const char* const> words(argv, static_cast<std::size_t>(argc));
  if (const std::string empty = gallocy::option_with_empty_value(*stat_command, words);
      !empty.empty()) {
    std::fputs(one_line(empty + " was given an empty value").c_str(), stderr);
    return exit_usage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    return give_out(std::string(version.what()) + "\n", 0);
  } catch (const CLI::CallForHelp&) {
    return give_out(app.help(), 0);
  } catch (const CLI::ParseError& error) {
    std::fputs(one_line(what_is_wrong(app, error)).c_str(), stderr);
    return exit_usage;
  }
  if (const std::string empty = gallocy::option_without_value(*stat_command); !empty.empty()) {
    std::fputs(one_line(empty + " needs a value").c_str(), stderr);
    return exit_usage;
  }
  const Report report = doctor_command->parsed() ? doctor() : stat(options);
  return give_out(report.text, report.status);
}

}  // namespace

int main(int argc, char** argv) {
  const auto enough = gallocy::check_stack_limit(tool_stack_bytes);
  if (enough) return run(argc, argv);
  std::fputs(("gallocy: " + std::string(enough.error().sentence.view()) + "\n").c_str(), stderr);
  return exit_unavailable;
}
