/* Building on the index of an older segment whose rows are, mostly, among the new ones: its lists are taken over, what
   is new is inserted.

   A list whose neighbours all live is kept as it is. One that has lost some takes over what those had as neighbours,
   and is pruned (Singh et al., FreshDiskANN, 2021). The codes of rows that stay are copied while the old book suits
   the rows that came.

   Threads: the builder's. */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_build.h"

#define SAMPLE_ROWS 512u
#define LOSS_MOST   1.15 /* of the squared error of a new book: an old one is kept up to this */
#define COPY_GROUP  1024u
#define ADOPT_GROUP 64u

static bool source_fits(const struct graph_builder *builder, const struct graph *source)
{
    const struct vector_rows *rows = builder->job->rows;
    return source->has_graph && source->book.dimension == rows->dimension && source->book.metric == rows->metric &&
           source->book.bits == build_bits(rows->dimension);
}

static uint32_t live_rows(const struct graph_source *source, uint32_t rows)
{
    uint32_t live = 0;
    for (uint32_t row = 0; row < source->graph->rows; row++) {
        live += source->rows[row] < rows;
    }
    return live;
}

void build_choose_source(struct graph_builder *builder)
{
    const struct graph_job *job = builder->job;
    uint32_t most = 0;
    for (size_t i = 0; i < job->source_count; i++) {
        const struct graph_source *source = &job->sources[i];
        uint32_t live = source_fits(builder, source->graph) ? live_rows(source, builder->graph.rows) : 0;
        if (live > most) {
            most = live;
            builder->source = source;
        }
    }
    if ((double)most < (double)builder->graph.rows * (double)graph_tuning.merge_least) {
        builder->source = NULL;
    }
}

/* ---- codes ---- */

/* How far a sample of the rows is from its codes: the sum of squares. */
static int sample_loss(const struct code_book *book, const struct vector_rows *rows, uint8_t *code, double *loss)
{
    uint32_t count = rows->count < SAMPLE_ROWS ? rows->count : SAMPLE_ROWS;
    int status = NACRE_OK;
    *loss = 0;
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++) {
        uint32_t row = (uint32_t)((uint64_t)i * rows->count / count);
        status = vector_rows_need(rows, row);
        if (status == NACRE_OK) {
            code_book_encode(book, vector_row(rows, row), code);
            double error = (double)code_row_of(book, code)->error;
            *loss += error * error;
        }
    }
    return status;
}

int build_choose_book(struct graph_builder *builder)
{
    const struct code_book *old = &builder->source->graph->book;
    struct code_book *fresh = &builder->graph.book;
    double old_loss, fresh_loss;
    uint8_t *code = memory_alloc_aligned(64, (fresh->stride + 63) / 64 * 64);
    int status = code ? sample_loss(old, builder->job->rows, code, &old_loss) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = sample_loss(fresh, builder->job->rows, code, &fresh_loss);
    }
    memory_free(code);
    if (status != NACRE_OK) {
        return status;
    }
    /* Units are compared for dot: vectors longer than any before have no place in the old space. */
    bool same_space = old->metric == NACRE_L2 || fresh->unit >= old->unit;
    builder->keeps_book = same_space && old_loss <= fresh_loss * LOSS_MOST;
    if (builder->keeps_book) {
        code_book_free(fresh);
        *fresh = *old;
        fresh->owned = NULL;
    }
    return NACRE_OK;
}

static int copy_group(void *context, uint32_t worker, size_t begin, size_t end)
{
    struct graph_builder *builder = context;
    const struct graph_source *source = builder->source;
    size_t stride = builder->graph.book.stride;
    (void)worker;
    for (size_t row = begin; row < end; row++) {
        if (source->rows[row] < builder->graph.rows) {
            builder->copied[source->rows[row]] = true;
            memcpy(builder->codes + source->rows[row] * stride, source->graph->codes + row * stride, stride);
        }
    }
    return NACRE_OK;
}

int build_copy_codes(struct graph_builder *builder)
{
    if (!builder->keeps_book) {
        return NACRE_OK;
    }
    builder->copied = memory_zalloc(builder->graph.rows * sizeof *builder->copied);
    return builder->copied
               ? build_threads_run(builder->threads, builder->source->graph->rows, COPY_GROUP, copy_group, builder)
               : NACRE_NO_MEMORY;
}

