/* What a count is made of: sources, their range deletes, and tasks (see search_count.h).
   Invariants:
   1. the tasks of a source are disjoint and hold all of its keys inside the bounds, but for those in a range that a delete newer than
      all entries of the source has covered: there every term of the sum is 0, as all that lies below is older still.
   2. a task that is not walked is of a piece with nothing below, and no range delete inside it is as new as its oldest entry.
   One thread at a time; no locks. */
#include "base/memory.h"
#include "base/range_set.h"
#include "store/search_count.h"
#include "tree/version_build.h"

#define SAMPLE_KEYS 32u
#define PARTS_MOST  256u
#define MERGE_BELOW 4u /* so many times the source's entries below are merged rather than looked up */

struct count_limits count_limits = { .part_entries = 131072,
                                     .table_part_entries = 16384,
                                     .spans = 256,
                                     .merge_keys = 128,
                                     .seek_steps = 16,
                                     .tree_keys = 512,
                                     .give_up_ns = 2000000 };

struct kept_bytes {
    struct kept_bytes *next;
    struct buffer bytes;
};

/* A buffer that lives as long as the plan. NULL: no memory. */
static struct buffer *keep(struct count_plan *plan)
{
    struct kept_bytes *kept = memory_zalloc(sizeof *kept);
    if (!kept) {
        return NULL;
    }
    kept->next = plan->kept;
    plan->kept = kept;
    return &kept->bytes;
}

static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    size_t more = *capacity ? 2 * *capacity : 16;
    if (count < *capacity) {
        return items;
    }
    void *larger = memory_realloc(items, more * size);
    if (larger) {
        *capacity = more;
    }
    return larger;
}

static int add_source(struct count_plan *plan, const struct count_source *source)
{
    struct count_source *sources = grow(plan->sources, plan->source_count, &plan->source_capacity, sizeof *sources);
    if (!sources) {
        return NACRE_NO_MEMORY;
    }
    plan->sources = sources;
    sources[plan->source_count++] = *source;
    return NACRE_OK;
}

static int add_task(struct count_plan *plan, const struct count_task *task)
{
    struct count_task *tasks = grow(plan->tasks, plan->task_count, &plan->task_capacity, sizeof *tasks);
    if (!tasks) {
        return NACRE_NO_MEMORY;
    }
    plan->tasks = tasks;
    tasks[plan->task_count++] = *task;
    return NACRE_OK;
}

static nacre_slice later_begin(nacre_slice a, nacre_slice b)
{
    return slice_compare(a, b) < 0 ? b : a;
}

static nacre_slice earlier_end(nacre_slice a, nacre_slice b)
{
    return a.size && (b.size == 0 || slice_compare(a, b) < 0) ? a : b;
}

/* ---- range deletes ---- */

struct gathered {
    struct range_delete *list;
    size_t count, capacity;
    uint64_t sequence;
    int status;
};

static void gather(void *context, const struct range_delete *range)
{
    struct gathered *g = context;
    if (range->sequence > g->sequence || g->status != NACRE_OK ||
        (range->end.size && slice_compare(range->begin, range->end) >= 0)) {
        return;
    }
    struct range_delete *list = grow(g->list, g->count, &g->capacity, sizeof *list);
    if (!list) {
        g->status = NACRE_NO_MEMORY;
        return;
    }
    g->list = list;
    list[g->count++] = *range;
}

/* Those of a piece reach as far as it does. */
static void gather_piece(struct gathered *g, const struct piece *piece)
{
    const struct range_set *set = piece->segment->ranges;
    for (size_t i = 0; i < range_set_count(set); i++) {
        struct range_delete range = range_set_at(set, i);
        if (piece->has_begin) {
            range.begin = later_begin(range.begin, piece->begin);
        }
        if (piece->has_end) {
            range.end = earlier_end(range.end, piece->end);
        }
        gather(g, &range);
    }
}

static int gather_ranges(struct count_plan *plan)
{
    struct gathered g = { .sequence = plan->sequence, .status = NACRE_OK };
    const struct version *version = plan->view->version;
    for (uint32_t i = 0; i < plan->view->table_count; i++) {
        memtable_visit_ranges(plan->view->tables[i]->memtable, gather, &g);
    }
    for (size_t r = 0; r < version->run_count && version->has_ranges; r++) {
        for (size_t p = 0; p < version->runs[r].count; p++) {
            gather_piece(&g, &version->runs[r].pieces[p]);
        }
    }
    if (g.status == NACRE_OK) {
        g.status = range_set_create(g.list, g.count, &plan->ranges);
    }
    memory_free(g.list);
    return g.status;
}

/* ---- what lies below ---- */

static uint64_t entries_below(const struct count_plan *plan, const struct count_source *source,
                              const struct key_range *range)
{
    const struct view *view = plan->view;
    uint64_t entries = 0;
    for (size_t i = source->table; i < view->table_count; i++) {
        entries += memtable_entries(view->tables[i]->memtable);
    }
    for (size_t r = source->run; r < view->version->run_count; r++) {
        const struct run *run = &view->version->runs[r];
        size_t first, after;
        run_overlap(run, range, &first, &after);
        for (; first < after; first++) {
            entries += run->pieces[first].entries + 1; /* shares are estimates: never nothing */
        }
    }
    return entries;
}

