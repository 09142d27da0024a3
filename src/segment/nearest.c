/* The k best rows that a search has found so far (see nearest.h): a binary heap, the farthest on top.

   Invariants:
   1. found[0, found_count) is a heap by (distance, key): no child is farther than its parent. found_count <= k.
   2. every row in it was current when it was offered, and each key is in it once: of all its versions one is current.
   3. a key's memory belongs to its place, and goes from the row that is pushed out to the one that comes in: once there are k rows and
      their keys' memory is long enough, an offer allocates nothing.
   One thread at a time. */
#include "segment/nearest.h"
#include "base/memory.h"
#include <math.h>

#define PLACES_LEAST 16u /* made at once, or k */

static bool farther(const struct neighbor *a, const struct neighbor *b)
{
    return a->distance != b->distance ? a->distance > b->distance
                                      : slice_compare(buffer_slice(&a->key), buffer_slice(&b->key)) > 0;
}

/* Puts `neighbor` in at the place `at` or below it, in a heap of `count`. */
static void sift_down(struct neighbor *heap, size_t count, size_t at, const struct neighbor *neighbor)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        child += child + 1 < count && farther(&heap[child + 1], &heap[child]);
        if (!farther(&heap[child], neighbor)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = *neighbor;
}

/* Puts `neighbor` in at the place `at` or above it. */
static void sift_up(struct neighbor *heap, size_t at, const struct neighbor *neighbor)
{
    while (at > 0 && farther(neighbor, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = *neighbor;
}

float nearest_bound(const struct nearest *n)
{
    return n->found_count < n->k ? INFINITY : n->found[0].distance;
}

bool nearest_fits(const struct nearest *n, float distance, nacre_slice key)
{
    if (n->found_count < n->k) {
        return true;
    }
    const struct neighbor *farthest = &n->found[0];
    return distance != farthest->distance ? distance < farthest->distance
                                          : slice_compare(key, buffer_slice(&farthest->key)) < 0;
}

/* The key's bytes into memory that may hold another key. On failure that one is still whole. */
static int replace_key(struct buffer *key, nacre_slice bytes)
{
    int status = buffer_reserve(key, bytes.size > key->size ? bytes.size - key->size : 0);
    if (status == NACRE_OK) {
        buffer_clear(key);
        status = buffer_append(key, bytes.data, bytes.size); /* there is room: cannot fail */
    }
    return status;
}

static int take_in(struct nearest *n, struct neighbor *neighbor, nacre_slice key)
{
    bool full = n->found_count == n->k;
    int status = NACRE_OK;
    if (full) {
        neighbor->key = n->found[0].key;
    } else {
        size_t least = n->k < PLACES_LEAST ? n->k : PLACES_LEAST;
        status = memory_grow((void **)&n->found, &n->found_capacity,
                             n->found_count < least ? least : n->found_count + 1, sizeof *n->found);
    }
    if (status == NACRE_OK) {
        status = replace_key(&neighbor->key, key);
    }
    if (status != NACRE_OK) {
        return status;
    }
    if (full) {
        sift_down(n->found, n->found_count, 0, neighbor);
    } else {
        sift_up(n->found, n->found_count, neighbor);
        n->found_count++;
    }
    return NACRE_OK;
}

int nearest_offer(struct nearest *n, float distance, const struct entry *entry, uint32_t row, bool *current)
{
    bool is_current = true;
    int status = NACRE_OK;
    if (nearest_fits(n, distance, entry->key)) {
        is_current = !n->is_current || n->is_current(n->current_context, entry->key, entry->sequence);
        if (is_current) {
            struct neighbor neighbor = { .distance = distance, .source = n->source, .row = row, .entry = *entry };
            status = take_in(n, &neighbor, entry->key);
        }
    }
    if (current) {
        *current = is_current;
    }
    return status;
}

void nearest_sort(struct nearest *n)
{
    for (size_t left = n->found_count; left > 1; left--) {
        struct neighbor farthest = n->found[0], last = n->found[left - 1];
        sift_down(n->found, left - 1, 0, &last);
        n->found[left - 1] = farthest;
    }
}

void nearest_free(struct nearest *n)
{
    for (size_t i = 0; i < n->found_count; i++) {
        buffer_free(&n->found[i].key);
    }
    memory_free(n->found);
    n->found = NULL;
    n->found_count = n->found_capacity = 0;
}
