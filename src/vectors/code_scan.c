/* Scans of codes (see code_scan.h).

   What passes here is what may pass: `allows` is asked by code_rank.

   1. `reach` is at least what the `wanted`-th smallest `most` of the candidates so far is: so many rows are surely that near. It only falls.
   2. A row that passes and is not a candidate has a `least` above `reach`.
   3. Between two looks through the list at least half as many candidates come in as it had, so all looks together take time in proportion to what came in.
   Threads: one at a time per scan. Locks: none. */
#include "vectors/code_scan.h"
#include "base/memory.h"
#include "base/status.h"
#include "vectors/code_space.h"
#include <math.h>
#include <string.h>

#define BLOCK_BYTES (64u << 10) /* stays in the second cache */
#define BLOCK_MOST  256u        /* rows */
#define BLOCK_LEAST 16u
#define STOP_BYTES  (1u << 20) /* of codes between two looks at `stop`: some 100 us */
#define LIST_LEAST  256u
#define LINE        64u
#define LANES       16u /* rows looked at together; BLOCK_MOST is a multiple */

typedef float lane_floats __attribute__((vector_size(4 * LANES)));
typedef int32_t lane_numbers __attribute__((vector_size(4 * LANES)));

uint32_t code_scan_block(const struct graph *graph)
{
    size_t rows = BLOCK_BYTES / graph->book.stride / BLOCK_LEAST * BLOCK_LEAST;
    return rows < BLOCK_LEAST ? BLOCK_LEAST : rows > BLOCK_MOST ? BLOCK_MOST : (uint32_t)rows;
}

void code_scan_begin(struct code_scan *scan, const struct graph *graph, const struct code_query *query,
                     const struct vector_rows *rows, const struct distance *distance, struct row_gate *gate,
                     size_t wanted)
{
    *scan = (struct code_scan){ .graph = graph,
                                .query = query,
                                .rows = rows,
                                .distance = distance,
                                .gate = gate,
                                .wanted = wanted,
                                .full = 2 * wanted + LIST_LEAST,
                                .reach = INFINITY };
}

void code_scan_free(struct code_scan *scan)
{
    memory_free(scan->list);
    scan->list = NULL;
}

static inline void swap_candidates(struct code_candidate *a, struct code_candidate *b)
{
    struct code_candidate swap = *a;
    *a = *b;
    *b = swap;
}

/* The `rank`-th smallest `most` (0: the smallest) of `count`; the list is put in another order. */
static float select_most(struct code_candidate *list, size_t count, size_t rank)
{
    size_t begin = 0, end = count;
    while (end - begin > 1) {
        float a = list[begin].most, b = list[begin + (end - begin) / 2].most, c = list[end - 1].most;
        float middle = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        size_t less = begin, same = begin, more = end; /* [begin, less) < middle, [less, same) equal, [more, end) > */
        while (same < more) {
            float most = list[same].most;
            if (most < middle)
                swap_candidates(&list[less++], &list[same++]);
            else if (most > middle)
                swap_candidates(&list[same], &list[--more]);
            else
                same++;
        }
        if (rank >= less && rank < same)
            return middle;
        begin = rank < less ? begin : same;
        end = rank < less ? less : end;
    }
    return list[begin].most;
}

/* The first `wanted` candidates, which are the nearest by `most`, on full vectors. */
static int compare_nearest(struct code_scan *scan)
{
    uint32_t rows[LANES];
    size_t places[LANES];
    float distances[LANES];
    int status = NACRE_OK;
    for (size_t at = 0; at < scan->wanted && status == NACRE_OK;) {
        size_t count = 0;
        for (; at < scan->wanted && count < LANES; at++)
            if (!(scan->list[at].row & CODE_COMPARED)) {
                rows[count] = scan->list[at].row;
                places[count++] = at;
            }
        status = vector_rows_need_list(scan->rows, rows, count);
        if (status != NACRE_OK)
            break;
        distance_to_list(scan->distance, scan->rows->vectors, scan->rows->stride, rows, count, distances);
        for (size_t i = 0; i < count; i++) {
            struct code_candidate *candidate = &scan->list[places[i]];
            float away = code_space_distance(&scan->graph->book, scan->distance, distances[i]);
            candidate->most = away < candidate->most ? away : candidate->most;
            candidate->row |= CODE_COMPARED;
        }
    }
    return status;
}

