/* The walked part of a count: the keys of one source, each against what lies below (see search_count.h).

   Keys are taken in batches, so that the reads below are under way together. Where little lies below, the matches there are walked beside
   those of the source, but only once the source has shown that it has some: with few matches a look at each is cheaper.

   What was found below a memtable's key is noted with the key, so that the next count need not look. "A put that never expires" is noted, and
   believed, only while there are no range deletes: one that is older than the table's own version may cover the put, and both may be merged away
   while the note stays. One that comes later is in this table or a newer one, which is flushed no sooner.
   One thread at a time; no locks. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/range_set.h"
#include "store/search_count.h"
#include "tree/merge_cursor.h"

#define BATCH_KEYS 16u
#define STOP_KEYS  64u

struct found {
    size_t at, size; /* in walk.keys */
    bool live;
    nacre_slice own; /* the key in the memtable itself; empty for segments */
};

struct walk {
    const struct count_plan *plan;
    const struct count_task *task;
    const struct count_source *source;
    struct search *search;
    struct cursor *cursor, *below; /* below: NULL as long as keys are looked up */
    struct search below_search;
    struct memtable_search own, *tables; /* of the source, and of the memtables below */
    struct buffer keys;
    struct found found[BATCH_KEYS];
    size_t count;
    uint64_t live, matches;
};

static bool is_live(const struct walk *w, const struct entry *entry)
{
    if (entry->type == ENTRY_DELETE || (entry->expiry_ms != 0 && entry->expiry_ms <= w->plan->now_ms)) {
        return false;
    }
    const struct range_set *ranges = w->plan->ranges;
    return !ranges || range_set_covering(ranges, entry->key, w->plan->sequence, NULL) < entry->sequence;
}

static void search_table(struct walk *w, struct memtable *memtable, struct memtable_search *search)
{
    const struct count_task *task = w->task;
    bool partial = task->begin.size || task->end.size;
    *search = (struct memtable_search){ .automaton = w->search->automaton,
                                        .begin = w->task->begin,
                                        .end = w->task->end,
                                        .stop = w->search->stop,
                                        .stop_context = w->search->stop_context };
    if (task->whole) { /* else each part would go over all of the list */
        search->list_after = search_list_after(w->plan->regex, memtable, partial);
    }
}

static int open_source(struct walk *w)
{
    if (w->source->memtable) {
        search_table(w, w->source->memtable, &w->own);
        return memtable_match_cursor_create(w->source->memtable, &w->own, &w->cursor);
    }
    const struct piece *piece = w->source->piece;
    return piece->segment->kind->match_cursor(piece->reader, w->search, w->task->begin, w->task->end, &w->cursor);
}

/* ---- what is known of what lies below ---- */

/* entry: the newest version below, NULL = none. */
static void note(const struct walk *w, const struct found *found, const struct entry *entry)
{
    if (!found->own.size) {
        return;
    }
    if (!entry || entry->type == ENTRY_DELETE) {
        memtable_note_below(found->own, MEMTABLE_BELOW_DEAD);
    } else if (entry->expiry_ms == 0 && !w->plan->ranges) {
        memtable_note_below(found->own, MEMTABLE_BELOW_LIVE);
    }
}

/* Counts the keys whose note says enough; the others stay in the batch. */
static void use_notes(struct walk *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct found *found = &w->found[i];
        enum memtable_below below = found->own.size ? memtable_below(found->own) : MEMTABLE_BELOW_UNKNOWN;
        if (below == MEMTABLE_BELOW_LIVE && !w->plan->ranges) {
            w->live--;
        } else if (below != MEMTABLE_BELOW_DEAD) {
            w->found[kept++] = *found;
        }
    }
    w->count = kept;
}

/* ---- below, key by key ---- */

/* The newest version below that the sequence sees. */
static int look_up(const struct walk *w, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    const struct view *view = w->plan->view;
    for (size_t i = w->source->table; i < view->table_count; i++) {
        if (memtable_get(view->tables[i]->memtable, lookup->key, lookup->snapshot, entry)) {
            return NACRE_OK;
        }
    }
    return version_get_below(view->version, w->source->run, lookup, entry, pin);
}

static int look_up_batch(struct walk *w)
{
    struct lookup lookups[BATCH_KEYS];
    int status = NACRE_OK;
    for (size_t i = 0; i < w->count; i++) {
        nacre_slice key = { w->keys.data + w->found[i].at, w->found[i].size };
        lookups[i] = (struct lookup){ key, hash_bytes(key.data, key.size), w->plan->sequence, NULL };
        version_prefetch(w->plan->view->version, w->source->run, &lookups[i]);
    }
    for (size_t i = 0; i < w->count && status == NACRE_OK; i++) {
        struct entry entry;
        struct pin pin = { NULL, NULL };
        status = look_up(w, &lookups[i], &entry, &pin);
        if (status == NACRE_OK) {
            entry.key = lookups[i].key;
            w->live -= is_live(w, &entry);
            note(w, &w->found[i], &entry);
            pin_release(&pin);
        } else if (status == NACRE_NOT_FOUND) {
            note(w, &w->found[i], NULL);
        }
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    return status;
}

/* ---- below, side by side ---- */

static int open_below(struct walk *w)
{
    const struct view *view = w->plan->view;
    size_t count = 0, capacity = view->table_count + 8, tables = view->table_count - w->source->table;
    struct cursor **children = memory_alloc(capacity * sizeof(struct cursor *));
    w->below_search = *w->search;
    w->below_search.report = NULL;    /* the report is about the source */
    w->below_search.want_all = false; /* several are open at once, and what a kind learns is of one at a time */
    w->below_search.memo = NULL;      /* each has its own */
    int status = children ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK && tables && !(w->tables = memory_alloc(tables * sizeof *w->tables))) {
        status = NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < tables && status == NACRE_OK; i++) {
        struct memtable *memtable = view->tables[w->source->table + i]->memtable;
        search_table(w, memtable, &w->tables[i]);
        status = memtable_match_cursor_create(memtable, &w->tables[i], &children[count]);
        count += status == NACRE_OK;
    }
    if (status == NACRE_OK) {
        status = version_match_cursors(view->version, w->source->run, &w->below_search, w->task->begin, w->task->end,
                                       &children, &count, &capacity);
    }
    if (status == NACRE_OK) {
        status = merge_cursor_create(children, count, &w->below);
    } else {
        for (size_t i = 0; i < count; i++) {
            cursor_close(children[i]);
        }
    }
    memory_free(children);
    if (status == NACRE_OK) {
        cursor_seek(w->below, (nacre_slice){ w->keys.data + w->found[0].at, w->found[0].size });
    }
    return status;
}

