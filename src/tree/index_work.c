/* Making new segments quick to search, beside everything else: dead rows that are not known, and side files.

   In steps, each of which makes searches better at once:
   - tree_prepare_work: dead rows that nobody knows (after an opening, or a failure); then, of kinds with quick_index, the quick step for a segment
     that has no side file at all;
   - tree_index_work: the full index of one segment, the largest first: that one costs every search the most. Segments that a merge works on or
     is about to take wait for it: its output is what will be searched.
   A merge of segments that mostly have full indexes makes the index of its output itself, before it is installed (index_outputs): nobody
   sees an index go. Other merges install at once, and the index is made behind.

   Any thread; one builds at a time per segment, as claims in tree.building say (tree.lock). No lock is held while building. A build ends within its
   looks, 50 ms at most, when the tree stops or its segment has been merged away. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/dead_marks.h"
#include "tree/outputs.h"
#include "tree/pick.h"

#define ROUNDS 64u /* of tree_build_indexes, while merges go on */

/* ---- looks ---- */

int tree_look(void *context)
{
    const struct look *look = context;
    const struct tree_env *env = look->tree->env;
    if (tree_stopping(look->tree)) {
        return fail(NACRE_CANCELLED, "the store is closing, or the collection was dropped");
    }
    if (look->segment && atomic_load_explicit(&look->segment->obsolete, memory_order_relaxed)) {
        return fail(NACRE_CANCELLED, "the segment was merged away");
    }
    if (look->pauses && env->paused && atomic_load_explicit(env->paused, memory_order_relaxed)) {
        return fail(NACRE_CANCELLED, "merges are paused");
    }
    if (env->lend) {
        env->lend(env->context);
    }
    return NACRE_OK;
}

/* ---- one segment ---- */

struct building { /* a claim on a segment's side file */
    struct building *next;
    struct segment *segment; /* counted */
};

static bool is_building(const struct tree *tree, const struct segment *segment)
{
    for (const struct building *b = tree->building; b; b = b->next) {
        if (b->segment == segment) {
            return true;
        }
    }
    return false;
}

/* lock held. */
static void begin_building(struct tree *tree, struct building *claim, struct segment *segment)
{
    segment_ref(segment);
    *claim = (struct building){ tree->building, segment };
    tree->building = claim;
}

static void end_building(struct tree *tree, struct building *claim, int status)
{
    pthread_mutex_lock(&tree->lock);
    if (status != NACRE_OK) {
        tree->failed_bytes = claim->segment->properties.bytes;
    }
    struct building **at = &tree->building;
    while (*at != claim) {
        at = &(*at)->next;
    }
    *at = claim->next;
    tree_update_index_signals(tree);
    pthread_cond_broadcast(&tree->released);
    pthread_mutex_unlock(&tree->lock);
    segment_unref(claim->segment);
}

/* Of keys, codes and graphs: more than any kind needs, but for keys without common beginnings in a long row. */
static uint64_t likely_memory(const struct segment *segment)
{
    uint64_t per_entry = segment->kind->holds_vectors ? 400 : 32;
    return segment->properties.bytes + segment->properties.entries * per_entry + ((uint64_t)1 << 20);
}

static int build(struct tree *tree, struct segment *segment, const struct index_job *given)
{
    struct index_job job = *given;
    struct tree_env *env = tree->env;
    struct memory_stretch outer;
    uint64_t began = clock_monotonic_ns();
    job.threads = env->index_threads ? env->index_threads(env->context) : 1;
    job.learned_index = atomic_load_explicit(&env->tuning->learned_index, memory_order_relaxed);
    job.memory_budget = atomic_load_explicit(&env->tuning->index_memory_bytes, memory_order_relaxed);
    job.stop = tree_look;
    uint64_t granted = env->grant ? env->grant(env->context, likely_memory(segment)) : 0;
    atomic_fetch_add_explicit(&tree->index_builds, 1, memory_order_relaxed);
    tree_meter_begin(tree, &outer);
    int status = segment_build_index(segment, &job);
    tree_meter_end(tree, &outer);
    if (env->grant) {
        env->give_back(env->context, granted);
    }
    atomic_fetch_sub_explicit(&tree->index_builds, 1, memory_order_relaxed);
    if (status == NACRE_OK) {
        _Atomic uint64_t *made = job.quick ? &tree->counters.quick_indexes : &tree->counters.indexes;
        atomic_fetch_add_explicit(made, 1, memory_order_relaxed);
        tree_tell(tree, &(struct tree_work_done){ .kind = TREE_INDEXED,
                                                  .what = job.quick ? "quick" : "full",
                                                  .bytes_in = segment->properties.bytes,
                                                  .bytes_out = segment_index_bytes(segment),
                                                  .entries = segment->properties.entries,
                                                  .ns = clock_monotonic_ns() - began });
    }
    return status;
}

