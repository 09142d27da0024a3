/* The range deletes of a memtable. Each is a link of a list, newest first by time of arrival. An immutable range_set
   indexes the list from some link on; the links before it are looked through one by one. When these are more than
   max(RANGES_UNINDEXED, indexed / 4), a new index is built, so that the cost of all builds together is a small multiple
   of the last one. Older indexes live on, because a reader may be in them.
   Invariants:
   1. range_newest only changes from a link to a new one that leads to it.
   2. range_index, once loaded, indexes exactly the links from `indexed` on; a range_newest loaded after it leads to
      `indexed`.
   Threads: readers take no lock; range_lock serialises the rest. Then the arena's lock. */
#include "base/memory.h"
#include "base/status.h"
#include "memtable/table.h"

#define RANGES_UNINDEXED 32u

struct range_node {
    const struct range_node *older;
    struct range_delete range; /* bytes behind it */
};

struct range_index {
    struct range_set *set;
    const struct range_node *indexed;
    size_t count;
    struct range_index *older;
};

int memtable_ranges_init(struct memtable *table)
{
    if (pthread_mutex_init(&table->range_lock, NULL) != 0) {
        return fail(NACRE_NO_MEMORY, "memtable: the system has no room for a mutex");
    }
    return NACRE_OK;
}

void memtable_ranges_destroy(struct memtable *table)
{
    struct range_index *index = atomic_load_explicit(&table->range_index, memory_order_acquire);
    while (index) {
        struct range_index *older = index->older;
        range_set_free(index->set);
        memory_free(index);
        index = older;
    }
    pthread_mutex_destroy(&table->range_lock);
}

/* range_lock held. Builds an index of everything. */
static int reindex(struct memtable *table)
{
    struct range_node *newest = atomic_load_explicit(&table->range_newest, memory_order_relaxed);
    struct range_index *index = NULL;
    size_t bytes, count = table->range_count, at = 0;
    if (!size_multiply(count, sizeof(struct range_delete), &bytes))
        bytes = SIZE_MAX;
    struct range_delete *list = memory_alloc(bytes);
    int status = NACRE_NO_MEMORY;
    if (!list || !(index = memory_zalloc(sizeof *index)))
        goto done;
    for (const struct range_node *node = newest; node; node = node->older)
        list[at++] = node->range;
    if ((status = range_set_create(list, count, &index->set)) != NACRE_OK)
        goto done;
    index->indexed = newest;
    index->count = count;
    index->older = atomic_load_explicit(&table->range_index, memory_order_relaxed);
    atomic_fetch_add_explicit(&table->range_set_bytes, range_set_bytes(index->set), memory_order_relaxed);
    /* release: pairs with the acquire in memtable_covering. */
    atomic_store_explicit(&table->range_index, index, memory_order_release);
    index = NULL;

done:
    memory_free(index);
    memory_free(list);
    return status;
}

static struct range_node *range_node_create(struct memtable *table, struct slot *slot, const struct range_delete *range)
{
    size_t begin = range->begin.size, end = range->end.size;
    struct range_node *node = arena_alloc(&table->arena, &slot->lane, sizeof *node + begin + end, 8);
    if (!node)
        return NULL;
    uint8_t *bytes = (uint8_t *)(node + 1);
    if (begin)
        memcpy(bytes, range->begin.data, begin);
    if (end)
        memcpy(bytes + begin, range->end.data, end);
    node->range = (struct range_delete){ { bytes, begin }, { bytes + begin, end }, range->sequence };
    return node;
}

int memtable_delete_range(struct memtable *table, const struct range_delete *range)
{
    struct slot *slot = memtable_slot(table);
    struct range_node *node = range_node_create(table, slot, range);
    if (!node)
        return NACRE_NO_MEMORY;
    pthread_mutex_lock(&table->range_lock);
    node->older = atomic_load_explicit(&table->range_newest, memory_order_relaxed);
    /* release: pairs with the acquire in memtable_covering. */
    atomic_store_explicit(&table->range_newest, node, memory_order_release);
    table->range_count++;
    const struct range_index *index = atomic_load_explicit(&table->range_index, memory_order_relaxed);
    size_t indexed = index ? index->count : 0, unindexed = table->range_count - indexed;
    /* Without memory for an index the list grows longer and lookups slower; the next range delete tries again. */
    if (unindexed > RANGES_UNINDEXED && unindexed > indexed / 4)
        (void)reindex(table);
    pthread_mutex_unlock(&table->range_lock);
    struct entry counted = { range->begin, range->end, range->sequence, 0, ENTRY_PUT, NULL };
    memtable_count(slot, &counted, true);
    return NACRE_OK;
}

static bool range_covers(const struct range_delete *range, nacre_slice key)
{
    return slice_compare(range->begin, key) <= 0 && (range->end.size == 0 || slice_compare(key, range->end) < 0);
}

uint64_t memtable_covering(const struct memtable *table, nacre_slice key, uint64_t snapshot)
{
    if (!memtable_has_ranges(table))
        return 0;
    const struct range_index *index = atomic_load_explicit(&table->range_index, memory_order_acquire);
    /* After the index: invariant 2. */
    const struct range_node *node = atomic_load_explicit(&table->range_newest, memory_order_acquire);
    uint64_t newest = index ? range_set_covering(index->set, key, snapshot, NULL) : 0;
    const struct range_node *end = index ? index->indexed : NULL;
    for (; node != end; node = node->older) {
        const struct range_delete *range = &node->range;
        if (range->sequence > newest && range->sequence <= snapshot && range_covers(range, key))
            newest = range->sequence;
    }
    return newest;
}

bool memtable_has_ranges(const struct memtable *table)
{
    return atomic_load_explicit(&table->range_newest, memory_order_acquire) != NULL;
}

void memtable_visit_ranges(const struct memtable *table, void (*visit)(void *context, const struct range_delete *),
                           void *context)
{
    const struct range_node *node = atomic_load_explicit(&table->range_newest, memory_order_acquire);
    for (; node; node = node->older)
        visit(context, &node->range);
}

int memtable_ranges(struct memtable *table, const struct range_set **set)
{
    int status = NACRE_OK;
    *set = NULL;
    if (!memtable_has_ranges(table))
        return NACRE_OK;
    pthread_mutex_lock(&table->range_lock);
    const struct range_index *index = atomic_load_explicit(&table->range_index, memory_order_relaxed);
    if (!index || index->count < table->range_count)
        status = reindex(table);
    if (status == NACRE_OK)
        *set = atomic_load_explicit(&table->range_index, memory_order_relaxed)->set;
    pthread_mutex_unlock(&table->range_lock);
    return status;
}
