/* Making versions (see version.h, version_build.h).

   One block of memory per version: struct version | runs | pieces | heads | keys. Invariants:
   1. runs are newest first: level 0 by falling id, then level 1, 2, ...; each of these has one run at most.
   2. pieces of a run ascend and are disjoint, also where their range deletes reach.
   3. each piece holds one reference of its segment, and one of its dead rows.
   4. dead rows that are known say all that the newer runs of this version supersede, no less; those of a run that nothing is newer than are
      none. Who lists the pieces sees to it (dead_marks.c).
   No locks; a version is immutable once built. */
#include "tree/version_build.h"
#include "base/memory.h"
#include "base/status.h"
#include <stdlib.h>

#define SAMPLES 63

static nacre_slice begin_of(const struct placed *p)
{
    return p->has_begin ? p->begin : buffer_slice(&p->segment->properties.smallest);
}

static nacre_slice end_of(const struct placed *p)
{
    return p->has_end ? p->end : buffer_slice(&p->segment->properties.greatest);
}

static int compare_placed(const void *left, const void *right)
{
    const struct placed *a = left, *b = right;
    if (a->level != b->level) {
        return a->level < b->level ? -1 : 1;
    }
    if (a->run != b->run) {
        return a->run > b->run ? -1 : 1;
    }
    return slice_compare(begin_of(a), begin_of(b));
}

static bool same_run(const struct placed *a, const struct placed *b)
{
    return a->level == b->level && a->run == b->run;
}

static bool in_order(const struct placed *a, const struct placed *b)
{
    if (!a->has_end && a->segment->properties.greatest_open) {
        return false;
    }
    int order = slice_compare(end_of(a), begin_of(b));
    return a->has_end ? order <= 0 : order < 0;
}

static int check(const struct placed *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].level >= TREE_LEVELS) {
            return fail(NACRE_CORRUPT, "segment %016llx: level %u does not exist",
                        (unsigned long long)list[i].segment->properties.id, list[i].level);
        }
        if (i > 0 && same_run(&list[i - 1], &list[i]) && !in_order(&list[i - 1], &list[i])) {
            return fail(NACRE_CORRUPT, "segments %016llx and %016llx overlap in level %u",
                        (unsigned long long)list[i - 1].segment->properties.id,
                        (unsigned long long)list[i].segment->properties.id, list[i].level);
        }
    }
    return NACRE_OK;
}

/* ---- laying out ---- */

struct share { /* of one segment */
    struct segment *segment;
    uint64_t bytes; /* of its pieces together */
};
struct layout {
    struct version *version;
    const struct share *shares; /* by address */
    size_t share_count;
    struct piece *piece;
    uint64_t *head;
    uint8_t *key;
};

static nacre_slice copy_key(struct layout *to, nacre_slice key)
{
    nacre_slice copy = { to->key, key.size };
    if (key.size) {
        memcpy(to->key, key.data, key.size);
    }
    to->key += key.size;
    return copy;
}

static int compare_shares(const void *left, const void *right)
{
    const struct segment *a = ((const struct share *)left)->segment, *b = ((const struct share *)right)->segment;
    return a < b ? -1 : a > b;
}

/* The piece's part of what its segment's pieces have lost. */
static uint64_t dead_bytes(const struct layout *to, const struct placed *from)
{
    const struct share *share = bsearch(&(struct share){ .segment = from->segment }, to->shares, to->share_count,
                                        sizeof *share, compare_shares);
    uint64_t whole = from->segment->properties.bytes;
    return share && share->bytes > 0 && whole > share->bytes
               ? (uint64_t)((double)(whole - share->bytes) * (double)from->bytes / (double)share->bytes)
               : 0;
}

/* As many of the segment's operands as the piece has of its entries, rounded up: none are told to be there only where there are none. */
static uint64_t share_of_merges(const struct placed *from)
{
    const struct segment_properties *of = &from->segment->properties;
    if (of->merges == 0 || of->entries == 0) {
        return of->merges;
    }
    return 1 + (uint64_t)((double)of->merges * (double)from->entries / (double)of->entries);
}

