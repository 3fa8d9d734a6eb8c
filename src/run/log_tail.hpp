// The output of one private daemon: its ready line is taken out, the rest is kept, the last
// 64 KiB of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gallocy::run {

struct ReadyLine {
  unsigned node = 0;
  std::string address;  // where its peers find it, ADDR:PORT
};

// "gallocyd ready node=N incarnation=HEX listen=ADDR:PORT"
std::optional<ReadyLine> parse_ready_line(const std::string& line);

class LogTail {
 public:
  // Takes what was read and returns the lines of log that became whole.
  std::vector<std::string> take(std::string_view bytes);
  const std::optional<ReadyLine>& ready() const { return ready_; }
  const std::string& kept() const { return kept_; }
  // A line without an end counts too: what a dying process said last.
  std::string last_line() const;

 private:
  std::string partial_, kept_;
  std::optional<ReadyLine> ready_;
};

}  // namespace gallocy::run
