// What gallocy-run says on standard error. An application thread that waits for a page inside
// write(2) holds the pipe's lock, and a writer of the same pipe then sleeps uninterruptibly. So
// a thread of its own writes; the one that watches the job only leaves text here and never waits
// for it, except for a bounded time at the end.
//
// Thread-safe. Nothing is written after finish() has returned false: the text stays unsaid.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "run/refusal.hpp"

namespace gallocy::run {

class Messages {
 public:
  static Try<Messages> open();
  // "gallocy-run: SENTENCE"
  void say(std::string_view sentence);
  // As it is, whole lines.
  void relay(std::string text);
  // Waits at most limit_ms until all is written.
  bool finish(int limit_ms);

 private:
  struct Shared;
  explicit Messages(std::shared_ptr<Shared> shared);
  static void write_all(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;  // the thread may outlive this object
};

}  // namespace gallocy::run
