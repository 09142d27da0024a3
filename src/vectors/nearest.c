/* The nearest rows of one segment (see kind.h, nearest). Which way is taken:

   - the keys asked for are a range of rows; few of them are scanned on full vectors, and so is a segment without an index;
   - else the index decides between a walk over its graph and a scan of its codes (graph.h);
   - a filter is tried on a sample of keys first. Where it allows so few rows that most keys would be asked about before k are found, all keys are
     asked once, and the rows allowed are known: to a scan of these alone, or to the index. Else rows are asked about as they come near.
     What is known of a filter is remembered (filter_memory.h).

   Invariants:
   1. a row is offered with its distance on full vectors, after it was found to count here: put and newest version <= snapshot in this segment, not
      expired, in the range, allowed, not among the dead.
   2. a row is left out only when it does not count, or the k best so far are nearer, or by an index that was asked for a recall below 1.
   3. rows are remembered as allowed only after every question was answered.
   Any thread; a search by one. Locks: those of the calls used. */
#include "base/clock.h"
#include "base/memory.h"
#include "distance/distance.h"
#include "vectors/graph.h"
#include "vectors/index.h"
#include "vectors/reader.h"
#include <math.h>

#define BLOCK_ROWS     256u /* whose distances are computed between two looks at the clock */
#define SAMPLE_KEYS    256u
#define SAMPLE_LEAST   32u
#define SAMPLE_HITS    16u  /* enough to know a part by */
#define STOP_QUESTIONS 32u  /* a caller's function may be slow */
#define ASK_ALL_PART   4u   /* a pass over all keys costs about as much as asking about a part of them in any order */
#define QUESTION_NS    150u /* about */

uint32_t vectors_few_floats = 16384; /* microseconds */

struct row_search {
    struct vector_reader *reader;
    struct nearest *nearest;
    uint32_t begin, end;       /* rows of the keys asked for */
    bool all_count;            /* by their versions in this segment */
    struct filter_rows *known; /* rows the filter allows, with a reference; NULL: it has to be asked, if there is one */
    double allowed_part;       /* of the rows: about how many the filter allows */
    struct buffer key;
    size_t good;    /* rows found that are current */
    uint64_t asked; /* questions to the filter */
    int status;     /* why a question to the filter failed */
};

static bool has_to_ask(const struct row_search *s)
{
    return s->nearest->filter && !s->known;
}

static int stop_due(const struct row_search *s)
{
    return s->nearest->stop ? s->nearest->stop(s->nearest->stop_context) : NACRE_OK;
}

/* ---- one row ---- */

/* Does the filter allow the row? Its key is given. False also on failure: s->status. */
static bool allows_key(struct row_search *s, uint32_t row, nacre_slice key)
{
    const struct nearest_filter *filter = s->nearest->filter;
    struct entry entry = { .key = key, .type = ENTRY_PUT };
    struct pin pin = { NULL, NULL };
    if (filter->wants_value && (s->status = reader_row_value(s->reader, row, &entry, &pin)) != NACRE_OK) {
        return false;
    }
    bool allowed = filter->allows(filter->context, &entry);
    pin_release(&pin);
    if (filter->status && *filter->status != NACRE_OK) {
        s->status = *filter->status;
    } else if (++s->asked % STOP_QUESTIONS == 0) {
        s->status = stop_due(s);
    }
    return allowed && s->status == NACRE_OK;
}

static bool allows_row(void *context, uint32_t row) /* graph_search.allows */
{
    struct row_search *s = context;
    if (s->status == NACRE_OK) {
        s->status = reader_row_key(s->reader, row, &s->key);
    }
    return s->status == NACRE_OK && allows_key(s, row, buffer_slice(&s->key));
}

static bool counts(const struct row_search *s, const struct row_version *version)
{
    const struct nearest *n = s->nearest;
    return s->all_count ||
           (version->sequence <= n->snapshot && (version->shadowed_by == 0 || version->shadowed_by > n->snapshot) &&
            (version->expiry_ms == 0 || version->expiry_ms > n->now_ms));
}

/* Offers a row that is not dead, if it counts. `ask`: about the filter too. *taken: it is one of the k rows that the segment has to find. */
static int offer(struct row_search *s, uint32_t row, float distance, bool ask, bool *taken)
{
    struct row_version version;
    *taken = false;
    int status = reader_row_key(s->reader, row, &s->key);
    struct entry entry = { .key = buffer_slice(&s->key), .type = ENTRY_PUT };
    if (status != NACRE_OK || !nearest_fits(s->nearest, distance, entry.key)) {
        return status;
    }
    status = reader_row_version(s->reader, row, &version);
    if (status != NACRE_OK || !counts(s, &version)) {
        return status;
    }
    if (ask && !allows_key(s, row, entry.key)) {
        return s->status;
    }
    entry.sequence = version.sequence;
    entry.expiry_ms = version.expiry_ms;
    return nearest_offer(s->nearest, distance, &entry, row, taken);
}

