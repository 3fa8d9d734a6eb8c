// What all our command lines do not take.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>

namespace gallocy {

// The option that was given an empty value, or empty. CLI11 takes an empty number for none, and
// we have no option that an empty text would mean something to.
inline std::string option_without_value(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& value : option->results())
      if (value.empty()) return option->get_name();
  return {};
}

// The option to which one of our words gives an empty value behind `=`, as where the variable of a
// script is not set; or empty. CLI11 takes `--tag=` for `--tag`, and after `--memory=` the next
// word for the value.
inline std::string option_with_empty_value(const CLI::App& app,
                                           std::span<const char* const> words) {
  for (const std::string_view word : words) {
    if (!word.starts_with("--") || word.find('=') != word.size() - 1) continue;
    const std::string name(word.substr(0, word.size() - 1));
    if (app.get_option_no_throw(name) != nullptr) return name;
  }
  return {};
}

// In our words where those of CLI11 are not a user's: of a flag it names what follows the dashes.
inline std::string what_is_wrong(const CLI::ParseError& error) {
  constexpr std::string_view of_a_flag = " was given a disallowed flag override";
  constexpr std::string_view of_a_number = "Could not convert: ", is = " = ";
  constexpr std::string_view of_the_last = ": 1 required ", missing = " missing";
  const std::string text = error.what();
  if (text.ends_with(of_a_flag)) {
    const std::string name = text.substr(0, text.size() - of_a_flag.size());
    return (name.size() > 1 ? "--" : "-") + name + " takes no value";
  }
  if (const auto at = text.find(is); at != std::string::npos && text.starts_with(of_a_number))
    return text.substr(of_a_number.size(), at - of_a_number.size()) + " can't be " +
           text.substr(at + is.size());
  if (const auto at = text.find(of_the_last); at != std::string::npos && text.ends_with(missing))
    return text.substr(0, at) + " needs a value";
  return text;
}

}  // namespace gallocy
