/* A segment of vectors, open: its keys, its rows, and what is known of them without its graph.

   Entries (versions) lie in internal order; those that are puts have a row each, numbered from 0 in that order. So rows ascend by key, the keys of a range
   are a range of rows, and equal distances go by row.

   Vectors are checked in blocks when they are first read: whoever reads rows asks vector_rows_need for them first, whatever he does with them then. It costs a
   look at a bit for rows of blocks that were read before. */
#ifndef NACRE_VECTORS_READER_H
#define NACRE_VECTORS_READER_H
#include "vectors/filter_memory.h"
#include "vectors/row_blocks.h"
#include "vectors/vectors.h"

struct graph;
struct vector_keys; /* vectors/keys.h */

struct vector_rows { /* the full vectors of a segment, in place */
    const uint8_t *vectors;
    size_t stride; /* bytes */
    uint32_t count, dimension;
    nacre_metric metric;
    struct row_blocks *blocks; /* what checks them; NULL: they need no check */
};
/* The rows may be read. Without a map this is what brings them into memory, where they stay. NACRE_CORRUPT, NACRE_IO. */
static inline int vector_rows_need(const struct vector_rows *rows, uint32_t row)
{
    struct row_blocks *b = rows->blocks;
    if (!b || __builtin_expect(row_block_is_taken(b, row >> b->shift), 1))
        return NACRE_OK;
    return row_blocks_take(b, row >> b->shift);
}
int vector_rows_need_range(const struct vector_rows *, uint32_t begin, uint32_t end); /* rows [begin, end) */
int vector_rows_need_list(const struct vector_rows *, const uint32_t *list, size_t count);
static inline const void *vector_row(const struct vector_rows *rows, uint32_t row)
{
    return rows->vectors + row * rows->stride;
}

struct vector_reader {
    struct container *segment;
    struct vector_rows rows;
    uint64_t entries;
    _Atomic(struct graph *) graph; /* from the newest good side file, or NULL; older ones live as long as the reader */
    /* The rest is reader.c's own. */
    struct vector_keys *keys;
    filter_memory_place filters; /* rows that remembered filters allow: nearest.c */
};

/* One row's version, as far as it is not in the vector. */
struct row_version {
    uint64_t sequence, expiry_ms;
    bool shadowed_below; /* the key has older versions in this segment */
    uint64_t
        shadowed_by; /* the next newer version of the key in this segment, 0 = none: the row counts for snapshots below it */
};
int reader_row_version(struct vector_reader *, uint32_t row, struct row_version *);
/* No row's version is newer than any snapshot there is, superseded within the segment, or expires: all rows count, whoever asks at or above
   `least_snapshot`. A check that saves the others. */
bool reader_all_rows_count(const struct vector_reader *, uint64_t snapshot, uint64_t now_ms);
/* The key of a row, appended to *key, cleared first; and, if `value` is not NULL, its value (in place, or as *pin where pin->release is set). */
int reader_row_key(struct vector_reader *, uint32_t row, struct buffer *key);
int reader_row_value(struct vector_reader *, uint32_t row, struct entry *, struct pin *); /* value and type */
/* Keys of rows [begin, end) in order, front to back: cheaper than one by one. Stops when `visit` says false. */
int reader_visit_keys(struct vector_reader *, uint32_t begin, uint32_t end,
                      bool (*visit)(void *context, uint32_t row, nacre_slice key), void *context);
/* The rows whose keys are in [begin, end) (empty = open). */
int reader_row_range(struct vector_reader *, nacre_slice begin, nacre_slice end, uint32_t *first, uint32_t *after);

/* Of kind.h. */
int vectors_open(struct container *, struct block_cache *, void **reader);
void vectors_close(void *reader);
void vectors_give_sequence(void *reader, uint64_t sequence);
int vectors_attach_index(void *reader, struct container *index);
bool vectors_index_is_good(const void *reader);
void vectors_prefetch(const void *reader, const struct lookup *);
int vectors_get(void *reader, const struct lookup *, struct entry *, struct pin *);
bool vectors_may_have_key(void *reader, const struct lookup *);
bool vectors_may_have_prefix(void *reader, nacre_slice prefix);
int vectors_cursor_create(void *reader, struct cursor **);
int vectors_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made);
int vectors_build_index(void *reader, const struct index_job *, struct container_writer *index);
int vectors_verify(void *reader, uint64_t *entries);
int vectors_dump(void *reader, void (*line)(void *context, const char *json), void *context);
uint64_t vectors_memory(const void *reader);
int vectors_salvage(const struct wreck *, const struct salvage_sink *); /* salvage.c */
bool vectors_of_wreck(const struct wreck *, uint32_t *dimension, nacre_metric *metric);
int vectors_row_entry(void *reader, uint32_t row, struct entry *, struct buffer *key, struct pin *);
int vectors_find_dead(void *reader, void *newer, const struct range_set *newer_ranges, struct dead_rows *rows,
                      int (*stop)(void *context), void *stop_context);

int vectors_builder_create(struct container_writer *segment, const struct build_options *, void **builder);
int vectors_builder_add(void *builder, const struct entry *);
int vectors_builder_finish(void *builder, struct container_writer *index);
void vectors_builder_free(void *builder);

/* In nearest.c. */
int vectors_nearest(void *reader, struct nearest *);
/* Rows of so many elements together are scanned whatever index there is. Tests make it smaller, before there are any searches. */
extern uint32_t vectors_few_floats;
#endif
