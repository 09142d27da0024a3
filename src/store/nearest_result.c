/* What a search gives to its caller: keys and small values copied, in one piece of memory; large values where they are, held by the view and by what pins
   them. Invariant: neighbors.pin is NULL or a struct held; everything that the items point to goes with it. */
#include "base/memory.h"
#include "base/status.h"
#include "store/nearest_search.h"
#include "store/value.h"
#include "store/values.h"

struct held {
    nacre_store *store;
    struct view *view; /* NULL: nothing lies in place */
    struct pin *pins;  /* one per item; behind the items */
    size_t count;
    uint8_t *bytes; /* of keys and small values */
    nacre_neighbor items[];
};

static void release(struct held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        pin_release(&held->pins[i]);
    }
    if (held->view) {
        view_release(held->store, held->view);
        stats_add(&held->store->stats, STATS_values_released, 1);
    }
    memory_free(held->bytes);
    memory_free(held);
}

static struct held *held_create(nacre_store *store, size_t count)
{
    size_t bytes;
    if (!size_multiply(count, sizeof(nacre_neighbor) + sizeof(struct pin), &bytes) ||
        !size_add(bytes, sizeof(struct held), &bytes)) {
        (void)fail(NACRE_NO_MEMORY, "%zu neighbours are too many", count);
        return NULL;
    }
    struct held *held = memory_zalloc(bytes);
    if (held) {
        held->store = store;
        held->count = count;
        held->pins = (struct pin *)(held->items + count);
    }
    return held;
}

/* Keys and values as they lie in memtables and segments. *bytes: what is to be copied; *in_place: something is not. */
static int find_entries(struct nearest_search *s, struct held *held, size_t *bytes, bool *in_place)
{
    struct buffer key = { 0 };
    int status = NACRE_OK;
    *bytes = 0;
    *in_place = false;
    for (size_t i = 0; i < held->count && status == NACRE_OK; i++) {
        const struct neighbor *found = &s->nearest.found[i];
        struct entry entry = found->entry;
        if (found->source >= s->view->table_count) {
            size_t run;
            const struct piece *piece = search_piece(s->view->version, found->source - s->view->table_count, &run);
            status = piece->segment->kind->row_entry(piece->reader, found->row, &entry, &key, &held->pins[i]);
        }
        if (status == NACRE_OK) {
            status = value_resolve(s->collection->store, buffer_slice(&found->key), &entry, &held->pins[i]);
        }
        if (status == NACRE_OK) {
            held->items[i] = (nacre_neighbor){ buffer_slice(&found->key), found->distance, entry.value };
            *bytes += found->key.size + (entry.value.size <= VALUE_COPY_MOST ? entry.value.size : 0);
            *in_place |= entry.value.size > VALUE_COPY_MOST;
        }
    }
    buffer_free(&key);
    return status;
}

static nacre_slice copy(uint8_t **at, nacre_slice bytes)
{
    nacre_slice copied = slice_of(*at, bytes.size);
    if (bytes.size) {
        memcpy(*at, bytes.data, bytes.size);
    }
    *at += bytes.size;
    return copied;
}

static int copy_bytes(struct held *held, size_t bytes)
{
    uint8_t *at = held->bytes = memory_alloc(bytes);
    if (!at) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < held->count; i++) {
        nacre_neighbor *item = &held->items[i];
        item->key = copy(&at, item->key);
        if (item->value.size <= VALUE_COPY_MOST) {
            item->value = copy(&at, item->value);
            pin_release(&held->pins[i]);
        }
    }
    return NACRE_OK;
}

int neighbors_make(struct nearest_search *s, nacre_neighbors *neighbors)
{
    nacre_store *store = s->collection->store;
    size_t count = s->nearest.found_count, bytes;
    bool in_place;
    *neighbors = (nacre_neighbors){ .exact = s->sum.exact, .examined = s->sum.examined };
    if (count == 0) {
        return NACRE_OK;
    }
    struct held *held = held_create(store, count);
    if (!held) {
        return NACRE_NO_MEMORY;
    }
    int status = find_entries(s, held, &bytes, &in_place);
    if (status == NACRE_OK) {
        status = copy_bytes(held, bytes);
    }
    if (status != NACRE_OK) {
        release(held);
        return status;
    }
    if (in_place) {
        held->view = s->view;
        atomic_fetch_add_explicit(&s->view->references, 1, memory_order_relaxed); /* the search holds it: not zero */
        stats_add(&store->stats, STATS_values_held, 1);
    }
    neighbors->items = held->items;
    neighbors->count = count;
    neighbors->pin = held;
    return NACRE_OK;
}

void neighbors_release(nacre_neighbors *neighbors)
{
    struct held *held = neighbors->pin;
    *neighbors = (nacre_neighbors){ 0 };
    if (held) {
        release(held);
    }
}
