/* The life of a memtable, its counters, what a put costs, and the lookup of one key. The tree is described in
   memtable.h and node.h; puts are in insert.c, walks in memtable_cursor.c, range deletes in ranges.c.

   Invariants of the tree, on which readers without locks stand:
   1. A node at some place holds only keys that begin with the bytes of that place; place and prefix of a node never
      change.
   2. Nothing is freed before the table, so whatever a reader has loaded stays readable.
   3. A slot that holds a child holds one for ever. It changes, under the lock of its node, only to a child that reaches
      all leaves the old one reaches: a copy of a node (made under that node's lock, too), or a new node4 above the old
      child or its copy.
   4. A node that has been replaced is obsolete before its lock is free again, and never changes afterwards.
   5. Hence no node ever loses a leaf: what is reachable from a node, obsolete or not, at one time is so at all later
      times. (By induction over the height: a slot's child reaches no less after a change, by 3; children that an
      obsolete node shares with its copy go on growing for both; those that change only in the copy stay in the obsolete
      node as they were.)
   6. A key whose put has finished is reachable from the root: the put changed a node that was locked and not obsolete,
      and such a node is reachable, for its replacement would have needed its lock.
   So who starts at the root after a put has finished, and follows loaded pointers by the key's bytes, finds the key (5,
   6), however many nodes on the way have been replaced meanwhile. No lookup ever needs to start again.
   A leaf is never copied, so its version chain has only one place (leaf.c).
   7. In a searched table a leaf that can be found in the tree is listed (leaf_list.h), once: it is listed under the lock of the node it is
      about to be hung into (insert.c). So who begins to go over the list after a put has finished meets the put's key. What is visible
      at a sequence had been put, with all that is older, before the sequence was published: a search that takes its sequence first, then
      the list, misses nothing. A leaf may be listed that is not in the tree yet: its only version is newer than all that was published.
   8. A version with a vector has its row before it can be found; the row is marked after that (rows.c). So who begins to go over the rows after
      a put has finished meets its row, and a row that is met is of a version that is in the tree.
   Threads: any. Locks, in order: nodes from the root downwards or list_lock or the rows', the arena's, the pool's. */
#include "base/memory.h"
#include "base/operand.h"
#include "base/status.h"
#include "memtable/table.h"
#include <sched.h>

/* What a put is reserved for: exact for key and value, an estimate for nodes. A leaf that splits another one costs a
   node4, 64 bytes and their alignment; growing costs 60 bytes per child on average; 65 536 nodes that random keys fill
   all at once cost 120 per put at the worst moment. */
#define NODE_BYTES_ESTIMATE 160u
#define PUT_OVERHEAD        (LEAF_OVERHEAD_MAX + NODE_BYTES_ESTIMATE)
/* So many of the outstanding puts are reserved for at the most that nodes can cost: with no more of them nothing is
   estimated. */
#define EXACT_PUTS 128u
/* Where entries are this large on average they get regions of their own. */
#define LARGE_ENTRY_BYTES ((size_t)64 << 10)

int memtable_create(struct chunk_pool *pool, const struct memtable_options *options, struct memtable **created)
{
    struct memtable *table = memory_alloc_aligned(_Alignof(struct memtable), sizeof *table);
    if (!table)
        return NACRE_NO_MEMORY;
    memset(table, 0, sizeof *table);
    table->searched = options->searched;
    node_root_init(&table->root);
    atomic_init(&table->references, 1);
    atomic_init(&table->oldest_clock, SEQUENCE_MAX);
    int status = arena_init(&table->arena, pool);
    if (status != NACRE_OK)
        goto free_table;
    if ((status = memtable_ranges_init(table)) != NACRE_OK)
        goto destroy_arena;
    if (pthread_mutex_init(&table->list_lock, NULL) != 0) {
        status = fail(NACRE_NO_MEMORY, "memtable: the system has no room for a mutex");
        goto destroy_ranges;
    }
    if ((status = rows_init(&table->rows, pool, options->vector_bytes)) != NACRE_OK)
        goto destroy_list_lock;
    *created = table;
    return NACRE_OK;

destroy_list_lock:
    pthread_mutex_destroy(&table->list_lock);
destroy_ranges:
    memtable_ranges_destroy(table);
destroy_arena:
    arena_destroy(&table->arena);
free_table:
    memory_free(table);
    return status;
}

