/* Dead rows of the next version (see dead_marks.h). For kinds with find_dead.

   A version's dead rows say what its own newer segments supersede. When a flush adds a segment, it is joined with all older ones; when a merge
   puts a segment in the place of others, it is joined with all newer ones. What the inputs of a merge superseded in older segments the output still
   does, as a merge drops a delete or a range delete only when nothing older can lie beneath it; so older segments keep what they had.

   Joins read segments, so they are made without the lock, for the version of then. Under the lock it is looked whether the version of now needs
   more: another unit may have put a new segment there. If so the difference is joined, again without the lock. After MARK_ROUNDS, and after a
   failure, what is missing stays unknown, and is worked out later (index_work.c): nothing waits for a bitmap.
   Invariants:
   1. a mark holds references of its segments: an address stands for one segment as long as the marks live.
   2. a mark is complete when it was joined with every newer segment of the next version that the rows it was copied from do not count. */
#include "tree/dead_marks.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/retention.h"

#define MARK_ROUNDS 8u

struct mark {
    struct segment *of;     /* counted, as are the joined */
    struct dead_rows *from; /* counted; what the rows were copied from */
    bool scratch;           /* the version's rows were not known: all newer segments are joined */
    bool failed, changed;
    struct dead_rows *rows;
    struct segment **joined; /* ascending by address */
    size_t joined_count, joined_capacity;
    uint64_t unseen;
};

static void mark_clear(struct mark *mark)
{
    for (size_t i = 0; i < mark->joined_count; i++) {
        segment_unref(mark->joined[i]);
    }
    memory_free(mark->joined);
    dead_rows_unref(mark->rows);
    dead_rows_unref(mark->from);
    segment_unref(mark->of);
}

void marks_free(struct marks *marks)
{
    for (size_t i = 0; i < marks->count; i++) {
        mark_clear(&marks->list[i]);
    }
    memory_free(marks->list);
    *marks = (struct marks){ 0 };
}

/* ---- what is needed ---- */

static bool is_added(const struct marked_step *step, const struct segment *segment)
{
    for (size_t i = 0; i < step->added_count; i++) {
        if (step->added[i].segment == segment) {
            return true;
        }
    }
    return false;
}

static bool is_newer(const struct placed *a, const struct placed *b)
{
    return a->level < b->level || (a->level == b->level && a->run > b->run);
}

static bool from_scratch(const struct marked_step *step, const struct placed *piece)
{
    return !piece->dead_known || is_added(step, piece->segment);
}

static bool is_wanted(const struct marked_step *step, const struct placed *piece)
{
    return step->all || piece->dead_known || is_added(step, piece->segment);
}

static struct mark *find_mark(const struct marks *marks, const struct placed *piece)
{
    for (size_t i = 0; i < marks->count; i++) {
        if (marks->list[i].of == piece->segment) {
            return &marks->list[i];
        }
    }
    return NULL;
}

static bool still_holds(const struct mark *mark, const struct placed *piece, bool scratch)
{
    return mark->scratch == scratch && (scratch || mark->from == piece->dead_rows);
}

/* The place of the first joined segment that is not before `segment`. */
static size_t joined_place(const struct mark *mark, const struct segment *segment)
{
    size_t low = 0, high = mark->joined_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)mark->joined[middle] < (uintptr_t)segment) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_joined(const struct mark *mark, const struct segment *segment)
{
    size_t place = joined_place(mark, segment);
    return place < mark->joined_count && mark->joined[place] == segment;
}

/* The next newer segment from list[*at] on that the piece has to be joined with, or NULL; *at is then after it. A list may have
   many hundreds of segments and each of them as many newer ones: who walks through all joins of a piece goes over the list once. */
static const struct placed *next_join(const struct marked_step *step, const struct mark *mark,
                                      const struct placed *piece, const struct placed *list, size_t count, size_t *at)
{
    bool scratch = from_scratch(step, piece);
    while (*at < count) {
        const struct placed *newer = &list[(*at)++];
        if (is_newer(newer, piece) && (scratch || is_added(step, newer->segment)) &&
            !(mark && is_joined(mark, newer->segment))) {
            return newer;
        }
    }
    return NULL;
}

