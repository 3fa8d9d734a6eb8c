// No handler of the program's runs in the calling thread as long as one of these lives.
#pragma once

#include <signal.h>

namespace gallocy::preload {

class BlockedSignals {
 public:
  BlockedSignals() { block(&before_); }
  ~BlockedSignals() { open(before_); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

  const sigset_t& before() const { return before_; }

  static void open(const sigset_t& mask) { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  static void block(sigset_t* before = nullptr) {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, before);
  }

 private:
  sigset_t before_;
};

}  // namespace gallocy::preload
