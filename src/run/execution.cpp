#include "run/execution.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/unique_fd.hpp"
#include "run/program.hpp"

namespace gallocy::run {

namespace {

constexpr std::size_t head_bytes = 256;
constexpr std::size_t interpreters_max = 5;  // the kernel's own limit
constexpr std::string_view blanks = " \t";

std::string_view without_blanks(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// Empty also if it can't be read: whoever looks closer says so.
std::string read_head(const std::string& path) {
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  char head[head_bytes];
  const auto count = file ? ::read(file.get(), head, sizeof head) : -1;
  return count > 0 ? std::string{head, static_cast<std::size_t>(count)} : std::string{};
}

// What execvp gives to the shell, unless it is nothing for a shell to read.
bool is_text(std::string_view head) {
  return !head.empty() && !head.starts_with("\177ELF") &&
         head.substr(0, head.find('\n')).find('\0') == head.npos;
}

class Follower {
 public:
  Follower(std::string path, std::vector<std::string> arguments, const std::string& search_path)
      : search_path_(search_path), arguments_(arguments) {
    execution_.files = {path};
    execution_.path = std::move(path);
    execution_.arguments = std::move(arguments);
  }

  Try<Execution> follow() {
    for (;;) {
      const std::string head = read_head(execution_.files.back());
      const auto line = parse_hash_bang(head);
      if (!line) {
        if (is_text(head)) execution_.files.push_back("/bin/sh");
        return execution_;
      }
      if (execution_.files.size() > interpreters_max)
        return refuse(exit_not_executable,
                      fmt::format("{}: can't be executed: its interpreter is a script, too, and so "
                                  "on, {} times",
                                  execution_.files.front(), interpreters_max));
      if (auto taken = interpret(*line); !taken) return tl::unexpected<Refusal>(taken.error());
    }
  }

 private:
  Try<void> interpret(const HashBang& line) {
    if (const int error = why_not_executable(line.interpreter); error != 0)
      return refuse(exit_not_executable,
                    fmt::format("{}: can't be executed: its interpreter {}: {}",
                                execution_.files.back(), line.interpreter,
                                describe_error(error)));
    arguments_.front() = execution_.files.back();
    if (!line.argument.empty()) arguments_.insert(arguments_.begin(), line.argument);
    arguments_.insert(arguments_.begin(), line.interpreter);
    execution_.files.push_back(line.interpreter);
    if (std::filesystem::path{line.interpreter}.filename() != "env") return {};
    return become_what_env_would(line.argument);
  }

  Try<void> become_what_env_would(const std::string& name) {
    if (name.empty() || name.front() == '-' || name.find('=') != name.npos)
      return refuse(exit_unavailable,
                    fmt::format("gallocy-run does not read what {} tells env: '{}'; start the "
                                "interpreter by its name, or everything on one node with "
                                "--no-preload",
                                execution_.files[execution_.files.size() - 2], name));
    auto path = find_program(name, search_path_);
    if (!path) return tl::unexpected<Refusal>(path.error());
    arguments_.erase(arguments_.begin());
    execution_.files.push_back(*path);
    execution_.path = std::move(*path);
    execution_.arguments = arguments_;
    return {};
  }

  const std::string& search_path_;
  std::vector<std::string> arguments_;  // those of the last of the files
  Execution execution_;
};

}  // namespace

std::optional<HashBang> parse_hash_bang(std::string_view head) {
  head = head.substr(0, head_bytes);
  if (!head.starts_with("#!")) return std::nullopt;
  const bool is_cut = head.size() == head_bytes && head.find('\n') == head.npos;
  std::string_view line = head.substr(2, head.find('\n') - 2);
  const auto name_begin = line.find_first_not_of(blanks);
  if (is_cut && line.find_first_of(blanks, name_begin) == line.npos) return std::nullopt;
  line = without_blanks(line.substr(0, line.find('\0')));
  const auto name_end = line.find_first_of(blanks);
  const std::string_view name = line.substr(0, name_end);
  if (name.empty()) return std::nullopt;
  const std::string_view rest = name_end == line.npos ? "" : line.substr(name_end);
  return HashBang{std::string{name}, std::string{without_blanks(rest)}};
}

Try<Execution> follow_interpreters(std::string path, std::vector<std::string> arguments,
                                   const std::string& search_path) {
  return Follower{std::move(path), std::move(arguments), search_path}.follow();
}

}  // namespace gallocy::run
