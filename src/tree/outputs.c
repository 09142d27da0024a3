/* Writing the segments of a flush or merge (see outputs.h). One thread per job; no locks.
   Invariants:
   1. outputs are cut only between keys: all versions of a key are in one segment.
   2. outputs ascend and are disjoint, range deletes included: those are clipped at each cut, and a segment that holds any ends at the cut explicitly
      (its greatest key counts where its range deletes end, which the next segment may begin with). */
#include "tree/outputs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/replaces.h"
#include "tree/retention.h"
#include "tree/value_moves.h"

#define STOP_LOOKS        1024u               /* entries between two looks at the stop flag */
#define SAMPLE_STRIDE     256u                /* keys between two looks beneath, to estimate what an output hides */
#define SEGMENT_BYTES_MAX (UINT64_C(3) << 30) /* room for one more large value below the container's limit */

struct writer {
    const struct output_job *job;
    struct outputs *outputs;
    struct retention retention;
    struct filtering filtering;
    struct build_options options;
    struct output_sizes sizes;
    struct segment_builder *builder; /* NULL: none begun */
    uint64_t id;
    struct buffer cut; /* where the segment being written begins; empty = with the job's range */
    bool has_beneath;
    uint64_t oldest_view; /* the oldest live snapshot, SEQUENCE_MAX when there is none */
    uint64_t keys, shadowed, samples, hits, stride, last_expiry_ms;
    const struct range_delete **kept; /* range deletes to write on */
    size_t kept_count;
};

/* ---- the segments ---- */

static int begin_segment(struct writer *w)
{
    struct tree *tree = w->job->tree;
    w->id = manifest_next_segment_id(tree->env->manifest);
    w->keys = w->shadowed = w->samples = w->hits = w->last_expiry_ms = 0;
    return segment_builder_create(tree->env->segments, tree->kind, w->id, &w->options, &w->builder);
}

static nacre_slice later(nacre_slice a, nacre_slice b)
{
    return slice_compare(a, b) >= 0 ? a : b;
}

static nacre_slice earlier_end(nacre_slice a, nacre_slice b)
{
    return b.size == 0 || (a.size && slice_compare(a, b) <= 0) ? a : b;
}

/* The part of the range delete in [from, to); false when there is none. */
static bool clip(const struct range_delete *range, nacre_slice from, nacre_slice to, struct range_delete *part)
{
    *part = (struct range_delete){ later(range->begin, from), earlier_end(range->end, to), range->sequence };
    return part->end.size == 0 || slice_compare(part->begin, part->end) < 0;
}

/* Range deletes of [from, to) into the segment; begins it if only they are left to write. */
static int add_ranges(struct writer *w, nacre_slice from, nacre_slice to, bool *any)
{
    int status = NACRE_OK;
    *any = false;
    for (size_t i = 0; i < w->kept_count && status == NACRE_OK; i++) {
        struct range_delete part;
        if (!clip(w->kept[i], from, to, &part)) {
            continue;
        }
        if (!w->builder) {
            status = begin_segment(w);
        }
        if (status == NACRE_OK) {
            status = segment_builder_add_range(w->builder, &part);
        }
        *any = true;
    }
    return status;
}

static struct placed *next_made(struct outputs *o)
{
    if (o->count == o->capacity) {
        size_t more = o->capacity ? 2 * o->capacity : 4;
        struct placed *made = memory_realloc(o->made, more * sizeof *made);
        if (!made) {
            return NULL;
        }
        o->made = made;
        struct buffer *keys = memory_realloc(o->keys, more * sizeof *keys);
        if (!keys) {
            return NULL;
        }
        o->keys = keys;
        o->capacity = more;
    }
    o->keys[o->count] = (struct buffer){ 0 };
    o->made[o->count] = (struct placed){ 0 };
    return &o->made[o->count];
}

static int say_replaced(struct writer *w, nacre_slice from, nacre_slice to)
{
    struct buffer groups = { 0 };
    int status = replaces_encode(w->job->tree, from, to, w->job->inputs, w->job->input_count, &groups);
    if (status == NACRE_OK) {
        status = segment_builder_replaces(w->builder, buffer_slice(&groups));
    }
    buffer_free(&groups);
    return status;
}

