#include "core/tokens.hpp"

#include <algorithm>

namespace gallocy::core {

bool Tokens::are_worth(const SyncRequest& take) {
  if (!can_be_lent(take)) return false;
  Recent& recent = this->recent(take.address);
  if (recent.address != take.address) recent = {take.address, 0};
  recent.takes = std::min(recent.takes + 1, worth_takes);
  return recent.takes >= worth_takes;
}

void Tokens::lend(ClientId client, const SyncRequest& granted) {
  loans_[granted.address] = {client, granted.kind};
  outbox_.act(PlaceToken{client, granted.address, granted.thread});
}

void Tokens::recall(std::uint64_t address) {
  const auto found = loans_.find(address);
  if (found == loans_.end() || found->second.called_back) return;
  found->second.called_back = true;
  outbox_.act(TakeToken{found->second.client, address});
}

void Tokens::forget_client(ClientId client) {
  std::vector<std::uint64_t> addresses;
  for (auto& [address, loan] : loans_) {
    if (loan.client != client) continue;
    loan.orphaned = true;
    addresses.push_back(address);
  }
  std::ranges::sort(addresses);  // the same run says the same
  for (const std::uint64_t address : addresses) recall(address);
}

std::optional<Tokens::Returned> Tokens::take_back(const TokenTaken& taken) {
  const auto found = loans_.find(taken.address);
  if (found == loans_.end() || found->second.client != taken.client) return std::nullopt;
  const Loan loan = found->second;
  loans_.erase(found);
  const bool found_no_room = taken.depth > 0;  // or its thread has no number there
  if (loan.called_back || found_no_room)
    recent(taken.address) = {taken.address, -reluctance_takes};
  return Returned{{taken.address, taken.owner, loan.kind, taken.depth}, loan.orphaned};
}

}  // namespace gallocy::core
