#include "run/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "ipc/rank_environment.hpp"

namespace gallocy::run {

Environment current_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

std::optional<std::string> value_of(const Environment& environment, std::string_view name) {
  for (const std::string& entry : environment)
    if (ipc::name_of(entry) == name && entry.size() > name.size())
      return entry.substr(name.size() + 1);
  return std::nullopt;
}

void set_variable(Environment& environment, const std::string& name, const std::string& value) {
  std::erase_if(environment,
                [&](const std::string& entry) { return ipc::name_of(entry) == name; });
  environment.push_back(name + "=" + value);
}

void set_hidden_variable(Environment& environment, const std::string& name,
                         const std::string& value) {
  const auto has_name = [&](const std::string& entry) { return ipc::name_of(entry) == name; };
  const std::string entry = name + "=" + value;
  const auto first = std::find_if(environment.begin(), environment.end(), has_name);
  if (first == environment.end()) {
    environment.push_back(entry);
    return;
  }
  const std::string before = std::exchange(*first, entry);
  // The dynamic linker takes the last of them.
  environment.erase(std::remove_if(first + 1, environment.end(), has_name), environment.end());
  environment.push_back(std::string{ipc::saved_prefix} + before);
}

void forget_saved_variables(Environment& environment) {
  std::erase_if(environment, [](const std::string& entry) {
    return std::string_view{entry}.starts_with(ipc::saved_prefix);
  });
}

}  // namespace gallocy::run
