/* The budget of memory. What the store holds beside memtables and the block cache is taken from the cache's part, and, when that is used up, from that of
   the memtables: they are sealed earlier, and writers held sooner. Builds of indexes, which need much for long, ask first. */
#ifndef NACRE_STORE_BUDGET_H
#define NACRE_STORE_BUDGET_H
#include "base/memory.h"
#include <nacre/nacre.h>
#include <pthread.h>

/* What may come on top of memory_budget: what is taken between two looks, and a region of a memtable that was taken while shares were worked out. */
#define BUDGET_ON_TOP (UINT64_C(4) << 20)

struct budget {
    pthread_mutex_t lock;
    pthread_mutex_t sharing; /* who gets what is worked out by one at a time */
    pthread_cond_t returned;
    _Atomic uint64_t granted;              /* to builds; changes under the lock */
    unsigned builds;                       /* that have a grant; lock */
    _Atomic uint64_t looked_ns, worked_ns; /* worked: when a flush, merge or build last began; 0: never */
    _Atomic uint64_t outside;              /* held beside memtables, the block cache and builds, as of the last look */
    _Atomic uint64_t tables;               /* memtables that are not flushed; as of then */
    _Atomic uint64_t held;                 /* those that are, but that readers hold: a part of `outside` */
    _Atomic uint64_t segment_bytes;        /* as of then */
    _Atomic uint64_t waits;                /* builds that waited for their grant */
};
void budget_init(struct budget *);
void budget_destroy(struct budget *);
/* Looks at what is held and gives the cache and the memtables the rest. Any thread. */
void budget_apply(nacre_store *);
void budget_share(nacre_store *); /* the latter alone */
/* A flush, merge or build begins: the cache leaves room for some of them from the next look on. */
void budget_note_work(nacre_store *);
/* Whether memtables may take `bytes` more of the system: the guard of the chunk pool. Takes no lock. */
bool budget_has_room(void *context, uint64_t bytes);
/* Makes that room as far as it can be done at once: the cache gives way, spare chunks go back, the largest memtable is sealed where no flush is due.
   No lock is held. */
bool budget_make_room(nacre_store *, uint64_t bytes);
/* NACRE_BUSY, with what holds the memory as the reason. */
int budget_refuse(nacre_store *, uint32_t waited_ms);
/* Buffers of the files that flushes and merges write: 2 MiB, or less where the budget is small. */
size_t budget_buffer_bytes(const nacre_store *);
/* tree_env.grant and .give_back: memory for a build that would like `wanted` bytes; returns what it was granted, at most three fourths of the budget.
   Waits while others have grants that leave too little; never within work that is lent by a build. */
uint64_t budget_grant(void *context, uint64_t wanted);
void budget_give_back(void *context, uint64_t granted);
#endif
