/* Points that transactions read at (see read_points.h). */
#include "store/read_points.h"
#include "base/clock.h"

struct read_point *read_points_take(struct read_points *points, const struct publisher *publisher, unsigned hint,
                                    uint64_t *sequence)
{
    uint64_t seen = atomic_load_explicit(&publisher->visible, memory_order_seq_cst);
    struct read_point *point = NULL;
    for (unsigned i = 0; i < READ_POINTS && !point; i++) {
        struct read_point *candidate = &points->points[(hint + i) % READ_POINTS];
        uint64_t is_free = 0;
        if (atomic_load_explicit(&candidate->taken, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong_explicit(&candidate->taken, &is_free, seen + 1, memory_order_seq_cst,
                                                    memory_order_relaxed)) {
            point = candidate;
        }
    }
    if (!point) {
        return NULL;
    }
    uint64_t now;
    while ((now = atomic_load_explicit(&publisher->visible, memory_order_seq_cst)) != seen) {
        seen = now;
        atomic_store_explicit(&point->taken, seen + 1, memory_order_seq_cst);
    }
    atomic_store_explicit(&point->since_ms, clock_coarse_ms(), memory_order_relaxed);
    *sequence = seen;
    return point;
}

uint64_t read_point_age_ms(const struct read_point *point)
{
    return clock_coarse_ms() - atomic_load_explicit(&point->since_ms, memory_order_relaxed);
}

void read_point_release(struct read_point *point)
{
    /* Release: what was read at the point is read. Pairs with the seq_cst load in read_points_list. */
    atomic_store_explicit(&point->taken, 0, memory_order_release);
}

size_t read_points_list(struct read_points *points, uint64_t sequences[READ_POINTS])
{
    size_t count = 0;
    for (unsigned i = 0; i < READ_POINTS; i++) {
        uint64_t taken = atomic_load_explicit(&points->points[i].taken, memory_order_seq_cst);
        if (taken != 0) {
            sequences[count++] = taken - 1;
        }
    }
    return count;
}

size_t read_points_count(struct read_points *points, uint64_t *oldest_age_ms)
{
    const uint64_t now = clock_coarse_ms();
    size_t count = 0;
    *oldest_age_ms = 0;
    for (unsigned i = 0; i < READ_POINTS; i++) {
        const struct read_point *point = &points->points[i];
        uint64_t since = atomic_load_explicit(&point->since_ms, memory_order_relaxed);
        if (atomic_load_explicit(&point->taken, memory_order_relaxed) != 0) {
            uint64_t age = now > since ? now - since : 0;
            *oldest_age_ms = age > *oldest_age_ms ? age : *oldest_age_ms;
            count++;
        }
    }
    return count;
}
