/* The inside of struct memtable, for the files of this folder. */
#ifndef NACRE_MEMTABLE_TABLE_H
#define NACRE_MEMTABLE_TABLE_H
#include "memtable/memtable.h"
#include "memtable/leaf_list.h"
#include "memtable/node.h"
#include "memtable/rows.h"

/* What threads on one processor, about, write on each put: a lane of memory, their share of the counters, and of the list of
   leaves. One cache line. */
struct slot {
    _Alignas(64) arena_lane lane;
    _Atomic uint64_t entries, deletes;
    _Atomic uint64_t newest, oldest; /* oldest: 0 = nothing yet */
    _Atomic uint64_t done_bytes;     /* what finished puts had been reserved for (put_cost) */
    leaf_list leaves;
};

struct range_node;
struct range_index;

struct memtable {
    struct node256 root; /* never replaced */
    struct slot slots[ARENA_SLOTS];
    struct arena arena;
    _Atomic uint64_t references;
    uint64_t reserved_bytes;   /* belongs to the caller of memtable_reserve */
    bool searched;             /* leaves are listed */
    pthread_mutex_t list_lock; /* for new pieces of the lists */
    struct rows rows;
    _Atomic uint64_t oldest_clock; /* of operands: least one, SEQUENCE_MAX when there is none; relaxed, lowered only */

    /* Range deletes: ranges.c. */
    pthread_mutex_t range_lock;
    struct range_node *_Atomic range_newest;
    struct range_index *_Atomic range_index;
    size_t range_count;               /* under range_lock */
    _Atomic uint64_t range_set_bytes; /* relaxed: a statistic */
};

/* The slot of the processor that the thread runs on. */
struct slot *memtable_slot(struct memtable *);
/* Counts one finished put or range delete; `fresh` is false for a sequence that was there already. */
void memtable_count(struct slot *, const struct entry *, bool fresh);

/* Before an operand can be found in the table. */
void memtable_note_operand(struct memtable *, nacre_slice value);

/* All leaves whose keys the search wants, in order; memory of the caller (memory_free). NACRE_NO_MEMORY, or what `stop` gave. */
int leaves_gather(struct memtable *, struct memtable_search *, const struct leaf ***leaves, size_t *count);
/* Is that cheaper than to go on in the tree, which has shown `met` keys, of which so many were wanted? */
bool gathering_pays(const struct memtable *, uint64_t met, uint64_t wanted);
/* The index of the first one not before `key`. */
size_t leaves_lower(const struct leaf *const *leaves, size_t count, nacre_slice key);

int memtable_ranges_init(struct memtable *);
void memtable_ranges_destroy(struct memtable *);
#endif