/* A build that stopped because its segment went has nothing left to do. */
static int build_claimed(struct tree *tree, struct building *claim, bool quick)
{
    struct look look = { .tree = tree, .segment = claim->segment };
    struct index_job job = { .quick = quick, .stop_context = &look };
    int status = build(tree, claim->segment, &job);
    bool gone = atomic_load_explicit(&claim->segment->obsolete, memory_order_relaxed);
    return status != NACRE_OK && gone && !tree_stopping(tree) ? NACRE_OK : status;
}

/* ---- choosing ---- */

static bool is_raw(const struct segment *segment)
{
    return segment->kind->quick_index && segment_index_bytes(segment) == 0 && !segment_has_index(segment);
}

/* A merge works on the run, or one that is due will. */
static bool awaits_merge(const struct tree *tree, const struct run *run, const struct run_window *due)
{
    for (const struct claim *c = tree->claims; c; c = c->next) {
        if (tree->kind->whole_runs && c->running && c->oldest <= run->id && run->id <= c->newest) {
            return true;
        }
    }
    return run >= due->first && run < due->after;
}

/* The largest segment under `below` bytes that wants the step, or NULL. */
static struct segment *largest(const struct tree *tree, bool quick, const struct run_window *due, uint64_t below)
{
    const struct version *v = tree->version;
    struct segment *best = NULL;
    for (size_t r = 0; r < v->run_count; r++) {
        const struct run *run = &v->runs[r];
        for (size_t i = 0; i < run->count && (quick || !awaits_merge(tree, run, due)); i++) {
            struct segment *segment = run->pieces[i].segment;
            bool wants = quick ? is_raw(segment) : !segment_has_index(segment);
            if (wants && segment->properties.bytes < below && !is_building(tree, segment) &&
                (!best || segment->properties.bytes > best->properties.bytes)) {
                best = segment;
            }
        }
    }
    return best;
}

/* lock held. One that fails keeps no smaller one from its turn. */
static struct segment *choose(struct tree *tree, bool quick, const struct run_window *due)
{
    struct segment *next = tree->failed_bytes ? largest(tree, quick, due, tree->failed_bytes) : NULL;
    if (!next) {
        tree->failed_bytes = 0;
        next = largest(tree, quick, due, UINT64_MAX);
    }
    return next;
}

static int build_one(struct tree *tree, bool quick, bool *worked)
{
    struct building claim;
    struct segment *segment = NULL;
    struct run_window due = { NULL, NULL };
    pthread_mutex_lock(&tree->lock);
    int status = quick || !tree->kind->whole_runs ? NACRE_OK : pick_due(tree, &due);
    if (status == NACRE_OK && !tree_stopping(tree)) {
        segment = choose(tree, quick, &due);
    }
    if (segment) {
        begin_building(tree, &claim, segment);
    }
    pthread_mutex_unlock(&tree->lock);
    *worked = segment != NULL;
    if (segment) {
        /* Who prepares may not have come to it yet, and passes over it now: searches do not wait for the full one. */
        status = !quick && is_raw(segment) ? build_claimed(tree, &claim, true) : NACRE_OK;
        status = status == NACRE_OK ? build_claimed(tree, &claim, quick) : status;
        end_building(tree, &claim, status);
    }
    return status == NACRE_OK ? status : fail_context(status, "indexing collection %u", tree->collection);
}

