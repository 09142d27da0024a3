/* Candidate blocks from posting lists. A node of the query is worth evaluating only while it takes away more work than it costs: a posting costs about POSTING_NS to
   decode, a block that is left about BLOCK_NS to look at. Of an AND the child with the fewest blocks comes first. Leaving a child out is always right: it only leaves
   more blocks.
   One thread at a time; no locks. */
#include "base/memory.h"
#include "strings/segment_search.h"

#define POSTING_NS  1.5
#define BLOCK_NS    400.0
#define WORTH       0.9 /* a list that keeps more of the blocks than this is left out */
#define LATER_SHARE 4u  /* what the first condition left goes down by less with each further one */
#define CHEAP_NS    300000.0
#define DEPTH_MAX   64u

struct estimate {
    uint64_t blocks;   /* at most so many fulfil the query */
    uint64_t postings; /* to be decoded for it */
};

static struct estimate estimate(struct string_index *index, const struct gram_query *q, uint64_t blocks, unsigned depth)
{
    struct estimate sum = { q->operation == GRAM_AND || q->operation == GRAM_ANY ? blocks : 0, 0 };
    if (q->operation == GRAM_LEAF) {
        sum.blocks = sum.postings = string_index_gram_blocks(index, q->leaf);
        return sum;
    }
    if (q->operation == GRAM_NONE || q->operation == GRAM_ANY)
        return sum;
    if (depth >= DEPTH_MAX)
        return (struct estimate){ blocks, 0 };
    for (uint32_t i = 0; i < q->count; i++) {
        struct estimate child = estimate(index, q->children[i], blocks, depth + 1);
        if (q->operation == GRAM_OR) {
            sum.postings += child.postings;
            sum.blocks += child.blocks;
        } else if (i == 0 || child.blocks < sum.blocks) {
            sum = (struct estimate){ child.blocks, 2 * child.postings }; /* the others have to be worth it */
        }
    }
    if (sum.blocks > blocks)
        sum.blocks = blocks;
    return sum;
}

/* Where one list tells, most of the blocks are not worth a condition; of many lists together it is not known how much they overlap. */
static bool is_worth_it(const struct estimate *e, uint64_t blocks, uint64_t left)
{
    bool tells = e->postings > e->blocks || (double)e->blocks <= WORTH * (double)blocks;
    return tells && (double)e->postings * POSTING_NS <= (double)left * BLOCK_NS;
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
    struct estimate estimate;
};

/* bits &= each child, the smallest first, but for those that cost too much beside the blocks that are left. */
static int restrict_and(struct string_index *index, const struct gram_query *q, uint64_t *bits, size_t words,
                        uint64_t blocks, unsigned depth)
{
    struct conjunct *order = memory_alloc(q->count * sizeof *order);
    if (!order)
        return NACRE_NO_MEMORY;
    for (uint32_t i = 0; i < q->count; i++) { /* insertion sort: there are few */
        struct conjunct c = { q->children[i], estimate(index, q->children[i], blocks, depth + 1) };
        uint32_t at = i;
        for (; at > 0 && order[at - 1].estimate.blocks > c.estimate.blocks; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
    int status = NACRE_OK;
    uint64_t left = bits_count(bits, words);
    for (uint32_t i = 0; i < q->count && status == NACRE_OK && left > 0; i++) {
        if (!is_worth_it(&order[i].estimate, blocks, i == 0 ? left : left / LATER_SHARE))
            continue; /* a later one may be cheaper */
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

bool grams_are_cheap(struct string_index *index, const struct gram_query *query, size_t words)
{
    return (double)estimate(index, query, 64 * (uint64_t)words, 0).postings * POSTING_NS <= CHEAP_NS;
}

int gram_blocks(struct string_index *index, const struct gram_query *query, uint64_t *some, size_t words, bool *used)
{
    uint64_t left = bits_count(some, words), blocks = 64 * (uint64_t)words;
    *used = false;
    if (query->operation == GRAM_ANY || left == 0 || !string_index_has_grams(index))
        return NACRE_OK;
    struct estimate whole = estimate(index, query, blocks, 0);
    if (query->operation != GRAM_AND && !is_worth_it(&whole, blocks, left))
        return NACRE_OK;
    *used = true;
    return restrict_to(index, query, some, words, blocks, 0);
}
