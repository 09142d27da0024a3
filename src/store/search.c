/* Regular expressions over a collection: compiling, stopping, and cursors over matches (see search.h). The cursor's machinery is that of
   scan.c; only what lies under its merge is other.
   Threads: calls any; a cursor one at a time. No locks. */
#include "store/search_count.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"

int search_stop_due(const struct search_stop *stop)
{
    if (stop->cancel && atomic_load_explicit(&stop->cancel->requested, memory_order_relaxed)) {
        return fail(NACRE_CANCELLED, "the search was cancelled");
    }
    if (stop->timeout_ms && clock_monotonic_ns() >= stop->deadline_ns) {
        return fail(NACRE_TIMEOUT, "the search took longer than its timeout of %u ms", stop->timeout_ms);
    }
    return NACRE_OK;
}

static int stop_due(void *stop)
{
    return search_stop_due(stop);
}

static int compile(nacre_slice pattern, const nacre_regex_options *options, struct regex **regex, size_t *error_at)
{
    struct regex_options how = { .ignore_case = options->ignore_case, .bytes = options->bytes };
    return regex_compile(pattern, &how, regex, error_at);
}

int search_compile(const nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                   struct regex **regex)
{
    const struct kind *kind = collection->kind;
    if (!kind->match_cursor) {
        return fail(NACRE_UNSUPPORTED,
                    "collection '%s' is of kind %s: only strings collections are searched by regular expression",
                    collection->name, kind->name);
    }
    return compile(pattern, options, regex, NULL);
}

int regex_check_pattern(nacre_slice pattern, const nacre_regex_options *options, size_t *position)
{
    struct regex *regex = NULL;
    size_t error_at = 0;
    int status = compile(pattern, options, &regex, &error_at);
    if (position) {
        *position = status == NACRE_OK ? 0 : error_at;
    }
    if (status == NACRE_OK) {
        regex_free(regex);
    }
    return status;
}

void search_note(nacre_store *store, const struct search_report *report, uint64_t matches)
{
    stats_add(&store->stats, STATS_search_matches, matches);
    stats_add(&store->stats, STATS_search_keys, report->keys_run);
    stats_add(&store->stats, STATS_search_candidates, report->candidates);
    stats_add(&store->stats, STATS_search_blocks_read, report->blocks_read);
    stats_add(&store->stats, STATS_search_blocks_counted, report->blocks_counted);
}

/* ---- memtables ---- */

#define LIST_GAIN 16u /* about so many keys of the list cost as much as one of the tree */

uint64_t search_list_after(const struct regex *regex, const struct memtable *memtable, bool partial)
{
    const struct regex_analysis *analysis = regex_analysis(regex);
    if (analysis->anchored || analysis->shape == SHAPE_EVERYTHING || analysis->shape == SHAPE_NOTHING) {
        return 0;
    }
    uint64_t part = partial ? memtable_entries(memtable) / LIST_GAIN : 0;
    return part > count_limits.tree_keys ? part : count_limits.tree_keys;
}

/* ---- the cursor's part ---- */

int match_scan_create(const nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                      struct match_scan **created)
{
    struct match_scan *m = memory_zalloc(sizeof *m);
    if (!m) {
        return NACRE_NO_MEMORY;
    }
    m->stop.cancel = options->cancel;
    m->stop.timeout_ms = options->timeout_ms;
    m->limited = options->limit > 0;
    m->left_ns = options->timeout_ms * UINT64_C(1000000);
    int status = match_scan_enter(m);
    if (status == NACRE_OK) {
        status = search_compile(collection, pattern, options, &m->regex);
    }
    if (status == NACRE_OK) {
        status = dfa_create(m->regex, 0, &m->dfa);
    }
    if (status != NACRE_OK) {
        match_scan_free(m, NULL);
        return status;
    }
    m->search = (struct search){ .regex = m->regex,
                                 .automaton = &m->dfa->automaton,
                                 .now_ms = clock_wall_ms(),
                                 .stop = stop_due,
                                 .stop_context = &m->stop,
                                 .report = &m->report };
    match_scan_leave(m);
    *created = m;
    return NACRE_OK;
}

int match_scan_begin(struct match_scan *m, size_t table_count, uint64_t sequence)
{
    m->search.snapshot = sequence;
    m->tables = memory_zalloc(table_count * sizeof *m->tables);
    return m->tables ? NACRE_OK : NACRE_NO_MEMORY;
}

int match_scan_table(struct match_scan *m, size_t index, struct memtable *memtable, nacre_slice begin, nacre_slice end,
                     struct cursor **cursor)
{
    m->tables[index] = (struct memtable_search){ .automaton = m->search.automaton,
                                                 .begin = begin,
                                                 .end = end,
                                                 .stop = stop_due,
                                                 .stop_context = &m->stop,
                                                 .list_after = search_list_after(
                                                     m->regex, memtable, m->limited || begin.size || end.size) };
    return memtable_match_cursor_create(memtable, &m->tables[index], cursor);
}

void match_scan_free(struct match_scan *m, nacre_store *store)
{
    if (!m) {
        return;
    }
    if (store) {
        search_note(store, &m->report, m->matches);
    }
    search_end(&m->search);
    dfa_free(m->dfa);
    regex_free(m->regex);
    memory_free(m->tables);
    memory_free(m);
}

int match_scan_enter(struct match_scan *m)
{
    if (m->stop.timeout_ms) {
        m->began_ns = clock_monotonic_ns();
        m->stop.deadline_ns = m->began_ns + m->left_ns;
    }
    int status = search_stop_due(&m->stop);
    m->left_ns = status == NACRE_TIMEOUT ? 0 : m->left_ns; /* a move that is not made takes what was left */
    return status;
}

void match_scan_leave(struct match_scan *m)
{
    if (m->stop.timeout_ms) {
        uint64_t took = clock_monotonic_ns() - m->began_ns;
        m->left_ns -= took < m->left_ns ? took : m->left_ns;
    }
}

int collection_regex_scan(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                          nacre_cursor **cursor)
{
    struct match_scan *match;
    nacre_scan_options scan = NACRE_SCAN_OPTIONS_INIT;
    int status = match_scan_create(collection, pattern, options, &match);
    if (status != NACRE_OK) {
        return status;
    }
    scan.snapshot = options->snapshot;
    scan.begin = options->begin;
    scan.end = options->end;
    scan.limit = options->limit;
    scan.reverse = options->reverse;
    scan.keys_only = options->keys_only;
    stats_add(&collection->store->stats, STATS_searches, 1);
    return collection_scan_matches(collection, &scan, match, cursor);
}
