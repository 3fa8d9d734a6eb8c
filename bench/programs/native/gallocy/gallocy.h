/*
 * In place of gallocy.h: a gallocy program as the plain pthreads program that it could have been,
 * which is what bench-programs compares it with. Only what examples and bench/programs use.
 */
#ifndef GALLOCY_GALLOCY_H
#define GALLOCY_GALLOCY_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define GALLOCY_ANY_NODE (-1)

static inline int gallocy_init(void) { return 0; }
static inline int gallocy_node(void) { return 0; }
static inline int gallocy_node_count(void) { return 1; }
static inline const char* gallocy_last_error(void) { return strerror(errno); }

#define gallocy_malloc malloc
#define gallocy_calloc calloc
#define gallocy_free free
#define gallocy_memalign(alignment_bytes, size_bytes) aligned_alloc(alignment_bytes, size_bytes)
#define gallocy_aligned_alloc aligned_alloc
static inline int gallocy_prefetch(const void* pointer, size_t size_bytes) {
  return (void)pointer, (void)size_bytes, 0;
}

/* One job, one name at a time: enough for a program that makes one object. */
static inline void** gallocy_published(void) {
  static void* pointer;
  return &pointer;
}
static inline int gallocy_publish(const char* name, void* pointer) {
  return (void)name, *gallocy_published() = pointer, 0;
}
static inline void* gallocy_lookup(const char* name) {
  (void)name;
  if (*gallocy_published() == NULL) errno = ENOENT;
  return *gallocy_published();
}

static inline int gallocy_pthread_create_on(pthread_t* thread, const pthread_attr_t* attr,
                                            void* (*function)(void*), void* argument, int node) {
  return (void)node, pthread_create(thread, attr, function, argument);
}
#define gallocy_pthread_join pthread_join
#define gallocy_pthread_detach pthread_detach
#define gallocy_pthread_mutex_init pthread_mutex_init
#define gallocy_pthread_mutex_destroy pthread_mutex_destroy
#define gallocy_pthread_mutex_lock pthread_mutex_lock
#define gallocy_pthread_mutex_trylock pthread_mutex_trylock
#define gallocy_pthread_mutex_unlock pthread_mutex_unlock
#define gallocy_pthread_barrier_init pthread_barrier_init
#define gallocy_pthread_barrier_destroy pthread_barrier_destroy
#define gallocy_pthread_barrier_wait pthread_barrier_wait

#endif /* GALLOCY_GALLOCY_H */