static int accept(void *context, uint32_t row, float distance, bool *enough) /* graph_search.accept */
{
    struct row_search *s = context;
    bool taken;
    /* Rows come from near to far: past the bound there is none left to find, and at it those with greater keys than this one. */
    if (distance > nearest_bound(s->nearest)) {
        *enough = true;
        return s->status;
    }
    int status = offer(s, row, distance, false, &taken);
    s->good += taken;
    *enough = s->good >= s->nearest->k;
    return status == NACRE_OK ? s->status : status;
}

/* ---- scans of full vectors ---- */

static int scan_all(struct row_search *s)
{
    struct nearest *n = s->nearest;
    const struct vector_rows *rows = &s->reader->rows;
    bool ask = has_to_ask(s), taken;
    float distances[BLOCK_ROWS], bound = nearest_bound(n);
    int status = NACRE_OK;
    n->report->strategy = "vectors";
    for (uint32_t at = s->begin, count; at < s->end && status == NACRE_OK; at += count) {
        count = s->end - at < BLOCK_ROWS ? s->end - at : BLOCK_ROWS;
        status = vector_rows_need_range(rows, at, at + count);
        if (status != NACRE_OK || (status = stop_due(s)) != NACRE_OK) {
            break;
        }
        distance_to_rows(n->distance, vector_row(rows, at), rows->stride, count, distances);
        n->report->examined += count;
        for (uint32_t i = 0; i < count && status == NACRE_OK; i++) {
            if (distances[i] <= bound && !dead_rows_has(n->dead, at + i)) {
                status = offer(s, at + i, distances[i], ask, &taken);
                bound = nearest_bound(n);
            }
        }
    }
    return status;
}

static int scan_list(struct row_search *s, const uint32_t *list, uint32_t count)
{
    struct nearest *n = s->nearest;
    const struct vector_rows *rows = &s->reader->rows;
    float distances[BLOCK_ROWS];
    bool taken;
    int status = stop_due(s);
    if (status == NACRE_OK) {
        status = vector_rows_need_list(rows, list, count);
    }
    if (status != NACRE_OK) {
        return status;
    }
    distance_to_list(n->distance, rows->vectors, rows->stride, list, count, distances);
    n->report->examined += count;
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++) {
        if (distances[i] <= nearest_bound(n) && !dead_rows_has(n->dead, list[i])) {
            status = offer(s, list[i], distances[i], false, &taken);
        }
    }
    return status;
}

/* Only the rows known to be allowed. */
static int scan_known(struct row_search *s)
{
    uint32_t list[BLOCK_ROWS], count = 0;
    int status = NACRE_OK;
    s->nearest->report->strategy = "filter scan";
    for (size_t word = s->begin / 64; word * 64 < s->end && status == NACRE_OK; word++) {
        for (uint64_t bits = s->known->allowed[word]; bits && status == NACRE_OK; bits &= bits - 1) {
            uint32_t row = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(bits);
            if (row < s->begin || row >= s->end) {
                continue;
            }
            list[count++] = row;
            if (count == BLOCK_ROWS) {
                status = scan_list(s, list, count);
                count = 0;
            }
        }
    }
    return status == NACRE_OK ? scan_list(s, list, count) : status;
}

/* ---- filters ---- */

/* Numbers without order but always the same, so that a search is the same each time. */
static uint32_t spread(uint32_t i, uint32_t below)
{
    uint64_t mixed = (i + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 29)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (uint32_t)(((mixed >> 32) * below) >> 32);
}

/* About which part of the rows is allowed; 0 where no row of the sample is. */
static int sample(struct row_search *s, double *part)
{
    uint32_t asked = 0, hits = 0;
    while (asked < SAMPLE_KEYS && (hits < SAMPLE_HITS || asked < SAMPLE_LEAST) && s->status == NACRE_OK) {
        hits += allows_row(s, s->begin + spread(asked, s->end - s->begin));
        asked++;
    }
    *part = (double)hits / asked;
    return s->status;
}

/* How many rows are asked about, about, until the k nearest that are allowed are found in a scan in no order of distance: of the rows so far those
   are asked about that are nearer than the k best allowed ones so far. */
static double questions_expected(const struct row_search *s, double part)
{
    double rows = s->end - s->begin, k = (double)s->nearest->k;
    if (part * rows <= k) {
        return rows;
    }
    double questions = k / part * (1 + log(rows * part / k));
    return questions < rows ? questions : rows;
}

struct asking {
    struct row_search *search;
    struct filter_rows *rows;
};