/* Ends the segment at `to` (empty: at the end of the job's range). */
static int end_segment(struct writer *w, nacre_slice to)
{
    struct outputs *o = w->outputs;
    nacre_slice from = w->cut.size ? buffer_slice(&w->cut) : w->job->range.begin;
    bool has_ranges;
    int status = add_ranges(w, from, to, &has_ranges);
    if (status == NACRE_OK && w->builder) {
        status = say_replaced(w, from, to);
    }
    if (status == NACRE_OK && w->builder && w->job->input_count == 0) {
        status = segment_builder_reaches(w->builder, from, to); /* of a flush: the next one may never come */
    }
    if (status != NACRE_OK || !w->builder) {
        return status;
    }
    struct placed *made = next_made(o);
    if (!made) {
        return NACRE_NO_MEMORY;
    }
    if (has_ranges && to.size) {
        status = buffer_append(&o->keys[o->count], to.data, to.size);
        made->has_end = true;
        made->end = buffer_slice(&o->keys[o->count]);
    }
    struct segment_builder *builder = w->builder;
    if (status == NACRE_OK) {
        w->builder = NULL; /* finish frees it, also when it fails */
        status = segment_builder_finish(builder, &made->segment);
    }
    if (status != NACRE_OK) {
        buffer_free(&o->keys[o->count]);
        return status;
    }
    made->level = w->job->level;
    made->run = w->job->run;
    placed_whole(made);
    made->shadowed = w->shadowed;
    made->last_expiry_ms = w->last_expiry_ms;
    made->hiding = w->samples ? (uint64_t)((double)w->keys * (double)w->hits / (double)w->samples) : 0;
    o->bytes += made->bytes + segment_index_bytes(made->segment);
    o->entries += made->entries;
    o->count++;
    return NACRE_OK;
}

/* ---- the entries ---- */

static bool is_beneath(struct writer *w, nacre_slice key)
{
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = SEQUENCE_MAX };
    return version_may_have_key_from(w->job->base, w->job->beneath, &lookup);
}

static bool may_be_beneath(void *context, nacre_slice key)
{
    struct writer *w = context;
    bool has = w->has_beneath && is_beneath(w, key);
    if (has && w->job->exact_beneath && version_has_put(w->job->base, w->job->beneath, key, &has) != NACRE_OK) {
        has = true; /* what cannot be read may be one */
    }
    return has;
}

static bool may_be_above(void *context, nacre_slice key)
{
    const struct output_job *job = ((struct writer *)context)->job;
    struct lookup lookup = { .key = key, .hash = hash_bytes(key.data, key.size), .snapshot = SEQUENCE_MAX };
    return version_may_have_operands(job->base, job->above, &lookup);
}

static int read_pointer(void *context, const struct entry *entry, struct pin *pin, nacre_slice *value)
{
    return tree_read_pointer(((struct writer *)context)->job->tree, entry, value, pin);
}

static int filter(void *context, struct entry *entry, bool *remove)
{
    return filter_entry(&((struct writer *)context)->filtering, entry, remove);
}

static int is_hidden(void *context, const struct entry *entry, uint64_t viewer, bool *hidden)
{
    const struct output_job *job = ((struct writer *)context)->job;
    struct lookup lookup = { entry->key, hash_bytes(entry->key.data, entry->key.size), viewer, NULL };
    return version_newer_has(job->base, job->newer, &lookup, entry->sequence, hidden);
}

bool output_is_full(const struct output_sizes *sizes, const struct segment_builder *builder, size_t next_value)
{
    uint64_t bytes = segment_builder_bytes(builder);
    return bytes >= sizes->target_bytes || bytes + next_value > SEGMENT_BYTES_MAX ||
           segment_builder_entries(builder) >= sizes->entries_most;
}

static int keep(void *context, const struct entry *entry, bool older)
{
    struct writer *w = context;
    int status = NACRE_OK;
    if (older) {
        w->shadowed += !w->retention.keeps_operands;
    } else {
        if (w->builder && output_is_full(&w->sizes, w->builder, entry->value.size)) {
            status = end_segment(w, entry->key);
            buffer_clear(&w->cut);
            if (status == NACRE_OK) {
                status = buffer_append(&w->cut, entry->key.data, entry->key.size);
            }
        }
        if (status == NACRE_OK && !w->builder) {
            status = begin_segment(w);
        }
        if (w->has_beneath && w->keys % w->stride == 0) {
            w->samples++;
            w->hits += is_beneath(w, entry->key);
        }
        w->keys++;
    }
    if (entry->expiry_ms > w->last_expiry_ms) {
        w->last_expiry_ms = entry->expiry_ms;
    }
    if (status != NACRE_OK) {
        return status;
    }
    struct entry settled = *entry;
    if (!w->has_beneath && entry->sequence <= w->oldest_view && entry->type != ENTRY_MERGE) {
        /* Everybody sees it and nothing older is left: which sequence it had matters no more, and the least one takes the fewest bytes. Operands may have
           others beneath them. */
        settled.sequence = SEQUENCE_SETTLED;
    }
    if (w->job->moves && entry->type == ENTRY_POINTER) {
        status = value_moves_entry(w->job->moves, &settled);
    }
    return status == NACRE_OK ? segment_builder_add(w->builder, &settled) : status;
}

