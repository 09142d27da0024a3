/* Nearest neighbours over all layers of a collection at one sequence (see nearest_search.h).

   A search holds one view and goes through its layers with one list of the k best rows so far: the memtables exactly, newest first, then the runs of
   segments from the oldest on, which mostly is the largest, so that its rows keep most of the others out. A layer offers rows that are near enough and
   count within it; what newer layers say is asked of each row that would get in (nearest_current.c).
   Invariants:
   1. the layer searched and those newer than it are all of the view, whatever the order: a row is current or not by itself.
   2. `source` of what was found is the number of the memtable, or that of the piece behind all memtables.
   3. nothing is allocated that grows with the rows.
   Threads: any. No locks. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/nearest_search.h"

#define RECALL_DEFAULT       0.95f
#define STOP_EVERY_ROWS      1024u
#define STOP_EVERY_QUESTIONS 32u /* a caller's function may be slow */
#define RANGE_WORTH          16u /* a walk over a range of the tree costs as much per version as a scan of so many rows */
#define RANGE_VERSIONS_LEAST 64u

static int stop_due(void *stop)
{
    return search_stop_due(stop);
}

/* ---- memtables ---- */

static bool is_live(const struct nearest *n, const struct entry *entry)
{
    return entry_sets(entry) && (entry->expiry_ms == 0 || entry->expiry_ms > n->now_ms);
}

/* False also when the search has to end: *status. */
static bool allows(struct nearest_search *s, const struct entry *entry, int *status)
{
    const struct nearest_filter *filter = s->nearest.filter;
    bool allowed = filter->allows(filter->context, entry);
    *status = s->filter.status;
    if (++s->nearest.report->filtered % STOP_EVERY_QUESTIONS == 0 && *status == NACRE_OK && s->nearest.stop) {
        *status = s->nearest.stop(s->nearest.stop_context);
    }
    return allowed && *status == NACRE_OK;
}

/* A version of a memtable that is the newest there, near enough by its distance alone. */
static int consider(struct nearest_search *s, float distance, const struct entry *entry)
{
    struct nearest *n = &s->nearest;
    int status = NACRE_OK;
    if (!is_live(n, entry) || !key_range_has(&s->filter.range, entry->key) || !nearest_fits(n, distance, entry->key)) {
        return NACRE_OK;
    }
    if (n->filter && !allows(s, entry, &status)) {
        return status;
    }
    status = nearest_offer(n, distance, entry, 0, NULL);
    return status == NACRE_OK ? s->status : status;
}

static int scan_rows(struct nearest_search *s)
{
    struct nearest *n = &s->nearest;
    struct memtable_rows rows = { .table = (struct memtable *)s->table };
    struct memtable_row_block block;
    float distances[MEMTABLE_BLOCK_ROWS];
    uint64_t examined = 0, stop_at = STOP_EVERY_ROWS;
    int status = NACRE_OK;
    while (status == NACRE_OK && memtable_rows_next(&rows, &block)) {
        float bound = nearest_bound(n);
        distance_to_rows(&s->distance, block.vectors, block.stride, block.count, distances);
        for (size_t i = 0; i < block.count && status == NACRE_OK; i++) {
            struct entry entry;
            if (distances[i] <= bound && memtable_row_entry(&block, i, n->snapshot, &entry)) {
                status = consider(s, distances[i], &entry);
                bound = nearest_bound(n);
            }
        }
        examined += block.count;
        if (examined >= stop_at && status == NACRE_OK && n->stop) {
            status = n->stop(n->stop_context);
            stop_at = examined + STOP_EVERY_ROWS;
        }
    }
    n->report->examined += examined;
    n->report->strategy = "rows";
    return status;
}

static bool in_range(const struct nearest_search *s, const struct cursor *cursor)
{
    const struct key_range *range = &s->filter.range;
    return cursor->valid && (range->end.size == 0 || slice_compare(cursor->entry.key, range->end) < 0);
}

static void seek_range(const struct nearest_search *s, struct cursor *cursor)
{
    if (s->filter.range.begin.size) {
        cursor_seek(cursor, s->filter.range.begin);
    } else {
        cursor_first(cursor);
    }
}