/* ---- dead rows ---- */

/* The same version with all dead rows known. */
static int find_dead(struct tree *tree, bool *worked)
{
    struct marked_step step = { .all = true };
    struct marks marks = { 0 };
    marks_make(tree, &step, &marks);
    size_t before = tree->version->unknown_dead;
    int status = tree_stopping(tree) ? NACRE_OK : tree_remark(tree, &step, &marks);
    *worked = status == NACRE_OK && tree->version->unknown_dead < before;
    pthread_mutex_unlock(&tree->lock);
    status = status == NACRE_OK ? marks.status : status;
    marks_free(&marks);
    return status == NACRE_OK ? status
                              : fail_context(status, "looking for dead rows of collection %u", tree->collection);
}

/* ---- work ---- */

static bool has_unknown_dead(struct tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    bool unknown = tree->version->unknown_dead > 0;
    pthread_mutex_unlock(&tree->lock);
    return unknown;
}

int tree_prepare_work(struct tree *tree, bool *worked)
{
    int status = NACRE_OK;
    *worked = false;
    if (!tree_stopping(tree) && has_unknown_dead(tree)) {
        status = find_dead(tree, worked);
    }
    return status == NACRE_OK && !*worked ? build_one(tree, true, worked) : status;
}

int tree_index_work(struct tree *tree, bool *worked)
{
    return build_one(tree, false, worked);
}

/* lock held. */
void tree_update_index_signals(struct tree *tree)
{
    const struct version *v = tree->version;
    bool prepare = v->unknown_dead > 0, index = false;
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct segment *segment = v->runs[r].pieces[i].segment;
            prepare = prepare || is_raw(segment);
            index = index || !segment_has_index(segment);
        }
    }
    /* Relaxed: hints that stand alone. */
    atomic_store_explicit(&tree->wants_prepare, prepare, memory_order_relaxed);
    atomic_store_explicit(&tree->wants_index, index, memory_order_relaxed);
}

bool tree_wants_prepare(struct tree *tree)
{
    return atomic_load_explicit(&tree->wants_prepare, memory_order_relaxed);
}

bool tree_wants_index(struct tree *tree)
{
    return atomic_load_explicit(&tree->wants_index, memory_order_relaxed);
}

/* ---- with a merge ---- */

bool merge_makes_index(const struct version *v, size_t first_run, size_t after_run)
{
    uint64_t indexed = 0, entries = 0;
    for (size_t r = first_run; r < after_run && v->kind->quick_index; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            entries += piece->entries;
            indexed += segment_has_index(piece->segment) ? piece->entries : 0;
        }
    }
    return indexed > 0 && 2 * indexed >= entries;
}

static int list_sources(const struct unit *unit, void ***sources, size_t *count)
{
    const struct version *v = unit->base;
    *count = 0;
    *sources = memory_alloc(v->piece_count * sizeof(void *) + 1);
    for (size_t r = unit->first_run; *sources && r < unit->after_run; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            const struct piece *piece = &v->runs[r].pieces[i];
            if (segment_has_index(piece->segment)) {
                (*sources)[(*count)++] = piece->reader;
            }
        }
    }
    return *sources ? NACRE_OK : NACRE_NO_MEMORY;
}

/* What a merge is better installed without than not at all. */
static bool may_go_without(int status)
{
    return status == NACRE_NO_MEMORY || status == NACRE_CORRUPT || status == NACRE_LIMIT;
}

static void note_missing(const struct tree *tree, const struct segment *segment)
{
    char text[1024];
    log_line(tree->env->logger, NACRE_LOG_WARNING, "index_left_out", "\"segment\":%llu,\"detail\":\"%s\"",
             (unsigned long long)segment->properties.id, log_escape(fail_detail(), text, sizeof text));
}

