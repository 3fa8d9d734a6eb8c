// Why a job ends before rank 0 does. One cause makes many things happen at once: the daemon of
// node 1 dies, its rank leaves, node 0's daemon complains. Of all that is seen within a short
// time the most telling is kept.
#pragma once

#include <string>
#include <utility>

namespace gallocy::run {

enum class Blame {
  none,
  rank_left,       // a rank other than 0 exited
  rank_bus_error,  // may be a page that nobody could give
  daemon_said,     // a daemon refused or gave up the job
  rank_crashed,
  node_silent,     // a daemon closed the connection
  node_died,       // a private daemon ended
  decided,         // gallocy-run itself: a signal, a time limit, ranks that don't fit
};

class Verdict {
 public:
  void add(Blame blame, int status, std::string sentence) {
    if (blame <= blame_) return;
    blame_ = blame;
    status_ = status;
    sentence_ = std::move(sentence);
  }
  explicit operator bool() const { return blame_ != Blame::none; }
  Blame blame() const { return blame_; }
  int status() const { return status_; }
  const std::string& sentence() const { return sentence_; }
  // Nothing that could still be seen would tell more.
  bool is_final() const { return blame_ >= Blame::node_died; }

 private:
  Blame blame_ = Blame::none;
  int status_ = 0;
  std::string sentence_;
};

}  // namespace gallocy::run
