// gallocy-run --spmd: the ranks share static data of this program, at its link address. Two windows
// that lie side by side in the program, and the other way round in the region.
//
//   windows share             by all that threads do with memory, and with objects in it
//   windows exceed MIB ROUNDS each rank has MIB of an array that is larger than --memory
//   windows switch            rank 0 moves pages into windows while all others change them
//   windows map               rank 1 prints "mapping PID" and maps one window after the other
#include <fcntl.h>
#include <semaphore.h>

#include "window_support.hpp"

using namespace windows_test;

namespace {

enum { page_count = 24, half = page_count / 2, first_data_page = 2, data_pages = page_count - 2 };
enum { stripes = 4, cells = 200, rounds = 100, max_ranks = 16, thread_rounds = 3000 };

// Lies in the first pages.
struct Objects {
  pthread_barrier_t all;
  pthread_mutex_t locks[stripes];
  pthread_cond_t changed;
  sem_t turns[max_ranks];
  pthread_once_t once;
  long turn, once_count, sums[page_count];
  std::uint64_t counts[stripes * cells];  // stripe s has every stripes'th from s on
};
static_assert(sizeof(Objects) <= first_data_page * PAGE);

alignas(4096) char g_program_data[page_count * PAGE] = {'i'};
alignas(4096) char g_large[std::size_t{64} << 20];

Objects* g_objects;

char* g_own;  // page p of the program is own_page(p)
std::size_t own_page(std::size_t page) { return (page + half) % page_count; }

char* page_at(std::size_t page) {
  return has_windows() ? g_program_data + page * PAGE : g_own + own_page(page) * PAGE;
}
// Both halves, each of which is one run in any rank.
char* words_page(std::size_t data_page) { return page_at(first_data_page + data_page); }
std::uint64_t& word_at(std::size_t at) {
  auto* words = reinterpret_cast<std::uint64_t*>(words_page(at / words_per_page));
  return words[at % words_per_page];
}
constexpr std::size_t word_count = data_pages * words_per_page;

void all_here() { meet_at(&g_objects->all); }

void show_program_data() {
  if (has_windows()) {
    map_window(g_program_data, half * PAGE, g_own + half * PAGE);
    map_window(g_program_data + half * PAGE, half * PAGE, g_own);
  }
  g_objects = reinterpret_cast<Objects*>(page_at(0));
}

void make_objects() {
  REQUIRE(gallocy_pthread_barrier_init(&g_objects->all, nullptr,
                                       static_cast<unsigned>(gallocy_size())) == 0);
  for (auto& lock : g_objects->locks) REQUIRE(gallocy_pthread_mutex_init(&lock, nullptr) == 0);
  REQUIRE(gallocy_pthread_cond_init(&g_objects->changed, nullptr) == 0);
  for (auto& turn : g_objects->turns) REQUIRE(gallocy_sem_init(&turn, 0, 0) == 0);
}

void check_all(std::uint64_t mark) {
  for (std::size_t at = 0; at < word_count; ++at) REQUIRE(word_at(at) == value_of(mark, at));
}
void write_all(std::uint64_t mark) {
  for (std::size_t at = 0; at < word_count; ++at) word_at(at) = value_of(mark, at);
}

// What the program's own data was, before it was anybody else's.
void begin() {
  REQUIRE(number_of(g_program_data) < std::uint64_t{1} << 32);  // a link address
  if (gallocy_rank() == 0) {
    REQUIRE(g_program_data[0] == 'i');
    for (std::size_t at = 0; at < word_count; ++at)
      reinterpret_cast<std::uint64_t*>(g_program_data + first_data_page * PAGE)[at] =
          value_of(1, at);
    g_own = page_aligned(page_count);
    for (std::size_t page = 0; page < page_count; ++page)
      memcpy(g_own + own_page(page) * PAGE, g_program_data + page * PAGE, PAGE);
    show_program_data();
    REQUIRE(g_program_data[0] == 'i');
    g_program_data[0] = 0;
    make_objects();
    REQUIRE(gallocy_publish("in a window", g_program_data) == 0);
    REQUIRE(gallocy_publish("own", g_own) == 0);
  } else {
    g_own = static_cast<char*>(find("own"));
    REQUIRE(find("in a window") == g_program_data);
    show_program_data();
  }
  check_all(1);
  all_here();
}

// ---- share -------------------------------------------------------------------------------

// Writes upgrade the copies that were just read; reads fetch what another rank has written.
void write_in_turn() {
  for (int round = 0; round < 2 * gallocy_size(); ++round) {
    const auto mark = static_cast<std::uint64_t>(100 + round);
    if (round % gallocy_size() == gallocy_rank()) write_all(mark);
    all_here();
    check_all(mark);
    all_here();
  }
}

void* add_at_random(void* seed_of_thread) {
  auto seed = static_cast<unsigned>(number_of(seed_of_thread));
  for (int i = 0; i < thread_rounds; ++i)
    __atomic_fetch_add(&word_at(next(&seed) % word_count), 1, __ATOMIC_SEQ_CST);
  return nullptr;
}

// Two threads of each rank, which gallocy knows nothing of.
void add_together() {
  if (gallocy_rank() == 0)
    for (std::size_t at = 0; at < word_count; ++at) word_at(at) = 0;
  all_here();
  pthread_t threads[2];
  for (auto& thread : threads) {
    const auto seed = static_cast<std::uint64_t>(gallocy_rank() * 2 + (&thread - threads));
    REQUIRE(pthread_create(&thread, nullptr, add_at_random, reinterpret_cast<void*>(seed)) == 0);
  }
  for (auto thread : threads) REQUIRE(pthread_join(thread, nullptr) == 0);
  all_here();
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < word_count; ++at) sum += word_at(at);
  REQUIRE(sum == static_cast<std::uint64_t>(gallocy_size()) * 2 * thread_rounds);
  all_here();
}

