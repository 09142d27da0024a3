/* Gathers what the side file of an ordered segment is made of: one call per distinct key, in order. */
#ifndef NACRE_ORDERED_INDEX_BUILDER_H
#define NACRE_ORDERED_INDEX_BUILDER_H
#include "base/hash.h"
#include "filter/prefix_filter.h"
#include "ordered/learned_index.h"
#include "ordered/position_index.h"

struct index_builder {
    struct position_builder positions;
    struct prefix_filter_builder prefixes;
};

/* `shared`: first bytes in common with the distinct key before. `offset`: see position_builder; the caller may change it until the block ends. */
static inline int index_builder_add(struct index_builder *b, nacre_slice key, size_t shared, uint32_t offset)
{
    int status = position_builder_add(&b->positions, hash_bytes(key.data, key.size), offset);
    return status == NACRE_OK ? prefix_filter_add(&b->prefixes, key, shared) : status;
}

static inline int index_builder_write(struct index_builder *b, struct container_writer *out)
{
    struct buffer filter = { 0 };
    int status = position_builder_write(&b->positions, out);
    if (status == NACRE_OK)
        status = prefix_filter_make(&b->prefixes, &filter);
    if (status == NACRE_OK && filter.size)
        status = container_write_section(out, "PFIX", buffer_slice(&filter));
    buffer_free(&filter);
    return status;
}

/* Over the separators of all blocks: see learned_make. `learned`: as in build_options. */
static inline int index_builder_write_learned(const uint8_t *ends, const uint8_t *separators, uint32_t blocks,
                                              size_t prefix, uint8_t learned, struct container_writer *out)
{
    struct buffer section = { 0 };
    int status = learned ? learned_make(ends, separators, blocks, prefix, learned > 1, &section) : NACRE_OK;
    if (status == NACRE_OK && section.size)
        status = container_write_section(out, "LERN", buffer_slice(&section));
    buffer_free(&section);
    return status;
}

static inline void index_builder_free(struct index_builder *b)
{
    position_builder_free(&b->positions);
    prefix_filter_builder_free(&b->prefixes);
}
#endif
