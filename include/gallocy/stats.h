/*
 * The statistics page of a job on one node: what `gallocy stat` prints, for programs that watch
 * jobs themselves.
 *
 * Each daemon keeps one page per job, in shared memory that others can only read, and writes it
 * anew about once a second and when the job ends. `gallocy stat` asks a daemon's socket for the
 * pages of the jobs that the caller may see (his own; root sees all) and maps them.
 *
 * Layout: fixed-width little-endian integers at fixed offsets. `version` changes when the meaning
 * or the place of a field does; new fields are added at the end, and `size_bytes` says how far the
 * writer knows the structure. So a reader that knows less reads what it knows, and one that knows
 * more looks at size_bytes first.
 *
 * Reading: `sequence` is odd while the page is being written. Read it, copy the page, read it
 * again: if both are the same even number, the copy is of one moment. gallocy_stats_read does that.
 *
 * Counts grow from the start of the job and never fall, but for `resident_pages`.
 */
#ifndef GALLOCY_STATS_H
#define GALLOCY_STATS_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GALLOCY_STATS_MAGIC UINT64_C(0x5441545359434c47) /* "GLCYSTAT" */
#define GALLOCY_STATS_VERSION 1u
#define GALLOCY_STATS_RANKS_MAX 64

/* How a fault ended; index of gallocy_rank_stats.faults. */
enum gallocy_fault_kind {
  GALLOCY_FAULT_LOCAL,        /* the node had the page */
  GALLOCY_FAULT_FIRST_TOUCH,  /* a page of zeros */
  GALLOCY_FAULT_REMOTE_READ,  /* bytes of another node, to read */
  GALLOCY_FAULT_REMOTE_WRITE, /* bytes of another node, to write */
  GALLOCY_FAULT_UPGRADE,      /* the node's read copy became writable */
  GALLOCY_FAULT_POISONED,     /* nothing to give: SIGBUS */
  GALLOCY_FAULT_KINDS
};

struct gallocy_rank_stats {
  uint32_t rank;
  uint32_t reserved;
  uint64_t threads_run; /* of the application: its own, main() included */
  uint64_t faults[GALLOCY_FAULT_KINDS];
};

struct gallocy_stats {
  uint64_t magic;      /* GALLOCY_STATS_MAGIC */
  uint32_t version;    /* GALLOCY_STATS_VERSION of the writer */
  uint32_t size_bytes; /* of this structure, as the writer knows it */
  uint32_t sequence;   /* odd: being written */
  uint32_t node;       /* the writer's id */
  uint64_t job;
  uint64_t written_us;            /* when, by CLOCK_MONOTONIC of the node's machine */
  uint64_t peer_bytes_in;         /* of this job's traffic with other nodes */
  uint64_t peer_bytes_out;
  uint64_t resident_pages;        /* of 4096 bytes that this node holds for the job */
  uint64_t fault_latency_p50_us;  /* of all faults here so far, at most an eighth too high */
  uint64_t fault_latency_p99_us;
  uint32_t owner_uid;
  uint32_t rank_count;            /* entries used below: ranks that have attached at this node */
  struct gallocy_rank_stats ranks[GALLOCY_STATS_RANKS_MAX];
};

/*
 * Copies a consistent state of the page that is mapped at `page` to *copy. Does not block for
 * longer than the page takes to be written. Returns 0; -1 if it is no page of this version, or if
 * it was being written at each of many looks (the writer has died in the middle).
 */
static inline int gallocy_stats_read(const struct gallocy_stats* page, struct gallocy_stats* copy) {
  for (int look = 0; look < 1000000; ++look) {
    const uint32_t before = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
    if (before % 2 != 0) continue;
    memcpy(copy, page, sizeof *copy);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&page->sequence, __ATOMIC_RELAXED) != before) continue;
    return copy->magic == GALLOCY_STATS_MAGIC && copy->version == GALLOCY_STATS_VERSION &&
                   copy->size_bytes >= sizeof *copy && copy->rank_count <= GALLOCY_STATS_RANKS_MAX
               ? 0
               : -1;
  }
  return -1;
}

#ifdef __cplusplus
}
#endif

#endif /* GALLOCY_STATS_H */