/* Invariant 2. */
static bool is_complete(const struct marked_step *step, const struct marks *marks, const struct placed *piece,
                        const struct placed *list, size_t count)
{
    const struct mark *mark = find_mark(marks, piece);
    if (mark && (mark->failed || !still_holds(mark, piece, from_scratch(step, piece)))) {
        mark = NULL;
    }
    size_t at = 0;
    return !next_join(step, mark, piece, list, count, &at);
}

/* What the next version would hold. The keys and segments are the version's and the caller's. */
static int list_next(const struct version *v, const struct marked_step *step, struct placed **list, size_t *count)
{
    int status = version_placed(v, step->added_count, list, count);
    size_t kept = 0;
    for (size_t i = 0; i < *count && status == NACRE_OK; i++) {
        if (!step->consumed || !consumed_has(step->consumed, &(*list)[i])) {
            (*list)[kept++] = (*list)[i];
        }
    }
    *count = status == NACRE_OK ? kept : 0;
    for (size_t i = 0; i < step->added_count && status == NACRE_OK; i++) {
        (*list)[(*count)++] = step->added[i];
    }
    return status;
}

/* ---- joining ---- */

struct joining {
    struct tree *tree;
    const struct marked_step *step;
    struct marks *marks;
    uint64_t *snapshots;
    size_t snapshot_count;
    bool all_is_seen; /* of the version, by all snapshots but these */
};

/* How many of the rows that were dead already no live snapshot sees. */
static uint64_t count_unseen(const struct joining *j, const struct placed *piece)
{
    const struct dead_rows *rows = piece->dead_rows;
    if (!rows) {
        return 0;
    }
    bool free = retention_no_snapshot(j->snapshots, j->snapshot_count, piece->segment->properties.least_sequence,
                                      rows->valid_from);
    return free && j->all_is_seen ? rows->count : piece->dead_unseen;
}

static int mark_begin(const struct joining *j, struct mark *mark, const struct placed *piece)
{
    bool scratch = from_scratch(j->step, piece);
    *mark = (struct mark){ .of = piece->segment, .scratch = scratch, .from = scratch ? NULL : piece->dead_rows };
    segment_ref(mark->of);
    dead_rows_ref(mark->from);
    mark->unseen = scratch ? 0 : count_unseen(j, piece);
    return dead_rows_copy(mark->from, &mark->rows);
}

/* A mark for the piece: a new one, or begun anew where the version's rows are others by now. */
static struct mark *mark_for(const struct joining *j, const struct placed *piece)
{
    struct marks *marks = j->marks;
    struct mark *mark = find_mark(marks, piece);
    if (mark && still_holds(mark, piece, from_scratch(j->step, piece))) {
        return mark;
    }
    if (mark) {
        mark_clear(mark);
    } else {
        if (marks->count == marks->capacity) {
            size_t more = marks->capacity ? 2 * marks->capacity : 16;
            struct mark *list = memory_realloc(marks->list, more * sizeof *list);
            if (!list) {
                return NULL;
            }
            marks->list = list;
            marks->capacity = more;
        }
        mark = &marks->list[marks->count++];
    }
    mark->failed = mark_begin(j, mark, piece) != NACRE_OK;
    return mark;
}

static int stop_joining(void *tree)
{
    return tree_stopping(tree) ? fail(NACRE_CANCELLED, "the store is closing") : NACRE_OK;
}

static int join(const struct joining *j, struct mark *mark, struct segment *newer)
{
    if (mark->joined_count == mark->joined_capacity) {
        size_t more = mark->joined_capacity ? 2 * mark->joined_capacity : 4;
        struct segment **joined = memory_realloc(mark->joined, more * sizeof(struct segment *));
        if (!joined) {
            return NACRE_NO_MEMORY;
        }
        mark->joined = joined;
        mark->joined_capacity = more;
    }
    int status = stop_joining(j->tree);
    if (status == NACRE_OK) {
        status =
            j->tree->kind->find_dead(mark->of->reader, newer->reader, newer->ranges, mark->rows, stop_joining, j->tree);
    }
    if (status == NACRE_OK) {
        size_t place = joined_place(mark, newer);
        memmove(mark->joined + place + 1, mark->joined + place,
                (mark->joined_count - place) * sizeof(struct segment *));
        segment_ref(newer);
        mark->joined[place] = newer;
        mark->joined_count++;
        mark->changed = true;
    }
    return status;
}

