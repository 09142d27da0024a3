/* The segments of a damaged store (salvage.h): sound ones are copied as they are, with their side files; of damaged ones a new one is made of what can be
   read, under the same id and with the same sequences, so that it takes its place among the others.

   A sound one is sound by every checksum in it. Files are read, not mapped: a disk that fails to read gives an error, not a signal. */
#include "store/salvage.h"
#include "base/memory.h"
#include "base/status.h"
#include "log/wal_directory.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct manifest_collection *salvage_collection(struct salvage *s, uint32_t id)
{
    struct manifest_state *state = &s->manifest.state;
    for (size_t i = 0; i < state->collection_count; i++) {
        if (state->collections[i].id == id) {
            return &state->collections[i];
        }
    }
    return NULL;
}

/* ---- one segment ---- */

struct rebuild {
    struct salvage *salvage;
    struct salvaged_segment *segment;
    bool named; /* by an edit of the manifest */
    char file[64];
    int status;
};

static void name_file(struct rebuild *r)
{
    (void)snprintf(r->file, sizeof r->file, "segments/%016" PRIx64 ".seg", r->segment->id);
}

static int note_lost(void *context, const struct lost_part *lost)
{
    struct rebuild *r = context;
    int status =
        salvage_report_damage(r->salvage, r->file, salvage_collection(r->salvage, r->segment->collection), lost, NULL);
    return status == NACRE_OK ? salvage_note_lost(r->salvage, r->segment, lost) : status;
}

static int check_value(void *context, const struct entry *e)
{
    struct rebuild *r = context;
    return salvage_check_value(r->salvage, r->segment, e);
}

static int lose_all(struct rebuild *r, const char *what)
{
    const struct segment_properties *p = &r->segment->properties;
    struct lost_part lost = { .what = what,
                              .has_after = p->smallest.size > 0,
                              .has_before = p->greatest.size > 0 && !p->greatest_open,
                              .after = buffer_slice(&p->smallest),
                              .before = buffer_slice(&p->greatest) };
    return note_lost(r, &lost);
}

/* Where its sequences are a guess, any key of the segment may be older than it seems, and hide or be hidden. */
static int note_doubt(void *context)
{
    struct rebuild *r = context;
    return lose_all(r, "the order of its entries against others: their sequences are a guess");
}

static int copy_file(struct salvage *s, uint64_t id, bool index)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    int status = segment_path(&s->source, id, index, from);
    if (status == NACRE_OK) {
        status = segment_path(&s->target, id, index, to);
    }
    return status == NACRE_OK ? copier_copy(&s->copier, from, to, UINT64_MAX) : status;
}

/* A side file that is missing or damaged is made again. */
static int copy_index(struct salvage *s, uint64_t id)
{
    char path[OS_PATH_MAX];
    struct container *index = NULL;
    int status = segment_path(&s->source, id, true, path);
    if (status != NACRE_OK) {
        return status;
    }
    status = container_open(s->os, path, CONTAINER_INDEX, id, 0, false, &index);
    if (status == NACRE_OK) {
        status = container_verify(index);
    }
    container_close(index);
    status = status == NACRE_OK ? copy_file(s, id, true) : status;
    return status == NACRE_NO_MEMORY || status == NACRE_NO_SPACE ? status : NACRE_OK;
}

static int keep_properties(struct salvaged_segment *segment, const struct segment_properties *p)
{
    segment_properties_free(&segment->properties);
    return segment_properties_copy(p, &segment->properties);
}

/* Of a sound segment that no edit names. */
static int place_stray(struct salvage *s, struct salvaged_segment *segment, const struct segment_properties *p)
{
    segment->order = salvage_order_of(s, segment, p);
    int status = keep_properties(segment, p);
    if (status == NACRE_OK && segment->given) {
        struct segment_properties *own = &segment->properties;
        own->given_sequence = own->least_sequence = own->greatest_sequence = segment->given;
    }
    return status;
}

/* The segment is sound, but values that it points to are lost. */
static int leave_out_lost(struct salvage *s, struct salvaged_segment *segment, struct segment *opened)
{
    struct segment *made = NULL;
    int status = salvage_leave_out_lost(s, segment, opened, &made);
    if (status == NACRE_OK) {
        segment->how = made ? SALVAGED_REBUILT : SALVAGED_NOTHING;
        status = made ? keep_properties(segment, &made->properties) : NACRE_OK;
    }
    segment_unref(made);
    return status;
}

