/* Time (see clock.h). */
#include "base/clock.h"
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

typedef uint64_t wall_clock(void);
static _Atomic(wall_clock *) replaced;

void clock_set_wall_ms(uint64_t (*now)(void))
{
    atomic_store_explicit(&replaced, now, memory_order_release); /* pairs with clock_wall_ms */
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_coarse_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t clock_wall_ms(void)
{
    wall_clock *other = atomic_load_explicit(&replaced, memory_order_acquire);
    if (other) {
        return other();
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void clock_sleep_ns(uint64_t ns)
{
    struct timespec left = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}
