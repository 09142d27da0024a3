/* Fragmented range deletes. The distinct bounds of all ranges, sorted, cut the keys into fragments: fragment 0 lies
   before bounds[0], fragment i from bounds[i-1] up to bounds[i], the last one reaches to the end of all keys. A list of
   sequences per fragment would be quadratic for ranges that overlap (a queue trimmed again and again from its begin),
   so the lists hang in a segment tree over the fragments: a range puts its sequence into at most 2 log n nodes, and a
   fragment's sequences are those of the nodes from its leaf to the root.
   Invariants:
   1. bounds are strictly ascending, heads[i] = slice_head(bounds[i]).
   2. The sequences of each node fall: sequences[starts[n]] .. sequences[starts[n + 1] - 1].
   3. Nothing changes after range_set_create. Any number of threads read. */
#include "base/range_set.h"
#include "base/memory.h"
#include "base/status.h"
#include <stdlib.h>

struct range_set {
    struct range_delete *ranges; /* by begin, then newest first */
    nacre_slice *bounds;
    uint64_t *heads;
    size_t *starts;
    uint64_t *sequences;
    uint8_t *bytes;
    size_t count, bound_count, fragment_count, total_bytes;
    uint64_t newest;
};

static int compare_ranges(const void *left, const void *right)
{
    const struct range_delete *a = left, *b = right;
    int order = slice_compare(a->begin, b->begin);
    if (order != 0)
        return order;
    return a->sequence > b->sequence ? -1 : a->sequence < b->sequence;
}

static int compare_bounds(const void *left, const void *right)
{
    return slice_compare(*(const nacre_slice *)left, *(const nacre_slice *)right);
}

static int compare_newest_first(const void *left, const void *right)
{
    const struct range_delete *a = *(struct range_delete *const *)left, *b = *(struct range_delete *const *)right;
    return a->sequence > b->sequence ? -1 : a->sequence < b->sequence;
}

static void *set_alloc(struct range_set *set, size_t count, size_t size)
{
    size_t bytes;
    if (!size_multiply(count ? count : 1, size, &bytes))
        bytes = SIZE_MAX;
    set->total_bytes += bytes;
    return memory_zalloc(bytes);
}

static nacre_slice copy_key(uint8_t **at, nacre_slice key)
{
    nacre_slice copy = { *at, key.size };
    if (key.size)
        memcpy(*at, key.data, key.size);
    *at += key.size;
    return copy;
}

static int copy_ranges(struct range_set *set, const struct range_delete *list, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!size_add(bytes, list[i].begin.size, &bytes) || !size_add(bytes, list[i].end.size, &bytes)) {
            return fail(NACRE_NO_MEMORY, "the keys of %zu range deletes do not fit the address space", count);
        }
    }
    set->ranges = set_alloc(set, count, sizeof *set->ranges);
    set->bytes = set_alloc(set, bytes, 1);
    if (!set->ranges || !set->bytes)
        return NACRE_NO_MEMORY;
    uint8_t *at = set->bytes;
    for (size_t i = 0; i < count; i++) {
        nacre_slice begin = copy_key(&at, list[i].begin), end = copy_key(&at, list[i].end);
        set->ranges[i] = (struct range_delete){ begin, end, list[i].sequence };
        if (list[i].sequence > set->newest)
            set->newest = list[i].sequence;
    }
    set->count = count;
    qsort(set->ranges, count, sizeof *set->ranges, compare_ranges);
    return NACRE_OK;
}

static int make_bounds(struct range_set *set)
{
    size_t n = 0, distinct = 0;
    set->bounds = set_alloc(set, set->count * 2, sizeof *set->bounds);
    set->heads = set_alloc(set, set->count * 2, sizeof *set->heads);
    if (!set->bounds || !set->heads)
        return NACRE_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++) {
        set->bounds[n++] = set->ranges[i].begin;
        if (set->ranges[i].end.size)
            set->bounds[n++] = set->ranges[i].end;
    }
    qsort(set->bounds, n, sizeof *set->bounds, compare_bounds);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || slice_compare(set->bounds[i], set->bounds[distinct - 1]) != 0)
            set->bounds[distinct++] = set->bounds[i];
    }
    for (size_t i = 0; i < distinct; i++)
        set->heads[i] = slice_head(set->bounds[i]);
    set->bound_count = distinct;
    set->fragment_count = distinct + 1;
    return NACRE_OK;
}

