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
 *  - A rank in which main() does not go on ends with _exit(): flush what its threads print
 *    (fflush(stdout)).
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
 * A process whose pager daemon dies writes one sentence to standard error and exits with 70. A
 * process that a signal kills ends the job: gallocy-run ends the others, says which it was, and
 * exits with 128 + the signal; with 70 if a rank other than 0 exits by itself, whatever main() does
 * at that time. Until the job has ended nobody inherits from it, robust mutexes neither: its
 * threads count as running and its locks as had. (With --spmd they are as after an exit.)
 *
 * Unless said otherwise a call is thread-safe, may block for as long as a message to another
 * node takes, is no cancellation point, and may not be used in a signal handler. After
 * gallocy_init() no call allocates from the C library in the thread that makes it. Threads are the
 * C library's own, though: one that begins in this process gets its stack and its thread-local
 * storage from it, on a thread of gallocy's, whoever asked for it.
 */
#ifndef GALLOCY_GALLOCY_H
#define GALLOCY_GALLOCY_H

#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <time.h>

#if !defined PTHREAD_BARRIER_SERIAL_THREAD || !defined CLOCK_MONOTONIC
#error "gallocy.h needs POSIX: use -std=gnu11 and not c11, or -D_POSIX_C_SOURCE=200809L"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GALLOCY_API __attribute__((visibility("default")))

/* A node number for gallocy_pthread_create_on: gallocy chooses. */
#define GALLOCY_ANY_NODE (-1)

/*
 * Joins the job that gallocy-run started this process for. A process that was not started by it
 * gets a job of its own with one node: gallocy-run, found by $GALLOCY_RUN, beside the library or
 * in PATH, is started in the background, is no child of the process and ends with it. Blocks
 * until every rank has called it, at most 30 seconds. Returns 0 in rank 0, or, under
 * `gallocy-run --spmd`, in every rank; does not return in other ranks. The calling thread
 * becomes a thread of the job. Makes one thread for its own use, with all signals blocked.
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
 * runs on, and how many nodes the job has. Never block. -1 before gallocy_init(), after
 * gallocy_finalize() and in a child made by fork().
 */
GALLOCY_API int gallocy_rank(void);
GALLOCY_API int gallocy_size(void);
GALLOCY_API int gallocy_node(void);
GALLOCY_API int gallocy_node_count(void);

/*
 * As malloc: size_bytes of shared memory, uninitialised, aligned to 16 bytes; 0 bytes are a block
 * of their own. The memory's home is the node of the calling thread: cheapest to use there. When
 * that node could not hold all that it has handed out, it is another that could. When none could,
 * there is more only for a sparse program: one that has got three quarters of what all nodes could
 * hold, and has touched a sixteenth of that at most. If it touches more of it later than the home
 * of a page has room for, it gets SIGBUS and a sentence: --memory of gallocy-run is to be as large
 * as what a program fills. Blocks of two ranks never share a page.
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
 * Errors: NULL with errno ENOMEM; the block is as it was. Not for fewer bytes than it has.
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
 * allocates or frees next, or some 10 ms later. What a rank does not use any more goes back to the
 * job, to be had by all ranks. It keeps a part for its next blocks: up to 34 MiB near each node
 * where it allocates, and all ranks together of a node's memory a quarter and 2 MiB each at most,
 * and as much of what was allocated by gallocy_malloc_on(). Before an allocation fails, all ranks
 * are asked for what was freed and for what they keep, which takes a few round trips, and 0.2 s
 * each time if a process stands still; eight times at most, while something comes back.
 */
GALLOCY_API void gallocy_free(void* block);

/*
 * A hint that this node will soon read the size_bytes from pointer on: gallocy asks for read copies
 * of the pages that are not here, of at most the first 64 MiB. Takes no page from who is writing to
 * it and no memory that is in use; what cannot be had at once, and memory that nobody has written
 * to, is left to the first access. Never waits for another node, and has no effect but on speed. 0
 * bytes: nothing to do. So it does not ask whether memory was ever handed out.
 * Errors: EINVAL part of the range is outside of the region from which gallocy hands out memory.
 */