/* NACRE_OK: it is sound, and in the new store, as far as its values are there, or left out. */
static int copy_sound(struct salvage *s, struct salvaged_segment *segment, uint64_t expected_bytes)
{
    struct segment *opened = NULL;
    struct segment_words words;
    uint64_t entries = 0;
    int status = segment_open(&s->source, segment->kind, segment->id, expected_bytes, &opened);
    if (status == NACRE_OK) {
        status = segment_verify(opened, &entries);
    }
    if (status == NACRE_OK && segment_words_of(opened->container, &words)) {
        status = salvage_keep_words(segment, &words);
    }
    if (status == NACRE_OK && expected_bytes == 0) {
        status = place_stray(s, segment, &opened->properties);
    }
    bool wanted = segment->order != ORDER_NOT_TAKEN_IN;
    segment->how = status == NACRE_OK && !wanted ? SALVAGED_LEFT_OUT : segment->how;
    bool whole = true;
    if (status == NACRE_OK && wanted) {
        status = salvage_check_values(s, segment, opened, &whole);
    }
    if (status == NACRE_OK && !whole) {
        status = leave_out_lost(s, segment, opened);
    } else if (status == NACRE_OK && wanted && (status = copy_file(s, segment->id, false)) == NACRE_OK) {
        segment->how = SALVAGED_SOUND;
    }
    segment_unref(opened);
    return status == NACRE_OK && wanted && whole ? copy_index(s, segment->id) : status;
}

static int rebuild_from(struct salvage *s, struct rebuild *r, const struct wreck *w)
{
    struct salvaged_segment *segment = r->segment;
    struct segment *made = NULL;
    struct salvage_sink watch = { .entry = check_value, .lost = note_lost, .doubt = note_doubt, .context = r };
    struct build_options options = { .compression = COMPRESSION_LZ4,
                                     .collection = segment->collection,
                                     .words = salvage_words_for(s, segment->collection, segment->given != 0),
                                     .dimension = segment->dimension,
                                     .metric = segment->metric };
    segment->how = SALVAGED_NOTHING;
    int status = segment_rebuild(&s->target, segment->kind, w, &options, &watch, &made);
    if (status == NACRE_OK && made) {
        status = segment->given ? segment_give_sequence(made, segment->given) : NACRE_OK;
        if (status == NACRE_CORRUPT) { /* not all of it is settled: its sequences are a guess, which was reported */
            segment->given = 0;
            status = NACRE_OK;
        }
        status = status == NACRE_OK ? keep_properties(segment, &made->properties) : status;
        segment->how = SALVAGED_REBUILT;
    }
    segment_unref(made);
    return status;
}

/* What the segment says of itself fills in what nobody else does. */
static int learn(struct salvaged_segment *segment, const struct wreck *w)
{
    segment->kind = segment->kind ? segment->kind : store_kind(w->kind);
    if (segment->kind && segment->kind->vectors_of && segment->dimension == 0) {
        (void)segment->kind->vectors_of(w, &segment->dimension, &segment->metric);
    }
    const struct wreck_section *coll = wreck_section(w, "COLL");
    struct segment_words words;
    int status = NACRE_OK;
    if (coll && coll->proven && segment_words_decode(slice_of(wreck_bytes_of(w, coll), (size_t)coll->size), &words)) {
        status = salvage_keep_words(segment, &words);
    }
    if (status != NACRE_OK) {
        return status;
    }
    if (!w->has_properties) {
        return NACRE_OK;
    }
    segment->collection = segment->collection ? segment->collection : (uint32_t)w->properties.collection;
    return segment->properties.greatest_sequence ? NACRE_OK : keep_properties(segment, &w->properties);
}

static int salvage_damaged(struct salvage *s, struct rebuild *r, const struct wreck *w, const char *detail)
{
    if (!r->named) {
        r->segment->order =
            salvage_order_of(s, r->segment, w->has_properties ? &w->properties : &r->segment->properties);
    }
    if (r->segment->order == ORDER_NOT_TAKEN_IN) {
        r->segment->how = SALVAGED_LEFT_OUT;
        return NACRE_OK;
    }
    bool known = r->segment->kind && (!r->segment->kind->holds_vectors || r->segment->dimension);
    const struct manifest_collection *c = salvage_collection(s, r->segment->collection);
    int status = salvage_report_damage(s, r->file, c, NULL, detail);
    if (status == NACRE_OK && !known) {
        r->segment->how = SALVAGED_NOTHING;
        return lose_all(r, "the whole segment: of what kind it is cannot be told");
    }
    return status == NACRE_OK ? rebuild_from(s, r, w) : status;
}

static bool is_fatal(int status)
{
    return status == NACRE_NO_MEMORY || status == NACRE_NO_SPACE || status == NACRE_EXISTS;
}

