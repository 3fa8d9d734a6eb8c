// Bugs that the simulator must find. The core is compiled twice: the library of the daemon has
// none of them, since planted() is false there before anything is compiled; the simulator's second
// library (GALLOCY_PLANTED) has one switch, which a run sets by name before it begins. A bug is one
// line where a rule is kept, and says by its name which rule. What each does: tests/sim/bugs.cpp.
#pragma once

#include <cstdint>

namespace gallocy::core {

enum class Bug : std::uint8_t {
  none,
  skip_one_invalidate,
  wrong_copyset_on_downgrade,
  lost_upgrade_race,
  drop_queued_request,
  youngest_first,
  version_stays,
  forget_release,
  eviction_not_awaited,
  drop_last_copy,
  begin_in_closed_chunk,
  leak_reservation,
  prefetch_of_a_busy_page,
  acknowledge_before_unmapping,
  copy_before_protecting,
  reader_beside_writer,
  ignore_hold,
  ignore_older_access,
  reuse_slot,
  forget_slot_waiter,
  discard_leaves_a_page,
  ignore_hasten,
  write_before_all_acknowledgements,
  drop_a_waiter,
  forget_unsent,
  demand_beside_prefetch,
  keep_with_margin,
  upgrade_stays_protected,
  accept_old_wait,
  accept_old_transaction,
  accept_old_done,
  accept_old_release,
  accept_old_writeback_ack,
  evict_what_the_oldest_needs,
  evict_while_written,
  refused_stays_shared,
  forget_frame,
  forget_page_of_chunk,
  chunk_twice,
  pool_run_too_long,
  discard_early,
  store_invalidated,
  prefetch_never_ends,
  lock_token_duplicated,
  barrier_off_by_one,
  lost_signal,
  writer_beside_readers,
  dead_owner_unnoticed,
  dead_stay_in_queue,
  grant_to_the_dead,
  ended_job_inherits,
  wake_of_nobody_lost,
  wake_counts_the_queue_only,
  wake_ignores_bits,
  lent_mutex_granted,
  returned_owner_forgotten,
  token_of_the_dead_kept,
  lent_to_the_removed,
  holder_not_told,
  reader_not_told,
  forget_joiner,
  cancel_answered_early,
  freed_block_twice,
  gathered_at_once,
  accept_old_epoch,
  newer_epoch_dropped,
  zombie_is_heard,
  slots_not_looked_at,
  slots_trusted,
  lost_pages_are_zero,
  dead_nodes_keep_locks,
  locks_not_restored,
  first_grant_forgotten,
};

#ifdef GALLOCY_PLANTED
inline Bug planted_bug = Bug::none;
inline bool planted(Bug bug) { return planted_bug == bug; }
#else
consteval bool planted(Bug) { return false; }
#endif

}  // namespace gallocy::core