GALLOCY_API int gallocy_prefetch(const void* pointer, size_t size_bytes);

/*
 * As pthread_create, except: the thread may run in any rank, as `gallocy-run --placement` says;
 * *thread is a number that is unique in the job and valid on every node, not the C library's
 * pthread_t (use it only with gallocy calls).
 * `function` must be in the executable or a library that every rank has loaded at the same
 * address. *thread may be anywhere. The thread's stack has the default size of its rank.
 * attr: NULL, or one that asks for a joinable or detached thread on a stack of at most the default
 * size and for nothing else; it is read here and may be anywhere.
 * Errors: EAGAIN   no more threads there
 *         ENOTSUP  a larger or own stack, another guard size, explicit scheduling, CPUs to run on,
 *                  a signal mask
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
 * run), with `result` for who joins it. In main() the process goes on until the job's last thread
 * has ended, and then exits with 0. Does not return.
 */
GALLOCY_API void gallocy_pthread_exit(void* result) __attribute__((noreturn));

/*
 * As pthread_cancel: the thread ends at its next cancellation point. Those are the C library's and
 * the gallocy calls that say so; pthread_setcancelstate and pthread_setcanceltype apply to both.
 * Returns when the thread's rank has been told and what the thread waits for can't come to it any
 * more, before it has ended. 0 also if it has ended already and was not joined. Errors: ESRCH no
 * such thread.
 */
GALLOCY_API int gallocy_pthread_cancel(pthread_t thread);

/*
 * Thread-specific data: keys are the same in every rank, values are each thread's own. Values of
 * the C library's keys and thread_local variables work in gallocy threads as well; what is
 * particular here is that a key made anywhere is valid everywhere. At most GALLOCY_KEYS_MAX keys
 * at a time in a job.
 */
#define GALLOCY_KEYS_MAX 1024

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

/*
 * As pthread_getspecific: NULL if no value was set, or where others say EPERM. Of a key that was
 * deleted, the value that the thread had, until somebody makes a key in its place. Never blocks.
 */
GALLOCY_API void* gallocy_pthread_getspecific(pthread_key_t key);

/*
 * Synchronisation objects: as POSIX, between all threads of the job. They lie in gallocy memory;
 * what is filled with PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
 * PTHREAD_RWLOCK_INITIALIZER or PTHREAD_ONCE_INIT is initialised. The address names the object and
 * its bytes say only of which kind it is: never use the C library's calls on it, and never copy it.
 *
 *  - init makes a new object whatever was there; a thread that still waits for what was there gets
 *    EINVAL. attr may be NULL and anywhere. Free an object's memory only after destroy, or when
 *    nobody has it or waits at it.
 *  - Waits are first come, first served. They last as long as it takes, or, with `until`, to that
 *    time of the clock: CLOCK_REALTIME unless the call or the condition names another, which is
 *    CLOCK_REALTIME or CLOCK_MONOTONIC of the caller's machine. What can be had at once is had,
 *    also if the time is over. Should somebody set the clock during a wait, the wait keeps its
 *    length.
 *  - When a process exits and the job goes on (gallocy-run --spmd), its waits end and what its
 *    threads had locked goes to the next, with a sentence in the log of the daemon; for robust
 *    mutexes the next gets EOWNERDEAD. One that is killed ends the job instead.
 *
 * Errors of all: EINVAL   the object is not in gallocy memory, not aligned, or was not initialised;
 *                         until is NULL or its tv_nsec no nanoseconds; no such clock
 *                ENOTSUP  of init: process-shared (every object is shared by all ranks already, and
 *                         by nobody else)
 * ETIMEDOUT, and EBUSY of the calls with `try`, are no errors for gallocy_last_error().
 */

/*
 * Mutexes. Kinds: normal, default and adaptive (deadlock on relock), recursive, errorcheck; each of
 * them also robust.
 * As pthread_mutex_init, except: ENOTSUP also for priority inheritance and protection.
 */
