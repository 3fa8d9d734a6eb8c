// What the kernel makes of a file that is to be executed: a script becomes its interpreter.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/refusal.hpp"

namespace gallocy::run {

// The line that a script begins with.
struct HashBang {
  std::string interpreter, argument;  // the argument may be empty, or many words
};

// As Linux reads it, in the first 256 bytes of a file. Nothing: it is no script.
std::optional<HashBang> parse_hash_bang(std::string_view head);

struct Execution {
  // The named file, and the interpreter of each; what the last one says is executed.
  std::vector<std::string> files;
  // What to execute for it. It is what was named, unless a script names its interpreter by
  // `env NAME`: then it is what env would execute, since a program that replaces itself by
  // another is another.
  std::string path;
  std::vector<std::string> arguments;  // with the program's name
};

// The folders of `search_path` are for `env NAME`.
Try<Execution> follow_interpreters(std::string path, std::vector<std::string> arguments,
                                   const std::string& search_path);

}  // namespace gallocy::run
