// For gallocy-run --spmd with more ranks than daemons: main() goes on in every rank.
//
//   ranks share          all ranks read what each has written, count under locks, and compare which
//                        memory they have mapped: ranks of one node the same, others another
//   ranks same MARK      fills memory with MARK, prints "filled ADDRESS", and checks it when
//                        standard input of rank 0 has ended
//   ranks fault PATH     rank 1 prints "ready PID TID", and touches a page of rank 0 when there is
//                        a file at PATH; the others wait for ever, as in
//   ranks lock           rank 1 prints "locked PID" and keeps the lock that all others wait for
#include <stdint.h>
#include <sys/syscall.h>

#include "support.h"

enum { max_ranks = 64, pages_each = 40, stripes = 4, cells = 300, rounds = 150 };
enum { words_of_page = 4096 / sizeof(uint64_t) };

struct meeting {
  pthread_barrier_t all;
  pthread_mutex_t locks[stripes];
  uint64_t counts[stripes * cells];  // stripe s has every stripes'th from s on: they share pages
  uint64_t* blocks[max_ranks];
  unsigned long inodes[max_ranks];
  int nodes[max_ranks];
  volatile char* page;
};

static struct meeting* meet(void) {
  if (gallocy_rank() == 0) {
    struct meeting* made = gallocy_calloc(1, sizeof *made);
    REQUIRE(gallocy_pthread_barrier_init(&made->all, NULL, (unsigned)gallocy_size()) == 0);
    for (int i = 0; i < stripes; ++i)
      REQUIRE(gallocy_pthread_mutex_init(&made->locks[i], NULL) == 0);
    made->page = page_aligned(1);
    *made->page = 'x';
    REQUIRE(gallocy_publish("meeting", made) == 0);
  }
  struct meeting* found;
  for (int i = 0; (found = gallocy_lookup("meeting")) == NULL; ++i) {
    REQUIRE(i < 20000);
    usleep(1000);
  }
  return found;
}

static void all_here(struct meeting* meeting) {
  const int status = gallocy_pthread_barrier_wait(&meeting->all);
  REQUIRE(status == 0 || status == PTHREAD_BARRIER_SERIAL_THREAD);
}

static uint64_t value_of(uint64_t mark, int rank, size_t at) {
  return mark << 40 | (uint64_t)(rank + 1) << 32 | at;
}

static void fill(struct meeting* meeting, uint64_t mark) {
  const int rank = gallocy_rank();
  uint64_t* block = (uint64_t*)page_aligned(pages_each);
  for (size_t at = 0; at < pages_each * words_of_page; ++at) block[at] = value_of(mark, rank, at);
  meeting->blocks[rank] = block;
  all_here(meeting);
}

static void check(struct meeting* meeting, uint64_t mark) {
  for (int rank = 0; rank < gallocy_size(); ++rank)
    for (size_t at = 0; at < pages_each * words_of_page; ++at)
      REQUIRE(meeting->blocks[rank][at] == value_of(mark, rank, at));
  all_here(meeting);
}

// All counts of a stripe are equal outside its lock.
static void count(struct meeting* meeting) {
  for (int round = 0; round < rounds; ++round) {
    const int stripe = (round + gallocy_rank()) % stripes;
    REQUIRE(gallocy_pthread_mutex_lock(&meeting->locks[stripe]) == 0);
    const uint64_t before = meeting->counts[stripe];
    for (int i = 0; i < cells; ++i)
      REQUIRE(meeting->counts[i * stripes + stripe]++ == before);
    REQUIRE(gallocy_pthread_mutex_unlock(&meeting->locks[stripe]) == 0);
  }
  all_here(meeting);
  uint64_t sum = 0;
  for (int stripe = 0; stripe < stripes; ++stripe) sum += meeting->counts[stripe];
  REQUIRE(sum == (uint64_t)gallocy_size() * rounds);
}

static void compare_maps(struct meeting* meeting) {
  const int rank = gallocy_rank();
  meeting->inodes[rank] = inode_of(meeting);
  meeting->nodes[rank] = gallocy_node();
  all_here(meeting);
  for (int other = 0; other < gallocy_size(); ++other) {
    REQUIRE(meeting->inodes[other] != 0);
    REQUIRE((meeting->inodes[other] == meeting->inodes[rank]) ==
            (meeting->nodes[other] == meeting->nodes[rank]));
  }
}

static void wait_for_ever(void) {
  for (;;) pause();
}

static void touch_when_told(struct meeting* meeting, const char* path) {
  volatile char* page = meeting->page;
  if (gallocy_rank() != 1) wait_for_ever();
  printf("ready %d %ld\n", (int)getpid(), syscall(SYS_gettid));
  fflush(stdout);
  while (access(path, F_OK) != 0) usleep(1000);
  *page = 'y';
  wait_for_ever();
}

static void keep_lock(struct meeting* meeting) {
  if (gallocy_rank() == 1) {
    REQUIRE(gallocy_pthread_mutex_lock(&meeting->locks[0]) == 0);
    printf("locked %d\n", (int)getpid());
    fflush(stdout);
  }
  all_here(meeting);
  if (gallocy_rank() != 1) REQUIRE(gallocy_pthread_mutex_lock(&meeting->locks[0]) == 0);
  wait_for_ever();
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  REQUIRE(gallocy_init() == 0);
  struct meeting* meeting = meet();
  if (strcmp(what, "share") == 0) {
    fill(meeting, 7);
    check(meeting, 7);
    count(meeting);
    compare_maps(meeting);
  } else if (strcmp(what, "same") == 0 && argc == 3) {
    fill(meeting, (uint64_t)atoi(argv[2]));
    if (gallocy_rank() == 0) {
      printf("filled %p\n", (void*)meeting);
      fflush(stdout);
      REQUIRE(getchar() == EOF);
    }
    all_here(meeting);
    check(meeting, (uint64_t)atoi(argv[2]));
  } else if (strcmp(what, "fault") == 0 && argc == 3) {
    touch_when_told(meeting, argv[2]);
  } else if (strcmp(what, "lock") == 0) {
    keep_lock(meeting);
  } else {
    return 64;
  }
  all_here(meeting);
  if (gallocy_rank() == 0) puts("OK");
  return 0;
}