/* ---- lists ---- */

struct adoption {
    struct graph_builder *builder;
    uint32_t *owner; /* for each row that takes over a list: the row of the source that had it */
};

/* Live neighbours of one of the source's rows that were not met yet become candidates; *dead counts the others. */
static int add_neighbors(const struct adoption *adoption, struct build_worker *worker, uint32_t old, size_t *count,
                         uint32_t *dead)
{
    const struct graph_builder *builder = adoption->builder;
    const struct graph *source = builder->source->graph;
    const uint32_t *list = source->neighbors + (size_t)old * source->degree;
    void *grown = worker->candidates;
    int status = memory_grow(&grown, &worker->candidate_capacity, *count + source->degree, sizeof *worker->candidates);
    worker->candidates = grown;
    for (uint32_t i = 0; status == NACRE_OK && i < source->degree && list[i] < source->rows; i++) {
        uint32_t row = builder->source->rows[list[i]];
        if (row >= builder->graph.rows) {
            ++*dead;
        } else if (walk_mark(worker->walk, builder->twin_of[row])) {
            worker->candidates[(*count)++].row = builder->twin_of[row];
        }
    }
    return status;
}

static int adopt_list(const struct adoption *adoption, struct build_worker *worker, uint32_t row)
{
    struct graph_builder *builder = adoption->builder;
    const struct graph *source = builder->source->graph;
    uint32_t old = adoption->owner[row], dead = 0, deeper = 0;
    size_t count = 0;
    walk_begin(worker->walk, 1);
    (void)walk_mark(worker->walk, row);
    int status = add_neighbors(adoption, worker, old, &count, &dead);
    const uint32_t *list = source->neighbors + (size_t)old * source->degree;
    for (uint32_t i = 0; dead && status == NACRE_OK && i < source->degree && list[i] < source->rows; i++) {
        if (builder->source->rows[list[i]] >= builder->graph.rows) {
            status = add_neighbors(adoption, worker, list[i], &count, &deeper);
        }
    }
    if (status != NACRE_OK) {
        return status;
    }
    if (dead || count > builder->graph.degree) {
        return build_prune_list(builder, worker, row, count);
    }
    for (size_t i = 0; i < count; i++) {
        builder_list(builder, row)[i] = worker->candidates[i].row;
    }
    builder->counts[row] = (uint16_t)count;
    return NACRE_OK;
}

static int adopt_group(void *context, uint32_t number, size_t begin, size_t end)
{
    const struct adoption *adoption = context;
    struct graph_builder *builder = adoption->builder;
    int status = NACRE_OK;
    for (size_t i = begin; i < end && status == NACRE_OK; i++) {
        status = adopt_list(adoption, &builder->workers[number], builder->order[i]);
    }
    return status;
}

/* Rows that take over a list go to the front of the order, the others keep theirs behind. Returns how many. */
static size_t order_owners_first(struct graph_builder *builder, const uint32_t *owner, uint32_t *behind)
{
    size_t front = 0, rest = 0;
    for (size_t i = 0; i < builder->order_count; i++) {
        uint32_t row = builder->order[i];
        if (owner[row] != GRAPH_NO_ROW) {
            builder->order[front++] = row;
        } else {
            behind[rest++] = row;
        }
    }
    memcpy(builder->order + front, behind, rest * sizeof *behind);
    return front;
}

int build_adopt_lists(struct graph_builder *builder, size_t *adopted)
{
    uint32_t rows = builder->graph.rows;
    const struct graph_source *source = builder->source;
    struct adoption adoption = { .builder = builder };
    adoption.owner = memory_alloc(rows * sizeof *adoption.owner);
    uint32_t *behind = memory_alloc(rows * sizeof *behind);
    int status = adoption.owner && behind ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        memset(adoption.owner, 0xFF, rows * sizeof *adoption.owner);
        for (uint32_t old = source->graph->rows; old-- > 0;) {
            if (source->rows[old] < rows) {
                adoption.owner[builder->twin_of[source->rows[old]]] = old;
            }
        }
        *adopted = order_owners_first(builder, adoption.owner, behind);
        status = build_threads_run(builder->threads, *adopted, ADOPT_GROUP, adopt_group, &adoption);
    }
    memory_free(behind);
    memory_free(adoption.owner);
    return status;
}
