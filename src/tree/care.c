/* Looking after a tree: statistics, what is told of finished work, verification. Any thread. */
#include "base/memory.h"
#include "base/status.h"
#include "segment/dead_rows.h"
#include "tree/tree_private.h"

void tree_meter_begin(const struct tree *tree, struct memory_stretch *stretch)
{
    if (tree->env->building) {
        memory_stretch_begin(tree->env->building, stretch);
    }
}

void tree_meter_end(const struct tree *tree, const struct memory_stretch *stretch)
{
    if (tree->env->building) {
        memory_stretch_end(stretch);
    }
}

void tree_tell(const struct tree *tree, const struct tree_work_done *done)
{
    if (tree->env->done) {
        tree->env->done(tree->env->context, tree->owner, done);
    }
}

static uint64_t mapped_bytes(const struct segment *segment)
{
    uint64_t bytes = segment->container->map ? segment->container->bytes : 0;
    for (const struct container *c = atomic_load_explicit(&segment->index, memory_order_acquire); c; c = c->older) {
        bytes += c->map ? c->bytes : 0;
    }
    return bytes;
}

static void add_segment(struct tree_stats *stats, const struct piece *piece, uint32_t level)
{
    const struct segment *segment = piece->segment;
    const struct kind *kind = segment->kind;
    const struct segment_properties *of = &segment->properties;
    stats->level_segments[level]++;
    stats->missing_indexes += !segment_has_index(segment);
    stats->learned_indexes += kind->has_learned_index && kind->has_learned_index(piece->reader);
    stats->readers_bytes += segment_memory(segment) + of->smallest.capacity + of->greatest.capacity;
    stats->mapped_bytes += mapped_bytes(segment);
}

static void add_run(struct tree_stats *stats, const struct run *run)
{
    stats->level_runs[run->level]++;
    stats->level_bytes[run->level] += run->bytes;
    for (size_t i = 0; i < run->count; i++) {
        const struct piece *piece = &run->pieces[i];
        if (i == 0 || piece->segment != run->pieces[i - 1].segment) {
            add_segment(stats, piece, run->level);
        }
        stats->entries += piece->entries;
        stats->deletes += piece->deletes;
        stats->operands += piece->merges;
        stats->shadowed += piece->shadowed;
        stats->level_entries[run->level] += piece->entries;
        stats->level_deletes[run->level] += piece->deletes;
        stats->dead_rows += piece->dead_rows ? piece->dead_rows->count : 0;
        stats->dead_bytes += piece->dead_rows ? dead_rows_bytes(piece->dead_rows) : 0;
        stats->version_bytes += sizeof *piece + sizeof *run->heads + piece->begin.size + piece->end.size;
    }
    stats->version_bytes += sizeof *run;
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
    stats->reclaimable_bytes = estimate.garbage + estimate.value_garbage;
    stats->running = atomic_load_explicit(&tree->running, memory_order_relaxed);
    stats->index_builds = atomic_load_explicit(&tree->index_builds, memory_order_relaxed);
    stats->indexes = atomic_load_explicit(&c->indexes, memory_order_relaxed);
    stats->quick_indexes = atomic_load_explicit(&c->quick_indexes, memory_order_relaxed);
    stats->operands_folded = atomic_load_explicit(&c->operands_folded, memory_order_relaxed);
    stats->filter_removed = atomic_load_explicit(&c->filter_removed, memory_order_relaxed);
    stats->filter_changed = atomic_load_explicit(&c->filter_changed, memory_order_relaxed);
    stats->filter_redone = atomic_load_explicit(&c->filter_redone, memory_order_relaxed);
    stats->fold_failures = atomic_load_explicit(&c->fold_failures, memory_order_relaxed);
    stats->flushes = atomic_load_explicit(&c->flushes, memory_order_relaxed);
    stats->merges = atomic_load_explicit(&c->merges, memory_order_relaxed);
    stats->moves = atomic_load_explicit(&c->moves, memory_order_relaxed);
    stats->drops = atomic_load_explicit(&c->drops, memory_order_relaxed);
    stats->bytes_flushed = atomic_load_explicit(&c->bytes_flushed, memory_order_relaxed);
    stats->bytes_merged_read = atomic_load_explicit(&c->bytes_merged_read, memory_order_relaxed);
    stats->bytes_merged_written = atomic_load_explicit(&c->bytes_merged_written, memory_order_relaxed);
    stats->values_moved = atomic_load_explicit(&c->values_moved, memory_order_relaxed);
    stats->value_bytes_moved = atomic_load_explicit(&c->value_bytes_moved, memory_order_relaxed);
}

int tree_verify(struct tree *tree, void (*damage)(void *context, int status, const char *detail), void *context,
                uint64_t *files, uint64_t *bytes, uint64_t *entries)
{
    struct segment **list = NULL;
    size_t count = 0;
    struct version *version = tree_version(tree);
    int status = version_segments(version, UINT64_MAX, &list, &count);
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