static void look_below(const struct count_plan *plan, struct count_source *source, const struct key_range *range)
{
    uint64_t below = entries_below(plan, source, range);
    source->below = below == 0 ? BELOW_NOTHING : below / MERGE_BELOW <= source->entries ? BELOW_MERGED : BELOW_LOOKUPS;
}

/* ---- tasks ---- */

enum span { SPAN_DEAD, SPAN_COUNTED, SPAN_WALKED };

/* What is to be done about keys of a piece whose newest range delete is `newest`. */
static enum span span_of(const struct count_source *source, uint64_t newest)
{
    const struct segment_properties *of = &source->piece->segment->properties;
    if (newest != 0 && newest >= of->greatest_sequence) {
        return SPAN_DEAD;
    }
    return source->below == BELOW_NOTHING && newest < of->least_sequence ? SPAN_COUNTED : SPAN_WALKED;
}

static int add_span(struct count_plan *plan, enum span span, size_t source, nacre_slice begin, nacre_slice end)
{
    struct count_task task = {
        .source = source, .begin = begin, .end = end, .walked = span == SPAN_WALKED, .whole = true
    };
    return span == SPAN_DEAD ? NACRE_OK : add_task(plan, &task);
}

/* Goes through the range deletes over `exact`, the keys that the piece can have, and joins neighbours of one kind to tasks. `given` are the
   bounds that the first and the last one take. */
static int add_spans(struct count_plan *plan, size_t index, const struct key_range *exact,
                     const struct key_range *given)
{
    const struct count_source *source = &plan->sources[index];
    nacre_slice begin = given->begin, at = exact->begin;
    size_t first_task = plan->task_count, spans = 0;
    struct range_delete fragment;
    enum span span = span_of(source, range_set_covering(plan->ranges, at, plan->sequence, &fragment));
    int status = NACRE_OK;
    while (status == NACRE_OK && fragment.end.size &&
           (exact->end.size == 0 || slice_compare(fragment.end, exact->end) < 0)) {
        at = fragment.end;
        enum span next = span_of(source, range_set_covering(plan->ranges, at, plan->sequence, &fragment));
        if (next != span) {
            status = add_span(plan, span, index, begin, at);
            begin = at;
            span = next;
            if (++spans == count_limits.spans) {
                plan->task_count = first_task;
                return add_span(plan, SPAN_WALKED, index, given->begin, given->end);
            }
        }
    }
    return status == NACRE_OK ? add_span(plan, span, index, begin, given->end) : status;
}

static int add_piece(struct count_plan *plan, const struct piece *piece, uint32_t level, size_t below_run,
                     const struct key_range *bounds)
{
    struct count_source source = {
        .piece = piece, .table = plan->view->table_count, .run = below_run, .level = level, .entries = piece->entries
    };
    struct key_range exact = { later_begin(piece->begin, bounds->begin), bounds->end }, given = *bounds;
    if (piece->has_begin) {
        given.begin = exact.begin;
    }
    if (piece->has_end) {
        given.end = exact.end = earlier_end(piece->end, bounds->end);
    } else if (!piece->open_end) { /* its end is its greatest key, and in it */
        struct buffer *after = keep(plan);
        int status = after ? buffer_append(after, piece->end.data, piece->end.size) : NACRE_NO_MEMORY;
        if (status != NACRE_OK || (status = buffer_append_u8(after, 0)) != NACRE_OK) {
            return status;
        }
        exact.end = earlier_end(buffer_slice(after), bounds->end);
    }
    look_below(plan, &source, &exact);
    int status = add_source(plan, &source);
    return status == NACRE_OK ? add_spans(plan, plan->source_count - 1, &exact, &given) : status;
}

/* Does the automaton give up on most of the tree, going by a sample of its places? Also where that cannot be told. */
static bool tree_is_left_out(const struct count_plan *plan, const struct count_source *source)
{
    const struct regex_analysis *analysis = regex_analysis(plan->regex);
    struct buffer keys = { 0 };
    struct dfa *dfa = NULL;
    size_t made = 0, dead = 0;
    if (!analysis->anchored || analysis->everything_on_one_line) {
        return false;
    }
    if (analysis->begin.size == 0 && memtable_sample_keys(source->memtable, SAMPLE_KEYS, &keys, &made) == NACRE_OK &&
        made > 0 && dfa_create(plan->regex, 0, &dfa) == NACRE_OK) {
        struct reader in = reader_of(buffer_slice(&keys));
        for (size_t i = 0; i < made; i++) {
            nacre_slice key = reader_slice(&in);
            struct automaton *a = &dfa->automaton;
            dead += a->run(a, a->start, key.data, key.size) == AUTOMATON_DEAD;
        }
        dfa_free(dfa);
    } else {
        made = 0;
    }
    buffer_free(&keys);
    return made == 0 || 2 * dead > made;
}