// All counts of a stripe are equal outside its lock: for ranks that name the lock by different
// addresses, too.
void count_under_locks() {
  for (int round = 0; round < rounds; ++round) {
    const int stripe = (round + gallocy_rank()) % stripes;
    REQUIRE(gallocy_pthread_mutex_lock(&g_objects->locks[stripe]) == 0);
    const std::uint64_t before = g_objects->counts[stripe];
    for (int i = 0; i < cells; ++i) REQUIRE(g_objects->counts[i * stripes + stripe]++ == before);
    REQUIRE(gallocy_pthread_mutex_unlock(&g_objects->locks[stripe]) == 0);
  }
  all_here();
  std::uint64_t sum = 0;
  for (int stripe = 0; stripe < stripes; ++stripe) sum += g_objects->counts[stripe];
  REQUIRE(sum == static_cast<std::uint64_t>(gallocy_size()) * rounds);
}

void wait_for_turns() {
  const int rank = gallocy_rank(), size = gallocy_size();
  for (int lap = 0; lap < 5; ++lap) {
    if (rank != 0 || lap != 0) REQUIRE(gallocy_sem_wait(&g_objects->turns[rank]) == 0);
    REQUIRE(g_objects->turn == lap * size + rank);
    g_objects->turn = lap * size + rank + 1;
    REQUIRE(gallocy_sem_post(&g_objects->turns[(rank + 1) % size]) == 0);
  }
  all_here();
  const long last = 5L * size;
  pthread_mutex_t* lock = &g_objects->locks[0];
  for (int lap = 0; lap < 5; ++lap) {
    REQUIRE(gallocy_pthread_mutex_lock(lock) == 0);
    while (g_objects->turn != last + lap * size + rank)
      REQUIRE(gallocy_pthread_cond_wait(&g_objects->changed, lock) == 0);
    ++g_objects->turn;
    REQUIRE(gallocy_pthread_cond_broadcast(&g_objects->changed) == 0);
    REQUIRE(gallocy_pthread_mutex_unlock(lock) == 0);
  }
  all_here();
  REQUIRE(g_objects->turn == 2 * last);
  const auto count = [] { ++g_objects->once_count; };
  REQUIRE(gallocy_pthread_once(&g_objects->once, count) == 0);
  all_here();
  REQUIRE(g_objects->once_count == 1);
}

