/* Dead rows: a compressed bitmap with a count of references (see dead_rows.h). One thread fills it; once published any number read it. */
#include "segment/dead_rows.h"
#include "base/memory.h"
#include "base/status.h"
#include <roaring/roaring.h>

static int make(roaring_bitmap_t *bitmap, uint64_t valid_from, struct dead_rows **made)
{
    struct dead_rows *d = bitmap ? memory_zalloc(sizeof *d) : NULL;
    if (!d) {
        roaring_bitmap_free(bitmap);
        return NACRE_NO_MEMORY;
    }
    atomic_init(&d->references, 1);
    d->bitmap = bitmap;
    d->valid_from = valid_from;
    d->count = roaring_bitmap_get_cardinality(bitmap);
    *made = d;
    return NACRE_OK;
}

int dead_rows_create(struct dead_rows **made)
{
    return make(roaring_bitmap_create(), 0, made);
}

int dead_rows_copy(const struct dead_rows *from, struct dead_rows **made)
{
    return from ? make(roaring_bitmap_copy(from->bitmap), from->valid_from, made) : dead_rows_create(made);
}

void dead_rows_seal(struct dead_rows *d)
{
    roaring_bitmap_run_optimize(d->bitmap);
    roaring_bitmap_shrink_to_fit(d->bitmap);
    d->count = roaring_bitmap_get_cardinality(d->bitmap);
}

void dead_rows_ref(struct dead_rows *d)
{
    if (d) {
        atomic_fetch_add_explicit(&d->references, 1, memory_order_relaxed); /* the caller holds one already */
    }
}

void dead_rows_unref(struct dead_rows *d)
{
    /* acq_rel: the last one frees after all uses by the others. */
    if (d && atomic_fetch_sub_explicit(&d->references, 1, memory_order_acq_rel) == 1) {
        roaring_bitmap_free(d->bitmap);
        memory_free(d);
    }
}

static void note(struct dead_rows *d, uint64_t superseded_by)
{
    d->valid_from = superseded_by > d->valid_from ? superseded_by : d->valid_from;
}

int dead_rows_add(struct dead_rows *d, uint32_t row, uint64_t superseded_by)
{
    if (roaring_bitmap_add_checked(d->bitmap, row)) {
        note(d, superseded_by);
    }
    return NACRE_OK;
}

int dead_rows_add_range(struct dead_rows *d, uint32_t begin, uint32_t end, uint64_t superseded_by)
{
    if (begin < end) {
        roaring_bitmap_add_range(d->bitmap, begin, end);
        note(d, superseded_by);
    }
    return NACRE_OK;
}

bool dead_rows_has(const struct dead_rows *d, uint32_t row)
{
    return d && roaring_bitmap_contains(d->bitmap, row);
}

uint64_t dead_rows_bytes(const struct dead_rows *d)
{
    return d ? sizeof *d + roaring_bitmap_size_in_bytes(d->bitmap) : 0;
}