/* A merge of what lies below wants the keys in order; bounds may leave few of them. */
static bool list_is_better(const struct count_plan *plan, const struct count_source *source,
                           const struct key_range *bounds)
{
    return source->below != BELOW_MERGED && bounds->begin.size == 0 && bounds->end.size == 0 &&
           !tree_is_left_out(plan, source);
}

static int add_memtable(struct count_plan *plan, size_t table, const struct key_range *bounds)
{
    struct memtable *memtable = plan->view->tables[table]->memtable;
    struct count_source source = { .memtable = memtable, .table = table + 1, .entries = memtable_entries(memtable) };
    if (source.entries == 0) {
        return NACRE_OK;
    }
    look_below(plan, &source, bounds);
    int status = add_source(plan, &source);
    struct count_task task = { .source = plan->source_count - 1,
                               .begin = bounds->begin,
                               .end = bounds->end,
                               .walked = true,
                               .whole = true,
                               .parts = list_is_better(plan, &source, bounds) };
    return status == NACRE_OK ? add_task(plan, &task) : status;
}

int count_plan_make(struct count_plan *plan, const struct regex *regex, struct view *view, uint64_t sequence,
                    nacre_slice begin, nacre_slice end)
{
    struct key_range bounds = { begin, end };
    plan->regex = regex;
    plan->view = view;
    plan->sequence = sequence;
    if (end.size && slice_compare(begin, end) >= 0) {
        return NACRE_OK;
    }
    int status = gather_ranges(plan);
    for (uint32_t i = 0; i < view->table_count && status == NACRE_OK; i++) {
        status = add_memtable(plan, i, &bounds);
    }
    for (size_t r = 0; r < view->version->run_count && status == NACRE_OK; r++) {
        const struct run *run = &view->version->runs[r];
        size_t first, after;
        run_overlap(run, &bounds, &first, &after);
        for (; first < after && status == NACRE_OK; first++) {
            const struct piece *piece = &run->pieces[first];
            if (piece->least_sequence <= sequence && piece->segment->properties.entries > 0) {
                status = add_piece(plan, piece, run->level, r + 1, &bounds);
            }
        }
    }
    return status;
}

void count_plan_free(struct count_plan *plan)
{
    while (plan->kept) {
        struct kept_bytes *next = plan->kept->next;
        buffer_free(&plan->kept->bytes);
        memory_free(plan->kept);
        plan->kept = next;
    }
    range_set_free(plan->ranges);
    memory_free(plan->sources);
    memory_free(plan->tasks);
}

/* ---- cutting ---- */

static int sample(const struct count_source *source, size_t count, struct buffer *keys, size_t *made)
{
    return source->memtable ? memtable_sample_keys(source->memtable, count, keys, made)
                            : source->piece->segment->kind->sample_keys(source->piece->reader, count, keys, made);
}

static int cut_list(struct count_plan *plan, size_t index, size_t parts)
{
    struct count_task part = plan->tasks[index];
    size_t before = plan->task_count;
    int status = NACRE_OK;
    part.whole = false;
    part.parts = parts;
    for (part.part = 1; part.part < parts && status == NACRE_OK; part.part++) {
        status = add_task(plan, &part);
    }
    if (status != NACRE_OK) {
        plan->task_count = before;
        return status;
    }
    part.part = 0;
    plan->tasks[index] = part;
    return NACRE_OK;
}

int count_plan_cut(struct count_plan *plan, size_t index, size_t parts)
{
    struct count_task task = plan->tasks[index];
    const struct count_source *source = &plan->sources[task.source];
    uint64_t most = source->entries / count_part_entries(source);
    size_t made = 0;
    most = most < PARTS_MOST ? most : PARTS_MOST;
    parts = parts < most ? parts : (size_t)most;
    if (!task.whole || parts < 2) {
        return NACRE_OK;
    }
    if (task.parts) {
        return cut_list(plan, index, parts);
    }
    struct buffer *keys = keep(plan);
    int status = keys ? sample(source, parts - 1, keys, &made) : NACRE_NO_MEMORY;
    struct reader in = reader_of(status == NACRE_OK ? buffer_slice(keys) : (nacre_slice){ NULL, 0 });
    struct count_task part = task;
    size_t before = plan->task_count;
    part.whole = false;
    for (size_t i = 0; i < made && status == NACRE_OK; i++) {
        nacre_slice key = reader_slice(&in);
        if (key.size == 0 || slice_compare(key, part.begin) <= 0 ||
            (task.end.size && slice_compare(key, task.end) >= 0)) {
            continue;
        }
        part.end = key;
        status = add_task(plan, &part);
        part.begin = key;
    }
    if (status != NACRE_OK) {
        plan->task_count = before;
        return status;
    }
    part.end = task.end;
    plan->tasks[index] = part; /* the last one */
    return NACRE_OK;
}
