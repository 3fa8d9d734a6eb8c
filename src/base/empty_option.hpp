// What all our command lines do not take.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace gallocy {

// The option that was given an empty value, or empty. CLI11 takes an empty number for none, and
// we have no option that an empty text would mean something to.
inline std::string option_without_value(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& value : option->results())
      if (value.empty()) return option->get_name();
  return {};
}

}  // namespace gallocy