static bool ask_key(void *context, uint32_t row, nacre_slice key)
{
    struct asking *a = context;
    struct row_search *s = a->search;
    if (allows_key(s, row, key)) {
        filter_rows_allow(a->rows, row);
    }
    return s->status == NACRE_OK;
}

/* Asks about all keys. */
static int find_allowed(struct row_search *s)
{
    struct asking asking = { .search = s };
    int status = filter_rows_create(s->reader->rows.count, s->begin, s->end, &asking.rows);
    if (status == NACRE_OK) {
        status = reader_visit_keys(s->reader, s->begin, s->end, ask_key, &asking);
        status = status == NACRE_OK ? s->status : status;
    }
    if (status != NACRE_OK) {
        filter_rows_unref(asking.rows);
        return status;
    }
    s->known = asking.rows;
    filter_memory_keep(&s->reader->filters, s->nearest->filter->identity, s->known);
    return NACRE_OK;
}

/* Finds out about the filter what pays: s->known is set, or allowed_part is an estimate. */
static int look_at_filter(struct row_search *s)
{
    nacre_slice identity = s->nearest->filter->identity;
    uint32_t rows = s->end - s->begin;
    double part;
    s->known = filter_memory_find(&s->reader->filters, identity, s->begin, s->end);
    if (!s->known) {
        int status = sample(s, &part);
        if (status != NACRE_OK) {
            return status;
        }
        double questions = questions_expected(s, part), most = (double)rows / ASK_ALL_PART;
        double before = (double)filter_memory_note(&s->reader->filters, identity, 0);
        s->allowed_part = part;
        if (questions < most && (identity.size == 0 || before + questions < most)) {
            return NACRE_OK;
        }
        status = find_allowed(s);
        if (status != NACRE_OK) {
            return status;
        }
    }
    s->allowed_part = (double)filter_rows_count(s->known, s->begin, s->end) / rows;
    return NACRE_OK;
}

/* ---- a search ---- */

static int search_index(struct row_search *s, const struct graph *graph)
{
    struct nearest *n = s->nearest;
    struct graph_search search = { .distance = n->distance,
                                   .k = n->k,
                                   .recall = n->recall,
                                   .exact = n->exact,
                                   .begin = s->begin,
                                   .end = s->end,
                                   .allowed = s->known ? s->known->allowed : NULL,
                                   .allows = has_to_ask(s) ? allows_row : NULL,
                                   .allowed_part = n->filter ? s->allowed_part : 1,
                                   .context = s,
                                   .dead = n->dead,
                                   .accept = accept,
                                   .stop = n->stop,
                                   .stop_context = n->stop_context,
                                   .report = n->report };
    int status = graph_nearest(graph, &s->reader->rows, &search);
    return status == NACRE_OK ? s->status : status;
}

static bool are_few(const struct row_search *s, double rows)
{
    return rows * s->reader->rows.dimension <= vectors_few_floats;
}

static int search_rows(struct row_search *s)
{
    uint32_t rows = s->end - s->begin;
    bool few = are_few(s, rows);
    int status = s->nearest->filter && !few ? look_at_filter(s) : NACRE_OK;
    if (status != NACRE_OK) {
        return status;
    }
    const struct graph *graph = few ? NULL : index_to_search(s->reader);
    if (s->known && (!graph || are_few(s, s->allowed_part * rows))) {
        s->nearest->report->exact = true;
        return scan_known(s);
    }
    if (!graph) {
        s->nearest->report->exact = true;
        return scan_all(s);
    }
    return search_index(s, graph);
}

int vectors_nearest(void *reader, struct nearest *n)
{
    struct vector_reader *r = reader;
    struct nearest_report own = { 0 }, *given = n->report;
    struct row_search s = { .reader = r, .nearest = n, .end = r->rows.count };
    int status = NACRE_OK;
    if (n->begin.size || n->end.size) {
        status = reader_row_range(r, n->begin, n->end, &s.begin, &s.end);
        if (status != NACRE_OK) {
            return status;
        }
    }
    n->report = given ? given : &own;
    n->report->rows += r->rows.count;
    if (s.begin >= s.end) {
        n->report->exact = true;
    } else {
        s.all_count = reader_all_rows_count(r, n->snapshot, n->now_ms);
        uint64_t begun = n->filter ? clock_monotonic_ns() : 0;
        status = search_rows(&s);
        n->report->filtered += s.asked;
        if (has_to_ask(&s) && n->filter->identity.size) {
            /* What searches spend that do not know the rows counts towards the pass that finds them. */
            uint64_t spent = (clock_monotonic_ns() - begun) / QUESTION_NS;
            (void)filter_memory_note(&r->filters, n->filter->identity, spent);
        }
    }
    n->report = given;
    filter_rows_unref(s.known);
    buffer_free(&s.key);
    return status;
}
