/*
 * gallocy: the memory of several Linux machines as one memory. The explicit C interface.
 *
 * A program is started with `gallocy-run -n 4 ./program`: the launcher starts it once per rank,
 * and every rank runs main() up to gallocy_init(). There rank 0 goes on as the program; in every
 * other rank gallocy_init() never returns: the process serves threads that the program creates,
 * and exits with the job. With `gallocy-run --spmd` gallocy_init() returns in every rank, and the
 * job lasts until main() has ended in all of them.
 *
 *     int main(void) {
 *       if (gallocy_init() != 0) { fprintf(stderr, "%s\n", gallocy_last_error()); return 1; }
 *       long* sum = gallocy_calloc(1, sizeof *sum);
 *       pthread_t thread;
 *       gallocy_pthread_create(&thread, NULL, work, sum);
 *       gallocy_pthread_join(thread, NULL);
 *       ...
 *     }
 *
 * What is shared, and what is not:
 *  - Only memory from gallocy_malloc() and its relatives is shared. It has the same address in
 *    every rank, and ordinary loads, stores, atomics and system calls work on it.
 *  - Stacks, thread-local variables, globals, and memory from malloc() or mmap() are local to
 *    the rank they are in. A global set in rank 0 keeps its old value in the others.
 *  - A thread's argument and its result are gallocy pointers or integers, never the address of
 *    something local. The same goes for pointers stored in shared memory.
 *  - Code before gallocy_init() runs in every rank, constructors included; keep side effects
 *    (output, files) after it.
 *  - Descriptors, the working directory and signals are those of the rank a thread runs in.
 *  - A rank in which main() does not go on ends with _exit(): flush what its threads print (fflush(stdout)).
 *
 * Memory order: data written before an unlock, a thread's creation or its end is seen after the
 * lock, in the thread, and after the join, as POSIX has it; atomics are as strong as on x86-64.
 *
 * Errors: calls that are shaped like pthread calls return 0 or a positive errno; calls that return
 * a pointer return NULL and set errno. errno is otherwise left as it was. On any error
 * gallocy_last_error() has one sentence that says what was wrong and what to do. Besides those
 * named at each call there is always:
 *   EPERM   before gallocy_init() or after gallocy_finalize(); in a child made by fork(), which
 *           has no shared memory (exec or _exit there); from a thread that has no gallocy
 *           thread id where one is needed (locks, join)
 * A process whose pager daemon dies writes one sentence to standard error and exits with 70.
 *
 * Unless said otherwise a call is thread-safe, may block for as long as a message to another
 * node takes, is no cancellation point, and may not be used in a signal handler. After
 * gallocy_init() no call allocates from the C library.
 */
#ifndef GALLOCY_GALLOCY_H
#define GALLOCY_GALLOCY_H

#include <pthread.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GALLOCY_API __attribute__((visibility("default")))

/* A node number for gallocy_pthread_create_on: gallocy chooses. */
#define GALLOCY_ANY_NODE (-1)

/*
 * Joins the job that gallocy-run started this process for. A process that was not started by it
 * gets a job of its own with one node: gallocy-run, found by $GALLOCY_RUN, beside the library or in
 * PATH, is started in the background, is no child of the process and ends with it. Blocks until every rank has called it,
 * at most 30 seconds. Returns 0 in rank 0, or, under `gallocy-run --spmd`, in every rank; does not
 * return in other ranks. The calling thread becomes a thread of the job. Makes one thread for its own use, with all signals blocked.
 * Not thread-safe: call it from main(), once.
 * Errors: ENOTCONN  there is no gallocy-run, or it can't start a daemon
 *         EALREADY  called before, with success
 *         ETIMEDOUT another rank or the daemon did not answer
 *         others    as the daemon or the system said (see gallocy_last_error())
 */
GALLOCY_API int gallocy_init(void);