/* The number of bounds <= key, which is also the number of the fragment that holds the key. */
static size_t fragment_of(const struct range_set *set, nacre_slice key)
{
    uint64_t head = slice_head(key);
    size_t low = 0, high = set->bound_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool after =
            set->heads[middle] > head || (set->heads[middle] == head && slice_compare(set->bounds[middle], key) > 0);
        if (after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Visits the nodes of the segment tree that together span the range's fragments. Node 1 is the root, fragment i is node
   fragment_count + i. With `fill` NULL it counts into starts[node + 1], else it writes the sequence and moves
   fill[node] on. */
static void spread_range(struct range_set *set, const struct range_delete *range, size_t *fill)
{
    if (range->end.size && slice_compare(range->begin, range->end) >= 0)
        return; /* covers nothing */
    size_t left = fragment_of(set, range->begin) + set->fragment_count;
    size_t right = (range->end.size ? fragment_of(set, range->end) : set->fragment_count) + set->fragment_count;
    for (; left < right; left /= 2, right /= 2) {
        size_t nodes[2], n = 0;
        if (left & 1)
            nodes[n++] = left++;
        if (right & 1)
            nodes[n++] = --right;
        for (size_t i = 0; i < n; i++) {
            if (fill)
                set->sequences[fill[nodes[i]]++] = range->sequence;
            else
                set->starts[nodes[i] + 1]++;
        }
    }
}

static int make_tree(struct range_set *set)
{
    size_t nodes = set->fragment_count * 2, bytes;
    int status = NACRE_NO_MEMORY;
    size_t *fill = NULL;
    struct range_delete **by_age = NULL;
    set->starts = set_alloc(set, nodes + 1, sizeof *set->starts);
    if (!set->starts)
        goto done;
    for (size_t i = 0; i < set->count; i++)
        spread_range(set, &set->ranges[i], NULL);
    for (size_t i = 0; i < nodes; i++)
        set->starts[i + 1] += set->starts[i];
    set->sequences = set_alloc(set, set->starts[nodes], sizeof *set->sequences);
    fill = memory_alloc(nodes * sizeof *fill); /* less than starts, so it does not overflow */
    if (!size_multiply(set->count, sizeof(struct range_delete *), &bytes))
        bytes = SIZE_MAX;
    by_age = memory_alloc(bytes);
    if (!set->sequences || !fill || !by_age)
        goto done;
    memcpy(fill, set->starts, nodes * sizeof *fill);
    for (size_t i = 0; i < set->count; i++)
        by_age[i] = &set->ranges[i];
    qsort(by_age, set->count, sizeof(struct range_delete *), compare_newest_first);
    for (size_t i = 0; i < set->count; i++)
        spread_range(set, by_age[i], fill); /* so each node's fall: invariant 2 */
    status = NACRE_OK;

done:
    memory_free(by_age);
    memory_free(fill);
    return status;
}

int range_set_create(const struct range_delete *list, size_t count, struct range_set **created)
{
    *created = NULL;
    if (count == 0)
        return NACRE_OK;
    struct range_set *set = memory_zalloc(sizeof *set);
    if (!set)
        return NACRE_NO_MEMORY;
    set->total_bytes = sizeof *set;
    int status = copy_ranges(set, list, count);
    if (status == NACRE_OK)
        status = make_bounds(set);
    if (status == NACRE_OK)
        status = make_tree(set);
    if (status != NACRE_OK) {
        range_set_free(set);
        return status;
    }
    *created = set;
    return NACRE_OK;
}

void range_set_free(struct range_set *set)
{
    if (!set)
        return;
    memory_free(set->sequences);
    memory_free(set->starts);
    memory_free(set->heads);
    memory_free(set->bounds);
    memory_free(set->bytes);
    memory_free(set->ranges);
    memory_free(set);
}

/* The greatest sequence <= snapshot of one node, 0 when none. */
static uint64_t node_covering(const struct range_set *set, size_t node, uint64_t snapshot)
{
    size_t low = set->starts[node], end = set->starts[node + 1], high = end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->sequences[middle] > snapshot)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end ? set->sequences[low] : 0;
}

uint64_t range_set_covering(const struct range_set *set, nacre_slice key, uint64_t snapshot,
                            struct range_delete *fragment)
{
    uint64_t newest = 0;
    nacre_slice none = { "", 0 };
    if (fragment)
        *fragment = (struct range_delete){ none, none, 0 };
    if (!set)
        return 0;
    size_t at = fragment_of(set, key);
    for (size_t node = at + set->fragment_count; node > 0; node /= 2) {
        uint64_t sequence = node_covering(set, node, snapshot);
        if (sequence > newest)
            newest = sequence;
    }
    if (fragment) {
        if (at > 0)
            fragment->begin = set->bounds[at - 1];
        if (at < set->bound_count)
            fragment->end = set->bounds[at];
        fragment->sequence = newest;
    }
    return newest;
}

size_t range_set_count(const struct range_set *set)
{
    return set ? set->count : 0;
}

struct range_delete range_set_at(const struct range_set *set, size_t index)
{
    return set->ranges[index];
}

uint64_t range_set_newest(const struct range_set *set)
{
    return set ? set->newest : 0;
}

size_t range_set_bytes(const struct range_set *set)
{
    return set ? set->total_bytes : 0;
}