GALLOCY_API int gallocy_pthread_mutex_init(pthread_mutex_t* mutex,
                                           const pthread_mutexattr_t* attr);

/*
 * As pthread_mutex_lock, _timedlock and _clocklock. Errors: EDEADLK (errorcheck), EAGAIN
 * (recursive, locked 4294967295 times), ETIMEDOUT, and of robust mutexes:
 *   EOWNERDEAD      the caller has it; who had it before has ended, the thread or its process. Mend
 *                   what it protects, and call gallocy_pthread_mutex_consistent()
 *   ENOTRECOVERABLE such an owner has unlocked it without that call: it can only be destroyed
 */
GALLOCY_API int gallocy_pthread_mutex_lock(pthread_mutex_t* mutex);
GALLOCY_API int gallocy_pthread_mutex_timedlock(pthread_mutex_t* mutex,
                                                const struct timespec* until);
GALLOCY_API int gallocy_pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                                const struct timespec* until);

/* As pthread_mutex_trylock. EBUSY: somebody has it. Also EOWNERDEAD and ENOTRECOVERABLE. */
GALLOCY_API int gallocy_pthread_mutex_trylock(pthread_mutex_t* mutex);

/* As pthread_mutex_unlock, except that it is checked for every kind. EPERM: not the owner. */
GALLOCY_API int gallocy_pthread_mutex_unlock(pthread_mutex_t* mutex);

/* As pthread_mutex_consistent. EINVAL: the caller did not get it with EOWNERDEAD. */
GALLOCY_API int gallocy_pthread_mutex_consistent(pthread_mutex_t* mutex);

/* As pthread_mutex_destroy. EBUSY: somebody has it. */
GALLOCY_API int gallocy_pthread_mutex_destroy(pthread_mutex_t* mutex);

/*
 * Conditions. As pthread_cond_init; the attribute's clock is the one by which
 * gallocy_pthread_cond_timedwait ends.
 */
GALLOCY_API int gallocy_pthread_cond_init(pthread_cond_t* condition,
                                          const pthread_condattr_t* attr);

/* As pthread_cond_destroy. EBUSY: somebody waits. */
GALLOCY_API int gallocy_pthread_cond_destroy(pthread_cond_t* condition);

/*
 * As pthread_cond_wait, _timedwait and _clockwait: the caller is sure to be seen by every signal
 * that is sent after somebody else has got the mutex, and has the mutex again when the call is
 * over, with ETIMEDOUT too. There are no wake-ups for nothing. A cancellation point: a cancelled
 * thread gets the mutex and then unwinds; a signal that was sent to it before it was cancelled ends
 * the call as usual.
 * Errors: EPERM the caller does not have the mutex; nothing was waited for, as with EINVAL
 *         EOWNERDEAD, ENOTRECOVERABLE as gallocy_pthread_mutex_lock, when getting it again
 */
GALLOCY_API int gallocy_pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex);
GALLOCY_API int gallocy_pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                               const struct timespec* until);
GALLOCY_API int gallocy_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                               clockid_t clock, const struct timespec* until);

/* As pthread_cond_signal and pthread_cond_broadcast; the mutex need not be locked. */
GALLOCY_API int gallocy_pthread_cond_signal(pthread_cond_t* condition);
GALLOCY_API int gallocy_pthread_cond_broadcast(pthread_cond_t* condition);

/* Barriers. As pthread_barrier_init. EINVAL also: count is 0. */
GALLOCY_API int gallocy_pthread_barrier_init(pthread_barrier_t* barrier,
                                             const pthread_barrierattr_t* attr, unsigned count);

/* As pthread_barrier_destroy. EBUSY: somebody waits. */
GALLOCY_API int gallocy_pthread_barrier_destroy(pthread_barrier_t* barrier);

/*
 * As pthread_barrier_wait: PTHREAD_BARRIER_SERIAL_THREAD in one of the threads and 0 in the others.
 * The barrier can be used again at once, and destroyed by the one.
 */