/*
 * Leaves the job: shared memory is unmapped, and touching it is a segmentation fault. Optional; a
 * process that exits leaves too. REQUIRES that no other thread of this process uses gallocy or
 * shared memory. gallocy_init() can't be called again (EALREADY).
 */
GALLOCY_API int gallocy_finalize(void);

/*
 * This process's rank, 0 .. gallocy_size() - 1; how many ranks the job has; the node this process
 * runs on, and how many nodes the job has. Never block. -1 before gallocy_init() and in a child
 * made by fork().
 */
GALLOCY_API int gallocy_rank(void);
GALLOCY_API int gallocy_size(void);
GALLOCY_API int gallocy_node(void);
GALLOCY_API int gallocy_node_count(void);

/*
 * As malloc: size_bytes of shared memory, uninitialised, aligned to 16 bytes; 0 bytes are a block
 * of their own. The memory's home is the node of the calling thread: cheapest to use there. When
 * that node has no room left, it is another. Blocks of two ranks never share a page.
 * Errors: NULL with errno ENOMEM.
 */
GALLOCY_API void* gallocy_malloc(size_t size_bytes);

/* As calloc: zero-filled. Memory that was never used is not touched. Also ENOMEM on overflow. */
GALLOCY_API void* gallocy_calloc(size_t count, size_t size_bytes);

/*
 * As gallocy_malloc, but the memory's home is that node: cheapest to use there.
 * Errors: NULL with errno ENOMEM that node has no room left; EINVAL no such node.
 */
GALLOCY_API void* gallocy_malloc_on(int node, size_t size_bytes);

/*
 * As realloc: the block, which may come from any rank, with as many bytes of its contents as both
 * sizes have; NULL is as gallocy_malloc. It stays where it is when it fits, and in the rank that
 * allocated it also when there is room behind it; a large block then copies nothing. A block that
 * moves is a new block of the calling rank. 0 bytes are a block of their own. Ends the process as
 * gallocy_free does.
 * Errors: NULL with errno ENOMEM; the block is as it was.
 */
GALLOCY_API void* gallocy_realloc(void* block, size_t size_bytes);

/* As reallocarray: gallocy_realloc to count * size_bytes. Also ENOMEM on overflow. */
GALLOCY_API void* gallocy_reallocarray(void* block, size_t count, size_t size_bytes);

/* The largest alignment there is, in bytes: 2 MiB. */
#define GALLOCY_ALIGNMENT_MAX ((size_t)2 << 20)

/*
 * As memalign, aligned_alloc and posix_memalign: gallocy_malloc at an address that is a multiple of
 * alignment_bytes, a power of two up to GALLOCY_ALIGNMENT_MAX. size_bytes may be any number. The
 * block is freed and resized as any other; gallocy_realloc keeps the alignment only if the block
 * stays where it is.
 * gallocy_posix_memalign returns 0 or the error, leaves errno as it was and *block as it was on
 * errors; *block may be anywhere.
 * Errors: ENOMEM; EINVAL the alignment (for posix_memalign also if it is not a multiple of
 * sizeof(void*)), or block is NULL.
 */
GALLOCY_API void* gallocy_memalign(size_t alignment_bytes, size_t size_bytes);
GALLOCY_API void* gallocy_aligned_alloc(size_t alignment_bytes, size_t size_bytes);
GALLOCY_API int gallocy_posix_memalign(void** block, size_t alignment_bytes, size_t size_bytes);

/*
 * As malloc_usable_size: how many bytes of the block may be used, at least those that were asked
 * for. 0 for NULL. Any rank may ask. Ends the process as gallocy_free does.
 */
GALLOCY_API size_t gallocy_malloc_usable_size(void* block);

/*
 * The node that is home of the gallocy memory at `pointer`, which need not begin a block.
 * Errors: -1 with errno EINVAL it is no gallocy memory, or was never handed out.
 */
GALLOCY_API int gallocy_home_of(const void* pointer);

