// The environment of a process that gallocy-run starts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gallocy::run {

using Environment = std::vector<std::string>;  // "NAME=value"

Environment current_environment();

std::optional<std::string> value_of(const Environment& environment, std::string_view name);

void set_variable(Environment& environment, const std::string& name, const std::string& value);

// The same, but what stood there is kept for ipc::restore_environment(). Of several variables of
// this name it is the first, which is the one that getenv() finds.
void set_hidden_variable(Environment& environment, const std::string& name,
                         const std::string& value);

// What is kept there came from somewhere else.
void forget_saved_variables(Environment& environment);

}  // namespace gallocy::run