uint64_t value_share_of(const struct segment *segment, uint64_t entries, uint64_t bytes)
{
    uint64_t all = segment->properties.entries;
    return entries >= all ? bytes : (uint64_t)((double)bytes * (double)entries / (double)all);
}

static void set_piece(struct layout *to, const struct placed *from)
{
    struct segment *segment = from->segment;
    *to->piece = (struct piece){ .segment = segment,
                                 .reader = segment->reader,
                                 .least_sequence = segment->properties.least_sequence,
                                 .has_begin = from->has_begin,
                                 .has_end = from->has_end,
                                 .bytes = from->bytes,
                                 .entries = from->entries,
                                 .deletes = from->deletes,
                                 .merges = share_of_merges(from),
                                 .shadowed = from->shadowed,
                                 .hiding = from->hiding,
                                 .last_expiry_ms = from->last_expiry_ms,
                                 .dead_rows = from->dead_rows,
                                 .dead_known = from->dead_known,
                                 .dead_unseen = from->dead_unseen };
    to->piece->begin = from->has_begin ? copy_key(to, from->begin) : begin_of(from);
    to->piece->end = from->has_end ? copy_key(to, from->end) : end_of(from);
    to->piece->open_end = !from->has_end && segment->properties.greatest_open;
    segment_ref(segment);
    dead_rows_ref(from->dead_rows);
    struct version *v = to->version;
    if (v->run_count == 1) { /* the newest */
        to->piece->dead_known = v->kind->find_dead != NULL;
    }
    v->unknown_dead += v->kind->find_dead && !to->piece->dead_known;
    to->piece->dead = dead_bytes(to, from);
    v->dead += to->piece->dead;
    to->piece->values = value_share_of(segment, from->entries, segment->properties.values.bytes);
    v->values += to->piece->values;
    v->has_values = v->has_values || segment->properties.values.count > 0;
    v->bytes += from->bytes;
    v->has_ranges = v->has_ranges || segment->ranges;
    if (segment->properties.greatest_sequence > v->greatest_sequence) {
        v->greatest_sequence = segment->properties.greatest_sequence;
    }
    to->piece++;
}

static nacre_slice tail(nacre_slice key, size_t shared)
{
    return shared == 0 ? key : slice_of((const uint8_t *)key.data + shared, key.size - shared);
}

/* Bounds ascend, so what the first and the last begin with, all begin with. */
static void set_heads(struct layout *to, struct run *run)
{
    const struct piece *last = &run->pieces[run->count - 1];
    run->shared = last->open_end ? 0 : slice_shared_prefix(run->pieces[0].begin, last->end);
    run->heads = to->head;
    for (size_t i = 0; i < run->count; i++) {
        struct piece *piece = &run->pieces[i];
        *to->head++ = slice_head(tail(piece->begin, run->shared));
        piece->end_head = piece->open_end ? UINT64_MAX : slice_head(tail(piece->end, run->shared));
        run->bytes += piece->bytes;
        run->has_ranges = run->has_ranges || piece->segment->ranges;
    }
}

static void set_run(struct layout *to, const struct placed *list, size_t count)
{
    struct version *v = to->version;
    struct run *run = &v->runs[v->run_count++];
    struct level *level = &v->levels[list[0].level];
    run->id = list[0].run;
    run->level = list[0].level;
    run->pieces = to->piece;
    run->count = count;
    for (size_t i = 0; i < count; i++) {
        set_piece(to, &list[i]);
    }
    set_heads(to, run);
    if (level->count++ == 0) {
        level->runs = run;
    }
    level->bytes += run->bytes;
}

/* What is left of each segment. */
static int list_shares(const struct placed *list, size_t count, struct share **shares, size_t *distinct)
{
    *distinct = 0;
    *shares = memory_alloc(count * sizeof **shares + 1);
    if (!*shares) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        (*shares)[i] = (struct share){ list[i].segment, list[i].bytes };
    }
    qsort(*shares, count, sizeof **shares, compare_shares);
    for (size_t i = 0; i < count; i++) {
        if (*distinct > 0 && (*shares)[*distinct - 1].segment == (*shares)[i].segment) {
            (*shares)[*distinct - 1].bytes += (*shares)[i].bytes;
        } else {
            (*shares)[(*distinct)++] = (*shares)[i];
        }
    }
    return NACRE_OK;
}

