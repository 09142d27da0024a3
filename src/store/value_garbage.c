/* Which value files are to go (see docs/architecture.md, "Value log"). The housekeeper looks after every flush, merge and drop.

   A file is weighed when it is sealed and only segments hold it: then what no current segment points to is garbage. While all weighed files
   together hold more garbage than value_garbage_percent, those with the greatest share of it are marked to drain, until an eighth less is left:
   copying out of the emptiest ones frees most per byte that is copied. Many small files (each opening begins new ones) are drained into one.
   A marked file stays marked; merges move its values (tree/value_moves.c), and it is removed with its last reference.

   The bound: let p be value_garbage_percent / 100. With nothing left to drain, weighed files take at most what segments point to, divided by
   (1 - p).
   Invariants:
   1. only the housekeeper weighs: marks need no lock.
   2. a file is marked only while nothing but segments holds it: nobody who is about to point to it is taken for garbage.
   3. files that a value could not be read from count for nothing: they stay, and nobody waits for them.
   Locks: collections_lock and a tree's, one after the other. */
#include "base/log.h"
#include "base/memory.h"
#include "store/store.h"
#include "values/value_usage.h"
#include <stdlib.h>

#define SMALL_FILES_MOST 16u /* of less than SMALL_PART of a full one */
#define SMALL_PART       16u

struct weighed {
    struct value_file *file; /* referenced */
    uint64_t bytes, garbage;
    bool drains;
};
struct weighing {
    struct weighed *list;
    size_t count, capacity;
    uint64_t percent;
    uint64_t largest; /* of the files */
    uint64_t drained; /* files marked now */
};

/* Invariant 2. What segments hold is counted after their references and given up before them, so a count that is the same before and after a look at
   the references, and is all of them, leaves none for anybody else. The visit has one, too. */
static bool only_segments_hold(struct value_file *file)
{
    const struct value_usage *usage = value_file_usage(file);
    struct value_file_info info;
    uint32_t before = atomic_load_explicit(&usage->segments, memory_order_acquire);
    value_file_describe(file, &info);
    uint32_t after = atomic_load_explicit(&usage->segments, memory_order_acquire);
    return !info.active && before == after && info.references == before + 1;
}

static int weigh(void *context, struct value_file *file, const struct value_file_info *info)
{
    struct weighing *w = context;
    struct value_usage *usage = value_file_usage(file);
    w->largest = info->bytes > w->largest ? info->bytes : w->largest;
    if (!only_segments_hold(file) || atomic_load_explicit(&usage->segments, memory_order_relaxed) == 0 ||
        atomic_load_explicit(&usage->unreadable, memory_order_relaxed)) {
        return NACRE_OK;
    }
    if (w->count == w->capacity) {
        size_t more = w->capacity ? 2 * w->capacity : 64;
        struct weighed *list = memory_realloc(w->list, more * sizeof *list);
        if (!list) {
            return NACRE_NO_MEMORY;
        }
        w->list = list;
        w->capacity = more;
    }
    uint64_t live = atomic_load_explicit(&usage->live_bytes, memory_order_relaxed);
    value_file_ref(file);
    w->list[w->count++] =
        (struct weighed){ .file = file,
                          .bytes = info->bytes,
                          .garbage = live < info->bytes ? info->bytes - live : 0,
                          .drains = atomic_load_explicit(&usage->drain, memory_order_relaxed) != VALUE_STAYS };
    return NACRE_OK;
}

/* For statistics. What is not weighed yet counts as live. */
static int add_weight(void *context, struct value_file *file, const struct value_file_info *info)
{
    struct value_weight *sum = context;
    const struct value_usage *usage = value_file_usage(file);
    bool weighed = only_segments_hold(file);
    uint64_t live = atomic_load_explicit(&usage->live_bytes, memory_order_relaxed);
    live = weighed && live < info->bytes ? live : info->bytes;
    bool unreadable = atomic_load_explicit(&usage->unreadable, memory_order_relaxed);
    sum->bytes += info->bytes;
    sum->live_bytes += live;
    sum->garbage_bytes += info->bytes - live;
    sum->files++;
    sum->draining += !unreadable && atomic_load_explicit(&usage->drain, memory_order_relaxed) != VALUE_STAYS;
    sum->unreadable += unreadable;
    return NACRE_OK;
}

int store_value_weight(nacre_store *store, struct value_weight *sum)
{
    struct value_log *values = store->segments.values;
    *sum = (struct value_weight){ 0 };
    return values ? value_log_each_file(values, add_weight, sum) : NACRE_OK;
}