/*
 * As free: the block may come from any rank. NULL is ignored. A pointer that no gallocy call
 * returned, or a block freed before, ends the process (abort) with a sentence that names it. That
 * a block of another rank was freed before is noticed by that rank, which ends so, later.
 * Blocks of other ranks go back to them in batches, without waiting: a rank takes them when it
 * allocates or frees next. Memory that a rank does not use any more goes back to the job, to be
 * had by all ranks; a rank keeps up to 34 MiB of it near each node where it allocates.
 */
GALLOCY_API void gallocy_free(void* block);

/*
 * As pthread_create, except: the thread may run in any rank, as `gallocy-run --placement` says; *thread is a number that is unique in
 * the job and valid on every node, not the C library's pthread_t (use it only with gallocy calls).
 * `function` must be in the executable or a library that every rank has loaded at the same
 * address. *thread may be anywhere. The thread's stack has the default size of its rank.
 * attr: NULL, or one that asks for a joinable or detached thread on a stack of at most the default
 * size and for nothing else; it is read here and may be anywhere.
 * Errors: EAGAIN   no more threads there
 *         ENOTSUP  a larger or own stack, explicit scheduling
 *         EINVAL   thread or function is NULL
 */
GALLOCY_API int gallocy_pthread_create(pthread_t* thread, const pthread_attr_t* attr,
                                       void* (*function)(void*), void* argument);

/* The same on a node of choice. EINVAL also: no such node. */
GALLOCY_API int gallocy_pthread_create_on(pthread_t* thread, const pthread_attr_t* attr,
                                          void* (*function)(void*), void* argument, int node);

/*
 * As pthread_join: waits, as long as it takes, until the thread has ended and its thread-local
 * destructors have run. *result (may be NULL, may be anywhere) gets what the thread returned or
 * gave to pthread_exit, or PTHREAD_CANCELED. Any thread of the job may join, one only. A
 * cancellation point: a joiner that is cancelled leaves the thread joinable.
 * Errors: ESRCH no such thread; EINVAL it is detached, or another thread joins it; EDEADLK it is
 * the caller.
 */
GALLOCY_API int gallocy_pthread_join(pthread_t thread, void** result);

/*
 * The calling thread's number in the job; 0 for a thread that gallocy did not make (gallocy_init
 * makes its caller one of its own). Never fails.
 */
GALLOCY_API pthread_t gallocy_pthread_self(void);

/* As pthread_equal: not 0 if both are the same thread. Never blocks, never fails. */
GALLOCY_API int gallocy_pthread_equal(pthread_t first, pthread_t second);

/*
 * As pthread_detach: nobody will join the thread; what is known of it is forgotten when it ends.
 * Errors: ESRCH no such thread; EINVAL it is detached already, or somebody joins it.
 */
GALLOCY_API int gallocy_pthread_detach(pthread_t thread);

/*
 * As pthread_exit: ends the calling thread, which unwinds (C++ destructors and pthread_cleanup_push
 * run), with `result` for who joins it. In main() the process goes on until the job's last thread has
 * ended, and then exits with 0. Does not return.
 */
GALLOCY_API void gallocy_pthread_exit(void* result) __attribute__((noreturn));

/*
 * As pthread_cancel: the thread ends at its next cancellation point. Those are the C library's and
 * the gallocy calls that say so; pthread_setcancelstate and pthread_setcanceltype apply to both.
 * Returns when the thread's rank has been told, before the thread has ended. 0 also if it has
 * ended already and was not joined. Errors: ESRCH no such thread.
 */
GALLOCY_API int gallocy_pthread_cancel(pthread_t thread);

/*
 * Thread-specific data: keys are the same in every rank, values are each thread's own. Values of
 * the C library's keys and thread_local variables work in gallocy threads as well; what is
 * particular here is that a key made anywhere is valid everywhere. At most GALLOCY_KEYS_MAX keys
 * at a time in a job.
 */
