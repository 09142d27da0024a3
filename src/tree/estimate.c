/* What a tree could free, estimated, and how far its merges are behind. Called with the tree's lock held.

   The bound on space: with no snapshots in the way and tree_wants_work false, segments take at most 1.5 times the live data, plus segment_bytes
   (garbage <= live / 2 + segment_bytes; what runs hide from each other is estimated by sampling, what is left of segments that are taken
   apart piece by piece counts too). While merges run, their inputs and outputs come on top.

   What dead entries point to in the value log is not garbage there before a merge drops them. Merges cost what the segments have, so the more there is in the
   value log per byte of these, the less is left: at most the live values / 8 or 8 times the segments, whichever is more, and never more than the live
   values / 2; plus segment_bytes. */
#include "base/clock.h"
#include "tree/pick.h"

#define DELETE_BYTES 32u /* about what a delete takes */

uint64_t level_target(const struct tree *tree, uint32_t level)
{
    uint64_t target = atomic_load_explicit(&tree->env->tuning->level_base_bytes, memory_order_relaxed);
    uint64_t ratio = atomic_load_explicit(&tree->env->tuning->level_ratio, memory_order_relaxed);
    for (uint32_t i = 1; i < level; i++) {
        if (__builtin_mul_overflow(target, ratio, &target)) {
            return UINT64_MAX;
        }
    }
    return target;
}

uint64_t piece_expired(const struct piece *piece, uint64_t now_ms)
{
    const struct segment_properties *p = &piece->segment->properties;
    if (p->expiring == 0 || p->earliest_expiry_ms > now_ms || p->entries == 0) {
        return 0;
    }
    double share = 1;
    if (piece->last_expiry_ms > now_ms) {
        share = (double)(now_ms - p->earliest_expiry_ms) / (double)(piece->last_expiry_ms - p->earliest_expiry_ms);
    }
    return (uint64_t)(share * (double)p->expiring * (double)piece->entries / (double)p->entries);
}

static uint64_t entries_of(const struct version *v)
{
    uint64_t entries = 0;
    for (size_t r = 0; r < v->run_count; r++) {
        for (size_t i = 0; i < v->runs[r].count; i++) {
            entries += v->runs[r].pieces[i].entries;
        }
    }
    return entries;
}

uint64_t average_entry(const struct version *v)
{
    uint64_t entries = entries_of(v);
    return entries ? (v->bytes + v->values) / entries : 0;
}

uint64_t run_garbage(const struct run *run, uint64_t average)
{
    uint64_t garbage = 0, small = average < DELETE_BYTES ? average : DELETE_BYTES;
    for (size_t i = 0; i < run->count; i++) {
        garbage += run->pieces[i].hiding * average + run->pieces[i].deletes * small;
    }
    return garbage;
}

#define VALUE_PART     8u /* of the live values */
#define VALUE_SEGMENTS 8u

/* Of kinds that say which of their rows are dead; 0 while it is not known. */
static uint64_t dead_garbage(const struct piece *piece)
{
    uint64_t average = piece->entries ? piece->bytes / piece->entries : 0;
    return (piece->dead_rows ? piece->dead_rows->count : 0) * average +
           piece->deletes * (average < DELETE_BYTES ? average : DELETE_BYTES);
}

static uint64_t dead_values(const struct piece *piece)
{
    return piece->dead_rows && piece->entries
               ? (uint64_t)((double)piece->values * (double)piece->dead_rows->count / (double)piece->entries)
               : 0;
}

/* What the oldest run holds is not to be had by merging it down. */
static bool is_oldest(const struct version *v, size_t r)
{
    return r + 1 == v->run_count && v->runs[r].level > 0;
}

static void add_garbage(const struct version *v, size_t r, uint64_t average, uint64_t value_average,
                        struct estimate *estimate)
{
    const struct run *run = &v->runs[r];
    for (size_t i = 0; i < run->count && v->kind->find_dead; i++) {
        estimate->garbage += dead_garbage(&run->pieces[i]);
        estimate->value_garbage += dead_values(&run->pieces[i]);
    }
    if (v->kind->find_dead || is_oldest(v, r)) {
        return;
    }
    estimate->garbage += run_garbage(run, average);
    for (size_t i = 0; i < run->count; i++) {
        estimate->value_garbage += run->pieces[i].hiding * value_average;
    }
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void tree_estimate(const struct tree *tree, const struct version *v, struct estimate *estimate)
{
    uint64_t entries = entries_of(v), average = entries ? v->bytes / entries : 0,
             value_average = entries ? v->values / entries : 0;
    uint64_t segment_bytes = atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed);
    *estimate = (struct estimate){ 0 };
    for (size_t r = 0; r < v->run_count; r++) {
        add_garbage(v, r, average, value_average, estimate);
    }
    estimate->live = less(v->bytes, estimate->garbage);
    estimate->garbage += v->dead;
    estimate->bound = estimate->live / 2 + segment_bytes;
    uint64_t live = less(v->values, estimate->value_garbage), most = VALUE_SEGMENTS * v->bytes;
    most = most > live / VALUE_PART ? most : live / VALUE_PART;
    estimate->value_bound = (most < live / 2 ? most : live / 2) + segment_bytes;
}

