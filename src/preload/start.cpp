// The start of a program that has never heard of gallocy. The dynamic linker has loaded and
// constructed its libraries, but nothing of the executable has run, when it calls the C library's
// __libc_start_main, which is this one.
//
// Constructors have run on rank 0 only (constructors.cpp).
//
// 1. Each rank joins the job.
// 2. Rank 0 copies the writable data of all objects but the C core into the region, makes windows
//    of it at the addresses where they were, and publishes a StartRecord that tells them.
// 3. The others compare what they have loaded, and what they run on, with rank 0, and map the same
//    windows: rank 0's bytes win.
// 4. When all have, rank 0 calls the real __libc_start_main, in a thread on a stack of the region.
//    That runs the executable's constructors, and main(). The others never call it; their threads
//    are made by their agents.
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "client/agent.hpp"
#include "client/join.hpp"
#include "client/memory.hpp"
#include "client/running.hpp"
#include "gallocy/gallocy.h"
#include "ipc/rank_environment.hpp"
#include "ipc/window.hpp"
#include "preload/arena.hpp"
#include "preload/early_keys.hpp"
#include "preload/early_libraries.hpp"
#include "preload/early_locals.hpp"
#include "preload/early_maps.hpp"
#include "preload/early_sync.hpp"
#include "preload/explain.hpp"
#include "preload/file_maps.hpp"
#include "preload/forward.hpp"
#include "preload/guards.hpp"
#include "preload/machine.hpp"
#include "preload/objects.hpp"
#include "preload/protections.hpp"
#include "preload/real.hpp"
#include "preload/signals.hpp"
#include "preload/stacks.hpp"
#include "preload/stage.hpp"
#include "preload/static_results.hpp"
#include "preload/streams.hpp"
#include "preload/thread_numbers.hpp"
#include "preload/threads.hpp"

using namespace gallocy;
using namespace gallocy::preload;
using client::process;
using client::self;

extern "C" {
using Main = int(int, char**, char**);
int __libc_start_main(Main* main, int argc, char** argv, void (*init)(), void (*fini)(),
                      void (*rtld_fini)(), void* stack_end);
int __cxa_atexit(void (*function)(void*), void* argument, void* library);
}
GALLOCY_REAL(__libc_start_main)
GALLOCY_REAL(setlocale)