GALLOCY_API int gallocy_pthread_barrier_wait(pthread_barrier_t* barrier);

/*
 * Read-write locks. As pthread_rwlock_init; a preference of readers or writers in attr is ignored.
 * A reader comes in if no writer has the lock or waits longer than it, or if the thread reads
 * already.
 */
GALLOCY_API int gallocy_pthread_rwlock_init(pthread_rwlock_t* lock,
                                            const pthread_rwlockattr_t* attr);

/* As pthread_rwlock_destroy. EBUSY: somebody has it. */
GALLOCY_API int gallocy_pthread_rwlock_destroy(pthread_rwlock_t* lock);

/*
 * As their namesakes. No cancellation points.
 * Errors: EBUSY (try), ETIMEDOUT (timed, clock)
 *         EDEADLK the caller has it for writing, or has it for reading and wants to write
 *         EAGAIN  the caller has it for reading 4294967295 times
 */
GALLOCY_API int gallocy_pthread_rwlock_rdlock(pthread_rwlock_t* lock);
GALLOCY_API int gallocy_pthread_rwlock_tryrdlock(pthread_rwlock_t* lock);
GALLOCY_API int gallocy_pthread_rwlock_timedrdlock(pthread_rwlock_t* lock,
                                                   const struct timespec* until);
GALLOCY_API int gallocy_pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock,
                                                   const struct timespec* until);
GALLOCY_API int gallocy_pthread_rwlock_wrlock(pthread_rwlock_t* lock);
GALLOCY_API int gallocy_pthread_rwlock_trywrlock(pthread_rwlock_t* lock);
GALLOCY_API int gallocy_pthread_rwlock_timedwrlock(pthread_rwlock_t* lock,
                                                   const struct timespec* until);
GALLOCY_API int gallocy_pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock,
                                                   const struct timespec* until);

/* As pthread_rwlock_unlock. EPERM: the caller does not have it. */
GALLOCY_API int gallocy_pthread_rwlock_unlock(pthread_rwlock_t* lock);

/*
 * As pthread_once: the function is called once in the job, by one of the callers, in its rank; the
 * others wait, as long as it takes, until it has returned. If it ends by an exception, a
 * cancellation or pthread_exit, or its process ends, the next caller calls it.
 * Errors: EDEADLK called from that function; EINVAL also: function is NULL.
 */
GALLOCY_API int gallocy_pthread_once(pthread_once_t* control, void (*function)(void));

/*
 * Semaphores: as sem_init and so on, for unnamed semaphores. These return 0, or -1 with errno.
 * Errors of init: EINVAL the value is above SEM_VALUE_MAX; ENOTSUP shared is not 0.
 */
GALLOCY_API int gallocy_sem_init(sem_t* semaphore, int shared, unsigned value);

/* As sem_destroy. EBUSY: somebody waits. */
GALLOCY_API int gallocy_sem_destroy(sem_t* semaphore);

/*
 * As sem_wait, _timedwait and _clockwait; ETIMEDOUT. Cancellation points; a cancelled waiter takes
 * nothing from the semaphore. Signal handlers do not end them (no EINTR).
 */
GALLOCY_API int gallocy_sem_wait(sem_t* semaphore);
GALLOCY_API int gallocy_sem_timedwait(sem_t* semaphore, const struct timespec* until);
GALLOCY_API int gallocy_sem_clockwait(sem_t* semaphore, clockid_t clock,
                                      const struct timespec* until);

/* As sem_trywait. EAGAIN: the value is 0. */
GALLOCY_API int gallocy_sem_trywait(sem_t* semaphore);

/* As sem_post, except that it may not be used in a signal handler. EOVERFLOW. */
GALLOCY_API int gallocy_sem_post(sem_t* semaphore);

/* As sem_getvalue; 0 while threads wait. EINVAL also: value is NULL. */
GALLOCY_API int gallocy_sem_getvalue(sem_t* semaphore, int* value);

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
