/* See graph_lookup.h. The list ascends by hash, then row; in a damaged file it may not, and a search in it finds less.
   Hashes are spread evenly, so that a search begins where the hash should be, and mostly reads one page of the file.
   Threads: any. Locks: none. */
#include "vectors/graph_lookup.h"
#include "base/hash.h"
#include "base/status.h"
#include "vectors/graph_build.h"

#define DIGIT_BITS     11u
#define DIGITS         (1u << DIGIT_BITS)
#define DIGITS_OF_HASH 3u /* odd: sorted ends where it should */
#define HASH_BITS      32u
#define FIRST_REACH    16u

static uint32_t hash_of(const void *vector, uint32_t dimension)
{
    return (uint32_t)hash_bytes(vector, dimension * sizeof(float));
}

struct graph_lookup graph_lookup_of(const struct vector_rows *rows, uint32_t row)
{
    return (struct graph_lookup){ .hash = hash_of(vector_row(rows, row), rows->dimension), .row = row };
}

/* ---- sorting ---- */

/* By one digit of the hash; what has the same stays in order. */
static void sort_digit(const struct graph_lookup *from, struct graph_lookup *to, size_t count, unsigned shift)
{
    uint32_t places[DIGITS] = { 0 }, before = 0;
    for (size_t i = 0; i < count; i++) {
        places[from[i].hash >> shift & (DIGITS - 1)]++;
    }
    for (uint32_t digit = 0; digit < DIGITS; digit++) {
        uint32_t here = places[digit];
        places[digit] = before;
        before += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[places[from[i].hash >> shift & (DIGITS - 1)]++] = from[i];
    }
}

int graph_lookup_sort(struct graph_lookup *unsorted, struct graph_lookup *sorted, size_t count,
                      const struct build_threads *threads)
{
    struct graph_lookup *from = unsorted, *to = sorted;
    int status = NACRE_OK;
    for (unsigned digit = 0; digit < DIGITS_OF_HASH && status == NACRE_OK; digit++) {
        sort_digit(from, to, count, digit * DIGIT_BITS);
        struct graph_lookup *swapped = from;
        from = to;
        to = swapped;
        status = build_threads_stop(threads);
    }
    return status;
}

/* ---- searching ---- */

/* The first in [begin, end) whose hash is not below; hashes are numbers of 32 bits, so that one above the greatest is one, too. */
static uint32_t first_from(const struct graph_lookup *lookups, uint32_t begin, uint32_t end, uint64_t hash)
{
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (lookups[middle].hash < hash) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

void graph_lookup_find(const struct graph *graph, const void *vector, uint32_t *begin, uint32_t *end)
{
    const struct graph_lookup *lookups = graph->lookups;
    uint32_t count = graph->lookup_count;
    *begin = *end = 0;
    if (count == 0) {
        return;
    }
    uint64_t hash = hash_of(vector, graph->book.dimension);
    uint32_t low = (uint32_t)((hash * count) >> HASH_BITS), high = low;
    for (uint64_t reach = FIRST_REACH; low > 0 && lookups[low].hash >= hash; reach *= 2) {
        low = reach < low ? low - (uint32_t)reach : 0;
    }
    for (uint64_t reach = FIRST_REACH; high < count && lookups[high].hash <= hash; reach *= 2) {
        high = reach < count - high ? high + (uint32_t)reach : count;
    }
    *begin = first_from(lookups, low, high, hash);
    *end = first_from(lookups, *begin, high, hash + 1);
}