int version_build(const struct kind *kind, struct placed *list, size_t count, struct version **built)
{
    size_t runs = 0, key_bytes = 0, segments = 0;
    struct share *shares = NULL;
    qsort(list, count, sizeof *list, compare_placed);
    int status = check(list, count);
    if (status == NACRE_OK) {
        status = list_shares(list, count, &shares, &segments);
    }
    if (status != NACRE_OK) {
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        runs += i == 0 || !same_run(&list[i - 1], &list[i]);
        key_bytes += (list[i].has_begin ? list[i].begin.size : 0) + (list[i].has_end ? list[i].end.size : 0);
    }
    struct version *v = memory_zalloc(sizeof *v + runs * sizeof(struct run) +
                                      count * (sizeof(struct piece) + sizeof(uint64_t)) + key_bytes);
    if (!v) {
        memory_free(shares);
        return NACRE_NO_MEMORY;
    }
    atomic_init(&v->references, 1);
    v->kind = kind;
    v->runs = (struct run *)(v + 1);
    v->piece_count = count;
    v->segment_count = segments;
    struct layout to = {
        .version = v, .shares = shares, .share_count = segments, .piece = (struct piece *)(v->runs + runs)
    };
    to.head = (uint64_t *)(to.piece + count);
    to.key = (uint8_t *)(to.head + count);
    for (size_t first = 0, after = 0; first < count; first = after) {
        while (after < count && same_run(&list[first], &list[after])) {
            after++;
        }
        set_run(&to, &list[first], after - first);
    }
    memory_free(shares);
    *built = v;
    return NACRE_OK;
}

void version_ref(struct version *v)
{
    atomic_fetch_add_explicit(&v->references, 1,
                              memory_order_relaxed); /* the caller holds one, or is in a read section */
}

void version_unref(struct version *v)
{
    /* acq_rel: the last one frees after all uses by the others. */
    if (!v || atomic_fetch_sub_explicit(&v->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            segment_unref(v->runs[r].pieces[i].segment);
            dead_rows_unref(v->runs[r].pieces[i].dead_rows);
        }
    }
    memory_free(v);
}

/* ---- taking apart ---- */

int version_placed(const struct version *v, size_t extra, struct placed **list, size_t *count)
{
    *count = 0;
    *list = memory_alloc((v->piece_count + extra) * sizeof **list + 1);
    if (!*list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t r = 0; r < v->run_count; r++) {
        const struct run *run = &v->runs[r];
        for (size_t i = 0; i < run->count; i++) {
            const struct piece *p = &run->pieces[i];
            (*list)[(*count)++] = (struct placed){ .level = run->level,
                                                   .run = run->id,
                                                   .segment = p->segment,
                                                   .has_begin = p->has_begin,
                                                   .has_end = p->has_end,
                                                   .begin = p->begin,
                                                   .end = p->end,
                                                   .bytes = p->bytes,
                                                   .entries = p->entries,
                                                   .deletes = p->deletes,
                                                   .shadowed = p->shadowed,
                                                   .hiding = p->hiding,
                                                   .last_expiry_ms = p->last_expiry_ms,
                                                   .dead_rows = p->dead_rows,
                                                   .dead_known = p->dead_known,
                                                   .dead_unseen = p->dead_unseen };
        }
    }
    return NACRE_OK;
}

int version_segments(const struct version *v, uint64_t before_run, struct segment ***list, size_t *count)
{
    *count = 0;
    *list = memory_alloc(v->piece_count * sizeof(struct segment *) + 1);
    if (!*list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count && v->runs[r].id < before_run; i++) {
            struct segment *segment = v->runs[r].pieces[i].segment;
            size_t k = 0;
            while (k < *count && (*list)[k] != segment) {
                k++;
            }
            if (k == *count) {
                (*list)[(*count)++] = segment;
            }
        }
    }
    return NACRE_OK;
}

static uint64_t share_of(uint64_t all, size_t part, size_t whole)
{
    return (uint64_t)((double)all * (double)part / (double)whole);
}

static bool holds(const struct placed *p, nacre_slice key)
{
    return (!p->has_begin || slice_compare(key, p->begin) >= 0) && (!p->has_end || slice_compare(key, p->end) < 0);
}

