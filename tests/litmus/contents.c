// contents ROUNDS: what one node has written, the other must read, also if it learns of it by other
// means than gallocy's memory: all processes map the file that OUTSIDE names.
//
// A node learns of everything else by its daemon, one thing after the other; if a page should be
// gone that is not, but the daemon does nothing else before it is, no program can tell by its
// memory alone. With a second way to hear of a write it can.
//
// Prints "FOUND: PART, round N: ..." and exits 3 when a word was not as it has to be.
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>

#include "../system/programs/support.h"

enum { word_count = 4096 / sizeof(uint64_t), page_count = 16 };

struct outside {
  uint64_t told;   // what node 0 has written
  uint64_t heard;  // what node 1 has read, and then done
};

struct shared {
  uint64_t* pages;  // page_count, of node 0
  uint64_t rounds;
};

static struct outside* outside;

static void map_outside(void) {
  const int fd = open(getenv("OUTSIDE"), O_RDWR);
  REQUIRE(fd >= 0);
  outside = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  REQUIRE(outside != MAP_FAILED);
  close(fd);
}

static void tell(uint64_t* word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void hear(const uint64_t* word, uint64_t value) {
  const struct timespec end = after_ms(CLOCK_MONOTONIC, 20000);
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {
    sched_yield();
    REQUIRE(!is_over(CLOCK_MONOTONIC, end));
  }
}

static void compare(const char* part, uint64_t round, uint64_t read, uint64_t expected, int holds) {
  if (holds) return;
  printf("FOUND: %s, round %lu: node %d read %lu, expected %lu\n", part, (unsigned long)round,
         gallocy_node(), (unsigned long)read, (unsigned long)expected);
  fflush(stdout);
  _exit(3);
}

static volatile uint64_t* word(const struct shared* shared, size_t page, size_t number) {
  return shared->pages + page * word_count + number;
}

// Whole pages are written on node 0 and read on node 1.
static void fill(const struct shared* shared) {
  for (uint64_t round = 1; round <= shared->rounds; ++round) {
    for (size_t i = 0; i < word_count; ++i) *word(shared, 0, i) = round;
    tell(&outside->told, round);
    hear(&outside->heard, round);
  }
}
static void read_filled(const struct shared* shared) {
  for (uint64_t round = 1; round <= shared->rounds; ++round) {
    hear(&outside->told, round);
    for (size_t i = 0; i < word_count; ++i) {
      const uint64_t value = *word(shared, 0, i);
      compare("filled", round, value, round, value == round);
    }
    tell(&outside->heard, round);
  }
}

// Node 0 counts without a pause, and node 1 may never be behind what it has heard.
static void count_up(const struct shared* shared) {
  const uint64_t base = shared->rounds;
  uint64_t number = base;
  while (__atomic_load_n(&outside->heard, __ATOMIC_ACQUIRE) < 2 * base) {
    *word(shared, 1, 0) = ++number;
    tell(&outside->told, number);
  }
}
static void follow(const struct shared* shared) {
  hear(&outside->told, shared->rounds + 1);
  for (uint64_t round = 1; round <= shared->rounds; ++round) {
    const uint64_t told = __atomic_load_n(&outside->told, __ATOMIC_ACQUIRE);
    const uint64_t value = *word(shared, 1, 0);
    compare("counted", round, value, told, value >= told);
    if (round % 8 == 0) usleep(500);
  }
  tell(&outside->heard, 2 * shared->rounds);
}

// Node 0 writes pages, node 1 has them sent ahead, reads and then writes them, and node 0 reads.
static void lend(const struct shared* shared, uint64_t first) {
  for (uint64_t round = first; round < first + shared->rounds / 8; ++round) {
    for (size_t page = 0; page < page_count; ++page) *word(shared, page, 0) = round;
    tell(&outside->told, round);
    hear(&outside->heard, round);
    for (size_t page = 0; page < page_count; ++page) {
      const uint64_t value = *word(shared, page, 1);
      compare("sent ahead", round - first + 1, value, round, value == round);
    }
  }
}
static void borrow(const struct shared* shared, uint64_t first) {
  for (uint64_t round = first; round < first + shared->rounds / 8; ++round) {
    hear(&outside->told, round);
    usleep(2000);  // what node 0 has just written it may keep for a while
    REQUIRE(gallocy_prefetch(shared->pages, page_count * PAGE) == 0);
    usleep(2000);
    for (size_t page = 0; page < page_count; ++page) {
      const uint64_t value = *word(shared, page, 0);
      compare("sent ahead", round - first + 1, value, round, value == round);
      *word(shared, page, 1) = round;
    }
    tell(&outside->heard, round);
  }
}

static void* follow_all(void* argument) {
  map_outside();
  const struct shared shared = *(struct shared*)argument;
  compare("argument", 0, shared.rounds, 1, shared.rounds != 0);
  read_filled(&shared);
  follow(&shared);
  borrow(&shared, UINT64_C(1) << 40);
  return NULL;
}

int main(int argc, char** argv) {
  REQUIRE(argc == 2 && gallocy_init() == 0);
  map_outside();
  struct shared* shared = (struct shared*)page_aligned(1);
  *shared = (struct shared){(uint64_t*)page_aligned(page_count), strtoul(argv[1], NULL, 10)};
  REQUIRE(shared->rounds >= 8);
  memset(shared->pages, 0, page_count * PAGE);
  const struct shared own = *shared;
  const pthread_t thread = start_on(1, follow_all, shared);
  fill(&own);
  count_up(&own);
  lend(&own, UINT64_C(1) << 40);
  join(thread);
  printf("OK\n");
  return 0;
}
