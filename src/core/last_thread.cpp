#include "core/last_thread.hpp"

namespace gallocy::core {

void LastThread::await(ClientId client, TimeUs now_us) {
  clients_.push_back(client);
  if (clients_.size() == 1) next_round_us_ = now_us;
}

void LastThread::forget_client(ClientId client) {
  std::erase(clients_, client);
  if (clients_.empty()) next_round_us_ = 0;
}

void LastThread::begin_anew(TimeUs now_us) {
  if (clients_.empty()) return;
  made_.reset();
  round_ = {};
  next_round_us_ = now_us;
}

void LastThread::on_time(TimeUs now_us) {
  if (next_round_us_ == 0 || now_us < next_round_us_) return;
  next_round_us_ = 0;
  round_ = outbox_.new_transaction();
  missing_ = config_.nodes;
  sum_ = {};
  config_.nodes.for_each([&](NodeId node) { outbox_.send(node, round_, ThreadCountRequest{}); });
}

bool LastThread::on_count(NodeId from, Transaction transaction, const ThreadCount& count,
                          TimeUs now_us) {
  if (clients_.empty() || transaction != round_ || !missing_.contains(from)) return false;
  missing_.erase(from);
  sum_.made += count.made;
  sum_.live += count.live;
  if (!missing_.empty()) return false;
  const bool over = sum_.live == 0 && made_ == sum_.made;
  made_ = sum_.live == 0 ? std::optional(sum_.made) : std::nullopt;
  if (!over) next_round_us_ = now_us + interval_us;
  return over;
}

}  // namespace gallocy::core