int index_outputs(struct tree *tree, const struct unit *unit, struct outputs *outputs)
{
    void **sources = NULL;
    size_t count = 0;
    if (!unit->makes_index) {
        return NACRE_OK;
    }
    int status = list_sources(unit, &sources, &count);
    for (size_t i = 0; i < outputs->count && status == NACRE_OK; i++) {
        struct segment *segment = outputs->made[i].segment;
        struct look look = { .tree = tree, .pauses = unit->pauses };
        struct index_job job = { .sources = sources, .source_count = count, .stop_context = &look };
        status = build(tree, segment, &job);
        outputs->bytes += segment_index_bytes(segment);
        if (may_go_without(status)) {
            note_missing(tree, segment);
            status = NACRE_OK;
        }
    }
    memory_free(sources);
    return status;
}

/* ---- asked for ---- */

/* Waits its turn with the segment, looks again, builds. */
static int build_asked(struct tree *tree, struct segment *segment, bool check_all)
{
    struct building claim;
    pthread_mutex_lock(&tree->lock);
    while (is_building(tree, segment) && !tree_stopping(tree)) {
        lock_wait(tree);
    }
    if (tree_stopping(tree)) {
        pthread_mutex_unlock(&tree->lock);
        return fail(NACRE_CANCELLED, "the store is closing, or the collection was dropped");
    }
    begin_building(tree, &claim, segment);
    pthread_mutex_unlock(&tree->lock);
    int status = NACRE_OK;
    if (check_all ? !segment_index_is_sound(segment) : !segment_has_index(segment)) {
        status = build_claimed(tree, &claim, false);
    }
    end_building(tree, &claim, status);
    return status;
}

/* Somebody merges runs older than `limit`. */
static bool is_merging(const struct tree *tree, uint64_t limit)
{
    for (const struct claim *c = tree->claims; c; c = c->next) {
        if (c->running && c->oldest < limit) {
            return true;
        }
    }
    return false;
}

static void wait_for_merges(struct tree *tree, uint64_t limit)
{
    pthread_mutex_lock(&tree->lock);
    while (is_merging(tree, limit) && !tree_stopping(tree)) {
        lock_wait(tree);
    }
    pthread_mutex_unlock(&tree->lock);
}

static bool is_paused(const struct tree *tree)
{
    return tree->env->paused && atomic_load_explicit(tree->env->paused, memory_order_relaxed);
}

/* Whole runs: merges first, so that nothing is built in vain; those of others are waited for. */
static int merge_first(struct tree *tree, uint64_t limit)
{
    bool more = tree->kind->whole_runs;
    int status = NACRE_OK;
    for (unsigned round = 0; more && round < ROUNDS && status == NACRE_OK && !is_paused(tree); round++) {
        wait_for_merges(tree, limit);
        status = tree_work(tree, &more);
    }
    return status == NACRE_CANCELLED && !tree_stopping(tree) ? NACRE_OK : status; /* paused meanwhile */
}

/* *missed: a merge came between, and its output has no index. */
static int build_listed(struct tree *tree, bool check_all, uint64_t limit, bool *missed)
{
    struct segment **list = NULL;
    size_t count = 0;
    struct version *version = tree_version(tree);
    int status = version_segments(version, limit, &list, &count);
    *missed = false;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = build_asked(tree, list[i], check_all);
        *missed = *missed || atomic_load_explicit(&list[i]->obsolete, memory_order_relaxed);
    }
    memory_free(list);
    version_unref(version);
    return status;
}

int tree_build_indexes(struct tree *tree, bool check_all)
{
    pthread_mutex_lock(&tree->lock);
    uint64_t limit =
        tree->kind->whole_runs ? tree->next_run : UINT64_MAX; /* what is flushed from now on is not waited for */
    bool unknown = tree->version->unknown_dead > 0, missed = true;
    pthread_mutex_unlock(&tree->lock);
    int status = merge_first(tree, limit);
    if (status == NACRE_OK && unknown) {
        status = find_dead(tree, &unknown);
    }
    for (unsigned round = 0; missed && round < ROUNDS && status == NACRE_OK; round++) {
        status = build_listed(tree, check_all && round == 0, limit, &missed);
    }
    return status;
}
