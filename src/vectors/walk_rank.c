/* Re-ranking what a walk found (see walk_rank.h).

   Of the candidates so many are compared that those left are farther than the k-th best by more than codes are likely to be off: an error of length e in no particular
   direction changes a distance by about e / sqrt(elements), and LIKELY times that is taken, instead of the e that would be proof. Against the recall that is measured with the same
   means (graph_curve.c) the difference does not show. But a row that is no farther from the query than from its own code has an error in the one direction that matters: what by proof may be the
   query itself is always compared.
   Threads: one at a time. Locks: none. */
#include "vectors/walk_rank.h"
#include "base/memory.h"
#include "base/status.h"
#include <math.h>

#define LIKELY 4.0f
#define MORE   16u /* than 2 k entries at once */

static size_t part_size(const struct walk_rank *rank)
{
    return 2 * rank->search->k + MORE;
}

double walk_rank_passing(struct walk_rank *rank)
{
    const struct walk *walk = rank->walk;
    size_t passing = 0, most = rank->search->allows ? part_size(rank) : SIZE_MAX;
    uint32_t looked = 0;
    while (looked < walk->count && passing < most) {
        uint32_t row = beam_row(&walk->beam[looked++]);
        passing += row_gate_may_pass(rank->gate, row) && row_gate_allows(rank->gate, row);
    }
    return looked ? (double)passing * walk->count / looked : 0;
}

static size_t take_candidates(struct walk_rank *rank, struct code_candidate *list, size_t most)
{
    const struct walk *walk = rank->walk;
    const struct code_book *book = &walk->graph->book;
    float part = LIKELY / sqrtf((float)book->elements);
    size_t count = 0;
    part = part < 1 ? part : 1;
    while (rank->at < walk->count && count < most) {
        const struct beam_entry *entry = &walk->beam[rank->at++];
        uint32_t row = beam_row(entry);
        if (!row_gate_may_pass(rank->gate, row) || !row_gate_allows(rank->gate, row))
            continue;
        const struct code_row *code = code_row_of(book, walk->graph->codes + row * book->stride);
        float least = sqrtf(entry->distance) - part * (walk->query.error + code->error);
        if (code_can_reach(&walk->query, code, entry->distance, 0))
            least = 0;
        list[count++] = (struct code_candidate){ least > 0 ? least : 0, INFINITY, row };
    }
    return count;
}

int walk_rank_next(struct walk_rank *rank, bool *enough)
{
    size_t most = part_size(rank), left = rank->walk->count - rank->at;
    most = most < left ? most : left;
    struct code_candidate *list = memory_alloc((most + 1) * sizeof *list);
    if (!list)
        return NACRE_NO_MEMORY;
    size_t count = take_candidates(rank, list, most);
    int status = code_rank(rank->walk->graph, rank->rows, rank->search, rank->gate, list, count, INFINITY, enough);
    memory_free(list);
    return status;
}
