// Which program this is: every rank must run the same, at the same address.
#pragma once

#include <link.h>

#include "ipc/protocol.hpp"

namespace gallocy::client {

struct Identity {  // of a loaded object
  std::uint64_t load_address = 0;  // of its first segment
  std::uint32_t build_id_size = 0;  // 0: it has none
  std::uint8_t build_id[ipc::build_id_bytes] = {};
};
// Allocates nothing.
Identity identity_of(const dl_phdr_info& info);

// Fills in build id and load address; zeros if the executable has no build id. Allocates nothing.
void describe_executable(ipc::ClientHello& hello);

}  // namespace gallocy::client
