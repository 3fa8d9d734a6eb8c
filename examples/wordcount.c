/*
 * wordcount [-t THREADS_PER_NODE] [-o FILE] FILE...
 *
 * Counts words (runs of A-Z and a-z, lower-cased) with threads on every node of the job, and
 * prints the table as `sort | uniq -c` does. Start it as `gallocy-run -n 2 wordcount FILE...`. Then
 * main() counts all again by itself, and says OK if that comes to the same: on standard output, or
 * on standard error if the table is there.
 *
 * A thread takes the next file, counts its words in a table of its own, in ordinary memory, and
 * then adds that to the one table that all share. What is shared lies in gallocy memory:
 *  - written by all: the number of the next file, under a mutex; the table, in 64 stripes with a
 *    mutex each. A stripe has pages of its own, so that threads that work on different stripes
 *    don't take pages away from each other.
 *  - read by all: the names of files, the mutexes. They lie apart from what is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <gallocy/gallocy.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STRIPES = 64, BUCKETS_PER_STRIPE = 512, PAGE_BYTES = 4096, ARENA_BYTES = 16 * PAGE_BYTES };

/* ---- shared, in gallocy memory ---- */

struct entry {
  struct entry* next;
  uint64_t count;
  uint32_t hash;
  uint32_t length;
  char text[]; /* no closing zero */
};

struct stripe {
  struct entry* buckets[BUCKETS_PER_STRIPE];
  char* arena; /* new entries are cut from here */
  size_t arena_left;
};

struct tally { /* one a thread */
  int node;
  uint64_t words, files;
};

struct progress { /* written by all; on a page of its own */
  size_t next_file;
  atomic_int failed;
};

struct job { /* only read once the threads run */
  size_t file_count;
  char** names;
  struct progress* progress;
  pthread_mutex_t progress_lock;
  pthread_mutex_t stripe_locks[STRIPES];
  struct stripe* stripes[STRIPES];
};

struct task {
  struct job* job;
  struct tally tally;
};

/* ---- a thread's own, in ordinary memory ---- */

struct word {
  const char* text;
  uint32_t length, hash;
  uint64_t count;
  int64_t next; /* index of the next word of the stripe, -1 at the end */
};

struct table {
  struct word* words;
  size_t used, room;
  uint32_t* slots; /* index + 1 into words, 0: free */
  size_t slot_count;
};

static void* or_exit(void* block) {
  if (block != NULL) return block;
  fprintf(stderr, "wordcount: out of memory\n");
  exit(1);
}

static void check(int error) {
  if (error == 0) return;
  fprintf(stderr, "wordcount: %s\n", gallocy_last_error());
  exit(1);
}