namespace {

constexpr const char* record_name = "gallocy: start";
constexpr int record_limit_ms = 10'000;

struct StartRecord {
  pthread_barrier_t all_have_mapped;
  std::uint32_t first_node;
  char** environment;
  Guards guards;
  Machine machine;
  StaticResults results;
  SignalActions signal_actions;
  SharedStreams streams;
  const char* locale;
  std::size_t default_stack_bytes;
  MappingTables mappings;
  std::size_t window_count;
  ipc::Window windows[ipc::window_count_max];
  std::size_t early_library_count;
  EarlyLibrary early_libraries[early_library_count_max];
  std::size_t early_map_count;
  EarlyMap early_maps[early_map_count_max];
  std::size_t object_count;
  Object objects[object_count_max];
};

constinit Object g_objects[object_count_max];
constinit std::size_t g_object_count = 0;
constinit Machine g_machine{};
constinit bool g_explains = false;

// What the real __libc_start_main is called with.
struct Call {
  Main* main;
  int argc;
  char** argv;
  void (*init)();
  void (*fini)();
  void (*rtld_fini)();
  void* stack_end;
};
constinit Call g_call;
constinit std::uint64_t g_main_thread = 0;

void refuse_for(const Error& error) { refuse(error.sentence.c_str()); }

void require(const Status& status) {
  if (!status) refuse_for(status.error());
}

void require(int code) {
  if (code != 0) refuse(gallocy_last_error());
}

template <class Type>
Type* require(Type* block) {
  if (block == nullptr) refuse(gallocy_last_error());
  return block;
}

// A thread that a library's constructor has made would run outside the job, on a private stack.
void require_one_thread() {
  struct stat tasks {};
  if (::stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3)
    refuse(Sentence(early_thread_starter(), " has started a thread before main(), which is not "
                    "supported").c_str());
}

// The kernel would write to a thread's stack, a page of the region, whenever it is preempted.
void require_no_rseq() {
  if (__rseq_size != 0)
    refuse(Sentence("restartable sequences are on: is there a mistake in ", ipc::tunables_variable,
                    "?").c_str());
}

void meet(pthread_barrier_t& barrier) {
  const int code = gallocy_pthread_barrier_wait(&barrier);
  require(code == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : code);
}

void add_mappings(MappingTables& tables) {
  if (process.rank == 0 && !make_mapping_directory(tables)) refuse(gallocy_last_error());
  if (!add_mapping_table(tables)) refuse(gallocy_last_error());
}

// ---- rank 0 ------------------------------------------------------------------------------

// Data that nobody has touched, as a large array of zeros, takes no memory here either.
void share(StartRecord& record, const Range& range) {
  if (range.size_bytes() == 0) return;
  if (record.window_count == ipc::window_count_max)
    refuse("it and its libraries have more pieces of data than can be shared");
  void* own = require(client::zeroed_pages(range.size_bytes()));
  copy_to_zeros(own, range.pointer(), range.size_bytes());
  const ipc::Window window{range.begin, range.size_bytes(), heap::address_of(own)};
  record.windows[record.window_count++] = window;
  require(client::map_window(window.address, window.size_bytes, window.own_address));
}

// As all memory that the program maps, it may be read and written from then on.
void share_early_maps(StartRecord& record) {
  for (const EarlyMap& map : early_maps()) {
    if (map.is_written_file)
      refuse("a library has mapped a file before main() to write it, which is not supported");
    ::mprotect(map.range.pointer(), map.range.size_bytes(), PROT_READ | PROT_WRITE);
    record.early_maps[record.early_map_count++] = map;
    share(record, map.range);
  }
}

char* shared_text(const char* text) {
  const std::size_t size_bytes = ::strlen(text) + 1;
  return static_cast<char*>(::memcpy(require(gallocy_malloc(size_bytes)), text, size_bytes));
}

// The list and its texts; with room for one pointer more behind the null that ends it.
char** shared_texts(char** texts) {
  std::size_t count = 0;
  while (texts[count] != nullptr) ++count;
  auto** copy = static_cast<char**>(require(gallocy_calloc(count + 1, sizeof(char*))));
  for (std::size_t i = 0; i < count; ++i) copy[i] = shared_text(texts[i]);
  return copy;
}

void note_early_libraries(StartRecord& record) {
  for (const EarlyLibrary& library : early_libraries()) {
    EarlyLibrary& noted = record.early_libraries[record.early_library_count++];
    noted = library;
    noted.path = shared_text(library.path);
  }
}

void publish_start() {
  auto& record = *static_cast<StartRecord*>(require(gallocy_calloc(1, sizeof(StartRecord))));
  record.first_node = process.node;
  record.environment = environ = shared_texts(environ);
  g_call.argv = shared_texts(g_call.argv);
  record.guards = guards_of_this_thread();
  record.machine = g_machine;
  set_static_results(record.results);
  share_streams(record.streams);
  note_early_actions(record.signal_actions);
  record.default_stack_bytes = default_stack_bytes();
  record.locale = shared_text(::setlocale(LC_ALL, nullptr));
  add_mappings(record.mappings);
  note_early_libraries(record);
  record.object_count = g_object_count = list_objects(g_objects);
  ::memcpy(record.objects, g_objects, sizeof g_objects);
  const arena::Used used = arena::used();
  if (g_explains) explain(g_machine, {g_objects, g_object_count}, used);
  share(record, {used.address, used.address + used.size_bytes});
  for (std::size_t i = 0; i < g_object_count; ++i)
    for (const Range& range : g_objects[i].writable) share(record, range);
  share_early_maps(record);
  require(gallocy_pthread_barrier_init(&record.all_have_mapped, nullptr, process.rank_count));
  require(gallocy_publish(record_name, &record));
  meet(record.all_have_mapped);
}

void* run_main(void*) {
  self.thread = g_main_thread;
  client::adopt_this_thread();
  take_early_locals();
  take_early_keys();
  take_early_objects();
  // The first that is registered is called last.
  ::__cxa_atexit([](void*) { write_all_back(); }, nullptr, nullptr);
  ::at_quick_exit(write_all_back);
  set_main_thread();
  ::pthread_sigmask(SIG_SETMASK, &process.thread_mask, nullptr);
  real::__libc_start_main(g_call.main, g_call.argc, g_call.argv, g_call.init, g_call.fini,
                          g_call.rtld_fini, g_call.stack_end);
  return nullptr;
}

// The process's initial thread is then the runtime's, and only waits: for a program whose main()
// ends by pthread_exit, and whose last thread has ended.
[[noreturn]] void start_main() {
  const ThreadStart start{};
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  if (take_stack(reinterpret_cast<std::uint64_t>(&start), attributes) == nullptr)
    refuse(gallocy_last_error());
  note_early_locals({g_objects, g_object_count});
  g_main_thread = self.thread;
  self.thread = 0;
  pthread_t main_thread{};
  if (const int error = ::pthread_create(&main_thread, &attributes, run_main, nullptr); error != 0)
    refuse(Sentence("the thread of main() can't be made: error ", error).c_str());
  ::pthread_join(process.agent, nullptr);
  ::exit(0);
}

// ---- the others --------------------------------------------------------------------------

StartRecord& wait_for_record() {
  const timespec pause{0, 1'000'000};
  for (int waited_ms = 0; waited_ms < record_limit_ms; ++waited_ms) {
    if (void* found = gallocy_lookup(record_name); found != nullptr)
      return *static_cast<StartRecord*>(found);
    ::nanosleep(&pause, nullptr);
  }
  refuse("rank 0 has not shared its data within 10 seconds");
}

// The list is in the order of loading, so the first that differs is the cause of others.
void compare(const StartRecord& record) {
  if (const Sentence other = difference(record.machine, g_machine); !other.empty())
    refuse(other.c_str());
  for (std::size_t i = 0; i < std::max(record.object_count, g_object_count); ++i)
    if (const Sentence other = difference(record.objects[i], g_objects[i]); !other.empty())
      refuse(other.c_str());
}

// What libraries have mapped by their own choice of an address.
void require_is_free(const Range& range) {
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  if (::mmap(range.pointer(), range.size_bytes(), PROT_NONE, flags, -1, 0) == MAP_FAILED)
    refuse(Sentence("a library has mapped memory at ", Hex{range.begin}, " before main() on rank "
                    "0, and here something else is there").c_str());
}

[[noreturn]] void serve() {
  StartRecord& record = wait_for_record();
  take_early_libraries({record.early_libraries, record.early_library_count});
  g_object_count = list_objects(g_objects);
  compare(record);
  for (std::size_t i = 0; i < record.early_map_count; ++i)
    require_is_free(record.early_maps[i].range);
  for (std::size_t i = 0; i < record.window_count; ++i) {
    const ipc::Window& window = record.windows[i];
    require(client::map_window(window.address, window.size_bytes, window.own_address));
  }
  environ = record.environment;
  set_first_node(record.first_node);
  set_static_results(record.results);
  take_shared_streams(record.streams);
  set_default_stack_bytes(record.default_stack_bytes);
  take_early_actions(record.signal_actions);
  real::setlocale(LC_ALL, record.locale);
  add_mappings(record.mappings);
  set_guards(record.guards);
  meet(record.all_have_mapped);
  self.thread = 0;
  for (;;) ::pause();
}

// ---- both --------------------------------------------------------------------------------

void end_thread() {
  open_own_stack();
  end_proxy();
}

void restore_personality() {
  if (const char* persona = ::getenv(ipc::persona_variable); persona != nullptr)
    ::personality(::strtoul(persona, nullptr, 16));
}

[[noreturn]] void begin() {
  // Never the other way round, as by gallocy_init(): the launcher would be preloaded, too.
  if (::getenv(ipc::socket_variable) == nullptr)
    refuse(Sentence(ipc::socket_variable, " is not set: start the program by gallocy-run").c_str());
  require_one_thread();
  require_no_rseq();
  g_machine = this_machine();
  const char* explains = ::getenv(ipc::explain_variable);
  g_explains = explains != nullptr && *explains == '1';
  restore_personality();
  process.main_is_apart = true;
  process.is_unmodified = true;
  client::thread_maker = {take_stack, give_stack, end_thread};
  set_stage(Stage::starting);
  require(client::join());
  require(client::prepare_runtime_heap());
  ipc::restore_environment(environ);
  if (process.rank_count > process.node_count)
    refuse("an unmodified program needs a node for each rank");
  if (process.rank == 0 && process.node_count > 1) refuse_unheard_waits();
  // What is for the program goes to its threads.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  if (process.rank != 0) serve();
  leave_early_locks();
  publish_start();
  start_main();
}

}  // namespace

GALLOCY_TAKES int __libc_start_main(Main* main, int argc, char** argv, void (*init)(),
                                    void (*fini)(), void (*rtld_fini)(), void* stack_end) {
  if (stage() == Stage::no_rank)
    return real::__libc_start_main(main, argc, argv, init, fini, rtld_fini, stack_end);
  g_call = {main, argc, argv, init, fini, rtld_fini, stack_end};
  begin();
}
