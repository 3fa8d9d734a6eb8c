// What its constructor has done outside the process and with the C library.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

extern pthread_key_t constructed_key;
extern char constructed_value[];
extern volatile sig_atomic_t constructed_signals;  // of SIGUSR1
extern char* constructed_pages;                    // two, mapped
extern atomic_int constructed_destroyed;           // values of the key

// As the constructor has left them.
extern pthread_t constructed_self;
extern pthread_mutex_t constructed_held, constructed_twice, constructed_robust, constructed_free;
extern pthread_rwlock_t constructed_read, constructed_written, constructed_used;
extern sem_t constructed_counted, constructed_posted;  // 3, 2
extern pthread_barrier_t constructed_barrier;          // of 5
extern pthread_cond_t constructed_condition;           // by CLOCK_MONOTONIC
extern pthread_cond_t constructed_waited;              // somebody's time has run out at it
extern pthread_once_t constructed_once;
void constructed_call(void);