#define GALLOCY_KEYS_MAX 128

/*
 * As pthread_key_create. *key may be anywhere. The destructor (may be NULL) is called, on whatever
 * node the thread runs, by each gallocy thread that ends with a value that is not NULL; not when
 * the process exits. It may call gallocy. Errors: EAGAIN too many keys; ENOMEM; EINVAL key is NULL.
 */
GALLOCY_API int gallocy_pthread_key_create(pthread_key_t* key, void (*destructor)(void*));

/* As pthread_key_delete: no destructor is called for values that are there. EINVAL no such key. */
GALLOCY_API int gallocy_pthread_key_delete(pthread_key_t key);

/* As pthread_setspecific. Errors: EINVAL no such key; ENOMEM. */
GALLOCY_API int gallocy_pthread_setspecific(pthread_key_t key, const void* value);

/* As pthread_getspecific: NULL if no value was set, or of a deleted key. Never blocks. */
GALLOCY_API void* gallocy_pthread_getspecific(pthread_key_t key);

/*
 * Mutexes: as POSIX, between all threads of the job. The pthread_mutex_t must lie in gallocy
 * memory; one filled with PTHREAD_MUTEX_INITIALIZER is initialised. Its address names the mutex
 * and its bytes say only of which kind it is: never use the C library's pthread_mutex_* on it.
 * Kinds: normal, default and adaptive (deadlock on relock), recursive, errorcheck.
 * Errors of all: EINVAL the object is not in gallocy memory, or not an initialised mutex.
 */

/*
 * As pthread_mutex_init, except for where the object lies and:
 * Errors: ENOTSUP robust, priority-inheriting, priority-protected or process-shared (every gallocy
 *         mutex is shared by all ranks already)
 */
GALLOCY_API int gallocy_pthread_mutex_init(pthread_mutex_t* mutex,
                                           const pthread_mutexattr_t* attr);

/* As pthread_mutex_lock. Blocks as long as it takes. EDEADLK (errorcheck), EAGAIN (recursive). */
GALLOCY_API int gallocy_pthread_mutex_lock(pthread_mutex_t* mutex);

/* As pthread_mutex_trylock. EBUSY: somebody has it. That is no error for gallocy_last_error(). */
GALLOCY_API int gallocy_pthread_mutex_trylock(pthread_mutex_t* mutex);

/* As pthread_mutex_unlock, except that it is checked for every kind. EPERM: not the owner. */
GALLOCY_API int gallocy_pthread_mutex_unlock(pthread_mutex_t* mutex);

/* As pthread_mutex_destroy. EBUSY: somebody has it. */
GALLOCY_API int gallocy_pthread_mutex_destroy(pthread_mutex_t* mutex);

/*
 * Names: how threads find each other's data without having been told where it is.
 *
 * gallocy_publish gives gallocy memory a name in this job. The name (1 to 255 bytes) is copied. It
 * stays until gallocy_publish(name, NULL) takes it away, which leaves the memory alone; freeing the
 * memory does not take the name away. Data written before gallocy_publish is seen by who looks it
 * up.
 * Errors: EEXIST the name is in use; ENOENT nothing to take away; EINVAL no name, too long, or the
 *         pointer is not to gallocy memory; ENOMEM.
 */
GALLOCY_API int gallocy_publish(const char* name, void* pointer);

/*
 * What was published under the name; does not wait for it to be.
 * Errors: NULL with errno ENOENT nothing is published so; EINVAL no name, or too long.
 */
GALLOCY_API void* gallocy_lookup(const char* name);

/*
 * One sentence about the calling thread's last error in a gallocy call. Never NULL; valid until
 * the thread's next gallocy call. Never blocks; usable in a signal handler.
 */
GALLOCY_API const char* gallocy_last_error(void);

#ifdef __cplusplus
}
#endif

#endif /* GALLOCY_GALLOCY_H */
