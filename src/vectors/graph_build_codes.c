/* The first steps of a build: the code table, which rows are twins (equal codes), and the order in which the others
   are inserted.

   Twins would fill each other's lists and leave no way out, or be left out of all lists, and make an insertion as long
   as there are many. So one of them stands for all while the graph grows.

   Threads: the builder's. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_build.h"

#define ENCODE_GROUP 256u
#define STOP_ROWS    4096u
#define ORDER_SEED   UINT64_C(0x6E61637265)

static int encode_group(void *context, uint32_t worker, size_t begin, size_t end)
{
    struct graph_builder *builder = context;
    const struct vector_rows *rows = builder->job->rows;
    (void)worker;
    int status = NACRE_OK;
    for (size_t row = begin; row < end && status == NACRE_OK; row++) {
        if (builder->copied && builder->copied[row]) {
            continue;
        }
        status = vector_rows_need(rows, (uint32_t)row);
        if (status == NACRE_OK) {
            code_book_encode(&builder->graph.book, vector_row(rows, (uint32_t)row),
                             builder->codes + row * builder->graph.book.stride);
        }
    }
    return status;
}

int build_codes(struct graph_builder *builder)
{
    struct graph *graph = &builder->graph;
    if (!size_multiply(graph->rows, graph->book.stride, &builder->codes_bytes)) {
        return fail(NACRE_NO_MEMORY, "the codes of %u rows do not fit in memory", graph->rows);
    }
    if (graph->rows == 0) {
        return NACRE_OK;
    }
    builder->codes = memory_map(builder->codes_bytes);
    if (!builder->codes) {
        return NACRE_NO_MEMORY;
    }
    graph->codes = builder->codes;
    int status = builder->source ? build_copy_codes(builder) : NACRE_OK;
    if (status != NACRE_OK) {
        return status;
    }
    return build_threads_run(builder->threads, graph->rows, ENCODE_GROUP, encode_group, builder);
}

/* ---- twins and order ---- */

static bool codes_equal(const struct graph_builder *builder, uint32_t a, uint32_t b)
{
    return memcmp(builder_code(builder, a), builder_code(builder, b), builder->graph.book.code_bytes) == 0;
}

static int find_twins(struct graph_builder *builder)
{
    uint32_t rows = builder->graph.rows;
    size_t places = 4;
    while (places < (size_t)rows + rows / 2) {
        places *= 2;
    }
    uint32_t *table = memory_alloc(places * sizeof *table); /* open addressing; GRAPH_NO_ROW = free */
    if (!table) {
        return NACRE_NO_MEMORY;
    }
    memset(table, 0xFF, places * sizeof *table);
    int status = NACRE_OK;
    for (uint32_t row = 0; row < rows && status == NACRE_OK; row++) {
        status = row % STOP_ROWS ? NACRE_OK : build_threads_stop(builder->threads);
        size_t at = hash_bytes(builder_code(builder, row), builder->graph.book.code_bytes) & (places - 1);
        while (table[at] != GRAPH_NO_ROW && !codes_equal(builder, table[at], row)) {
            at = (at + 1) & (places - 1);
        }
        if (table[at] == GRAPH_NO_ROW) {
            table[at] = row;
        }
        builder->twin_of[row] = table[at];
    }
    memory_free(table);
    return status;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15); /* splitmix64 */
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Shuffled: rows lie in the order of their keys, and neighbours in that order may be near each other or not. */
int build_order(struct graph_builder *builder)
{
    uint32_t rows = builder->graph.rows;
    builder->twin_of = memory_alloc(rows * sizeof *builder->twin_of);
    builder->order = memory_alloc(rows * sizeof *builder->order);
    int status = builder->twin_of && builder->order ? find_twins(builder) : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        return status;
    }
    builder->order_count = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (builder->twin_of[row] == row) {
            builder->order[builder->order_count++] = row;
        }
    }
    uint64_t state = ORDER_SEED;
    for (size_t i = builder->order_count; i > 1; i--) {
        size_t other = (size_t)(((unsigned __int128)next_random(&state) * i) >> 64);
        uint32_t row = builder->order[i - 1];
        builder->order[i - 1] = builder->order[other];
        builder->order[other] = row;
    }
    return NACRE_OK;
}