int code_scan_narrow(struct code_scan *scan)
{
    if (scan->count <= scan->wanted)
        return NACRE_OK;
    float most = select_most(scan->list, scan->count, scan->wanted - 1);
    if (scan->graph->book.bits == 4) {
        int status = compare_nearest(scan);
        if (status != NACRE_OK)
            return status;
        most = select_most(scan->list, scan->count, scan->wanted - 1);
    }
    float reach = code_space_slack(&scan->graph->book, most);
    scan->reach = reach < scan->reach ? reach : scan->reach;
    size_t kept = 0;
    for (size_t i = 0; i < scan->count; i++)
        if (!(scan->list[i].least > scan->reach))
            scan->list[kept++] = scan->list[i];
    scan->count = kept;
    scan->full = kept + kept / 2 + scan->wanted + LIST_LEAST; /* invariant 3 */
    return NACRE_OK;
}

static int add_candidate(struct code_scan *scan, uint32_t row, const struct code_row *code, float estimate)
{
    struct code_range range = code_range_of(scan->query, code, estimate);
    if (range.least > scan->reach)
        return NACRE_OK;
    if (scan->count == scan->capacity) {
        void *list = scan->list;
        int status = memory_grow(&list, &scan->capacity, scan->count + 1 < LIST_LEAST ? LIST_LEAST : scan->count + 1,
                                 sizeof *scan->list);
        scan->list = list;
        if (status != NACRE_OK)
            return status;
    }
    scan->list[scan->count++] = (struct code_candidate){ range.least, range.most, row };
    return scan->count >= scan->full ? code_scan_narrow(scan) : NACRE_OK;
}

/* What the rows of a block have behind their codes, gathered, so that they are looked at many at a time. */
struct block_rows {
    float norm2[BLOCK_MOST], error[BLOCK_MOST];
};

/* Which of a block's rows may be within reach, as code_can_reach says; the rows behind `count` may be anything. */
SPACE_INLINE uint32_t near_rows(const struct code_query *query, float reach, const struct block_rows *rows,
                                const int32_t *dots, uint32_t count, uint16_t *near)
{
    uint32_t near_count = 0;
    for (uint32_t at = 0; at < count; at += LANES) {
        lane_floats norm2, error;
        lane_numbers dot;
        uint64_t words[LANES / 2], all = UINT64_MAX;
        memcpy(&norm2, rows->norm2 + at, sizeof norm2);
        memcpy(&error, rows->error + at, sizeof error);
        memcpy(&dot, dots + at, sizeof dot);
        lane_floats estimate = query->base + norm2 + query->factor * __builtin_convertvector(dot, lane_floats);
        lane_floats most = reach + query->error + error;
        lane_numbers far =
            estimate > most * most * (1 + CODE_ROUNDING) + query->margin + norm2 * CODE_ROUNDING; /* all bits, or 0 */
        memcpy(words, &far, sizeof words);
        for (uint32_t i = 0; i < LANES / 2; i++)
            all &= words[i];
        if (__builtin_expect(all != UINT64_MAX, 0))
            for (uint32_t i = 0; i < LANES && at + i < count; i++) {
                near[near_count] = (uint16_t)(at + i);
                near_count += !(words[i / 2] >> (32 * (i % 2)) & 1);
            }
    }
    return near_count;
}

CODE_LEVELS(uint32_t, find_near,
            (const struct code_query *query, float reach, const struct block_rows *rows, const int32_t *dots,
             uint32_t count, uint16_t *near),
            near_rows, (query, reach, rows, dots, count, near))

/* Takes in the rows whose estimates say that they may be near enough: rows first, first + 1 ... or those of the list. */
static int take_rows(struct code_scan *scan, uint32_t first, const uint32_t *rows, uint32_t count, const int32_t *dots)
{
    const struct code_query *query = scan->query;
    const struct code_book *book = &scan->graph->book;
    const uint8_t *codes = scan->graph->codes;
    struct block_rows block = { { 0 }, { 0 } };
    uint16_t near[BLOCK_MOST + 1];
    for (uint32_t i = 0; i < count; i++) {
        const struct code_row *row = code_row_of(book, codes + (rows ? rows[i] : first + i) * book->stride);
        block.norm2[i] = row->norm2;
        block.error[i] = row->error;
    }
    uint32_t near_count = find_near(query, scan->reach, &block, dots, count, near);
    for (uint32_t n = 0; n < near_count; n++) {
        uint32_t i = near[n], row = rows ? rows[i] : first + i;
        const struct code_row *code = code_row_of(book, codes + row * book->stride);
        float estimate = code_distance(query, dots[i], code->norm2);
        if (!code_can_reach(query, code, estimate, scan->reach) || (scan->gate && !row_gate_may_pass(scan->gate, row)))
            continue;
        int status = add_candidate(scan, row, code, estimate);
        if (status != NACRE_OK)
            return status;
    }
    return NACRE_OK;
}

