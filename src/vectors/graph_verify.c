/* A graph checked as a whole, against the vectors it is of: what graph_open leaves out because it reads all tables.
   Checksums of sections are the container's.

   Threads: any; it holds memory of its own. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/container.h"
#include "vectors/graph_lookup.h"
#include <string.h>

#define LOSS_OFF 1e-3f /* relative; encoding rounds differently on other processors */

static int wrong(const struct graph *graph, uint32_t row, const char *what)
{
    return fail(NACRE_CORRUPT, "%s: row %u: %s", graph->index ? graph->index->path : "graph", row, what);
}

/* ---- codes ---- */

static bool near(float a, float b, float scale)
{
    float difference = a < b ? b - a : a - b;
    return a == b || difference <= LOSS_OFF * scale;
}

static int verify_codes(const struct graph *graph, const struct vector_rows *rows)
{
    const struct code_book *book = &graph->book;
    uint8_t *code = memory_alloc_aligned(64, (book->stride + 63) / 64 * 64);
    int status = code ? NACRE_OK : NACRE_NO_MEMORY;
    for (uint32_t row = 0; row < graph->rows && status == NACRE_OK; row++) {
        status = vector_rows_need(rows, row);
        if (status != NACRE_OK) {
            break;
        }
        code_book_encode(book, vector_row(rows, row), code);
        const struct code_row *now = code_row_of(book, code);
        const struct code_row *kept = code_row_of(book, graph->codes + row * book->stride);
        if (!near(now->norm2, kept->norm2, now->norm2) || !near(now->error, kept->error, now->error + now->norm2)) {
            status = wrong(graph, row, "its code is not that of its vector");
        }
    }
    memory_free(code);
    return status;
}

/* ---- lists ---- */

static int verify_list(const struct graph *graph, uint32_t row)
{
    const uint32_t *list = graph->neighbors + (size_t)row * graph->degree;
    uint32_t count = 0;
    for (; count < graph->degree && list[count] != GRAPH_NO_ROW; count++) {
        if (list[count] >= graph->rows || list[count] == row) {
            return wrong(graph, row, "a neighbour is itself or none of the rows");
        }
    }
    for (uint32_t i = count; i < graph->degree; i++) {
        if (list[i] != GRAPH_NO_ROW) {
            return wrong(graph, row, "there are neighbours behind the end of its list");
        }
    }
    return NACRE_OK;
}

static int verify_entries(const struct graph *graph)
{
    size_t stride = graph->book.stride;
    for (uint32_t i = 0; i < graph->entry_count; i++) {
        if (graph->entries[i] >= graph->rows) {
            return wrong(graph, graph->entries[i], "an entry point is none of the rows");
        }
        if (memcmp(graph->entry_codes + i * stride, graph->codes + graph->entries[i] * stride, stride) != 0) {
            return wrong(graph, graph->entries[i], "an entry point has not the code of its row");
        }
    }
    return NACRE_OK;
}

static int verify_lookups(const struct graph *graph, const struct vector_rows *rows)
{
    struct graph_lookup last = { 0 };
    int status = NACRE_OK;
    for (uint32_t i = 0; i < graph->lookup_count && status == NACRE_OK; i++) {
        struct graph_lookup lookup = graph->lookups[i];
        if (lookup.row >= graph->rows) {
            return wrong(graph, lookup.row, "a row that is looked up is none of the rows");
        }
        status = vector_rows_need(rows, lookup.row);
        if (status == NACRE_OK && lookup.hash != graph_lookup_of(rows, lookup.row).hash) {
            status = wrong(graph, lookup.row, "it is looked up by another hash than its vector's");
        }
        bool ascends = lookup.hash > last.hash || (lookup.hash == last.hash && lookup.row > last.row);
        if (status == NACRE_OK && i > 0 && !ascends) {
            status = wrong(graph, lookup.row, "rows that are looked up are not in order");
        }
        last = lookup;
    }
    return status;
}

struct reached {
    uint64_t *marks;
    uint32_t *queue, count;
};

static void reach(struct reached *reached, uint32_t row)
{
    uint64_t bit = UINT64_C(1) << (row & 63);
    if (!(reached->marks[row >> 6] & bit)) {
        reached->marks[row >> 6] |= bit;
        reached->queue[reached->count++] = row;
    }
}

static int verify_reach(const struct graph *graph)
{
    struct reached reached = { .marks = memory_zalloc((graph->rows / 64 + 1) * sizeof *reached.marks),
                               .queue = memory_alloc(graph->rows * sizeof *reached.queue) };
    int status = reached.marks && reached.queue ? NACRE_OK : NACRE_NO_MEMORY;
    for (uint32_t i = 0; status == NACRE_OK && i < graph->entry_count; i++) {
        reach(&reached, graph->entries[i]);
    }
    for (uint32_t i = 0; status == NACRE_OK && i < reached.count; i++) {
        const uint32_t *list = graph->neighbors + (size_t)reached.queue[i] * graph->degree;
        for (uint32_t n = 0; n < graph->degree && list[n] != GRAPH_NO_ROW; n++) {
            reach(&reached, list[n]);
        }
    }
    for (uint32_t i = 0; status == NACRE_OK && i < graph->stray_count; i++) {
        reach(&reached, graph->stray[i]);
    }
    if (status == NACRE_OK && reached.count != graph->rows) {
        status = fail(NACRE_CORRUPT, "%s: %u of %u rows are reached by no walk and not listed",
                      graph->index ? graph->index->path : "graph", graph->rows - reached.count, graph->rows);
    }
    memory_free(reached.queue);
    memory_free(reached.marks);
    return status;
}

int graph_verify(const struct graph *graph, const struct vector_rows *rows)
{
    int status = verify_codes(graph, rows);
    if (status != NACRE_OK || !graph->has_graph) {
        return status;
    }
    for (uint32_t row = 0; row < graph->rows && status == NACRE_OK; row++) {
        status = verify_list(graph, row);
    }
    if (status == NACRE_OK) {
        status = verify_entries(graph);
    }
    if (status == NACRE_OK) {
        status = verify_lookups(graph, rows);
    }
    return status == NACRE_OK ? verify_reach(graph) : status;
}