/* The greatest share of garbage first. */
static int compare_shares(const void *left, const void *right)
{
    const struct weighed *a = left, *b = right;
    double x = (double)a->garbage / (double)(a->bytes + 1), y = (double)b->garbage / (double)(b->bytes + 1);
    return x > y ? -1 : x < y;
}

static void mark(struct weighing *w, struct weighed *one)
{
    one->drains = true;
    w->drained++;
    atomic_store_explicit(&value_file_usage(one->file)->drain, VALUE_DRAINS, memory_order_relaxed);
}

static bool is_over(const struct weighing *w, uint64_t garbage, uint64_t bytes, double part)
{
    return (double)garbage * 100 > (double)w->percent * part * (double)bytes;
}

/* Marks files until what the others hold is in bounds. */
static void mark_emptiest(struct weighing *w)
{
    uint64_t bytes = 0, garbage = 0;
    for (size_t i = 0; i < w->count; i++) {
        /* A file that drains leaves its live values, elsewhere. */
        bytes += w->list[i].drains ? w->list[i].bytes - w->list[i].garbage : w->list[i].bytes;
        garbage += w->list[i].drains ? 0 : w->list[i].garbage;
    }
    if (!is_over(w, garbage, bytes, 1)) {
        return;
    }
    qsort(w->list, w->count, sizeof *w->list, compare_shares);
    for (size_t i = 0; i < w->count && is_over(w, garbage, bytes, 0.875); i++) {
        if (!w->list[i].drains) {
            mark(w, &w->list[i]);
            garbage -= w->list[i].garbage;
            bytes -= w->list[i].garbage;
        }
    }
}

static void mark_small(struct weighing *w)
{
    size_t small = 0;
    for (size_t i = 0; i < w->count; i++) {
        small += !w->list[i].drains && w->list[i].bytes < w->largest / SMALL_PART;
    }
    for (size_t i = 0; i < w->count && small > SMALL_FILES_MOST; i++) {
        if (!w->list[i].drains && w->list[i].bytes < w->largest / SMALL_PART) {
            mark(w, &w->list[i]);
        }
    }
}

/* Draining is far behind: from half way between the bound and everything on, nothing is spared, and writers wait for it from half of the
   bound above it on. */
static void measure(nacre_store *store, struct weighing *w)
{
    uint64_t bytes = 0, garbage = 0, within;
    bool drains = false;
    for (size_t i = 0; i < w->count; i++) {
        bytes += w->list[i].bytes;
        garbage += w->list[i].garbage;
        drains = drains || w->list[i].drains;
    }
    atomic_store_explicit(&store->values_drain, drains, memory_order_relaxed);
    bool urgent = (double)garbage * 100 > (double)(50 + w->percent / 2) * (double)bytes;
    for (size_t i = 0; i < w->count && urgent; i++) {
        _Atomic uint32_t *drain = &value_file_usage(w->list[i].file)->drain;
        if (w->list[i].drains && atomic_load_explicit(drain, memory_order_relaxed) != VALUE_DRAINS_NOW) {
            atomic_store_explicit(drain, VALUE_DRAINS_NOW, memory_order_relaxed);
            w->drained++;
        }
    }
    within = (uint64_t)((double)(bytes - garbage) * 1.5 * (double)w->percent / (double)(100 - w->percent));
    atomic_store_explicit(&store->value_debt, garbage > within ? garbage - within : 0, memory_order_relaxed);
}

static int look_again(nacre_collection *collection, void *context)
{
    (void)context;
    tree_look_again(collection->tree);
    if (tree_wants_work(collection->tree)) {
        work_post(collection->store, WORK_MERGE, collection);
    }
    return NACRE_OK;
}

int store_weigh_values(nacre_store *store)
{
    struct value_log *values = store->segments.values;
    struct weighing w = { .percent = tuning_get(&store->tuning, TUNING_value_garbage_percent) };
    if (!values || store->read_only) {
        return NACRE_OK;
    }
    int status = value_log_each_file(values, weigh, &w);
    if (status == NACRE_OK) {
        mark_emptiest(&w);
        mark_small(&w);
        measure(store, &w);
    }
    for (size_t i = 0; i < w.count; i++) {
        value_file_unref(w.list[i].file);
    }
    memory_free(w.list);
    if (w.drained > 0) {
        status = store_each_collection(store, look_again, NULL);
    }
    return status;
}