/* How many of the segment's samples, and one more, lie in each of the two. */
static int count_samples(const struct placed *part, const struct placed *whole, size_t *in_part, size_t *in_whole)
{
    struct buffer keys = { 0 };
    size_t made = 0;
    *in_part = *in_whole = 1;
    int status = part->segment->kind->sample_keys(part->segment->reader, SAMPLES, &keys, &made);
    struct reader in = reader_of(buffer_slice(&keys));
    for (size_t i = 0; i < made && status == NACRE_OK; i++) {
        nacre_slice key = reader_slice(&in);
        *in_part += holds(part, key);
        *in_whole += holds(whole, key);
    }
    buffer_free(&keys);
    return status;
}

int placed_estimate(struct placed *part, const struct placed *whole)
{
    size_t in_part, in_whole;
    int status = count_samples(part, whole, &in_part, &in_whole);
    if (status != NACRE_OK) {
        return status;
    }
    part->bytes = share_of(whole->bytes, in_part, in_whole);
    part->entries = share_of(whole->entries, in_part, in_whole);
    part->deletes = share_of(whole->deletes, in_part, in_whole);
    part->shadowed = share_of(whole->shadowed, in_part, in_whole);
    part->hiding = share_of(whole->hiding, in_part, in_whole);
    return NACRE_OK;
}

void placed_whole(struct placed *p)
{
    p->bytes = p->segment->properties.bytes;
    p->entries = p->segment->properties.entries;
    p->deletes = p->segment->properties.deletes;
}

/* ---- overlaps ---- */

void run_overlap(const struct run *run, const struct key_range *range, size_t *first, size_t *after)
{
    size_t low = 0, high = run->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (piece_ends_before(&run->pieces[middle], range->begin)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *first = low;
    high = run->count;
    while (low < high && range->end.size) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(run->pieces[middle].begin, range->end) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *after = range->end.size ? low : run->count;
}

bool version_has_operands(const struct version *v, size_t run, const struct key_range *range)
{
    for (size_t r = 0; r < run; r++) {
        size_t first, after;
        run_overlap(&v->runs[r], range, &first, &after);
        for (; first < after; first++) {
            if (v->runs[r].pieces[first].merges) {
                return true;
            }
        }
    }
    return false;
}

/* Of the keys of the range, without a look at the segment where that has all of the piece. */
static uint64_t values_of_part(const struct piece *piece, const struct key_range *range)
{
    bool from_begin = slice_compare(range->begin, piece->begin) <= 0;
    if (piece->values == 0 || (from_begin && range->end.size == 0) ||
        (from_begin && piece_ends_before(piece, range->end))) {
        return piece->values;
    }
    struct placed whole = { .segment = piece->segment,
                            .has_begin = piece->has_begin,
                            .has_end = piece->has_end,
                            .begin = piece->begin,
                            .end = piece->end };
    struct placed part = whole;
    if (!from_begin) {
        part.has_begin = true;
        part.begin = range->begin;
    }
    if (range->end.size && !piece_ends_before(piece, range->end)) {
        part.has_end = true;
        part.end = range->end;
    }
    size_t in_part, in_whole;
    if (count_samples(&part, &whole, &in_part, &in_whole) != NACRE_OK || in_whole == 0) {
        return 0;
    }
    return share_of(piece->values, in_part - 1 < in_whole ? in_part - 1 : in_whole, in_whole);
}

uint64_t version_values_in(const struct version *v, nacre_slice begin, nacre_slice end)
{
    const struct key_range range = { begin, end };
    uint64_t bytes = 0;
    for (size_t r = 0; r < v->run_count && v->has_values; r++) {
        size_t first, after;
        run_overlap(&v->runs[r], &range, &first, &after);
        for (size_t i = first; i < after; i++) {
            bytes += values_of_part(&v->runs[r].pieces[i], &range);
        }
    }
    return bytes;
}

bool version_overlaps(const struct version *v, size_t from_run, const struct key_range *range)
{
    for (size_t r = from_run; r < v->run_count; r++) {
        size_t first, after;
        run_overlap(&v->runs[r], range, &first, &after);
        if (first < after) {
            return true;
        }
    }
    return false;
}