static int join_piece(const struct joining *j, const struct placed *piece, const struct placed *list, size_t count)
{
    const struct placed *newer;
    size_t at = 0;
    int status = NACRE_OK;
    struct mark *mark = find_mark(j->marks, piece);
    if (mark && !mark->failed && !still_holds(mark, piece, from_scratch(j->step, piece))) {
        mark = NULL;
    }
    while (status == NACRE_OK && !(mark && mark->failed) &&
           (newer = next_join(j->step, mark, piece, list, count, &at))) {
        mark = mark_for(j, piece);
        status = mark && !mark->failed ? join(j, mark, newer->segment) : NACRE_NO_MEMORY;
        if (mark) {
            mark->failed = status != NACRE_OK;
        }
    }
    if (mark && mark->changed && !mark->failed) {
        dead_rows_seal(mark->rows);
        mark->changed = false;
    }
    return status;
}

static void note_failure(struct marks *marks, int status)
{
    if (status != NACRE_OK && marks->status == NACRE_OK) {
        marks->status = status;
    }
}

/* All joins that the step over `v` needs and that were not made. */
static void join_all(struct tree *tree, const struct version *v, const struct marked_step *step, struct marks *marks)
{
    struct tree_env *env = tree->env;
    struct joining j = { .tree = tree, .step = step, .marks = marks };
    struct placed *list = NULL;
    size_t count = 0;
    j.all_is_seen = !env->sees || env->sees(env->context, v->greatest_sequence) == NACRE_OK;
    int status = env->snapshots(env->context, &j.snapshots, &j.snapshot_count);
    if (status == NACRE_OK) {
        status = list_next(v, step, &list, &count);
    }
    note_failure(marks, status);
    for (size_t i = 0; i < count && marks->status != NACRE_CANCELLED; i++) {
        if (is_wanted(step, &list[i])) {
            note_failure(marks, join_piece(&j, &list[i], list, count));
        }
    }
    memory_free(list);
    memory_free(j.snapshots);
}

void marks_make(struct tree *tree, const struct marked_step *step, struct marks *marks)
{
    struct version *made_for = NULL;
    pthread_mutex_lock(&tree->lock);
    for (unsigned round = 0;
         tree->kind->find_dead && round < MARK_ROUNDS && marks->status == NACRE_OK && tree->version != made_for;
         round++) {
        version_unref(made_for);
        made_for = tree->version;
        version_ref(made_for);
        pthread_mutex_unlock(&tree->lock);
        join_all(tree, made_for, step, marks);
        pthread_mutex_lock(&tree->lock);
    }
    version_unref(made_for);
}

void marks_settle(struct marks *marks, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < marks->count; i++) {
        struct dead_rows *rows = marks->list[i].rows;
        if (rows && rows->valid_from == from) {
            rows->valid_from = to;
        }
    }
}

/* ---- the outcome ---- */

void marks_apply(const struct tree *tree, const struct marked_step *step, const struct marks *marks,
                 struct placed *list, size_t count)
{
    for (size_t i = 0; tree->kind->find_dead && i < count; i++) {
        struct placed *piece = &list[i];
        if (!is_wanted(step, piece)) {
            continue;
        }
        bool known = is_complete(step, marks, piece, list, count);
        const struct mark *mark = known ? find_mark(marks, piece) : NULL;
        bool scratch = from_scratch(step, piece);
        if (mark && still_holds(mark, piece, scratch)) {
            bool more = mark->rows->count > (mark->from ? mark->from->count : 0);
            piece->dead_rows = more ? mark->rows : mark->from;
            piece->dead_unseen = mark->unseen;
        } else if (scratch || !known) {
            piece->dead_rows = NULL;
            piece->dead_unseen = 0;
        }
        piece->dead_known = known;
    }
}