static int scan_range(struct nearest_search *s, struct cursor *cursor)
{
    struct nearest *n = &s->nearest;
    int status = NACRE_OK;
    for (seek_range(s, cursor); status == NACRE_OK && in_range(s, cursor); cursor_next(cursor)) {
        struct entry newest;
        if (cursor->entry.sequence > n->snapshot || !entry_sets(&cursor->entry) ||
            !memtable_get(s->table, cursor->entry.key, n->snapshot, &newest) ||
            newest.sequence != cursor->entry.sequence) {
            continue;
        }
        n->report->examined++;
        status = consider(s, distance_to(&s->distance, newest.vector), &newest);
    }
    n->report->strategy = "range";
    return status == NACRE_OK ? cursor->status : status;
}

/* Where the range has few keys these are walked instead of all rows. */
static int search_range(struct nearest_search *s, bool *done)
{
    uint64_t most = memtable_row_count(s->table) / RANGE_WORTH, versions = 0;
    struct cursor *cursor;
    *done = false;
    if (most < RANGE_VERSIONS_LEAST) {
        return NACRE_OK;
    }
    int status = memtable_cursor_create((struct memtable *)s->table, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    for (seek_range(s, cursor); versions <= most && in_range(s, cursor); cursor_next(cursor)) {
        versions++;
    }
    status = cursor->status;
    if (status == NACRE_OK && versions <= most) {
        status = scan_range(s, cursor);
        *done = true;
    }
    cursor_close(cursor);
    return status;
}

static int search_table(struct nearest_search *s, uint32_t index)
{
    struct nearest *n = &s->nearest;
    const struct memtable *memtable = s->view->tables[index]->memtable;
    bool ranged = s->filter.range.begin.size || s->filter.range.end.size, done = false;
    n->report->rows = memtable_row_count(memtable);
    n->report->exact = true;
    if (n->report->rows == 0 || memtable_oldest(memtable) > n->snapshot) {
        return NACRE_OK;
    }
    n->source = index;
    s->table = memtable;
    s->newer_tables = index;
    int status = ranged ? search_range(s, &done) : NACRE_OK;
    if (status == NACRE_OK && !done) {
        status = scan_rows(s);
    }
    s->table = NULL;
    return status;
}

/* ---- segments ---- */

const struct piece *search_piece(const struct version *v, size_t number, size_t *run)
{
    for (size_t r = 0; r < v->run_count; r++) {
        if (number < v->runs[r].count) {
            *run = r;
            return &v->runs[r].pieces[number];
        }
        number -= v->runs[r].count;
    }
    return NULL;
}

static nacre_slice later(nacre_slice a, nacre_slice b)
{
    return slice_compare(a, b) < 0 ? b : a;
}

static nacre_slice earlier_end(nacre_slice a, nacre_slice b)
{
    return a.size && (b.size == 0 || slice_compare(a, b) < 0) ? a : b;
}

static int search_segment(struct nearest_search *s, const struct piece *piece, size_t run, uint32_t number)
{
    struct nearest *n = &s->nearest;
    const struct key_range *range = &s->filter.range;
    n->report->exact = true;
    if (piece->least_sequence > n->snapshot || piece->segment->properties.entries == 0 ||
        !piece_overlaps(piece, range)) {
        return NACRE_OK;
    }
    n->begin = piece->has_begin ? later(piece->begin, range->begin) : range->begin;
    n->end = piece->has_end ? earlier_end(piece->end, range->end) : range->end;
    n->source = s->view->table_count + number;
    s->newer_runs_known = piece_dead_rows(piece, n->snapshot, &n->dead);
    s->piece = piece;
    s->run = run;
    s->newer_tables = s->view->table_count;
    n->report->exact = false;
    int status = piece->segment->kind->nearest(piece->reader, n);
    status = status == NACRE_OK ? s->status : status;
    return status == NACRE_OK ? s->filter.status : status;
}

/* ---- all of it ---- */

/* What a layer reports goes to the sum, and to who wants to know. */
static void end_layer(struct nearest_search *s, const struct nearest_report *report, size_t layer, uint64_t began_ns)
{
    s->sum.rows += report->rows;
    s->sum.examined += report->examined;
    s->sum.reranked += report->reranked;
    s->sum.filtered += report->filtered;
    s->sum.exact &= report->exact;
    if (s->layers) {
        s->layers[layer] = (struct nearest_layer){ *report, clock_monotonic_ns() - began_ns };
    }
}

static int search_tables(struct nearest_search *s)
{
    int status = NACRE_OK;
    for (uint32_t i = 0; i < s->view->table_count && status == NACRE_OK; i++) {
        struct nearest_report report = { 0 };
        uint64_t began_ns = s->layers ? clock_monotonic_ns() : 0;
        s->nearest.report = &report;
        status = search_table(s, i);
        end_layer(s, &report, i, began_ns);
    }
    return status;
}

static int search_segments(struct nearest_search *s)
{
    const struct version *version = s->view->version;
    size_t number = version->piece_count;
    int status = NACRE_OK;
    for (size_t r = version->run_count; r-- > 0;) {
        for (size_t p = version->runs[r].count; p-- > 0 && status == NACRE_OK;) {
            struct nearest_report report = { 0 };
            uint64_t began_ns = s->layers ? clock_monotonic_ns() : 0;
            s->nearest.report = &report;
            status = search_segment(s, &version->runs[r].pieces[p], r, (uint32_t)--number);
            end_layer(s, &report, s->view->table_count + number, began_ns);
            if (status == NACRE_OK && s->nearest.stop) {
                status = search_stop_due(&s->stop);
            }
        }
    }
    return status;
}

static void set_stop(struct nearest_search *s, const nacre_nearest_options *options)
{
    s->stop = (struct search_stop){ .cancel = options->cancel, .timeout_ms = options->timeout_ms };
    if (options->timeout_ms) {
        s->stop.deadline_ns = clock_monotonic_ns() + options->timeout_ms * UINT64_C(1000000);
    }
    if (options->timeout_ms || options->cancel) {
        s->nearest.stop = stop_due;
        s->nearest.stop_context = &s->stop;
    }
}

int nearest_search_run(struct nearest_search *s, nacre_collection *collection, const float *query, size_t k,
                       const nacre_nearest_options *options, bool explained)
{
    nacre_store *store = collection->store;
    *s = (struct nearest_search){ .collection = collection, .sum = { .exact = true } };
    set_stop(s, options);
    int status = search_stop_due(&s->stop);
    if (status == NACRE_OK) {
        status = search_filter_create(&s->filter, s->collection->store, options);
    }
    if (status != NACRE_OK) {
        return status;
    }
    distance_begin(&s->distance, collection->metric, query, collection->dimension);
    s->nearest.distance = &s->distance;
    s->nearest.k = k;
    s->nearest.recall = options->recall > 0 ? options->recall : RECALL_DEFAULT;
    s->nearest.exact = options->exact || s->nearest.recall >= 1;
    s->nearest.filter = s->filter.asks ? &s->filter.asked : NULL;
    s->nearest.is_current = search_row_is_current;
    s->nearest.current_context = s;
    s->nearest.now_ms = clock_wall_ms();
    s->view = view_hold_at(collection, options->snapshot, &s->nearest.snapshot);
    if (explained) {
        size_t layers = s->view->table_count + s->view->version->piece_count;
        s->layers = memory_zalloc(layers * sizeof *s->layers);
        status = s->layers ? NACRE_OK : NACRE_NO_MEMORY;
    }
    if (status == NACRE_OK && !s->filter.nothing) {
        status = search_tables(s);
        status = status == NACRE_OK ? search_segments(s) : status;
    }
    nearest_sort(&s->nearest);
    stats_add(&store->stats, STATS_nearest_searches, 1);
    stats_add(&store->stats, STATS_nearest_examined, s->sum.examined);
    stats_add(&store->stats, STATS_nearest_reranked, s->sum.reranked);
    stats_add(&store->stats, STATS_nearest_filtered, s->sum.filtered);
    return status;
}

void nearest_search_end(struct nearest_search *s)
{
    nearest_free(&s->nearest);
    search_filter_free(&s->filter);
    memory_free(s->layers);
    if (s->view) {
        view_release(s->collection->store, s->view);
    }
}

int collection_nearest(nacre_collection *collection, const float *query, size_t k, const nacre_nearest_options *options,
                       nacre_neighbors *neighbors)
{
    struct nearest_search search;
    int status = nearest_search_run(&search, collection, query, k, options, false);
    if (status == NACRE_OK) {
        status = neighbors_make(&search, neighbors);
    }
    nearest_search_end(&search);
    return status;
}
