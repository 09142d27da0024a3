/* Which candidates become neighbours of a row: the nearest first, leaving out what is nearer to one that was chosen
   than to the row, for the walk gets there by way of that one (Jayaram Subramanya et al., DiskANN; Fu et al., NSG).

   Each chosen row is compared with all candidates that are left at once, so that the kernel has long lists to work on.
   Threads: a pruner belongs to one. */
#include "base/memory.h"
#include "base/status.h"
#include "vectors/graph_build.h"

int pruner_create(struct pruner *pruner, const struct code_book *book)
{
    *pruner = (struct pruner){ .rows = NULL };
    int status = code_query_create(&pruner->query, book);
    return status == NACRE_OK ? code_query_prepare_rows(&pruner->query, book) : status;
}

void pruner_free(struct pruner *pruner)
{
    code_query_free(&pruner->query);
    memory_free(pruner->rows);
    memory_free(pruner->distances);
    *pruner = (struct pruner){ .rows = NULL };
}

static int reserve(struct pruner *pruner, size_t count)
{
    if (count <= pruner->capacity) {
        return NACRE_OK;
    }
    size_t capacity = count + count / 2;
    memory_free(pruner->rows);
    memory_free(pruner->distances);
    pruner->rows = memory_alloc(capacity * 2 * sizeof *pruner->rows);
    pruner->distances = memory_alloc(capacity * 2 * sizeof *pruner->distances);
    pruner->capacity = pruner->rows && pruner->distances ? capacity : 0;
    return pruner->capacity ? NACRE_OK : NACRE_NO_MEMORY;
}

int prune(struct pruner *pruner, const struct graph *graph, const struct beam_entry *candidates, size_t count,
          uint32_t degree, float alpha, uint32_t *chosen, uint32_t *chosen_count)
{
    const struct code_book *book = &graph->book;
    *chosen_count = 0;
    int status = count ? reserve(pruner, count) : NACRE_OK;
    if (status != NACRE_OK || count == 0) {
        return status;
    }
    uint32_t *rows = pruner->rows;
    int32_t *dots = (int32_t *)(void *)(pruner->rows + pruner->capacity);
    float *distances = pruner->distances, *norms = pruner->distances + pruner->capacity;
    for (size_t i = 0; i < count; i++) {
        rows[i] = beam_row(&candidates[i]);
        distances[i] = candidates[i].distance;
        norms[i] = code_row_of(book, graph->codes + rows[i] * book->stride)->norm2;
    }
    uint32_t found = 0;
    while (count > 0 && found < degree) {
        uint32_t row = rows[0];
        chosen[found++] = row;
        code_query_set_row(&pruner->query, book, graph->codes + row * book->stride);
        graph->dot_list(pruner->query.elements, graph->codes, book->stride, rows + 1, count - 1, book->code_bytes,
                        dots);
        size_t left = 0;
        for (size_t i = 1; i < count; i++) {
            float between = code_distance(&pruner->query, dots[i - 1], norms[i]);
            rows[left] = rows[i];
            distances[left] = distances[i];
            norms[left] = norms[i];
            left += alpha * between > distances[i];
        }
        count = left;
    }
    *chosen_count = found;
    return NACRE_OK;
}
