// Waits at semaphores as the C library has them: signal handlers end them with EINTR.
#pragma once

#include <semaphore.h>
#include <time.h>

namespace gallocy::client {

// As gallocy_sem_wait and gallocy_sem_clockwait otherwise.
int sem_wait_interruptibly(sem_t* semaphore);
int sem_clockwait_interruptibly(sem_t* semaphore, clockid_t clock, const timespec* until);

}  // namespace gallocy::client