static int choose_ranges(struct writer *w)
{
    const struct output_job *job = w->job;
    w->kept = memory_alloc(job->range_count * sizeof(struct range_delete *) + 1);
    if (!w->kept) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < job->range_count; i++) {
        struct key_range covered = { job->ranges[i].begin, job->ranges[i].end };
        bool beneath = w->has_beneath && version_overlaps(job->base, job->beneath, &covered);
        if (retention_needs_range(&w->retention, &job->ranges[i], beneath)) {
            w->kept[w->kept_count++] = &job->ranges[i];
        }
    }
    return NACRE_OK;
}

static bool is_past(nacre_slice key, nacre_slice end, uint64_t end_head)
{
    uint64_t head = slice_head(key);
    return head != end_head ? head > end_head : slice_compare(key, end) >= 0;
}

static int look(const struct output_job *job)
{
    if (job->stop) {
        return job->stop(job->stop_context);
    }
    return tree_stopping(job->tree) ? fail(NACRE_CANCELLED, "the store is closing") : NACRE_OK;
}

static int copy_entries(struct writer *w)
{
    struct cursor *cursor = w->job->cursor;
    nacre_slice end = w->job->range.end;
    uint64_t end_head = slice_head(end), looked = 0;
    int status = NACRE_OK;
    if (w->job->range.begin.size) {
        cursor_seek(cursor, w->job->range.begin);
    } else {
        cursor_first(cursor);
    }
    while (status == NACRE_OK && cursor->valid && (end.size == 0 || !is_past(cursor->entry.key, end, end_head))) {
        status = retention_add(&w->retention, &cursor->entry);
        bool due = ++looked % STOP_LOOKS == 0 || (w->job->moves && value_moves_look_due(w->job->moves));
        if (status == NACRE_OK && due) {
            status = look(w->job);
        }
        cursor_next(cursor);
    }
    status = status == NACRE_OK ? cursor->status : status;
    return status == NACRE_OK ? retention_finish(&w->retention) : status;
}

/* Equal segments instead of full ones and a small last one. */
static uint64_t even_share(uint64_t expected, uint64_t segment_bytes)
{
    if (expected <= segment_bytes + segment_bytes / 4) {
        return segment_bytes + segment_bytes / 4;
    }
    uint64_t parts = (expected + segment_bytes - 1) / segment_bytes;
    return expected / parts + expected / parts / 64 + 1;
}

void output_options(const struct tree *tree, uint32_t level, struct build_options *options, struct output_sizes *sizes)
{
    struct tree_tuning *tuning = tree->env->tuning;
    bool whole = tree->kind->whole_runs;
    *options = (struct build_options){
        .compression = (enum compression)atomic_load_explicit(&tuning->compression[level], memory_order_relaxed),
        .block_bytes = (uint32_t)atomic_load_explicit(&tuning->block_bytes, memory_order_relaxed),
        .learned_index = atomic_load_explicit(&tuning->learned_index, memory_order_relaxed),
        .build_index =
            !tree->kind->quick_index && !atomic_load_explicit(&tuning->async_index_build, memory_order_relaxed),
        .collection = tree->collection,
        .words = tree->words,
        .dimension = tree->dimension,
        .metric = tree->metric,
    };
    sizes->target_bytes =
        atomic_load_explicit(whole ? &tuning->run_segment_bytes : &tuning->segment_bytes, memory_order_relaxed);
    sizes->entries_most = whole ? RUN_SEGMENT_ENTRIES_MAX : UINT64_MAX;
}

static void set_options(struct writer *w)
{
    const struct output_job *job = w->job;
    output_options(job->tree, job->level, &w->options, &w->sizes);
    w->options.words.reach = job->reach;
    if (!job->fills) {
        w->sizes.target_bytes = even_share(job->expected_bytes, w->sizes.target_bytes);
    }
    uint64_t parts = job->expected_bytes / w->sizes.target_bytes + 1;
    w->options.expected_entries = job->expected_entries / parts;
    w->stride = job->expected_entries / 64 < SAMPLE_STRIDE ? job->expected_entries / 64 + 1 : SAMPLE_STRIDE;
}