/* Zeroed gallocy memory on pages that nothing else is on. Never freed. */
static void* shared_pages(size_t size_bytes) {
  const size_t whole = (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  const uintptr_t block = (uintptr_t)gallocy_calloc(1, whole + PAGE_BYTES);
  if (block == 0) check(ENOMEM);
  return (void*)((block + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
}

static uint32_t hash_of(const char* text, size_t length) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < length; ++i) hash = (hash ^ (unsigned char)text[i]) * 16777619u;
  return hash ^ hash >> 15;
}

static void table_grow(struct table* table) {
  table->slot_count = table->slot_count == 0 ? 4096 : table->slot_count * 2;
  free(table->slots);
  table->slots = or_exit(calloc(table->slot_count, sizeof *table->slots));
  table->room = table->slot_count / 2;
  table->words = or_exit(realloc(table->words, table->room * sizeof *table->words));
  for (size_t i = 0; i < table->used; ++i) {
    size_t slot = table->words[i].hash % table->slot_count;
    while (table->slots[slot] != 0) slot = (slot + 1) % table->slot_count;
    table->slots[slot] = (uint32_t)i + 1;
  }
}

static void table_add(struct table* table, const char* text, size_t length) {
  if (table->used == table->room) table_grow(table);
  const uint32_t hash = hash_of(text, length);
  size_t slot = hash % table->slot_count;
  for (; table->slots[slot] != 0; slot = (slot + 1) % table->slot_count) {
    struct word* word = &table->words[table->slots[slot] - 1];
    if (word->hash != hash || word->length != length || memcmp(word->text, text, length) != 0)
      continue;
    ++word->count;
    return;
  }
  table->words[table->used++] = (struct word){text, (uint32_t)length, hash, 1, -1};
  table->slots[slot] = (uint32_t)table->used;
}

static int is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Lower-cases in place: the table points into the text. Returns how many words there were. */
static uint64_t count_text(struct table* table, char* text, size_t size_bytes) {
  uint64_t words = 0;
  for (size_t begin = 0; begin < size_bytes;) {
    size_t end = begin;
    for (; end < size_bytes && is_letter(text[end]); ++end) text[end] |= 0x20;
    if (end > begin) {
      table_add(table, text + begin, end - begin);
      ++words;
    }
    begin = end + 1;
  }
  return words;
}

/* The whole file, in memory from malloc. NULL with errno set. */
static char* read_file(const char* name, size_t* size_bytes) {
  const int file = open(name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  size_t room = 1 << 16, used = 0;
  char* text = or_exit(malloc(room));
  for (;;) {
    const ssize_t count = read(file, text + used, room - used);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = errno;
      close(file);
      *size_bytes = used;
      if (count == 0) return text;
      free(text);
      errno = error;
      return NULL;
    }
    used += (size_t)count;
    if (used == room) text = or_exit(realloc(text, room *= 2));
  }
}

/* REQUIRES: the stripe's lock is held. */
static struct entry* new_entry(struct stripe* stripe, const struct word* word) {
  const size_t size = (sizeof(struct entry) + word->length + 7) / 8 * 8;
  if (size > stripe->arena_left) {
    const size_t arena_bytes = size > ARENA_BYTES ? size : ARENA_BYTES;
    stripe->arena = shared_pages(arena_bytes);
    stripe->arena_left = arena_bytes;
  }
  struct entry* entry = (struct entry*)(void*)stripe->arena;
  stripe->arena += size;
  stripe->arena_left -= size;
  entry->hash = word->hash;
  entry->length = word->length;
  memcpy(entry->text, word->text, word->length);
  return entry;
}

static struct entry** bucket_of(struct stripe* stripe, const struct word* word) {
  return &stripe->buckets[word->hash / STRIPES % BUCKETS_PER_STRIPE];
}

/* NULL: it is not there. */
static struct entry* find(struct stripe* stripe, const struct word* word) {
  struct entry* entry = *bucket_of(stripe, word);
  while (entry != NULL && (entry->hash != word->hash || entry->length != word->length ||
                           memcmp(entry->text, word->text, word->length) != 0))
    entry = entry->next;
  return entry;
}

/* REQUIRES: the stripe's lock is held. */
static void merge_word(struct stripe* stripe, const struct word* word) {
  struct entry* entry = find(stripe, word);
  if (entry != NULL) {
    entry->count += word->count;
    return;
  }
  struct entry** place = bucket_of(stripe, word);
  entry = new_entry(stripe, word);
  entry->count = word->count;
  entry->next = *place;
  *place = entry;
}

static void merge(struct job* job, struct table* table, unsigned first_stripe) {
  int64_t heads[STRIPES];
  memset(heads, -1, sizeof heads);
  for (size_t i = 0; i < table->used; ++i) {
    struct word* word = &table->words[i];
    word->next = heads[word->hash % STRIPES];
    heads[word->hash % STRIPES] = (int64_t)i;
  }
  /* Every thread begins elsewhere, or they would all queue for the same lock. */
  for (unsigned i = 0; i < STRIPES; ++i) {
    const unsigned number = (first_stripe + i) % STRIPES;
    if (heads[number] < 0) continue;
    check(gallocy_pthread_mutex_lock(&job->stripe_locks[number]));
    for (int64_t at = heads[number]; at >= 0; at = table->words[at].next)
      merge_word(job->stripes[number], &table->words[at]);
    check(gallocy_pthread_mutex_unlock(&job->stripe_locks[number]));
  }
}

/* job->file_count when there is none left. */
static size_t take_file(struct job* job) {
  check(gallocy_pthread_mutex_lock(&job->progress_lock));
  size_t number = job->file_count;
  if (!job->progress->failed && job->progress->next_file < number)
    number = job->progress->next_file++;
  check(gallocy_pthread_mutex_unlock(&job->progress_lock));
  return number;
}

static void* work(void* argument) {
  struct task* task = argument;
  struct job* job = task->job;
  task->tally.node = gallocy_node();
  size_t number;
  while ((number = take_file(job)) < job->file_count) {
    size_t size_bytes = 0;
    char* text = read_file(job->names[number], &size_bytes);
    if (text == NULL) {
      fprintf(stderr, "wordcount: %s: %s\n", job->names[number], strerror(errno));
      job->progress->failed = 1;
      break;
    }
    struct table table = {0};
    const uint64_t words = count_text(&table, text, size_bytes);
    merge(job, &table, (unsigned)(number * 7) % STRIPES);
    task->tally.words += words;
    ++task->tally.files;
    free(table.words);
    free(table.slots);
    free(text);
  }
  return NULL;
}

static struct job* make_job(char** files, size_t file_count) {
  struct job* job = shared_pages(sizeof *job);
  job->file_count = file_count;
  job->names = shared_pages(file_count * sizeof *job->names);
  job->progress = shared_pages(sizeof *job->progress);
  size_t text_bytes = 0;
  for (size_t i = 0; i < file_count; ++i) text_bytes += strlen(files[i]) + 1;
  char* text = shared_pages(text_bytes);
  for (size_t i = 0; i < file_count; ++i) {
    job->names[i] = strcpy(text, files[i]);
    text += strlen(files[i]) + 1;
  }
  check(gallocy_pthread_mutex_init(&job->progress_lock, NULL));
  for (unsigned i = 0; i < STRIPES; ++i) {
    check(gallocy_pthread_mutex_init(&job->stripe_locks[i], NULL));
    job->stripes[i] = shared_pages(sizeof *job->stripes[i]);
  }
  return job;
}

static double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_threads(struct job* job, unsigned threads_per_node) {
  const unsigned nodes = (unsigned)gallocy_node_count();
  const unsigned count = nodes * threads_per_node;
  pthread_t* threads = or_exit(calloc(count, sizeof *threads));
  struct task** tasks = or_exit(calloc(count, sizeof *tasks));
  const double began = now_seconds();
  for (unsigned i = 0; i < count; ++i) {
    tasks[i] = shared_pages(sizeof *tasks[i]);
    tasks[i]->job = job;
    check(gallocy_pthread_create_on(&threads[i], NULL, work, tasks[i], (int)(i % nodes)));
  }
  for (unsigned i = 0; i < count; ++i) check(gallocy_pthread_join(threads[i], NULL));
  fprintf(stderr, "wordcount: %u threads on %u nodes, %.3f s\n", count, nodes,
          now_seconds() - began);
  for (unsigned node = 0; node < nodes; ++node) {
    struct tally sum = {0};
    for (unsigned i = 0; i < count; ++i) {
      if (tasks[i]->tally.node != (int)node) continue;
      sum.words += tasks[i]->tally.words;
      sum.files += tasks[i]->tally.files;
    }
    fprintf(stderr, "wordcount: node %u counted %llu words in %llu files\n", node,
            (unsigned long long)sum.words, (unsigned long long)sum.files);
  }
  free(threads);
  free(tasks);
}

static int by_text(const void* left, const void* right) {
  const struct entry* a = *(struct entry* const*)left;
  const struct entry* b = *(struct entry* const*)right;
  const size_t common = a->length < b->length ? a->length : b->length;
  const int order = memcmp(a->text, b->text, common);
  if (order != 0) return order;
  return (a->length > b->length) - (a->length < b->length);
}

static struct entry** all_entries(const struct job* job, size_t* count) {
  size_t room = 1 << 12;
  struct entry** entries = or_exit(malloc(room * sizeof *entries));
  *count = 0;
  for (unsigned i = 0; i < STRIPES; ++i)
    for (unsigned k = 0; k < BUCKETS_PER_STRIPE; ++k)
      for (struct entry* entry = job->stripes[i]->buckets[k]; entry; entry = entry->next) {
        if (*count == room) entries = or_exit(realloc(entries, (room *= 2) * sizeof *entries));
        entries[(*count)++] = entry;
      }
  return entries;
}

/* 0 or -1. */
static int print_table(const struct job* job, FILE* output) {
  size_t count = 0;
  struct entry** entries = all_entries(job, &count);
  qsort(entries, count, sizeof *entries, by_text);
  for (size_t i = 0; i < count; ++i) {
    fprintf(output, "%7llu ", (unsigned long long)entries[i]->count);
    fwrite(entries[i]->text, 1, entries[i]->length, output);
    fputc('\n', output);
  }
  free(entries);
  return fflush(output) == 0 && !ferror(output) ? 0 : -1;
}

/* What one thread counts comes to the same? It must be the only one that still runs. */
static int is_right(const struct job* job) {
  char** texts = or_exit(calloc(job->file_count, sizeof *texts));
  struct table table = {0};
  int right = 1;
  for (size_t i = 0; i < job->file_count; ++i) {
    size_t size_bytes = 0;
    texts[i] = read_file(job->names[i], &size_bytes);
    if (texts[i] == NULL) right = 0;
    else count_text(&table, texts[i], size_bytes);
  }
  for (size_t i = 0; i < table.used; ++i) {
    const struct word* word = &table.words[i];
    const struct entry* entry = find(job->stripes[word->hash % STRIPES], word);
    if (entry == NULL || entry->count != word->count) right = 0;
  }
  size_t count = 0;
  free(all_entries(job, &count));
  if (count != table.used) right = 0;
  for (size_t i = 0; i < job->file_count; ++i) free(texts[i]);
  free(texts);
  free(table.words);
  free(table.slots);
  return right;
}

static int usage(void) {
  fprintf(stderr, "usage: wordcount [-t THREADS_PER_NODE] [-o FILE | --output FILE] FILE...\n");
  return 64;
}

int main(int argc, char** argv) {
  check(gallocy_init());
  unsigned threads_per_node = 2;
  const char* output_name = NULL;
  int at = 1;
  for (; at < argc && argv[at][0] == '-'; at += 2) {
    if (strcmp(argv[at], "--") == 0) {
      ++at;
      break;
    }
    if (at + 1 >= argc) return usage();
    if (strcmp(argv[at], "-t") == 0) threads_per_node = (unsigned)atoi(argv[at + 1]);
    else if (strcmp(argv[at], "-o") == 0 || strcmp(argv[at], "--output") == 0)
      output_name = argv[at + 1];
    else return usage();
  }
  if (at >= argc || threads_per_node < 1 || threads_per_node > 64) return usage();
  struct job* job = make_job(argv + at, (size_t)(argc - at));
  run_threads(job, threads_per_node);
  if (job->progress->failed) return 1;
  FILE* output = output_name == NULL ? stdout : fopen(output_name, "w");
  if (output == NULL || print_table(job, output) != 0) {
    fprintf(stderr, "wordcount: can't write the table: %s\n", strerror(errno));
    return 1;
  }
  if (!is_right(job)) {
    fprintf(stderr, "wordcount: one thread counts otherwise\n");
    return 1;
  }
  fprintf(output == stdout ? stderr : stdout, "OK\n");
  return 0;
}