/* `known`: what the manifest says of it, or NULL. */
static int take_segment(struct salvage *s, struct salvaged_segment *segment, const struct segment_properties *known)
{
    struct rebuild r = { .salvage = s, .segment = segment, .named = known != NULL };
    struct wreck *w = NULL;
    char path[OS_PATH_MAX], detail[1024] = "";
    name_file(&r);
    int status = segment_path(&s->source, segment->id, false, path);
    segment->given = known ? known->given_sequence : given_find(&s->given, segment->id);
    if (status != NACRE_OK || (known && (status = keep_properties(segment, known)) != NACRE_OK)) {
        return status;
    }
    status = segment->kind ? copy_sound(s, segment, known ? known->bytes : 0) : NACRE_CORRUPT;
    if (status == NACRE_OK || is_fatal(status)) {
        return status;
    }
    (void)snprintf(detail, sizeof detail, "%s", fail_detail());
    status = wreck_open(s->os, path, segment->id, known, segment->dimension, &w);
    if (status == NACRE_NO_MEMORY) {
        return status;
    }
    if (status != NACRE_OK) {
        segment->how = SALVAGED_MISSING;
        return lose_all(&r, "the whole segment");
    }
    bool told = segment->kind != NULL;
    status = learn(segment, w);
    if (status == NACRE_OK && !told && segment->kind && copy_sound(s, segment, 0) == NACRE_OK) {
        wreck_close(w);
        return NACRE_OK;
    }
    if (status == NACRE_OK && !told) {
        (void)snprintf(detail, sizeof detail, "%s", fail_detail());
    }
    if (status == NACRE_OK) {
        status = salvage_damaged(s, &r, w, detail);
    }
    wreck_close(w);
    return status;
}

const struct salvaged_segment *salvage_segment(const struct salvage *s, uint64_t id)
{
    for (size_t i = 0; i < s->segment_count; i++) {
        if (s->segments[i].id == id) {
            return &s->segments[i];
        }
    }
    return NULL;
}

static int add_segment(struct salvage *s, uint64_t id, const struct manifest_collection *c,
                       const struct segment_properties *known)
{
    int status = memory_grow((void **)&s->segments, &s->segment_capacity, s->segment_count + 1, sizeof *s->segments);
    if (status != NACRE_OK) {
        return status;
    }
    struct salvaged_segment *segment = &s->segments[s->segment_count++];
    *segment = (struct salvaged_segment){ .id = id };
    if (c) {
        segment->collection = c->id;
        segment->kind = store_kind(c->kind);
        segment->dimension = c->dimension;
        segment->metric = (nacre_metric)c->metric;
    }
    return take_segment(s, segment, known);
}

/* ---- all that the manifest names ---- */

static int take_named(struct salvage *s)
{
    struct manifest_state *state = &s->manifest.state;
    int status = NACRE_OK;
    for (size_t i = 0; i < state->collection_count && status == NACRE_OK; i++) {
        struct manifest_collection *c = &state->collections[i];
        for (size_t j = 0; j < c->piece_count && status == NACRE_OK; j++) {
            const struct segment_properties *p = &c->pieces[j].properties;
            if (!salvage_segment(s, p->id)) {
                status = add_segment(s, p->id, c, p);
            }
        }
    }
    return status;
}

/* ---- and, where it is not whole, what else is there ---- */

struct listing {
    struct salvage *salvage;
    uint64_t *ids;
    size_t count, capacity;
    int status;
};

static bool is_gone(const struct salvage *s, uint64_t id)
{
    for (size_t i = 0; i < s->manifest.gone_count; i++) {
        if (s->manifest.gone[i] == id) {
            return true;
        }
    }
    return false;
}

static void note_file(void *context, const char *name)
{
    struct listing *list = context;
    char *end = NULL;
    unsigned long long id = strtoull(name, &end, 16);
    if (end != name + 16 || strcmp(end, ".seg") != 0) {
        return;
    }
    int status = memory_grow((void **)&list->ids, &list->capacity, list->count + 1, sizeof *list->ids);
    if (status == NACRE_OK) {
        list->ids[list->count++] = id;
    }
    list->status = list->status == NACRE_OK ? status : list->status;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static bool is_named(const struct salvage *s, uint64_t id)
{
    const struct manifest_state *state = &s->manifest.state;
    for (size_t i = 0; i < state->collection_count; i++) {
        for (size_t j = 0; j < state->collections[i].piece_count; j++) {
            if (state->collections[i].pieces[j].properties.id == id) {
                return true;
            }
        }
    }
    return false;
}

/* The files that are there, ascending; *strays: some are neither named nor gone. */
static int list_files(struct salvage *s, struct listing *list, bool *strays)
{
    *list = (struct listing){ .salvage = s, .status = NACRE_OK };
    int status = s->os->list(s->os->context, s->source_segments, note_file, list);
    status = status == NACRE_OK ? list->status : status == NACRE_NOT_FOUND ? NACRE_OK : status;
    if (list->count > 1) {
        qsort(list->ids, list->count, sizeof *list->ids, compare_ids);
    }
    *strays = false;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t opening = list->ids[i] >> 32;
        s->manifest.state.opening = opening > s->manifest.state.opening ? opening : s->manifest.state.opening;
        *strays |= !is_named(s, list->ids[i]) && !is_gone(s, list->ids[i]);
    }
    return status;
}

