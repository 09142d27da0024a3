/* The side file of a segment of vectors: writing it, opening it in place, checking it.

     GHDR   version u32 | rows u32 | dimension u32 | metric u32 | bits u32 | stride u32 | unit f64 |
            degree u32 (0: no graph) | entry_count u32 | stray_count u32 | walk_ns f32 | scan_ns f32 |
            curve: count u32, then GRAPH_CURVE_POINTS times beam u32, examined f32, recall_10 f32, recall_100 f32
     BOOK   mean, low, step: elements f32 each
     CODE   rows x stride bytes
     NEXT   rows x degree u32: the neighbours of each row, GRAPH_NO_ROW behind the last
     ENTR   entry_count u32
     ECOD   entry_count x stride bytes: their codes
     STRY   stray_count u32
     HASH   hash u32, row u32 for each row, ascending; may be left out. None for dot

   All numbers are little-endian. The large tables are not read at open: only their places are checked. Their checksums
   are for the container's owner to look at.

   1. Sizes of all sections agree with the header, the header with the segment's rows; so a row below `rows` is in all
      tables.
   2. Neighbours and entries are checked as they are followed (graph_walk.c), rows that are looked up as they are found, strays at open. */
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/container.h"
#include "vectors/graph_build.h"

#define VERSION     1u
#define WRITE_BYTES (4u << 20) /* between two looks at a job's stop */

struct graph_memory { /* sections that were read, where files are not mapped */
    struct buffer book, codes, neighbors, entries, entry_codes, stray, lookups;
};

/* ---- writing ---- */

static uint32_t float_bits(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, 4);
    return bits;
}

static int append_numbers(struct buffer *buffer, size_t count, const uint32_t *numbers)
{
    return buffer_append(buffer, numbers, count * sizeof *numbers);
}

static int append_header(const struct graph *graph, struct buffer *header)
{
    const struct code_book *book = &graph->book;
    const struct graph_curve *curve = &graph->curve;
    uint64_t unit;
    memcpy(&unit, &book->unit, sizeof unit);
    int status = append_numbers(
        header, 6,
        (const uint32_t[]){ VERSION, graph->rows, book->dimension, book->metric, book->bits, (uint32_t)book->stride });
    if (status == NACRE_OK) {
        status = buffer_append_u64(header, unit);
    }
    if (status == NACRE_OK) {
        status = append_numbers(header, 6,
                                (const uint32_t[]){ graph->has_graph ? graph->degree : 0, graph->entry_count,
                                                    graph->stray_count, float_bits(graph->walk_ns),
                                                    float_bits(graph->scan_ns), curve->count });
    }
    for (uint32_t i = 0; i < GRAPH_CURVE_POINTS && status == NACRE_OK; i++) {
        const struct graph_curve_point *point = &curve->points[i];
        status = append_numbers(header, 4,
                                (const uint32_t[]){ point->beam, float_bits(point->examined),
                                                    float_bits(point->recall_10), float_bits(point->recall_100) });
    }
    return status;
}

static int write_book(const struct code_book *book, struct container_writer *index)
{
    int status = container_section_begin(index, "BOOK");
    const float *const parts[] = { book->mean, book->low, book->step };
    for (size_t i = 0; i < 3 && status == NACRE_OK; i++) {
        status = container_write(index, parts[i], book->elements * sizeof(float), NULL);
    }
    return status == NACRE_OK ? container_section_end(index) : status;
}

static int write_table(const struct build_threads *threads, const char name[5], nacre_slice contents,
                       struct container_writer *index)
{
    const uint8_t *bytes = contents.data;
    int status = container_section_begin(index, name);
    for (size_t at = 0, here; at < contents.size && status == NACRE_OK; at += here) {
        here = contents.size - at < WRITE_BYTES ? contents.size - at : WRITE_BYTES;
        status = build_threads_stop(threads);
        if (status == NACRE_OK) {
            status = container_write(index, bytes + at, here, NULL);
        }
    }
    return status == NACRE_OK ? container_section_end(index) : status;
}

int graph_write(const struct graph *graph, const struct build_threads *threads, struct container_writer *index)
{
    struct buffer header = { 0 };
    int status = append_header(graph, &header);
    if (status == NACRE_OK) {
        status = container_write_section(index, "GHDR", buffer_slice(&header));
    }
    buffer_free(&header);
    if (status == NACRE_OK) {
        status = write_book(&graph->book, index);
    }
    size_t stride = graph->book.stride;
    const struct {
        char name[5];
        nacre_slice contents;
    } tables[] = { { "CODE", slice_of(graph->codes, graph->rows * stride) },
                   { "NEXT", slice_of(graph->neighbors, (size_t)graph->rows * graph->degree * 4) },
                   { "ENTR", slice_of(graph->entries, graph->entry_count * sizeof *graph->entries) },
                   { "ECOD", slice_of(graph->entry_codes, graph->entry_count * stride) },
                   { "STRY", slice_of(graph->stray, graph->stray_count * sizeof *graph->stray) },
                   { "HASH", slice_of(graph->lookups, graph->lookup_count * sizeof *graph->lookups) } };
    size_t count = graph->has_graph ? sizeof tables / sizeof *tables : 1;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = write_table(threads, tables[i].name, tables[i].contents, index);
    }
    return status;
}

