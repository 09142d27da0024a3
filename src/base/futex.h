/* Waiting on a word of memory, and waking who waits. */
#ifndef NACRE_BASE_FUTEX_H
#define NACRE_BASE_FUTEX_H
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleeps while *word == expected; may also return for no reason: callers look again. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, (void *)word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static inline void futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, (void *)word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}
/* The same on a word that processes share. timeout: NULL for none. */
static inline void futex_wait_shared(_Atomic uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    syscall(SYS_futex, (void *)word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

static inline void futex_wake_shared(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, (void *)word, FUTEX_WAKE, count, NULL, NULL, 0);
}
#endif
