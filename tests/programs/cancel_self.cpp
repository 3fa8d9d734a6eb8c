// Threads that cancel themselves, at once and in handlers that have interrupted what they wait in:
// what they do then, what is cleaned up, and what the joiner gets.
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "in_threads.h"

namespace {

constexpr int threads_at_once = 3;
constexpr useconds_t entering_us = 20'000;

std::atomic<int> g_going_on, g_cleaned, g_unwound, g_destroyed;
sem_t g_ready, g_never;
int g_ends[2];  // nobody writes
std::FILE* g_streams[threads_at_once];

struct OnTheStack {
  ~OnTheStack() { ++g_unwound; }
};
struct OfTheThread {
  int touched = 0;
  ~OfTheThread() { ++g_destroyed; }
};
thread_local OfTheThread t_object;

// It needs the first node, which has the thread's call still.
void clean(void*) {
  if (write(STDOUT_FILENO, "", 0) == 0) ++g_cleaned;
}

void cancel_self(int) {
  must(pthread_cancel(pthread_self()));
  ++g_going_on;
}

void at_once(int) {
  cancel_self(0);
  pthread_testcancel();
}

void in_a_raised_handler(int) {
  raise(SIGUSR1);
  pthread_testcancel();
}

void when_enabled(int) {
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  cancel_self(0);
  pthread_testcancel();
  sleep(0);
  ++g_going_on;
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
  ++g_going_on;
  pthread_testcancel();
}

void asynchronously(int) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  cancel_self(0);
}

void when_asynchronous(int) {
  cancel_self(0);
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
}

void asynchronously_in_a_handler(int) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  raise(SIGUSR1);
}

// The signal is delivered in the wait, neither before nor after it.
template <class Wait>
void in_wait(Wait wait) {
  sigset_t blocked, open;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  must(pthread_sigmask(SIG_BLOCK, &blocked, &open));
  raise(SIGUSR1);
  wait(&open);
}

void in_poll(int) {
  in_wait([](const sigset_t* mask) {
    pollfd entry = {g_ends[0], POLLIN, 0};
    ppoll(&entry, 1, nullptr, mask);
  });
}
void in_suspension(int) {
  in_wait([](const sigset_t* mask) { sigsuspend(mask); });
}

// Main sends these the signal when they wait.
void in_sleep(int) {
  sem_post(&g_ready);
  sleep(30);
}
void in_read(int) {
  char byte;
  sem_post(&g_ready);
  if (read(g_ends[0], &byte, 1) == 1) puts("something read");
}
void in_line(int number) {
  char line[8];
  sem_post(&g_ready);
  if (fgets(line, sizeof line, g_streams[number]) != nullptr) puts("a line read");
}

// And these it cancels itself.
void computing(int) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  sem_post(&g_ready);
  for (volatile unsigned step = 0;;) step = step + 1;
}
void in_asynchronous_wait(int) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  sem_post(&g_ready);
  sem_wait(&g_never);
}

enum class By { itself, signal, main };
struct Case {
  const char* name;
  void (*function)(int);
  By by;
};
constexpr Case cases[] = {{"at once", at_once, By::itself},
                          {"in a raised handler", in_a_raised_handler, By::itself},
                          {"when enabled", when_enabled, By::itself},
                          {"asynchronously", asynchronously, By::itself},
                          {"when asynchronous", when_asynchronous, By::itself},
                          {"asynchronously in a handler", asynchronously_in_a_handler, By::itself},
                          {"in poll", in_poll, By::itself},
                          {"in suspension", in_suspension, By::itself},
                          {"in sleep", in_sleep, By::signal},
                          {"in read", in_read, By::signal},
                          {"in a line", in_line, By::signal},
                          {"computing", computing, By::main},
                          {"in an asynchronous wait", in_asynchronous_wait, By::main}};

struct Start {
  const Case* of;
  int number;
};

void* run(void* given) {
  const auto* start = static_cast<const Start*>(given);
  OnTheStack object;
  t_object.touched = 1;
  pthread_cleanup_push(clean, nullptr);
  start->of->function(start->number);
  pthread_cleanup_pop(0);
  return reinterpret_cast<void*>(5);
}

// The signal may come before the wait. Then the handler goes on, and the wait does not begin.
void end(const pthread_t (&threads)[threads_at_once], By by) {
  if (by == By::itself) return;
  for (int i = 0; i < threads_at_once; ++i) sem_wait(&g_ready);
  usleep(entering_us);
  for (const pthread_t thread : threads)
    must(by == By::signal ? pthread_kill(thread, SIGUSR1) : pthread_cancel(thread));
}

void play(const Case& one) {
  pthread_t threads[threads_at_once];
  Start starts[threads_at_once];
  g_going_on = g_cleaned = g_unwound = g_destroyed = 0;
  for (int i = 0; i < threads_at_once; ++i) {
    starts[i] = {&one, i};
    must(pthread_create(&threads[i], nullptr, run, &starts[i]));
  }
  end(threads, one.by);
  printf("%s:", one.name);
  for (const pthread_t thread : threads) {
    void* result = nullptr;
    must(pthread_join(thread, &result));
    printf(" %ld", reinterpret_cast<long>(result));
  }
  if (one.by != By::signal) printf(", went on %d", g_going_on.load());
  printf(", cleaned %d, unwound %d, destroyed %d\n", g_cleaned.load(), g_unwound.load(),
         g_destroyed.load());
}

}  // namespace

int main() {
  sem_init(&g_ready, 0, 0);
  sem_init(&g_never, 0, 0);
  if (pipe(g_ends) != 0) return 1;
  for (std::FILE*& stream : g_streams) stream = fdopen(dup(g_ends[0]), "r");
  signal(SIGUSR1, cancel_self);
  for (const Case& one : cases) play(one);
  for (std::FILE* stream : g_streams)
    puts(ftrylockfile(stream) == 0 ? "unlocked" : "locked");
}