/* ---- opening ---- */

static float reader_float(struct reader *reader)
{
    uint32_t bits = reader_u32(reader);
    float number;
    memcpy(&number, &bits, 4);
    return number;
}

static int damaged(const struct container *index, const char *what)
{
    return fail(NACRE_CORRUPT, "%s: %s", index->path, what);
}

static bool is_amount(float number)
{
    return number >= 0 && number <= 3.4e38f;
}

static void read_curve(struct reader *reader, struct graph_curve *curve)
{
    curve->count = reader_u32(reader);
    for (uint32_t i = 0; i < GRAPH_CURVE_POINTS; i++) {
        curve->points[i].beam = reader_u32(reader);
        curve->points[i].examined = reader_float(reader);
        curve->points[i].recall_10 = reader_float(reader);
        curve->points[i].recall_100 = reader_float(reader);
    }
}

static bool curve_is_sound(const struct graph_curve *curve)
{
    if (curve->count > GRAPH_CURVE_POINTS) {
        return false;
    }
    struct graph_curve_point last = { 0 };
    for (uint32_t i = 0; i < curve->count; i++) {
        struct graph_curve_point point = curve->points[i];
        if (!(point.beam > last.beam && point.beam <= BEAM_MAX && point.examined >= last.examined &&
              is_amount(point.examined) && point.recall_10 >= last.recall_10 && point.recall_10 <= 1 &&
              point.recall_100 >= last.recall_100 && point.recall_100 <= 1)) {
            return false;
        }
        last = point;
    }
    return true;
}

static bool shape_is_sound(const struct graph *graph, const struct vector_rows *rows, uint32_t dimension,
                           nacre_metric metric)
{
    return graph->rows == rows->count && dimension == rows->dimension && metric == rows->metric &&
           graph->degree <= GRAPH_DEGREE_MAX && graph->entry_count <= GRAPH_ENTRY_MAX &&
           graph->entry_count <= graph->rows && graph->has_graph == (graph->entry_count > 0) &&
           graph->stray_count <= graph->rows && is_amount(graph->walk_ns) && is_amount(graph->scan_ns) &&
           curve_is_sound(&graph->curve);
}

static int read_header(struct container *index, const struct vector_rows *rows, struct graph *graph)
{
    nacre_slice contents;
    int status = container_section(index, "GHDR", &contents);
    if (status != NACRE_OK) {
        return status == NACRE_NOT_FOUND ? damaged(index, "section GHDR is missing") : status;
    }
    struct reader reader = reader_of(contents);
    struct code_book *book = &graph->book;
    uint32_t version = reader_u32(&reader);
    if (reader.ok && version != VERSION) {
        return fail(NACRE_CORRUPT, "%s: the graph's version is %u, known is %u", index->path, version, VERSION);
    }
    graph->rows = reader_u32(&reader);
    uint32_t dimension = reader_u32(&reader), metric = reader_u32(&reader), bits = reader_u32(&reader);
    uint32_t stride = reader_u32(&reader);
    uint64_t unit = reader_u64(&reader);
    graph->degree = reader_u32(&reader);
    graph->has_graph = graph->degree > 0;
    graph->entry_count = reader_u32(&reader);
    graph->stray_count = reader_u32(&reader);
    graph->walk_ns = reader_float(&reader);
    graph->scan_ns = reader_float(&reader);
    read_curve(&reader, &graph->curve);
    bool sound = reader.ok && reader.at == reader.end && (bits == 8 || bits == 4) &&
                 shape_is_sound(graph, rows, dimension, (nacre_metric)metric);
    if (sound) {
        code_book_shape(book, rows->metric, rows->dimension, bits);
        memcpy(&book->unit, &unit, sizeof unit);
    }
    if (!sound || stride != book->stride) {
        return damaged(index, "the header of the graph does not fit its segment or itself");
    }
    graph->dot_list = code_dot_list_for(book->bits, book->code_bytes);
    return NACRE_OK;
}

/* A section in place, or read; its checksum is not looked at. */
static int take_table(struct container *index, const char name[5], uint64_t expected, struct buffer *memory,
                      const uint8_t **table)
{
    uint64_t offset, size;
    int status = container_section_bounds(index, name, &offset, &size);
    if (status == NACRE_NOT_FOUND || (status == NACRE_OK && size != expected)) {
        return fail(NACRE_CORRUPT, "%s: section %s has not the %llu bytes that the header says", index->path, name,
                    (unsigned long long)expected);
    }
    return status == NACRE_OK ? container_read(index, offset, (size_t)size, memory, table) : status;
}