/* ---- whether a manifest that reads as whole is ---- */

static bool misses_segments(const struct salvage *s, const struct listing *list)
{
    const struct manifest_state *state = &s->manifest.state;
    for (size_t i = 0; i < state->collection_count; i++) {
        const struct manifest_collection *c = &state->collections[i];
        for (size_t j = 0; j < c->piece_count; j++) {
            const uint64_t id = c->pieces[j].properties.id;
            if (!list->count || !bsearch(&id, list->ids, list->count, sizeof id, compare_ids)) {
                return true;
            }
        }
    }
    return false;
}

/* A bulk load is there, and was given its sequence, after all that the manifest tells of. */
static bool misses_loads(const struct salvage *s, const struct listing *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (given_find(&s->given, list->ids[i]) > s->manifest.state.last_sequence && !is_named(s, list->ids[i])) {
            return true;
        }
    }
    return false;
}

/* The log begins behind what the manifest would have of it. */
static int look_at_log(const struct salvage *s, bool *misses)
{
    char directory[OS_PATH_MAX];
    struct wal_numbers logs;
    int status = os_path(directory, s->path, "log");
    if (status == NACRE_OK && (status = wal_list(s->os, directory, &logs)) == NACRE_OK) {
        *misses = logs.count && logs.numbers[0] > WAL_FILE(salvage_log_begin(s));
        wal_numbers_free(&logs);
    }
    return status == NACRE_NO_MEMORY ? status : NACRE_OK;
}

/* The manifest of a store that was not closed may end anywhere: cut there, it reads as whole. But what an edit adds is on the disk before the edit, and what the edit makes superfluous
   goes after it. So segments that no edit names are of lost edits where others that are named are gone, or the log of before is, or where they were given a sequence that is newer than all edits. */
static int distrust_manifest(struct salvage *s, struct listing *list, bool *strays)
{
    bool cut = misses_segments(s, list) || misses_loads(s, list);
    int status = cut ? NACRE_OK : look_at_log(s, &cut);
    if (status != NACRE_OK || !cut) {
        return status;
    }
    manifest_salvaged_free(&s->manifest);
    (void)fail(NACRE_CORRUPT,
               "the manifest ends early: some of what it names is gone, and segments that it does not name are there");
    status = manifest_salvage_edits(s->os, s->path, &s->manifest);
    if (status == NACRE_OK) {
        status = salvage_report_damage(s, "manifest", NULL, NULL, s->manifest.detail);
    }
    if (status == NACRE_OK) {
        memory_free(list->ids);
        status = list_files(s, list, strays);
    }
    return status;
}

/* Its keys may show older versions where they belong. */
static int report_homeless(struct salvage *s, struct salvaged_segment *segment)
{
    struct rebuild r = { .salvage = s, .segment = segment };
    const struct segment_properties *p = &segment->properties;
    struct lost_part part = { .what = "which collection its entries are of: they are in one of their own",
                              .has_after = true,
                              .has_before = !p->greatest_open,
                              .after = buffer_slice(&p->smallest),
                              .before = buffer_slice(&p->greatest) };
    name_file(&r);
    return salvage_report_damage(s, r.file, NULL, &part, NULL);
}

/* Its collection, made where nothing else is left of it: of its id, or, where segments did not know that, its own. */
static int settle_collection(struct salvage *s, struct salvaged_segment *segment)
{
    if (segment->how != SALVAGED_SOUND && segment->how != SALVAGED_REBUILT) {
        return NACRE_OK;
    }
    uint32_t id = segment->collection;
    if (id == 0) {
        int status = report_homeless(s, segment);
        if (status != NACRE_OK) {
            return status;
        }
        id = s->manifest.state.next_collection > 1000000 ? s->manifest.state.next_collection : 1000000;
    }
    struct manifest_collection *c = salvage_collection(s, id);
    if (!c && !(c = manifest_salvage_collection(&s->manifest.state, id))) {
        return NACRE_NO_MEMORY;
    }
    segment->collection = id;
    if (c->kind == 0) {
        c->kind = segment->kind->code;
        c->dimension = segment->dimension;
        c->metric = segment->metric;
    }
    return NACRE_OK;
}