int code_scan_rows(struct code_scan *scan, uint32_t begin, uint32_t end)
{
    const struct graph *graph = scan->graph;
    const struct code_book *book = &graph->book;
    int32_t dots[BLOCK_MOST] = { 0 };
    uint32_t block = code_scan_block(graph);
    int status = NACRE_OK;
    for (uint32_t at = begin, count; at < end && status == NACRE_OK; at += count) {
        count = end - at < block ? end - at : block;
        (book->bits == 8 ? code8_dot_rows : code4_dot_rows)(scan->query->elements, graph->codes + at * book->stride,
                                                            book->stride, count, book->code_bytes, dots);
        status = take_rows(scan, at, NULL, count, dots);
    }
    scan->examined += end - begin;
    return status;
}

int code_scan_list(struct code_scan *scan, const uint32_t *rows, uint32_t count)
{
    const struct graph *graph = scan->graph;
    const struct code_book *book = &graph->book;
    int32_t dots[BLOCK_MOST] = { 0 };
    int status = NACRE_OK;
    for (uint32_t at = 0, here; at < count && status == NACRE_OK; at += here) {
        here = count - at < BLOCK_MOST ? count - at : BLOCK_MOST;
        graph->dot_list(scan->query->elements, graph->codes, book->stride, rows + at, here, book->code_bytes, dots);
        status = take_rows(scan, 0, rows + at, here, dots);
    }
    scan->examined += count;
    return status;
}

/* ---- a search ---- */

static int stop_due(const struct graph_search *search)
{
    return search->stop ? search->stop(search->stop_context) : NACRE_OK;
}

static void prefetch_code(const struct graph *graph, uint32_t row)
{
    const uint8_t *code = graph->codes + row * graph->book.stride;
    for (size_t at = 0; at < graph->book.stride; at += LINE)
        __builtin_prefetch(code + at);
}

/* The allowed rows of [begin, end), which are in one block. Where they are many, the others are scanned too and found out later: that is quicker. */
static int scan_allowed(struct code_scan *scan, const uint64_t *allowed, uint32_t begin, uint32_t end)
{
    uint32_t list[BLOCK_MOST], count = 0;
    for (uint32_t word = begin / 64; word <= (end - 1) / 64; word++) {
        uint64_t bits = allowed[word];
        bits &= word == begin / 64 ? UINT64_MAX << (begin & 63) : UINT64_MAX;
        bits &= word == (end - 1) / 64 ? UINT64_MAX >> (63 - ((end - 1) & 63)) : UINT64_MAX;
        for (; bits; bits &= bits - 1) {
            list[count] = word * 64 + (uint32_t)__builtin_ctzll(bits);
            prefetch_code(scan->graph, list[count++]);
        }
    }
    if (count > (end - begin) / 2)
        return code_scan_rows(scan, begin, end);
    return code_scan_list(scan, list, count);
}

static int scan_range(struct code_scan *scan, const struct graph_search *search)
{
    uint32_t block = code_scan_block(scan->graph);
    uint64_t stop_rows = STOP_BYTES / scan->graph->book.stride + 1, stop_at = 0;
    int status = NACRE_OK;
    for (uint32_t at = search->begin, end; at < search->end && status == NACRE_OK; at = end) {
        end = search->end - at < block ? search->end : at + block;
        if (scan->examined >= stop_at || (at - search->begin) % (64 * BLOCK_MOST) == 0) {
            status = stop_due(search);
            stop_at = scan->examined + stop_rows;
        }
        if (status == NACRE_OK)
            status = search->allowed ? scan_allowed(scan, search->allowed, at, end) : code_scan_rows(scan, at, end);
    }
    return status;
}

/* How many rows are looked for at first, so that k are found good: some may turn out not current, and of some `allows` is asked only then. */
static size_t wanted_of(const struct graph_search *search, size_t range)
{
    double wanted = (double)search->k * 1.25 + 16, part = search->allows ? search->allowed_part : 1;
    wanted = part > 0 ? wanted / part : (double)range;
    return wanted < (double)range ? (size_t)wanted : range;
}

int code_search(const struct graph *graph, const struct vector_rows *rows, const struct graph_search *search,
                struct row_gate *gate, const struct code_query *query)
{
    size_t range = search->end - search->begin, wanted = wanted_of(search, range);
    bool enough = false;
    int status = NACRE_OK;
    for (; status == NACRE_OK && !enough; wanted *= 2) {
        struct code_scan scan;
        code_scan_begin(&scan, graph, query, rows, search->distance, gate, wanted < range ? wanted : range);
        status = scan_range(&scan, search);
        status = status == NACRE_OK ? code_scan_narrow(&scan) : status;
        search->report->examined += scan.examined;
        if (status == NACRE_OK)
            status = code_rank(graph, rows, search, gate, scan.list, scan.count, scan.reach, &enough);
        bool all = scan.reach == INFINITY;
        code_scan_free(&scan);
        if (all)
            break;
    }
    return status;
}
