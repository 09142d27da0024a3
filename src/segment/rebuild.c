/* Rebuilding a damaged segment (rebuild.h): what its kind can still read goes through a builder, with the sequences that it had, so that it takes the place
   of the old one among the other segments. One thread; no locks. */
#include "segment/rebuild.h"
#include "base/memory.h"
#include "base/status.h"

struct rebuilding {
    struct segment_builder *builder;
    const struct salvage_sink *watch;
    uint64_t entries, ranges;
};

static int lose_key(struct rebuilding *r, nacre_slice key)
{
    struct lost_part lost = { .what = "an entry out of order", .is_key = true, .after = key };
    return r->watch->lost(r->watch->context, &lost);
}

static int add_entry(void *context, const struct entry *e)
{
    struct rebuilding *r = context;
    int status = r->watch->entry ? r->watch->entry(r->watch->context, e) : NACRE_OK;
    if (status != NACRE_OK) {
        return status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    status = segment_builder_add(r->builder, e);
    if (status == NACRE_INVALID || status == NACRE_LIMIT) {
        return lose_key(r, e->key); /* sound by its checksum, but not where it stands: no writer makes that */
    }
    r->entries += status == NACRE_OK;
    return status;
}

static int pass_lost(void *context, const struct lost_part *lost)
{
    struct rebuilding *r = context;
    return r->watch->lost(r->watch->context, lost);
}

static int pass_doubt(void *context)
{
    struct rebuilding *r = context;
    return r->watch->doubt(r->watch->context);
}

static int lose_ranges(struct rebuilding *r, const struct wreck *w)
{
    const struct segment_properties *p = &w->properties;
    struct lost_part lost = { .what = "range deletes",
                              .has_after = w->has_properties,
                              .has_before = w->has_properties && !p->greatest_open };
    lost.after = buffer_slice(&p->smallest);
    lost.before = buffer_slice(&p->greatest);
    return r->watch->lost(r->watch->context, &lost);
}

static int add_ranges(struct rebuilding *r, const struct wreck *w)
{
    const struct wreck_section *s = wreck_section(w, "RDEL");
    if (!s || !s->proven) {
        bool none = w->has_properties ? w->properties.range_deletes == 0 : w->table_proven && !s;
        return none ? NACRE_OK : lose_ranges(r, w);
    }
    struct reader in = reader_of(slice_of(wreck_bytes_of(w, s), (size_t)s->size));
    int status = NACRE_OK;
    for (uint64_t left = reader_varint(&in); left > 0 && status == NACRE_OK; left--) {
        struct range_delete range = { .begin = reader_slice(&in), .end = reader_slice(&in) };
        range.sequence = reader_varint(&in);
        if (!in.ok) {
            break;
        }
        status = segment_builder_add_range(r->builder, &range);
        r->ranges += status == NACRE_OK;
    }
    return status;
}

int segment_rebuild(struct segment_env *target, const struct kind *kind, const struct wreck *w,
                    const struct build_options *options, const struct salvage_sink *watch, struct segment **out)
{
    struct rebuilding r = { .watch = watch };
    struct salvage_sink sink = { add_entry, pass_lost, pass_doubt, &r };
    *out = NULL;
    int status = segment_builder_create(target, kind, w->id, options, &r.builder);
    if (status != NACRE_OK) {
        return status;
    }
    status = kind->salvage ? kind->salvage(w, &sink) : NACRE_OK;
    if (status == NACRE_OK) {
        status = add_ranges(&r, w);
    }
    if (status != NACRE_OK || r.entries + r.ranges == 0) {
        segment_builder_abandon(r.builder);
        return status;
    }
    return segment_builder_finish(r.builder, out);
}
