/* Looking after a tree: indexes, statistics, verification. Any thread. */
#include "base/memory.h"
#include "base/status.h"
#include "tree/tree_private.h"
#include <stdlib.h>

/* Each segment of a version once; the version holds them. */
static int list_segments(const struct version *v, struct segment ***list, size_t *count)
{
    *count = 0;
    *list = memory_alloc(v->piece_count * sizeof(struct segment *) + 1);
    if (!*list) {
        return NACRE_NO_MEMORY;
    }
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            struct segment *segment = v->runs[r].pieces[i].segment;
            size_t k = 0;
            while (k < *count && (*list)[k] != segment) {
                k++;
            }
            if (k == *count) {
                (*list)[(*count)++] = segment;
            }
        }
    }
    return NACRE_OK;
}

int tree_build_indexes(struct tree *tree, bool check_all)
{
    struct segment **list = NULL;
    size_t count = 0;
    struct version *version = tree_version(tree);
    int status = list_segments(version, &list, &count);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        if (tree_stopping(tree)) {
            status = fail(NACRE_CANCELLED, "the store is closing");
            break;
        }
        pthread_mutex_lock(&tree->index_lock); /* another thread may have built it meanwhile */
        if (check_all ? !segment_index_is_sound(list[i]) : !segment_has_index(list[i])) {
            status = segment_build_index(list[i]);
        }
        pthread_mutex_unlock(&tree->index_lock);
    }
    memory_free(list);
    version_unref(version);
    return status;
}

static void add_run(struct tree_stats *stats, const struct run *run)
{
    stats->level_runs[run->level]++;
    stats->level_bytes[run->level] += run->bytes;
    for (size_t i = 0; i < run->count; i++) {
        const struct piece *piece = &run->pieces[i];
        stats->level_segments[run->level] += i == 0 || piece->segment != run->pieces[i - 1].segment;
        stats->entries += piece->entries;
        stats->deletes += piece->deletes;
        stats->missing_indexes +=
            !segment_has_index(piece->segment) && (i == 0 || piece->segment != run->pieces[i - 1].segment);
    }
}

void tree_get_stats(struct tree *tree, struct tree_stats *stats)
{
    struct tree_counters *c = &tree->counters;
    struct estimate estimate;
    memset(stats, 0, sizeof *stats);
    struct version *version = tree_version(tree);
    for (size_t r = 0; r < version->run_count; r++) {
        add_run(stats, &version->runs[r]);
    }
    tree_estimate(tree, version, &estimate);
    version_unref(version);
    stats->reclaimable_bytes = estimate.garbage;
    stats->running = atomic_load_explicit(&tree->running, memory_order_relaxed);
    stats->flushes = atomic_load_explicit(&c->flushes, memory_order_relaxed);
    stats->merges = atomic_load_explicit(&c->merges, memory_order_relaxed);
    stats->moves = atomic_load_explicit(&c->moves, memory_order_relaxed);
    stats->drops = atomic_load_explicit(&c->drops, memory_order_relaxed);
    stats->bytes_flushed = atomic_load_explicit(&c->bytes_flushed, memory_order_relaxed);
    stats->bytes_merged_read = atomic_load_explicit(&c->bytes_merged_read, memory_order_relaxed);
    stats->bytes_merged_written = atomic_load_explicit(&c->bytes_merged_written, memory_order_relaxed);
}

int tree_verify(struct tree *tree, void (*damage)(void *context, int status, const char *detail), void *context,
                uint64_t *files, uint64_t *bytes, uint64_t *entries)
{
    struct segment **list = NULL;
    size_t count = 0;
    struct version *version = tree_version(tree);
    int status = list_segments(version, &list, &count);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        if (tree_stopping(tree)) {
            status = fail(NACRE_CANCELLED, "the store is closing");
            break;
        }
        uint64_t found = 0, index_bytes = segment_index_bytes(list[i]);
        int verdict = segment_verify(list[i], &found);
        if (verdict != NACRE_OK) {
            damage(context, verdict, fail_detail());
        }
        *files += 1 + (index_bytes > 0);
        *bytes += list[i]->properties.bytes + index_bytes;
        *entries += found;
    }
    memory_free(list);
    version_unref(version);
    return status;
}