static int step_batch(struct walk *w)
{
    struct cursor *below = w->below;
    for (size_t i = 0; i < w->count; i++) {
        nacre_slice key = { w->keys.data + w->found[i].at, w->found[i].size };
        unsigned steps = 0;
        int order = -1;
        while (below->valid && (order = slice_compare(below->entry.key, key)) < 0) {
            if (++steps < count_limits.seek_steps) {
                cursor_next(below);
            } else {
                cursor_seek(below, key);
            }
        }
        /* What lies below is older than the version that the source showed: its newest one counts. */
        if (!below->valid && below->status != NACRE_OK) {
            return below->status;
        }
        bool is_there = below->valid && order == 0;
        w->live -= is_there && is_live(w, &below->entry);
        note(w, &w->found[i], is_there ? &below->entry : NULL);
    }
    return NACRE_OK;
}

/* ---- the walk ---- */

static int finish_batch(struct walk *w)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < w->count; i++) {
        w->live += w->found[i].live;
    }
    use_notes(w);
    if (w->count && w->source->below == BELOW_MERGED && !w->below && w->matches >= count_limits.merge_keys) {
        status = open_below(w);
    }
    if (status == NACRE_OK && w->count && w->source->below != BELOW_NOTHING) {
        status = w->below ? step_batch(w) : look_up_batch(w);
    }
    w->count = 0;
    buffer_clear(&w->keys);
    return status;
}

/* The last key in `found` is one that the source has. */
static int key_taken(struct walk *w)
{
    w->matches++;
    if (++w->count < BATCH_KEYS) {
        return NACRE_OK;
    }
    int status = finish_batch(w);
    if (status == NACRE_OK && w->matches % STOP_KEYS == 0 && w->search->stop) {
        status = w->search->stop(w->search->stop_context);
    }
    return status;
}

/* Takes the key that the cursor stands on with all its versions. */
static int take_key(struct walk *w)
{
    struct cursor *c = w->cursor;
    struct found *found = &w->found[w->count];
    *found = (struct found){ w->keys.size, c->entry.key.size, false,
                             w->source->memtable ? c->entry.key : (nacre_slice){ NULL, 0 } };
    int status = buffer_append(&w->keys, c->entry.key.data, c->entry.key.size);
    if (status != NACRE_OK) {
        return status;
    }
    nacre_slice key = { w->keys.data + found->at, found->size };
    bool seen = false;
    do {
        if (!seen && c->entry.sequence <= w->plan->sequence) {
            seen = true;
            found->live = is_live(w, &c->entry);
        }
        cursor_next(c);
    } while (c->valid && slice_equal(c->entry.key, key));
    if (!seen) {
        w->keys.size = found->at;
        return NACRE_OK;
    }
    return key_taken(w);
}

static int walk_cursor(struct walk *w)
{
    int status = open_source(w);
    if (status == NACRE_OK) {
        cursor_first(w->cursor);
    }
    while (status == NACRE_OK && w->cursor->valid) {
        status = take_key(w);
    }
    return status == NACRE_OK ? w->cursor->status : status;
}

static int walk_list(struct walk *w)
{
    struct memtable_scan scan = {
        .table = w->source->memtable, .search = &w->own, .part = w->task->part, .parts = w->task->parts
    };
    struct entry entry;
    int status = NACRE_OK;
    search_table(w, w->source->memtable, &w->own);
    while (status == NACRE_OK && memtable_scan_next(&scan, w->plan->sequence, &entry)) {
        w->found[w->count] = (struct found){ w->keys.size, entry.key.size, is_live(w, &entry), entry.key };
        status = buffer_append(&w->keys, entry.key.data, entry.key.size);
        if (status == NACRE_OK) {
            status = key_taken(w);
        }
    }
    return status == NACRE_OK ? scan.status : status;
}

int count_walk(const struct count_plan *plan, const struct count_task *task, struct search *search, uint64_t *live,
               uint64_t *matches)
{
    struct walk w = { .plan = plan, .task = task, .source = &plan->sources[task->source], .search = search };
    int status = task->parts ? walk_list(&w) : walk_cursor(&w);
    if (status == NACRE_OK) {
        status = finish_batch(&w);
    }
    if (w.source->memtable && search->report) {
        search->report->strategy = task->parts ? "list" : "walk";
        search->report->keys_run += w.own.keys_run;
    }
    cursor_close(w.below);
    cursor_close(w.cursor);
    search_end(&w.below_search);
    memory_free(w.tables);
    buffer_free(&w.keys);
    *live = w.live;
    *matches = w.matches;
    return status;
}
