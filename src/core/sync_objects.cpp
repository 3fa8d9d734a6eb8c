#include "core/sync_objects.hpp"

#include <algorithm>
#include <utility>

#include "core/planted.hpp"

namespace gallocy::core {
namespace {

SyncObject fresh(const SyncRequest& request) {
  switch (request.kind) {
    case SyncKind::reader:
    case SyncKind::writer: return ReadWriteLock{};
    case SyncKind::condition: return Condition{};
    case SyncKind::barrier: return Barrier{};
    case SyncKind::semaphore: {
      const bool is_made = request.operation == SyncOperation::init;
      return Semaphore{is_made ? request.argument : 0, !is_made && request.argument == from_zeros};
    }
    default: return Mutex{};
  }
}

// Whether what is known may be of the object that is asked about.
bool is_same(const SyncObject& known, const SyncObject& asked) {
  if (known.index() != asked.index()) return false;
  const auto* semaphore = std::get_if<Semaphore>(&known);
  return semaphore == nullptr ||
         semaphore->is_from_zeros() == std::get<Semaphore>(asked).is_from_zeros();
}

}  // namespace

bool SyncObjects::on_request(NodeId from, Transaction transaction, const SyncRequest& request) {
  if (!is_possible(request)) return false;
  const SyncWaiter asking{from, transaction, request};
  const auto found = entries_.find(request.address);
  const bool lent = found != entries_.end() && found->second.borrower != no_node;
  if (request.kind == SyncKind::futex) futexes_.on_request(asking);
  else if (lent && !planted(Bug::lent_mutex_granted)) postpone(found->second, asking);
  else if (request.operation == SyncOperation::init) initialise(asking);
  else if (request.operation == SyncOperation::withdraw) withdraw(asking);
  else operate(asking);
  return true;
}

// The memory of an object that nobody destroyed may have become another one's, with a static
// initialiser. Then the old one is forgotten here. Only a semaphore cannot begin so, unless its
// bytes are zeros: its value is known to nobody but its init.
SyncObjects::Entries::iterator SyncObjects::find_or_make(const SyncRequest& request) {
  const auto found = entries_.find(request.address);
  const SyncObject made = fresh(request);
  if (found != entries_.end() && is_same(found->second.object, made)) return found;
  if (found != entries_.end()) forget(found);
  if (const auto* semaphore = std::get_if<Semaphore>(&made);
      semaphore != nullptr && !semaphore->is_from_zeros())
    return entries_.end();
  return entries_.emplace(request.address, Entry{.object = made}).first;
}

void SyncObjects::operate(const SyncWaiter& asking) {
  const auto found = find_or_make(asking.request);
  if (found == entries_.end()) return answer(asking, {EINVAL});
  switch (asking.request.operation) {
    case SyncOperation::take:
    case SyncOperation::try_take:
      take(found->second, asking);
      return settle(found);
    case SyncOperation::destroy:
      return destroy(found, asking);
    default:
      const Answer said = change(found->second, asking.request);
      settle(found);  // who has waited longest is told first
      return answer(asking, said);
  }
}

Answer SyncObjects::admit(Entry& entry, const SyncWaiter& asking, std::size_t ahead) {
  const Answer said = std::visit([&](auto& what) { return what.admit(asking.request, ahead); },
                                 entry.object);
  if (said != stay) entry.holder = asking.from;
  return said;
}

// Whose node would else claim the mutex for it for ever.
void SyncObjects::tell_holder(std::uint64_t address, const Entry& entry) {
  const auto* mutex = std::get_if<Mutex>(&entry.object);
  if (mutex != nullptr && mutex->held() && !planted(Bug::holder_not_told))
    outbox_.send(entry.holder, {}, Unheld{address, mutex->owner()});
}

// Of many readers is not known on which node each is. None claims what it does not have.
void SyncObjects::tell_loser(const ReadWriteLock& lock, const SyncRequest& give) {
  const ThreadId loser = lock.loser_of(give);
  if (raw(loser) == 0 || loser == give.thread || planted(Bug::reader_not_told)) return;
  config_.nodes.for_each([&](NodeId node) { outbox_.send(node, {}, Unheld{give.address, loser}); });
}

Answer SyncObjects::change(Entry& entry, const SyncRequest& request) {
  const auto visit = [&entry](auto what) { return std::visit(what, entry.object); };
  switch (request.operation) {
    case SyncOperation::give:
    case SyncOperation::give_all:
      if (request.kind == SyncKind::unchecked &&
          visit([](auto& object) { return object.owner(); }) != request.thread)
        tell_holder(request.address, entry);
      if (const auto* lock = std::get_if<ReadWriteLock>(&entry.object)) tell_loser(*lock, request);
      return visit([&](auto& object) { return object.give(request, entry.queue.size()); });
    case SyncOperation::consistent:
      return visit([&](auto& object) { return object.consistent(request.thread); });
    case SyncOperation::value:
      return visit([](auto& object) { return object.value(); });
    default:  // abandon
      if (visit([&](auto& object) { return object.abandon(request); }))
        outbox_.act(OwnerLost{request.address, request.thread});
      return {};
  }
}

void SyncObjects::take(Entry& entry, const SyncWaiter& asking) {
  Answer said = admit(entry, asking, entry.queue.size());
  const bool only_tries = asking.request.operation == SyncOperation::try_take;
  if (only_tries && (said == stay || said.status == EDEADLK)) said = {EBUSY};
  if (said.status == 0 && asking.request.may_be_lent && entry.queue.empty())
    if (const auto* mutex = std::get_if<Mutex>(&entry.object);
        mutex != nullptr && mutex->was_just_taken())
      return lend(entry, asking);
  if (said != stay) return answer(asking, said);
  entry.queue.push_back(asking);
  // Its thread gives the mutex back when it is sure to be woken.
  if (asking.request.kind == SyncKind::condition) answer(asking, {EINPROGRESS});
}

void SyncObjects::destroy(Entries::iterator found, const SyncWaiter& asking) {
  const bool held = std::visit([](auto& object) { return object.held(); }, found->second.object);
  if (held || !found->second.queue.empty()) return answer(asking, {EBUSY});
  entries_.erase(found);
  answer(asking, {});
}

// Whatever was at that address is over: the program says that this is a new object.
void SyncObjects::initialise(const SyncWaiter& asking) {
  if (const auto found = entries_.find(asking.request.address); found != entries_.end())
    forget(found);
  if (asking.request.kind == SyncKind::semaphore)
    entries_.emplace(asking.request.address, Entry{.object = fresh(asking.request)});
  answer(asking, {});
}

// Answered only if the take waits still; otherwise its answer is on its way already. Who stood
// behind it may be admitted now: readers behind a writer.
void SyncObjects::withdraw(const SyncWaiter& asking) {
  const auto found = entries_.find(asking.request.address);
  if (found == entries_.end()) return;
  const auto waiter = take_waiter(found->second.queue, asking.from, asking.transaction);
  if (!waiter) return;
  answer(*waiter, {static_cast<std::int32_t>(asking.request.argument)});
  settle(found);
}

void SyncObjects::serve(Entry& entry) {
  while (!entry.queue.empty()) {
    const Answer said = admit(entry, entry.queue.front(), 0);
    if (said == stay) return;
    answer(entry.queue.front(), said);
    entry.queue.erase(entry.queue.begin());
  }
}

void SyncObjects::settle(Entries::iterator found) {
  if (found->second.borrower != no_node) return;
  serve(found->second);
  const bool idle = std::visit([](auto& object) { return object.idle(); }, found->second.object);
  if (idle && found->second.queue.empty()) entries_.erase(found);
}

// One that is lent stays until it is back: its memory may be a new object's before that.
SyncObjects::Entries::iterator SyncObjects::forget(Entries::iterator found) {
  Entry& entry = found->second;
  tell_holder(found->first, entry);
  for (const SyncWaiter& waiting : entry.queue) answer(waiting, {EINVAL});
  if (entry.borrower == no_node) return entries_.erase(found);
  for (const SyncWaiter& waiting : std::exchange(entry.postponed, {}))
    if (waiting.request.operation != SyncOperation::withdraw) answer(waiting, {EINVAL});
  if (!std::exchange(entry.is_over, true)) ++over_count_;
  call_back(found->first, entry);
  return std::next(found);
}

void SyncObjects::forget_memory(std::uint64_t address, std::uint64_t size_bytes) {
  for (auto item = entries_.begin(); item != entries_.end();)
    item = item->first - address < size_bytes ? forget(item) : std::next(item);
  futexes_.forget_memory(address, size_bytes);
}

// ---- mutexes that are lent ---------------------------------------------------------------

void SyncObjects::lend(Entry& entry, const SyncWaiter& asking) {
  entry.object = Mutex{};
  entry.borrower = asking.from;
  outbox_.send(asking.from, asking.transaction, SyncReply{0, 0, true});
}

// A withdrawal, too: whether its take could have been granted at once is known when the mutex is
// back, and who may not wait at all has a mutex that nobody has.
void SyncObjects::postpone(Entry& entry, const SyncWaiter& asking) {
  entry.postponed.push_back(asking);
  entry.postponed.back().request.may_be_lent = false;  // others want it, too
  call_back(asking.request.address, entry);
}

void SyncObjects::call_back(std::uint64_t address, Entry& entry) {
  if (!std::exchange(entry.called_back, true))
    outbox_.send(entry.borrower, {}, TokenRecall{address});
}

bool SyncObjects::on_return(NodeId from, const TokenReturn& token) {
  const auto found = entries_.find(token.lock.address);
  if (found == entries_.end() || found->second.borrower != from) return false;
  const bool held = token.lock.depth > 0 && !found->second.is_over;
  found->second.holder = from;
  if (held && !planted(Bug::returned_owner_forgotten))
    std::get<Mutex>(found->second.object).restore(token.lock);
  come_back(found);
  return true;
}

// What was postponed may end the object, or be one of another kind.
void SyncObjects::come_back(Entries::iterator found) {
  const std::uint64_t address = found->first;
  Entry& entry = found->second;
  entry.borrower = no_node;
  entry.called_back = false;
  if (std::exchange(entry.is_over, false)) --over_count_;
  for (const SyncWaiter& one : std::exchange(entry.postponed, {}))
    on_request(one.from, one.transaction, one.request);
  if (const auto left = entries_.find(address); left != entries_.end()) settle(left);
}

// ---- after a removal ---------------------------------------------------------------------

void SyncObjects::keep_only(NodeSet members, const Claims& claims) {
  futexes_.wake_all();
  std::vector<std::uint64_t> addresses;
  for (const auto& [address, entry] : entries_) addresses.push_back(address);
  for (const std::uint64_t address : addresses) {
    const auto found = entries_.find(address);
    const auto is_gone = [&](const SyncWaiter& one) { return !members.contains(one.from); };
    std::erase_if(found->second.queue, is_gone);
    std::erase_if(found->second.postponed, is_gone);
    if (const NodeId borrower = found->second.borrower; borrower != no_node) {
      if (!members.contains(borrower) && !planted(Bug::lent_to_the_removed)) come_back(found);
      continue;
    }
    const auto holders =
        std::visit([](const auto& object) { return object.holders(); }, found->second.object);
    for (const ThreadId thread : holders) {
      if (claims.contains({address, thread}) || planted(Bug::dead_nodes_keep_locks)) continue;
      change(found->second, {address, thread, SyncOperation::abandon, SyncKind::normal, 1});
    }
    settle(found);
  }
}

void SyncObjects::restore(const LockReport& lock, NodeId reporter) {
  const SyncRequest take{lock.address, lock.thread, SyncOperation::take, lock.kind};
  const auto found = entries_.try_emplace(lock.address, Entry{.object = fresh(take)}).first;
  if (lock.lent) found->second.borrower = reporter;
  if (lock.lent) return;
  if (!std::visit([](auto& object) { return object.held(); }, found->second.object))
    found->second.holder = reporter;
  std::visit([&](auto& object) { object.restore(lock); }, found->second.object);
}

}  // namespace gallocy::core
