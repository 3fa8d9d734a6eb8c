// What constructors of libraries have made of signals on rank 0, for the other ranks.
#pragma once

#include <signal.h>

namespace gallocy::preload {

struct SignalActions {
  struct sigaction of[NSIG];
};

void note_early_actions(SignalActions& actions);
void take_early_actions(const SignalActions& actions);

}  // namespace gallocy::preload