#define RUN_WEIGHT_PART 8u /* of segment_bytes: 8 MiB by default */

/* Whole runs: those over twice their number, the newest, wait for merges. Each costs every search a walk however small it is, so small ones
   weigh more than they hold. */
static uint64_t debt_of_runs(const struct tree *tree)
{
    const struct version *v = tree->version;
    uint64_t most = 2 * atomic_load_explicit(&tree->env->tuning->runs_most, memory_order_relaxed), debt = 0;
    uint64_t least = atomic_load_explicit(&tree->env->tuning->segment_bytes, memory_order_relaxed) / RUN_WEIGHT_PART;
    for (size_t r = 0; r < v->run_count && r + most < v->run_count; r++) {
        debt += v->runs[r].bytes > least ? v->runs[r].bytes : least;
    }
    return debt;
}

static uint64_t debt_of(const struct tree *tree)
{
    const struct version *v = tree->version;
    if (tree->kind->whole_runs) {
        return debt_of_runs(tree);
    }
    uint64_t most = atomic_load_explicit(&tree->env->tuning->level0_runs, memory_order_relaxed);
    most = most ? most : 1;
    uint64_t debt = v->levels[0].count > most ? v->levels[0].bytes / most * (v->levels[0].count - most) : 0;
    for (uint32_t level = 1; level + 1 < TREE_LEVELS; level++) {
        uint64_t target = level_target(tree, level);
        uint64_t easy = target > UINT64_MAX / 2 ? target : target + target / 2;
        if (v->levels[level].bytes > easy) {
            debt += v->levels[level].bytes - easy;
        }
    }
    return debt;
}

void tree_update_signals(struct tree *tree)
{
    bool wants = true;
    uint64_t again_at = 0;
    if (pick_wants(tree, &wants, &again_at) != NACRE_OK) {
        wants = true; /* no memory to find out: tree_work will tell */
    }
    uint64_t entries = entries_of(tree->version);
    /* Relaxed: hints that stand alone. */
    atomic_store_explicit(&tree->value_bytes, tree->version->values, memory_order_relaxed);
    atomic_store_explicit(&tree->value_average, entries ? tree->version->values / entries : 0, memory_order_relaxed);
    atomic_store_explicit(&tree->debt, debt_of(tree), memory_order_relaxed);
    atomic_store_explicit(&tree->level0_count, tree->version->levels[0].count, memory_order_relaxed);
    atomic_store_explicit(&tree->wants_work_at_ms, again_at, memory_order_relaxed);
    atomic_store_explicit(&tree->wants_work, wants, memory_order_relaxed);
}

uint64_t tree_value_bytes(struct tree *tree)
{
    return atomic_load_explicit(&tree->value_bytes, memory_order_relaxed);
}

uint64_t tree_value_average(struct tree *tree)
{
    return atomic_load_explicit(&tree->value_average, memory_order_relaxed);
}

uint64_t tree_debt(struct tree *tree)
{
    return atomic_load_explicit(&tree->debt, memory_order_relaxed);
}

size_t tree_level0_runs(struct tree *tree)
{
    return atomic_load_explicit(&tree->level0_count, memory_order_relaxed);
}

void tree_retuned(struct tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    tree_update_signals(tree);
    pthread_mutex_unlock(&tree->lock);
}

void tree_look_again(struct tree *tree)
{
    pthread_mutex_lock(&tree->lock);
    if (tree->version->has_values) {
        tree_update_signals(tree);
    }
    pthread_mutex_unlock(&tree->lock);
}

bool tree_wants_work(struct tree *tree)
{
    uint64_t at = atomic_load_explicit(&tree->wants_work_at_ms, memory_order_relaxed);
    if (atomic_load_explicit(&tree->wants_work, memory_order_relaxed) || (at != 0 && clock_wall_ms() >= at)) {
        return true;
    }
    if (!atomic_load_explicit(&tree->waits_for_snapshots, memory_order_relaxed)) {
        return false;
    }
    /* Something only waited for snapshots, and these come and go without telling. */
    pthread_mutex_lock(&tree->lock);
    tree_update_signals(tree);
    pthread_mutex_unlock(&tree->lock);
    return atomic_load_explicit(&tree->wants_work, memory_order_relaxed);
}
