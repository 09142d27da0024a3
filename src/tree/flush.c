/* Flushes: a sealed memtable becomes a run of level 0. One at a time per tree (flush_lock), oldest memtable first. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/dead_marks.h"
#include "tree/outputs.h"

/* The table's range deletes as a list; keys are the table's. */
static int list_ranges(struct memtable *memtable, struct range_delete **list, size_t *count)
{
    const struct range_set *set = NULL;
    int status = memtable_ranges(memtable, &set);
    *count = range_set_count(set);
    *list = memory_alloc(*count * sizeof **list + 1);
    if (status == NACRE_OK && !*list) {
        status = NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < *count && status == NACRE_OK; i++) {
        (*list)[i] = range_set_at(set, i);
    }
    return status;
}

static int build(struct tree *tree, struct memtable *memtable, struct version *base, uint64_t now_ms, uint64_t run,
                 struct outputs *outputs)
{
    struct range_delete *ranges = NULL;
    struct cursor *cursor = NULL;
    size_t range_count = 0;
    int status = list_ranges(memtable, &ranges, &range_count);
    if (status == NACRE_OK) {
        status = memtable_cursor_create(memtable, &cursor);
    }
    if (status == NACRE_OK) {
        struct output_job job = { .tree = tree,
                                  .cursor = cursor,
                                  .ranges = ranges,
                                  .range_count = range_count,
                                  .base = base,
                                  .now_ms = now_ms,
                                  .syncs_values = true,
                                  .level = 0,
                                  .run = run,
                                  .reach = memtable_newest(memtable),
                                  .expected_bytes = memtable_bytes(memtable),
                                  .expected_entries = memtable_entries(memtable) };
        status = outputs_build(&job, outputs);
    }
    cursor_close(cursor);
    memory_free(ranges);
    return status;
}

static int begin_flush(struct tree *tree, struct version **base, uint64_t *now_ms, uint64_t *run)
{
    pthread_mutex_lock(&tree->lock);
    int status = tree_settle_doubts(tree);
    *base = tree->version;
    version_ref(*base);
    *run = tree->next_run;
    *now_ms = tree_expiry_clock(tree);
    pthread_mutex_unlock(&tree->lock);
    return status;
}

static int end_flush(struct tree *tree, struct memtable *memtable, uint64_t log_position, uint64_t run,
                     const struct outputs *outputs, bool *doubtful)
{
    struct manifest_edit edit = { .has_log_position = true,
                                  .log_position = log_position,
                                  .has_last_sequence = true,
                                  .last_sequence = memtable_newest(memtable),
                                  .has_next_run = outputs->count > 0,
                                  .next_run = run + 1 };
    struct marked_step step = { .added = outputs->made, .added_count = outputs->count };
    struct marks marks = { 0 };
    marks_make(tree, &step, &marks);
    size_t doubts = tree->doubtful_count;
    int status = tree_install(tree, &step, &marks, &edit, memtable);
    *doubtful = tree->doubtful_count > doubts;
    if (status == NACRE_OK && outputs->count > 0) {
        tree->next_run = run + 1;
    }
    pthread_mutex_unlock(&tree->lock);
    marks_free(&marks);
    return status;
}

int tree_flush(struct tree *tree, struct memtable *memtable, uint64_t log_position)
{
    struct version *base = NULL;
    struct outputs outputs = { 0 };
    uint64_t run = 0, now_ms = 0;
    bool built = false, doubtful = false;
    struct memory_stretch outer;
    uint64_t began = clock_monotonic_ns();
    pthread_mutex_lock(&tree->flush_lock);
    tree_meter_begin(tree, &outer);
    int status = begin_flush(tree, &base, &now_ms, &run);
    if (status == NACRE_OK) {
        status = build(tree, memtable, base, now_ms, run, &outputs);
        built = status == NACRE_OK;
    }
    if (built) {
        status = end_flush(tree, memtable, log_position, run, &outputs, &doubtful);
    }
    if (status == NACRE_OK) {
        atomic_fetch_add_explicit(&tree->counters.flushes, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&tree->counters.bytes_flushed, outputs.bytes, memory_order_relaxed);
        if (tree->env->index_wanted && (tree_wants_prepare(tree) || tree_wants_index(tree))) {
            tree->env->index_wanted(tree->env->context, tree->owner);
        }
    }
    struct tree_work_done done = { .kind = TREE_FLUSHED,
                                   .what = "memtable",
                                   .bytes_in = memtable_bytes(memtable),
                                   .bytes_out = outputs.bytes,
                                   .entries = outputs.entries,
                                   .ns = clock_monotonic_ns() - began };
    outputs_release(&outputs, built && status != NACRE_OK && !doubtful);
    version_unref(base);
    tree_meter_end(tree, &outer);
    pthread_mutex_unlock(&tree->flush_lock);
    if (status == NACRE_OK) {
        tree_tell(tree, &done);
    }
    return status == NACRE_OK ? status : fail_context(status, "flushing collection %u", tree->collection);
}