// Buffers in pages that another rank was the last to write, and across the two windows where the
// rank has them; the kernel's own accesses wait for the pages.
void call_the_system() {
  const int rank = gallocy_rank(), size = gallocy_size();
  const std::size_t edge = (half - first_data_page - 1) * words_per_page;
  constexpr std::size_t span = 3 * PAGE;
  char name[] = "/tmp/gallocy-test-XXXXXX";
  const int fd = mkstemp(name);
  REQUIRE(fd >= 0);
  unlink(name);
  for (int turn = 0; turn < size; ++turn) {
    const auto mark = static_cast<std::uint64_t>(200 + 2 * turn);
    if ((turn + 1) % size == rank) write_all(mark);
    all_here();
    // Pages that are read here are write-protected, others are not here.
    if (turn == rank) {
      if (turn % 2 == 0) check_all(mark);
      const std::size_t bytes = has_windows() ? span : PAGE;
      char* buffer = reinterpret_cast<char*>(&word_at(edge));
      REQUIRE(pwrite(fd, buffer, bytes, 0) == static_cast<ssize_t>(bytes));
      std::uint64_t copy[span / sizeof(std::uint64_t)];
      REQUIRE(pread(fd, copy, bytes, 0) == static_cast<ssize_t>(bytes));
      for (std::size_t i = 0; i < bytes / 8; ++i) {
        REQUIRE(copy[i] == value_of(mark, edge + i));
        copy[i] = value_of(mark + 1, edge + i);
      }
      REQUIRE(pwrite(fd, copy, bytes, 0) == static_cast<ssize_t>(bytes));
      REQUIRE(pread(fd, buffer, bytes, 0) == static_cast<ssize_t>(bytes));
      g_objects->sums[turn] = static_cast<long>(bytes / 8);
    }
    all_here();
    const auto changed = static_cast<std::size_t>(g_objects->sums[turn]);
    for (std::size_t at = 0; at < word_count; ++at)
      REQUIRE(word_at(at) ==
              value_of(at >= edge && at < edge + changed ? mark + 1 : mark, at));
    all_here();
  }
  close(fd);
}

void prefetch() {
  for (int round = 0; round < 3; ++round) {
    const auto mark = static_cast<std::uint64_t>(300 + round);
    if (gallocy_rank() == 0) write_all(mark);
    all_here();
    if (has_windows()) {
      REQUIRE(gallocy_prefetch(g_program_data + 3 * PAGE + 17, (page_count - 4) * PAGE) == 0);
      REQUIRE(gallocy_prefetch(g_program_data, sizeof g_program_data) == 0);
      REQUIRE(gallocy_prefetch(g_program_data, sizeof g_program_data + 1) == EINVAL);
      REQUIRE(gallocy_prefetch(reinterpret_cast<void*>(number_of(g_program_data) - 1), 2) ==
              EINVAL);
    } else {
      REQUIRE(gallocy_prefetch(g_own, page_count * PAGE) == 0);
    }
    if (round == 1) usleep(50000);  // what was prefetched is there, and mapped nowhere
    check_all(mark);
    all_here();
  }
  const int home = gallocy_home_of(g_own);
  REQUIRE(home >= 0 && gallocy_home_of(page_at(0)) == home);
  REQUIRE(gallocy_home_of(page_at(page_count - 1) + PAGE - 1) == home);
  if (has_windows()) REQUIRE(gallocy_home_of(g_program_data + sizeof g_program_data) == -1);
}

void share() {
  begin();
  write_in_turn();
  add_together();
  count_under_locks();
  wait_for_turns();
  call_the_system();
  prefetch();
  all_here();
}

// ---- exceed ------------------------------------------------------------------------------

// Each rank brings a part of the large array, the others map it as soon as they hear of it.
void exceed(std::size_t part_bytes, int round_count) {
  begin();
  const int rank = gallocy_rank(), size = gallocy_size();
  REQUIRE(part_bytes * static_cast<std::size_t>(size) <= sizeof g_large);
  const std::size_t part_words = part_bytes / sizeof(std::uint64_t), stride = words_per_page;
  std::uint64_t* parts[max_ranks];
  char name[] = "part ?";
  for (int part = 0; part < size; ++part) {
    name[5] = static_cast<char>('a' + part);
    char* window = g_large + static_cast<std::size_t>(part) * part_bytes;
    if (part == rank) REQUIRE(gallocy_publish(name, page_aligned(part_bytes / PAGE)) == 0);
    void* own = find(name);
    if (has_windows()) map_window(window, part_bytes, own);
    parts[part] = static_cast<std::uint64_t*>(has_windows() ? static_cast<void*>(window) : own);
  }
  for (std::size_t at = 0; at < part_words; at += stride) {  // pages of zeros
    REQUIRE(parts[rank][at + 1] == 0);
    parts[rank][at] = value_of(1, at);
  }
  for (int round = 0; round < round_count * size; ++round) {
    const auto mark = static_cast<std::uint64_t>(1 + round);
    all_here();
    if (round % size != rank) continue;
    for (int part = 0; part < size; ++part)
      for (std::size_t at = 0; at < part_words; at += stride) {
        REQUIRE(parts[part][at] == value_of(mark, at));
        parts[part][at] = value_of(mark + 1, at);
        // Who wrote there the last time, and what.
        if (round >= size)
          REQUIRE(parts[part][at + 1 + rank] ==
                  value_of(mark + 1 - static_cast<std::uint64_t>(size), at));
        parts[part][at + 1 + rank] = value_of(mark + 1, at);
      }
  }
  all_here();
  check_all(1);
}

