// Stands for libgallocy-preload.so: it checks in with fake_gallocyd before main(), which goes on
// in rank 0 only. FAKE_PRELOAD is a list of RANK:DEED, separated by blanks:
//   absent   never checks in        ignored   main() goes on at once, as if it were not there
//   exit=N   before checking in     late=N    exit after checking in, before the start
#include <stdio.h>
#include <sys/personality.h>
#include <unistd.h>

#include "fake_client.hpp"

using namespace gallocy;

namespace {

int deed(const std::string& name) {
  const char* told = ::getenv("FAKE_PRELOAD");
  for (std::string_view rest = told != nullptr ? told : ""; !rest.empty();) {
    const auto blank = std::min(rest.find(' '), rest.size());
    if (const int number = number_of_deed(rest.substr(0, blank), name); number >= 0) return number;
    rest.remove_prefix(std::min(blank + 1, rest.size()));
  }
  return -1;
}

void hide(char** environment) {
  const char* persona = ::getenv(ipc::persona_variable);
  ::personality(::strtoul(persona, nullptr, 16));
  ipc::restore_environment(environment);
}

__attribute__((constructor)) void begin(int, char**, char** environment) {
  if (::getenv(ipc::rank_variable) == nullptr) return;
  if (deed("ignored") >= 0) return;
  if (deed("absent") >= 0) ::pause();
  if (const int status = deed("exit"); status >= 0) ::_exit(status);
  const bool runs_main = rank_text() == "0";
  static const UniqueFd socket = check_in();
  if (!socket) ::_exit(70);
  if (const int status = deed("late"); status >= 0) ::_exit(status);
  if (!await_word(socket)) ::_exit(70);
  if (runs_main) return hide(environment);
  await_word(socket);
  ::_exit(0);
}

}  // namespace
