/* The filters that a segment remembers (see filter_memory.h): a few places, searched one by one.

   Invariants:
   1. places in use have different identities. `used` tells which was used last; the one used longest ago makes room.
   2. the place of the memory in its segment goes from NULL to what it is for good by one exchange; who comes second frees its own.
   Locks: filter_memory.lock, a leaf, for a look at a few places; allocations and rows are freed outside of it. */
#include "vectors/filter_memory.h"
#include "base/hash.h"
#include "base/memory.h"
#include <pthread.h>

struct remembered {
    uint64_t hash; /* of the identity */
    uint8_t *identity;
    size_t size; /* 0: the place is free */
    uint64_t asked, used;
    struct filter_rows *rows; /* or NULL */
};
struct filter_memory {
    pthread_mutex_t lock;
    uint64_t clock; /* goes up with each use */
    _Atomic uint64_t bytes;
    struct remembered places[FILTERS_REMEMBERED];
};

int filter_rows_create(uint32_t rows, uint32_t begin, uint32_t end, struct filter_rows **created)
{
    size_t words = ((size_t)rows + 63) / 64;
    struct filter_rows *f = memory_zalloc(sizeof *f + words * sizeof f->allowed[0]);
    if (!f) {
        return NACRE_NO_MEMORY;
    }
    atomic_init(&f->references, 1);
    f->begin = begin;
    f->end = end;
    f->words = words;
    *created = f;
    return NACRE_OK;
}

void filter_rows_unref(struct filter_rows *f)
{
    /* acq_rel: the last holder frees after all that the others did. */
    if (f && atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) == 1) {
        memory_free(f);
    }
}

static void hold(struct filter_rows *f)
{
    atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
}

uint32_t filter_rows_count(const struct filter_rows *f, uint32_t begin, uint32_t end)
{
    uint32_t count = 0;
    if (begin <= f->begin && end >= f->end) {
        return f->count;
    }
    for (size_t word = begin / 64; word * 64 < end; word++) {
        uint64_t bits = f->allowed[word];
        if (word == begin / 64) {
            bits &= UINT64_MAX << (begin % 64);
        }
        if (word == end / 64) {
            bits &= ~(UINT64_MAX << (end % 64));
        }
        count += (uint32_t)__builtin_popcountll(bits);
    }
    return count;
}

/* ---- the memory ---- */

static struct filter_memory *need(filter_memory_place *place)
{
    struct filter_memory *memory = atomic_load_explicit(place, memory_order_acquire); /* pairs with the exchange */
    if (memory) {
        return memory;
    }
    struct filter_memory *fresh = memory_zalloc(sizeof *fresh);
    if (!fresh || pthread_mutex_init(&fresh->lock, NULL) != 0) {
        memory_free(fresh);
        return NULL;
    }
    atomic_store_explicit(&fresh->bytes, sizeof *fresh, memory_order_relaxed);
    if (atomic_compare_exchange_strong_explicit(place, &memory, fresh, memory_order_acq_rel, memory_order_acquire)) {
        return fresh;
    }
    pthread_mutex_destroy(&fresh->lock);
    memory_free(fresh);
    return memory;
}

static uint64_t bytes_of(const struct remembered *r)
{
    return r->size + (r->rows ? sizeof *r->rows + r->rows->words * sizeof r->rows->allowed[0] : 0);
}

static bool can_be_remembered(nacre_slice identity)
{
    return identity.size > 0 && identity.size <= FILTER_IDENTITY_MAX;
}

/* lock held. */
static struct remembered *look(struct filter_memory *memory, nacre_slice identity, uint64_t hash)
{
    for (size_t i = 0; i < FILTERS_REMEMBERED; i++) {
        struct remembered *r = &memory->places[i];
        if (r->hash == hash && slice_equal(slice_of(r->identity, r->size), identity)) {
            r->used = ++memory->clock;
            return r;
        }
    }
    return NULL;
}

static struct remembered *longest_unused(struct filter_memory *memory)
{
    struct remembered *oldest = &memory->places[0];
    for (size_t i = 1; i < FILTERS_REMEMBERED; i++) {
        if (memory->places[i].used < oldest->used) {
            oldest = &memory->places[i];
        }
    }
    return oldest;
}

/* A place for the filter is found or made, the questions are counted, the rows (with a reference to give away; may be NULL) are put in. */
static uint64_t update(struct filter_memory *memory, nacre_slice identity, uint64_t asked, struct filter_rows *rows)
{
    uint64_t hash = hash_bytes(identity.data, identity.size), total = asked;
    uint8_t *copied = memory_alloc(identity.size);
    struct remembered gone = { .rows = rows };
    if (!copied) {
        filter_rows_unref(rows);
        return asked;
    }
    memcpy(copied, identity.data, identity.size);
    pthread_mutex_lock(&memory->lock);
    struct remembered *r = look(memory, identity, hash);
    if (!r) {
        r = longest_unused(memory);
        gone = *r;
        *r = (struct remembered){
            .hash = hash, .identity = copied, .size = identity.size, .used = ++memory->clock, .rows = rows
        };
        copied = NULL;
    } else if (rows) {
        gone.rows = r->rows;
        r->rows = rows;
    }
    r->asked += asked;
    total = r->asked;
    uint64_t bytes = sizeof *memory;
    for (size_t i = 0; i < FILTERS_REMEMBERED; i++) {
        bytes += bytes_of(&memory->places[i]);
    }
    atomic_store_explicit(&memory->bytes, bytes, memory_order_relaxed);
    pthread_mutex_unlock(&memory->lock);
    memory_free(copied);
    memory_free(gone.identity);
    filter_rows_unref(gone.rows);
    return total;
}

struct filter_rows *filter_memory_find(filter_memory_place *place, nacre_slice identity, uint32_t begin, uint32_t end)
{
    struct filter_memory *memory = atomic_load_explicit(place, memory_order_acquire);
    struct filter_rows *rows = NULL;
    if (!memory || !can_be_remembered(identity)) {
        return NULL;
    }
    uint64_t hash = hash_bytes(identity.data, identity.size);
    pthread_mutex_lock(&memory->lock);
    const struct remembered *r = look(memory, identity, hash);
    if (r && r->rows && r->rows->begin <= begin && r->rows->end >= end) {
        rows = r->rows;
        hold(rows);
    }
    pthread_mutex_unlock(&memory->lock);
    return rows;
}

uint64_t filter_memory_note(filter_memory_place *place, nacre_slice identity, uint64_t asked)
{
    struct filter_memory *memory = can_be_remembered(identity) ? need(place) : NULL;
    return memory ? update(memory, identity, asked, NULL) : asked;
}

void filter_memory_keep(filter_memory_place *place, nacre_slice identity, struct filter_rows *rows)
{
    struct filter_memory *memory = can_be_remembered(identity) ? need(place) : NULL;
    if (memory) {
        hold(rows);
        (void)update(memory, identity, 0, rows);
    }
}

void filter_memory_free(struct filter_memory *memory)
{
    if (!memory) {
        return;
    }
    for (size_t i = 0; i < FILTERS_REMEMBERED; i++) {
        memory_free(memory->places[i].identity);
        filter_rows_unref(memory->places[i].rows);
    }
    pthread_mutex_destroy(&memory->lock);
    memory_free(memory);
}

uint64_t filter_memory_bytes(const struct filter_memory *memory)
{
    return memory ? atomic_load_explicit(&memory->bytes, memory_order_relaxed) : 0;
}