void memtable_ref(struct memtable *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
}

void memtable_unref(struct memtable *table)
{
    /* acq_rel: the last holder frees after all that the others did. */
    if (!table || atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) != 1)
        return;
    rows_destroy(&table->rows);
    pthread_mutex_destroy(&table->list_lock);
    memtable_ranges_destroy(table);
    arena_destroy(&table->arena);
    memory_free(table);
}

struct slot *memtable_slot(struct memtable *table)
{
    int processor = sched_getcpu();
    return &table->slots[(unsigned)(processor < 0 ? 0 : processor) % ARENA_SLOTS];
}

static size_t put_cost(const struct entry *entry)
{
    return PUT_OVERHEAD + entry->key.size + entry->value.size;
}

static void raise_to(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    while (seen < value &&
           !atomic_compare_exchange_weak_explicit(counter, &seen, value, memory_order_relaxed, memory_order_relaxed)) {}
}

static void lower_to(_Atomic uint64_t *counter, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    while ((seen == 0 || seen > value) &&
           !atomic_compare_exchange_weak_explicit(counter, &seen, value, memory_order_relaxed, memory_order_relaxed)) {}
}

void memtable_count(struct slot *slot, const struct entry *entry, bool fresh)
{
    if (fresh) {
        raise_to(&slot->newest, entry->sequence);
        lower_to(&slot->oldest, entry->sequence);
        atomic_fetch_add_explicit(&slot->entries, 1, memory_order_relaxed);
        if (entry->type == ENTRY_DELETE)
            atomic_fetch_add_explicit(&slot->deletes, 1, memory_order_relaxed);
    }
    /* release: pairs with the acquire in memtable_reserve, which must see the put's allocations when it takes the put
       as done. */
    atomic_fetch_add_explicit(&slot->done_bytes, put_cost(entry), memory_order_release);
}

/* What so many puts may take for the list of leaves, wherever they run. */
static bool list_bytes(const struct memtable *table, size_t puts, size_t *bytes)
{
    size_t begun = 0;
    if (!table->searched || puts == 0) {
        *bytes = 0;
        return true;
    }
    for (size_t i = 0; i < ARENA_SLOTS; i++)
        begun += leaf_list_next_bytes(&table->slots[i].leaves);
    return leaf_list_bytes(puts, begun, ARENA_SLOTS, bytes);
}

/* `outstanding` bytes of put_cost, as memory: nodes count in full as long as there are few of them. */
static bool reserve_bytes(const struct memtable *table, size_t outstanding, size_t *bytes)
{
    size_t puts = outstanding / PUT_OVERHEAD, list;
    return list_bytes(table, puts, &list) && size_add(outstanding, list, &outstanding) &&
           size_add(outstanding, (puts < EXACT_PUTS ? puts : EXACT_PUTS) * NODE_BYTES_MAX, bytes);
}

int memtable_reserve(struct memtable *table, size_t entries, size_t bytes)
{
    uint64_t done = 0;
    for (size_t i = 0; i < ARENA_SLOTS; i++) {
        done += atomic_load_explicit(&table->slots[i].done_bytes, memory_order_acquire);
    }
    /* Puts that nobody reserved for must not count against those that come. */
    if (table->reserved_bytes < done)
        table->reserved_bytes = done;
    size_t cost, outstanding, needed;
    if (!size_multiply(entries, PUT_OVERHEAD, &cost) || !size_add(cost, bytes, &cost) ||
        !size_add(cost, table->reserved_bytes - done, &outstanding) || !reserve_bytes(table, outstanding, &needed)) {
        return fail(NACRE_NO_MEMORY, "memtable: %zu entries of %zu bytes do not fit the address space", entries, bytes);
    }
    bool large = entries > 0 && bytes / entries >= LARGE_ENTRY_BYTES;
    int status = arena_ensure(&table->arena, needed, large);
    if (status == NACRE_OK)
        table->reserved_bytes += cost;
    return status;
}

void memtable_unreserve(struct memtable *table, size_t entries, size_t bytes)
{
    table->reserved_bytes -= entries * PUT_OVERHEAD + bytes;
}

