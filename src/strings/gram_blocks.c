/* Candidate blocks from posting lists. A node of the query is worth evaluating only while it takes away more work than it costs: a posting costs about POSTING_NS to
   decode, a block that is left about BLOCK_NS to look at. Of an AND the child with the fewest blocks comes first. Leaving a child out is always right: it only leaves
   more blocks.
   One thread at a time; no locks. */
#include "base/memory.h"
#include "strings/segment_search.h"

#define POSTING_NS 1.5
#define BLOCK_NS   250.0
#define WORTH      0.9 /* a condition that keeps more of the blocks than this is left out */
#define DEPTH_MAX  64u

/* At most so many blocks fulfil the query. */
static uint64_t bound(struct string_index *index, const struct gram_query *q, uint64_t blocks, unsigned depth)
{
    uint64_t result = q->operation == GRAM_AND ? blocks : 0;
    switch (q->operation) {
    case GRAM_NONE:
        return 0;
    case GRAM_LEAF:
        return string_index_gram_blocks(index, q->leaf);
    case GRAM_AND:
    case GRAM_OR:
        break;
    case GRAM_ANY:
        return blocks;
    }
    if (depth >= DEPTH_MAX)
        return blocks;
    for (uint32_t i = 0; i < q->count; i++) {
        uint64_t child = bound(index, q->children[i], blocks, depth + 1);
        if (q->operation == GRAM_AND)
            result = child < result ? child : result;
        else
            result += child;
    }
    return result < blocks ? result : blocks;
}

static int restrict_to(struct string_index *, const struct gram_query *, uint64_t *bits, size_t words, uint64_t blocks,
                       unsigned depth);

/* bits &= the union of the children. */
static int restrict_or(struct string_index *index, const struct gram_query *q, uint64_t *bits, size_t words,
                       uint64_t blocks, unsigned depth)
{
    uint64_t *sum = memory_zalloc(2 * words * sizeof *sum + 1), *one = sum ? sum + words : NULL;
    if (!sum)
        return NACRE_NO_MEMORY;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < q->count && status == NACRE_OK; i++) {
        const struct gram_query *child = q->children[i];
        if (child->operation == GRAM_LEAF) {
            string_index_gram_or(index, child->leaf, sum);
            continue;
        }
        memcpy(one, bits, words * sizeof *one);
        status = restrict_to(index, child, one, words, blocks, depth + 1);
        for (size_t w = 0; w < words; w++)
            sum[w] |= one[w];
    }
    for (size_t w = 0; w < words && status == NACRE_OK; w++)
        bits[w] &= sum[w];
    memory_free(sum);
    return status;
}

struct conjunct {
    const struct gram_query *query;
    uint64_t bound;
};

/* bits &= each child, the smallest first, until the next one costs more than the blocks that are left. */
static int restrict_and(struct string_index *index, const struct gram_query *q, uint64_t *bits, size_t words,
                        uint64_t blocks, unsigned depth)
{
    struct conjunct *order = memory_alloc(q->count * sizeof *order);
    if (!order)
        return NACRE_NO_MEMORY;
    for (uint32_t i = 0; i < q->count; i++) { /* insertion sort: there are few */
        struct conjunct c = { q->children[i], bound(index, q->children[i], blocks, depth + 1) };
        uint32_t at = i;
        for (; at > 0 && order[at - 1].bound > c.bound; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
    int status = NACRE_OK;
    uint64_t left = bits_count(bits, words);
    for (uint32_t i = 0; i < q->count && status == NACRE_OK && left > 0; i++) {
        if ((double)order[i].bound * POSTING_NS > (double)left * BLOCK_NS ||
            (double)order[i].bound > WORTH * (double)blocks)
            break;
        status = restrict_to(index, order[i].query, bits, words, blocks, depth + 1);
        left = bits_count(bits, words);
    }
    memory_free(order);
    return status;
}

static int restrict_to(struct string_index *index, const struct gram_query *q, uint64_t *bits, size_t words,
                       uint64_t blocks, unsigned depth)
{
    if (depth >= DEPTH_MAX)
        return NACRE_OK;
    switch (q->operation) {
    case GRAM_NONE:
        memset(bits, 0, words * sizeof *bits);
        return NACRE_OK;
    case GRAM_LEAF:
        string_index_gram_and(index, q->leaf, bits);
        return NACRE_OK;
    case GRAM_AND:
        return restrict_and(index, q, bits, words, blocks, depth);
    case GRAM_OR:
        return restrict_or(index, q, bits, words, blocks, depth);
    case GRAM_ANY:
        break;
    }
    return NACRE_OK;
}

int gram_blocks(struct string_index *index, const struct gram_query *query, uint64_t *some, size_t words, bool *used)
{
    uint64_t left = bits_count(some, words), blocks = 64 * (uint64_t)words;
    *used = false;
    if (query->operation == GRAM_ANY || left == 0 || !string_index_has_grams(index))
        return NACRE_OK;
    uint64_t most = bound(index, query, blocks, 0);
    if ((double)most > WORTH * (double)blocks || (double)most * POSTING_NS > (double)left * BLOCK_NS)
        return NACRE_OK;
    *used = true;
    return restrict_to(index, query, some, words, blocks, 0);
}
