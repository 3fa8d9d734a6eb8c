// Timers and asynchronous calls, which tell of their end by a signal or by a thread. They are rank
// 0's, and so is the signal. The thread would be none of the job, and is refused.
#include <aio.h>
#include <errno.h>
#include <mqueue.h>
#include <netdb.h>
#include <signal.h>
#include <time.h>

#include "preload/forward.hpp"
#include "preload/real.hpp"

GALLOCY_REAL(aio_read)
GALLOCY_REAL(aio_read64)
GALLOCY_REAL(aio_write)
GALLOCY_REAL(aio_write64)
GALLOCY_REAL(aio_fsync)
GALLOCY_REAL(aio_fsync64)
GALLOCY_REAL(lio_listio)
GALLOCY_REAL(lio_listio64)
GALLOCY_REAL(mq_notify)
GALLOCY_REAL(timer_create)
GALLOCY_REAL(getaddrinfo_a)

using namespace gallocy;
using namespace gallocy::preload;

namespace {

int refuse_here(const char* call, const char* why) {
  client::say(Sentence("gallocy: ", call, " is refused: ", why, "\n"));
  errno = ENOSYS;
  return -1;
}

bool is_by_thread(const sigevent* event) {
  return event != nullptr && event->sigev_notify == SIGEV_THREAD && is_application();
}

int refuse_thread(const char* call) {
  return refuse_here(call, "what it would call (SIGEV_THREAD) would run in no thread of the job. "
                           "SIGEV_SIGNAL works");
}

template <class Function, class... Arguments>
int notifying(const char* name, const sigevent* event, const Real<Function>& real,
              Arguments... arguments) {
  if (is_by_thread(event)) return refuse_thread(name);
  return by_first(real, arguments...);
}

template <class Block>
const sigevent* event_of(const Block* block) {
  return block != nullptr ? &block->aio_sigevent : nullptr;
}

// One of them that wants a thread, or the list's own.
template <class Block>
const sigevent* event_of(Block* const* blocks, int count, const sigevent* event) {
  for (int i = 0; i < count; ++i)
    if (is_by_thread(event_of(blocks[i]))) return event_of(blocks[i]);
  return event;
}

}  // namespace

GALLOCY_TAKES int aio_read(aiocb* block) noexcept {
  return notifying("aio_read", event_of(block), real::aio_read, block);
}
GALLOCY_TAKES int aio_read64(aiocb64* block) noexcept {
  return notifying("aio_read", event_of(block), real::aio_read64, block);
}
GALLOCY_TAKES int aio_write(aiocb* block) noexcept {
  return notifying("aio_write", event_of(block), real::aio_write, block);
}
GALLOCY_TAKES int aio_write64(aiocb64* block) noexcept {
  return notifying("aio_write", event_of(block), real::aio_write64, block);
}
GALLOCY_TAKES int aio_fsync(int operation, aiocb* block) noexcept {
  return notifying("aio_fsync", event_of(block), real::aio_fsync, operation, block);
}
GALLOCY_TAKES int aio_fsync64(int operation, aiocb64* block) noexcept {
  return notifying("aio_fsync", event_of(block), real::aio_fsync64, operation, block);
}
GALLOCY_TAKES int lio_listio(int mode, aiocb* const blocks[], int count, sigevent* event) noexcept {
  return notifying("lio_listio", event_of(blocks, count, event), real::lio_listio, mode, blocks,
                   count, event);
}
GALLOCY_TAKES int lio_listio64(int mode, aiocb64* const blocks[], int count,
                               sigevent* event) noexcept {
  return notifying("lio_listio", event_of(blocks, count, event), real::lio_listio64, mode, blocks,
                   count, event);
}
GALLOCY_TAKES int mq_notify(mqd_t queue, const sigevent* event) noexcept {
  return notifying("mq_notify", event, real::mq_notify, queue, event);
}

// Rank 0 has neither the thread nor its time.
GALLOCY_TAKES int timer_create(clockid_t clock, sigevent* event, timer_t* timer) noexcept {
  const bool is_of_thread = clock == CLOCK_THREAD_CPUTIME_ID ||
                            (event != nullptr && event->sigev_notify == SIGEV_THREAD_ID);
  if (is_of_thread && is_away())
    return refuse_here("timer_create", "the timer would be of one thread on another node than the "
                                       "first");
  return notifying("timer_create", event, real::timer_create, clock, event, timer);
}

GALLOCY_TAKES int getaddrinfo_a(int mode, gaicb* list[], int count, sigevent* event) {
  if (!is_application()) return real::getaddrinfo_a(mode, list, count, event);
  refuse_here("getaddrinfo_a", "what it finds would be in no memory of the job. getaddrinfo works");
  return EAI_SYSTEM;
}
