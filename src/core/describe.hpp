// One line of text for what goes into and out of a core: for the ring of recent protocol
// events, for dumps, and for the golden traces. "read_request page 5 {1,17}".
#pragma once

#include <string>

#include "core/event.hpp"
#include "core/page_table.hpp"

namespace gallocy::core {

std::string describe(const Message& message);
std::string describe(const Event& event);
std::string describe(const Action& action);

std::string describe(const SyncRequest& request);
const char* name_of(PageState state);
const char* name_of(Access access);

}  // namespace gallocy::core
