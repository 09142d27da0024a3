/* See graph_lookup.h. The list ascends by hash, then row; in a damaged file it may not, and a search in it finds less.
   Threads: any. Locks: none. */
#include "vectors/graph_lookup.h"
#include "base/hash.h"
#include <stdlib.h>

static uint32_t hash_of(const void *vector, uint32_t dimension)
{
    return (uint32_t)hash_bytes(vector, dimension * sizeof(float));
}

struct graph_lookup graph_lookup_of(const struct vector_rows *rows, uint32_t row)
{
    return (struct graph_lookup){ .hash = hash_of(vector_row(rows, row), rows->dimension), .row = row };
}

int graph_lookup_compare(const void *left, const void *right)
{
    const struct graph_lookup *a = left, *b = right;
    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

void graph_lookup_sort(struct graph_lookup *lookups, size_t count)
{
    if (count > 0) {
        qsort(lookups, count, sizeof *lookups, graph_lookup_compare);
    }
}

/* The first whose hash is not below; hashes are numbers of 32 bits, so that one above the greatest is one, too. */
static uint32_t first_from(const struct graph *graph, uint64_t hash)
{
    uint32_t begin = 0, end = graph->lookup_count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (graph->lookups[middle].hash < hash) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

void graph_lookup_find(const struct graph *graph, const void *vector, uint32_t *begin, uint32_t *end)
{
    *begin = *end = 0;
    if (graph->lookup_count > 0) {
        uint64_t hash = hash_of(vector, graph->book.dimension);
        *begin = first_from(graph, hash);
        *end = first_from(graph, hash + 1);
    }
}