static const struct leaf *find_leaf(const struct memtable *table, nacre_slice key)
{
    struct node *node = (struct node *)&table->root.head; /* nothing is changed through it */
    const uint8_t *bytes = key.data;
    const struct leaf *leaf;
    size_t depth = 0;
    for (;;) {
        /* Prefixes are jumped over: the leaf has the whole key. */
        depth += node->prefix_size;
        if (depth >= key.size) {
            if (depth > key.size)
                return NULL;
            leaf = atomic_load_explicit(&node->terminal, memory_order_acquire);
            break;
        }
        const node_slot *slot = node_find(node, bytes[depth]);
        node_child child = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
        if (!child)
            return NULL;
        if (child_is_leaf(child)) {
            leaf = child_leaf(child);
            break;
        }
        node = child_node(child);
        depth++;
    }
    return leaf && slice_equal(leaf_key(leaf), key) ? leaf : NULL;
}

bool memtable_get(const struct memtable *table, nacre_slice key, uint64_t snapshot, struct entry *found)
{
    const struct leaf *leaf = find_leaf(table, key);
    if (!leaf)
        return false;
    const struct version *version = leaf_version_at(leaf, snapshot);
    if (!version)
        return false;
    version_read(leaf, version, found);
    return true;
}

void memtable_visit_versions(const struct memtable *table, nacre_slice key, uint64_t snapshot,
                             bool (*visit)(void *context, const struct entry *), void *context)
{
    const struct leaf *leaf = find_leaf(table, key);
    struct entry entry;
    bool more = leaf != NULL;
    for (const struct version *v = more ? leaf_version_at(leaf, snapshot) : NULL; v && more; v = version_next(v)) {
        version_read(leaf, v, &entry);
        more = visit(context, &entry);
    }
}

void memtable_note_operand(struct memtable *table, nacre_slice value)
{
    uint64_t clock_ms;
    nacre_slice bytes;
    uint64_t seen = atomic_load_explicit(&table->oldest_clock, memory_order_relaxed);
    if (!operand_read(value, &clock_ms, &bytes))
        return;
    while (clock_ms < seen && !atomic_compare_exchange_weak_explicit(&table->oldest_clock, &seen, clock_ms,
                                                                     memory_order_relaxed, memory_order_relaxed)) {}
}

uint64_t memtable_oldest_clock(const struct memtable *table)
{
    return atomic_load_explicit(&table->oldest_clock, memory_order_relaxed);
}

uint64_t memtable_bytes(const struct memtable *table)
{
    return arena_bytes(&table->arena) + atomic_load_explicit(&table->range_set_bytes, memory_order_relaxed) +
           rows_bytes(&table->rows);
}

uint64_t memtable_memory(const struct memtable *table)
{
    return arena_memory(&table->arena) + rows_memory(&table->rows) + sizeof *table +
           atomic_load_explicit(&table->range_set_bytes, memory_order_relaxed);
}

static uint64_t sum_of(const struct memtable *table, size_t field)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ARENA_SLOTS; i++) {
        const uint8_t *slot = (const uint8_t *)&table->slots[i];
        sum += atomic_load_explicit((const _Atomic uint64_t *)(slot + field), memory_order_relaxed);
    }
    return sum;
}

uint64_t memtable_entries(const struct memtable *table)
{
    return sum_of(table, offsetof(struct slot, entries));
}

uint64_t memtable_deletes(const struct memtable *table)
{
    return sum_of(table, offsetof(struct slot, deletes));
}

uint64_t memtable_newest(const struct memtable *table)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < ARENA_SLOTS; i++) {
        uint64_t seen = atomic_load_explicit(&table->slots[i].newest, memory_order_relaxed);
        if (seen > newest)
            newest = seen;
    }
    return newest;
}

uint64_t memtable_oldest(const struct memtable *table)
{
    uint64_t oldest = 0;
    for (size_t i = 0; i < ARENA_SLOTS; i++) {
        uint64_t seen = atomic_load_explicit(&table->slots[i].oldest, memory_order_relaxed);
        if (seen && (oldest == 0 || seen < oldest))
            oldest = seen;
    }
    return oldest;
}