static int take_book(struct container *index, struct graph *graph)
{
    const uint8_t *table;
    size_t bytes = (size_t)graph->book.elements * sizeof(float);
    int status = take_table(index, "BOOK", 3 * bytes, &graph->memory->book, &table);
    if (status != NACRE_OK) {
        return status;
    }
    const float *numbers = (const float *)(const void *)table;
    graph->book.mean = numbers;
    graph->book.low = numbers + graph->book.elements;
    graph->book.step = numbers + 2 * (size_t)graph->book.elements;
    return code_book_is_sound(&graph->book) ? NACRE_OK : damaged(index, "the code book holds what no training makes");
}

static int take_lookups(struct container *index, struct graph *graph)
{
    const uint8_t *lookups;
    uint64_t offset, size, each = sizeof *graph->lookups;
    if (!container_has_section(index, "HASH")) {
        return NACRE_OK;
    }
    int status = container_section_bounds(index, "HASH", &offset, &size);
    if (status == NACRE_OK && size != 0 && size != graph->rows * each) {
        return damaged(index, "section HASH is not that of so many rows");
    }
    if (status == NACRE_OK) {
        status = container_read(index, offset, (size_t)size, &graph->memory->lookups, &lookups);
    }
    if (status == NACRE_OK) {
        graph->lookups = (const struct graph_lookup *)(const void *)lookups;
        graph->lookup_count = (uint32_t)(size / each);
    }
    return status;
}

static int take_lists(struct container *index, struct graph *graph)
{
    struct graph_memory *memory = graph->memory;
    const uint8_t *neighbors, *entries, *stray;
    uint64_t stride = graph->book.stride;
    int status = take_table(index, "NEXT", (uint64_t)graph->rows * graph->degree * 4, &memory->neighbors, &neighbors);
    if (status == NACRE_OK) {
        status = take_table(index, "ENTR", (uint64_t)graph->entry_count * 4, &memory->entries, &entries);
    }
    if (status == NACRE_OK) {
        status = take_table(index, "ECOD", graph->entry_count * stride, &memory->entry_codes, &graph->entry_codes);
    }
    if (status == NACRE_OK) {
        status = take_table(index, "STRY", (uint64_t)graph->stray_count * 4, &memory->stray, &stray);
    }
    if (status != NACRE_OK) {
        return status;
    }
    graph->neighbors = (const uint32_t *)(const void *)neighbors;
    graph->entries = (const uint32_t *)(const void *)entries;
    graph->stray = (const uint32_t *)(const void *)stray;
    for (uint32_t i = 0; i < graph->stray_count; i++) {
        if (graph->stray[i] >= graph->rows) {
            return damaged(index, "a stray row is none of the segment's");
        }
    }
    return take_lookups(index, graph);
}

int graph_open(struct container *index, const struct vector_rows *rows, struct graph **opened)
{
    struct graph *graph = memory_zalloc(sizeof *graph);
    if (!graph) {
        return NACRE_NO_MEMORY;
    }
    graph->index = index;
    graph->memory = memory_zalloc(sizeof *graph->memory);
    int status = graph->memory ? walk_pool_create(&graph->walks) : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = read_header(index, rows, graph);
    }
    if (status == NACRE_OK) {
        status = take_book(index, graph);
    }
    if (status == NACRE_OK) {
        status =
            take_table(index, "CODE", (uint64_t)graph->rows * graph->book.stride, &graph->memory->codes, &graph->codes);
    }
    if (status == NACRE_OK && graph->has_graph) {
        status = take_lists(index, graph);
    }
    if (status != NACRE_OK) {
        graph_close(graph);
        return status;
    }
    *opened = graph;
    return NACRE_OK;
}

void graph_close(struct graph *graph)
{
    if (!graph) {
        return;
    }
    walk_pool_free(graph->walks);
    struct graph_memory *memory = graph->memory;
    if (memory) {
        struct buffer *const buffers[] = { &memory->book,        &memory->codes, &memory->neighbors, &memory->entries,
                                           &memory->entry_codes, &memory->stray, &memory->lookups };
        for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
            buffer_free(buffers[i]);
        }
        memory_free(memory);
    }
    memory_free(graph);
}

bool graph_is_whole(const struct graph *graph)
{
    return graph->has_graph || graph->rows < graph_tuning.least_rows;
}

uint64_t graph_memory(const struct graph *graph)
{
    const struct graph_memory *memory = graph->memory;
    return sizeof *graph + sizeof *memory + memory->book.capacity + memory->codes.capacity +
           memory->neighbors.capacity + memory->entries.capacity + memory->entry_codes.capacity +
           memory->stray.capacity + memory->lookups.capacity + walk_pool_bytes(graph->walks);
}
