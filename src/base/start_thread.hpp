// A thread, or why there is none. For programs of ours only: the client library has no exceptions.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "base/result.hpp"

namespace gallocy {

template <class Function>
Result<std::thread> start_thread(Function function) {
  try {
    return std::thread(std::move(function));
  } catch (const std::system_error& error) {
    return fail(error.code().value(), "can't start a thread",
                remedy_of_no_process(error.code().value()));
  }
}

}  // namespace gallocy