/* Operands that were not folded are no failure of the job: nothing is lost, and reads say what is wrong. */
static void report_operands(const struct writer *w)
{
    struct tree *tree = w->job->tree;
    const struct retention *r = &w->retention;
    atomic_fetch_add_explicit(&tree->counters.operands_folded, r->folded, memory_order_relaxed);
    atomic_fetch_add_explicit(&tree->counters.fold_failures, r->failures, memory_order_relaxed);
    if (r->failures) {
        log_line(tree->env->logger, NACRE_LOG_WARNING, "operands_kept",
                 "\"collection\":%u,\"keys\":%llu,\"status\":\"%s\"", tree->collection, (unsigned long long)r->failures,
                 nacre_status_name(r->failure));
    }
}

static int build(struct writer *w, const uint64_t *snapshots, size_t snapshot_count)
{
    struct range_set *ranges = NULL;
    int status = range_set_create(w->job->ranges, w->job->range_count, &ranges);
    if (status != NACRE_OK) {
        return status;
    }
    w->retention =
        (struct retention){ .snapshots = snapshots,
                            .snapshot_count = snapshot_count,
                            .ranges = ranges,
                            .now_ms = w->job->now_ms,
                            .may_be_beneath = may_be_beneath,
                            .is_hidden = w->job->newer > 0 ? is_hidden : NULL,
                            .may_be_above = w->job->above > 0 && w->job->tree->takes_operands ? may_be_above : NULL,
                            .merge_operator = w->job->tree->merge_operator,
                            .read_pointer = w->job->tree->env->segments->values ? read_pointer : NULL,
                            .filter = w->job->filters && w->job->tree->filter ? filter : NULL,
                            .keep = keep,
                            .context = w };
    status = choose_ranges(w);
    if (status == NACRE_OK) {
        status = copy_entries(w);
    }
    if (status == NACRE_OK) {
        status = end_segment(w, w->job->range.end);
    }
    report_operands(w);
    filtering_free(&w->filtering);
    retention_free(&w->retention);
    range_set_free(ranges);
    return status;
}

/* Values in the value log that have to be durable before the manifest names a segment which points to them. */
static bool points_to_fresh_values(const struct output_job *job, const struct outputs *outputs)
{
    bool any = job->moves && job->moves->moved > 0;
    for (size_t i = 0; i < outputs->count && !any && job->syncs_values; i++) {
        any = outputs->made[i].segment->properties.values.count > 0;
    }
    return any && job->tree->env->segments->values;
}

int outputs_build(const struct output_job *job, struct outputs *outputs)
{
    struct tree_env *env = job->tree->env;
    struct writer w = { .job = job, .outputs = outputs };
    uint64_t *snapshots = NULL;
    size_t snapshot_count = 0;
    memset(outputs, 0, sizeof *outputs);
    w.has_beneath = job->beneath < job->base->run_count && version_overlaps(job->base, job->beneath, &job->range);
    w.filtering = (struct filtering){
        .tree = job->tree, .base = job->base, .above = job->above, .level = job->level, .done = &outputs->filtered
    };
    set_options(&w);
    int status = env->snapshots(env->context, &snapshots, &snapshot_count);
    if (status == NACRE_OK) {
        w.oldest_view = snapshot_count ? snapshots[0] : SEQUENCE_MAX;
        status = build(&w, snapshots, snapshot_count);
    }
    if (status == NACRE_OK && points_to_fresh_values(job, outputs)) {
        status = value_log_sync(env->segments->values);
    }
    if (status == NACRE_OK && outputs->count) {
        status = env->segments->os->sync_directory(env->segments->os->context, env->segments->directory);
    }
    segment_builder_abandon(w.builder);
    memory_free(w.kept);
    buffer_free(&w.cut);
    memory_free(snapshots);
    if (status != NACRE_OK) {
        outputs_release(outputs, true);
    }
    return status;
}

void outputs_release(struct outputs *o, bool remove_files)
{
    for (size_t i = 0; i < o->count; i++) {
        if (remove_files) {
            segment_mark_obsolete(o->made[i].segment);
        }
        segment_unref(o->made[i].segment);
        buffer_free(&o->keys[i]);
    }
    memory_free(o->made);
    memory_free(o->keys);
    memset(o, 0, sizeof *o);
}