static int take_strays(struct salvage *s, const struct listing *list)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < list->count && status == NACRE_OK; i++) {
        if (!salvage_segment(s, list->ids[i]) && !is_gone(s, list->ids[i])) {
            status = add_segment(s, list->ids[i], NULL, NULL);
            if (status == NACRE_OK) {
                status = settle_collection(s, &s->segments[s->segment_count - 1]);
            }
        }
    }
    for (size_t i = 0; i < s->segment_count && status == NACRE_OK; i++) {
        status = settle_collection(s, &s->segments[i]);
    }
    return status;
}

/* What cannot be known of the order of bulk loads; their collections have their names by now. */
static int report_orders(struct salvage *s)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->segment_count && status == NACRE_OK; i++) {
        struct salvaged_segment *segment = &s->segments[i];
        const struct segment_properties *p = &segment->properties;
        struct rebuild r = { .salvage = s, .segment = segment };
        bool left_out = segment->how == SALVAGED_LEFT_OUT;
        bool doubtful =
            segment->order == ORDER_UNKNOWN && (segment->how == SALVAGED_SOUND || segment->how == SALVAGED_REBUILT);
        if (!left_out && !doubtful) {
            continue;
        }
        struct lost_part part = { .what = left_out ? "a bulk load that was not taken in: it is left out"
                                                   : "when a bulk load was taken in: others of its keys count as newer",
                                  .has_after = true,
                                  .has_before = true,
                                  .after = buffer_slice(&p->smallest),
                                  .before = buffer_slice(&p->greatest) };
        name_file(&r);
        status = salvage_report_damage(s, r.file, salvage_collection(s, segment->collection), &part, NULL);
        if (status == NACRE_OK && doubtful) {
            status = salvage_note_unordered(s, segment);
        }
    }
    return status;
}

/* ---- the state ---- */

/* Pieces of rebuilt segments say what these have now; those of which nothing is left go. */
static int update_pieces(struct salvage *s, struct manifest_collection *c)
{
    size_t kept = 0;
    int status = NACRE_OK;
    for (size_t i = 0; i < c->piece_count && status == NACRE_OK; i++) {
        struct manifest_piece *piece = &c->pieces[i];
        const struct salvaged_segment *segment = salvage_segment(s, piece->properties.id);
        if (segment->how == SALVAGED_SOUND || segment->how == SALVAGED_REBUILT) {
            segment_properties_free(&piece->properties);
            status = segment_properties_copy(&segment->properties, &piece->properties);
            c->pieces[kept++] = *piece;
        } else {
            buffer_free(&piece->begin);
            buffer_free(&piece->end);
            segment_properties_free(&piece->properties);
        }
    }
    c->piece_count = status == NACRE_OK ? kept : c->piece_count;
    return status;
}

static void note_sequences(struct salvage *s)
{
    struct manifest_state *state = &s->manifest.state;
    for (size_t i = 0; i < s->segment_count; i++) {
        uint64_t sequence = s->segments[i].properties.greatest_sequence;
        state->last_sequence = sequence > state->last_sequence ? sequence : state->last_sequence;
    }
}

int salvage_segments(struct salvage *s)
{
    struct manifest_state *state = &s->manifest.state;
    struct listing list;
    bool strays = false;
    int status = list_files(s, &list, &strays);
    if (status == NACRE_OK && !s->manifest.detail[0] && strays) {
        status = distrust_manifest(s, &list, &strays);
    }
    if (s->manifest.detail[0] && strays) {
        s->manifest.whole = false; /* what named these is among what cannot be read */
    }
    if (status == NACRE_OK) {
        s->next_segment = (state->opening + 1) << 32;
        state->opening += 2;
        status = take_named(s);
    }
    if (status == NACRE_OK && !s->manifest.whole) {
        status = take_strays(s, &list);
        if (status == NACRE_OK) {
            status = salvage_name_collections(s);
        }
        if (status == NACRE_OK) {
            status = report_orders(s);
        }
        if (status == NACRE_OK) {
            status = salvage_find_replaced(s);
        }
    }
    note_sequences(s);
    for (size_t i = 0; i < state->collection_count && status == NACRE_OK; i++) {
        status = s->manifest.whole ? update_pieces(s, &state->collections[i])
                                   : salvage_merge_collection(s, &state->collections[i]);
    }
    memory_free(list.ids);
    return status;
}