// ---- switch ------------------------------------------------------------------------------

enum { switched = 400 };

// Rank 0 adds before and after each switch, at the own address and in the window; the others all
// the while. Some of their recalls fall between the steps of a switch.
void switch_under_load() {
  begin();
  const int rank = gallocy_rank();
  if (rank == 0) REQUIRE(gallocy_publish("switched", page_aligned(switched)) == 0);
  auto* own = static_cast<std::uint64_t*>(find("switched"));
  all_here();
  std::uint64_t added = 0;
  const auto add = [&](std::uint64_t* page) {
    __atomic_fetch_add(&page[rank], 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&page[words_per_page - 1], 1, __ATOMIC_SEQ_CST);
    ++added;
  };
  if (rank == 0) {
    for (std::size_t i = 0; i < switched; ++i) {
      auto* window = reinterpret_cast<std::uint64_t*>(g_large + i * 2 * PAGE);
      add(own + i * words_per_page);
      map_window(window, PAGE, own + i * words_per_page);
      add(window);
      __atomic_store_n(&g_objects->turn, static_cast<long>(i + 1), __ATOMIC_SEQ_CST);
    }
  } else {
    // The page that is switched now, and the next ones.
    for (std::size_t i; (i = static_cast<std::size_t>(
                             __atomic_load_n(&g_objects->turn, __ATOMIC_SEQ_CST))) < switched;)
      for (std::size_t k = i; k < i + 3 && k < switched; ++k) add(own + k * words_per_page);
  }
  g_objects->sums[rank] = static_cast<long>(added);
  all_here();
  std::uint64_t expected = 0, found = 0, own_found = 0;
  for (int other = 0; other < gallocy_size(); ++other)
    expected += static_cast<std::uint64_t>(g_objects->sums[other]);
  for (std::size_t i = 0; i < switched; ++i) {
    const auto* page = rank == 0 ? reinterpret_cast<std::uint64_t*>(g_large + i * 2 * PAGE)
                                 : own + i * words_per_page;
    found += page[words_per_page - 1];
    own_found += page[rank];
  }
  REQUIRE(found == expected);
  REQUIRE(own_found == added);
  all_here();
}

void map_for_ever() {
  begin();
  if (gallocy_rank() == 1) {
    char* own = page_aligned(1000);
    printf("mapping %d\n", getpid());
    fflush(stdout);
    for (std::size_t i = 0; i < 1000; ++i) {  // for longer than it lives
      own[i * PAGE] = 'x';
      map_window(g_large + i * 2 * PAGE, PAGE, own + i * PAGE);
      REQUIRE(g_large[i * 2 * PAGE] == 'x');
    }
  }
  for (;;) pause();
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  REQUIRE(gallocy_init() == 0);
  REQUIRE(gallocy_size() <= max_ranks);
  if (strcmp(what, "share") == 0) share();
  else if (strcmp(what, "exceed") == 0 && argc == 4)
    exceed(static_cast<std::size_t>(atoi(argv[2])) << 20, atoi(argv[3]));
  else if (strcmp(what, "switch") == 0) switch_under_load();
  else if (strcmp(what, "map") == 0) map_for_ever();
  else return 64;
  if (gallocy_rank() == 0) puts("OK");
  fflush(stdout);
  if (gallocy_rank() % 2 == 1) {
    const bool had_windows = has_windows();
    REQUIRE(gallocy_finalize() == 0);
    REQUIRE(!had_windows || inode_of(g_program_data) == 0);
  }
  return 0;
}
