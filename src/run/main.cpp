// gallocy-run: starts a program on several nodes.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/output.hpp"
#include "base/stack_limit.hpp"
#include "run/inspect.hpp"
#include "run/keeper.hpp"
#include "run/launch.hpp"
#include "run/relay.hpp"
#include "run/statistics.hpp"

using namespace gallocy::run;

namespace {

constexpr int farewell_limit_ms = 1'000;

// No other process holds our descriptors yet, so this may write by itself.
void say(std::string_view sentence) {
  gallocy::write_all(STDERR_FILENO, fmt::format("gallocy-run: {}\n", sentence));
}

int give_up(const Refusal& refusal) {
  say(refusal.sentence);
  return refusal.status;
}

// A descriptor of ours must not become the standard output of a rank.
void fill_standard_descriptors() {
  int fd;
  do fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) ::close(fd);
}

int launch(const Options& options) {
  if (!options.statistics_file.empty())
    if (auto writable = check_writable(options.statistics_file); !writable)
      return give_up(writable.error());
  const auto path =
      find_program(options.command.front(), search_path_of(current_environment()));
  if (!path) return give_up(path.error());
  const Inspection inspection = inspect(*path, options);
  const auto program = choose(inspection, options);
  if (options.explained)
    for (const std::string& line : explain(inspection, options, program)) say(line);
  if (!program) return give_up(program.error());
  Signals signals;
  auto messages = Messages::open();
  if (!messages) return give_up(messages.error());
  const int status = Launch{options, *program, signals, *messages}.run();
  messages->finish(farewell_limit_ms);
  return status;
}

// `gallocy-run --guest-fd=N` is how libgallocy starts us for a program that was not started by us.
std::optional<int> guest_fd(int argc, char** argv) {
  constexpr std::string_view option = "--guest-fd=";
  if (argc != 2 || !std::string_view(argv[1]).starts_with(option)) return std::nullopt;
  const int fd = std::atoi(argv[1] + option.size());
  // Ours alone: the daemon must not keep it open.
  if (fd <= STDERR_FILENO || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return std::nullopt;
  return fd;
}

int host_guest(int fd) {
  Options options;
  options.guest_fd = fd;
  Signals signals;
  auto messages = Messages::open();
  if (!messages) return give_up(messages.error());
  Program guest;
  guest.linked_with_libgallocy = true;
  const int status = Launch{options, guest, signals, *messages}.run();
  messages->finish(farewell_limit_ms);
  return status;
}

[[gnu::noinline]] int run(int argc, char** argv) {
  if (const auto fd = guest_fd(argc, argv)) ::_exit(host_guest(*fd));
  if (const auto rank = relayed_rank(argc, argv)) return relay_lines(*rank);
  if (is_keeper(argc, argv)) return keep_descriptors();
  const auto request = parse_command_line(argc, argv);
  if (!request) return give_up(request.error());
  if (!request->text) {
    // Not exit(): the thread that writes messages may still be at it.
    ::_exit(launch(request->options));
  }
  if (const auto printed = gallocy::print(*request->text); !printed)
    return give_up({gallocy::exit_io_error, printed.error().sentence.c_str()});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  if (const auto enough = gallocy::check_stack_limit(); !enough)
    return give_up({exit_unavailable, enough.error().sentence.c_str()});
  return run(argc, argv);
}
