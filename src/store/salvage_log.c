/* The log of a damaged store into its salvage copy (salvage.h): every record that can be read, before and behind damage, in its order; each becomes one atomic
   write of the copy, of those operations that its segments do not have.

   What segments have is told by the collection's log position; where the manifest is not whole, by sequences: flushes go in the order of writes, and segments say how
   far they had come, each of a flush that makes several for its own keys (segment/words.h). An ingest had all flushed that was older than it and lay between its keys. Values in value files are read and written as values again. One thread. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/batch_format.h"
#include "store/salvage.h"
#include <stdio.h>

struct log_copy {
    struct salvage *salvage;
    bool look; /* only which collections there are */
    struct buffer payload;
    struct commit_target *targets;
    size_t target_count, target_capacity;
    uint64_t ops;
    uint32_t reach_of; /* the collection that was asked about last, or 0, */
    uint64_t reach;    /* and the answer */
};

/* Whether the operation is about keys between the least and the greatest of the segment. */
static bool meets(const struct batch_op *op, const struct segment_properties *p)
{
    if (op->code == BATCH_DELETE_RANGE) {
        return slice_compare(op->key, buffer_slice(&p->greatest)) <= 0 &&
               (op->value.size == 0 || slice_compare(buffer_slice(&p->smallest), op->value) < 0);
    }
    return slice_compare(op->key, buffer_slice(&p->smallest)) >= 0 &&
           slice_compare(op->key, buffer_slice(&p->greatest)) <= 0;
}

static bool was_flushed_for_an_ingest(const struct salvage *s, const struct batch_op *op, uint64_t sequence)
{
    for (size_t i = 0; i < s->segment_count; i++) {
        const struct salvaged_segment *segment = &s->segments[i];
        if (sequence < segment->given && segment->collection == op->collection && meets(op, &segment->properties)) {
            return true;
        }
    }
    return false;
}

static uint64_t reach_of(struct log_copy *copy, uint32_t collection)
{
    if (copy->reach_of != collection) {
        copy->reach = salvage_reach(copy->salvage, collection);
        copy->reach_of = collection;
    }
    return copy->reach;
}

static bool is_wanted(struct log_copy *copy, const struct manifest_collection *c, const struct batch_op *op,
                      wal_position begin, uint64_t sequence)
{
    struct salvage *s = copy->salvage;
    return s->manifest.whole ? begin >= c->log_position
                             : sequence > reach_of(copy, c->id) && !was_flushed_for_an_ingest(s, op, sequence);
}

/* ---- which collections there are ---- */

static int note_collection(struct salvage *s, const struct batch_op *op)
{
    struct manifest_collection *c = salvage_collection(s, op->collection);
    if (s->manifest.whole) {
        return NACRE_OK; /* it was dropped */
    }
    if (!c && !(c = manifest_salvage_collection(&s->manifest.state, op->collection))) {
        return NACRE_NO_MEMORY;
    }
    if (c->kind == 0 && op->vector.size) {
        c->kind = NACRE_VECTORS;
        c->dimension = (uint32_t)(op->vector.size / sizeof(float));
        c->metric = NACRE_L2;
    }
    return op->code == BATCH_MERGE && !c->merge_operator ? salvage_miss_operator(s, c, NULL) : NACRE_OK;
}

/* ---- writing ---- */

static int target_for(struct log_copy *copy, nacre_collection *c, struct commit_target **target)
{
    for (size_t i = 0; i < copy->target_count; i++) {
        if (copy->targets[i].collection == c) {
            *target = &copy->targets[i];
            return NACRE_OK;
        }
    }
    int status =
        memory_grow((void **)&copy->targets, &copy->target_capacity, copy->target_count + 1, sizeof *copy->targets);
    if (status == NACRE_OK) {
        *target = &copy->targets[copy->target_count++];
        **target = (struct commit_target){ .collection = c };
    }
    return status;
}

static bool fits_kind(const nacre_collection *c, const struct batch_op *op)
{
    if (op->key.size > c->kind->key_max || (op->code == BATCH_DELETE_RANGE && op->value.size > c->kind->key_max)) {
        return false;
    }
    return op->code == BATCH_PUT ? op->vector.size == c->vector_bytes : op->code != BATCH_MERGE || c->vector_bytes == 0;
}

/* The value itself in place of where it lies. *lost: it cannot be read, which is noted. */
static int take_value(struct log_copy *copy, struct batch_op *op, bool *lost)
{
    struct salvage *s = copy->salvage;
    struct value_pointer pointer;
    int status = salvage_read_logged(s, op->value, &pointer, &op->value);
    op->pointer = false;
    *lost = status == NACRE_NOT_FOUND;
    if (*lost) {
        s->lost_in_log++;
        status = salvage_lose_value(s, op->collection, op->key, SEQUENCE_MAX, &pointer);
    }
    return status;
}

static int add_op(struct log_copy *copy, nacre_collection *c, struct batch_op *op)
{
    struct commit_target *target = NULL;
    bool lost = false;
    int status = op->pointer ? take_value(copy, op, &lost) : NACRE_OK;
    if (status == NACRE_OK && !lost && (op->code == BATCH_PUT || op->code == BATCH_DELETE)) {
        status = salvage_note_write(copy->salvage, op->collection, op->key);
    }
    if (status == NACRE_OK && !lost && (status = target_for(copy, c, &target)) == NACRE_OK) {
        status = batch_encode(&copy->payload, op);
        target->entries++;
        target->bytes += op->key.size + op->value.size;
        target->vectors += op->vector.size != 0;
        copy->ops++;
    }
    return status;
}

/* The copy's own workers may need a while. */
static int commit(struct log_copy *copy)
{
    struct commit commit = { .payload = buffer_slice(&copy->payload),
                             .targets = copy->targets,
                             .target_count = copy->target_count,
                             .sequences = copy->ops,
                             .durability = NACRE_OS };
    int status = NACRE_BUSY;
    while (status == NACRE_BUSY) {
        status = store_commit(copy->salvage->store, &commit);
    }
    return status;
}

static nacre_collection *find_collection(nacre_store *store, uint32_t id)
{
    pthread_mutex_lock(&store->collections_lock);
    nacre_collection *c = store_find_collection(store, id);
    pthread_mutex_unlock(&store->collections_lock);
    return c;
}

/* What of a range delete is not in segments. */
static int add_range_op(struct log_copy *copy, nacre_collection *c, const struct batch_op *op, uint64_t sequence)
{
    struct batch_op part = *op;
    int status = NACRE_OK;
    bool over = false;
    while (status == NACRE_OK && !over) {
        nacre_slice next;
        bool there = salvage_reaches(copy->salvage, op->collection, sequence, part.key, &next);
        over = next.size == 0 || (op->value.size && slice_compare(next, op->value) >= 0);
        part.value = over ? op->value : next;
        status = there ? NACRE_OK : add_op(copy, c, &part);
        part.key = next;
    }
    return status;
}

/* The collection's segments, as far as they are of all its keys, do not have it. */
static int add_missing(struct log_copy *copy, nacre_collection *c, struct batch_op *op, uint64_t sequence)
{
    nacre_slice next;
    if (copy->salvage->manifest.whole) {
        return add_op(copy, c, op);
    }
    if (op->code == BATCH_DELETE_RANGE) {
        return add_range_op(copy, c, op, sequence);
    }
    return salvage_reaches(copy->salvage, op->collection, sequence, op->key, &next) ? NACRE_OK : add_op(copy, c, op);
}

static int copy_op(struct log_copy *copy, struct batch_op *op, wal_position begin, uint64_t sequence)
{
    struct salvage *s = copy->salvage;
    const struct manifest_collection *words = salvage_collection(s, op->collection);
    if (copy->look || !words) {
        return copy->look ? note_collection(s, op) : NACRE_OK;
    }
    if (!is_wanted(copy, words, op, begin, sequence)) {
        return NACRE_OK;
    }
    nacre_collection *c = find_collection(s->store, op->collection);
    if (!c || !fits_kind(c, op)) {
        s->unknown_ops++;
        return NACRE_OK;
    }
    int status = s->manifest.whole ? NACRE_OK : salvage_note_doubt(s, words, op->key);
    return status == NACRE_OK ? add_missing(copy, c, op, sequence) : status;
}

static int visit(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    struct log_copy *copy = context;
    struct reader in = reader_of(payload);
    struct batch_op op;
    int status = NACRE_OK;
    (void)end;
    buffer_clear(&copy->payload);
    copy->target_count = 0;
    copy->ops = 0;
    for (; status == NACRE_OK && batch_decode(&in, &op); sequence++) {
        status = copy_op(copy, &op, begin, sequence);
    }
    return status == NACRE_OK && copy->ops ? commit(copy) : status;
}

static void note_damage(void *context, wal_position at, uint64_t bytes, const char *text)
{
    struct log_copy *copy = context;
    struct salvage *s = copy->salvage;
    char file[32];
    struct lost_part lost = { .what = "records of the log", .offset = WAL_OFFSET(at), .size = bytes };
    if (!copy->look) {
        s->log_damages++;
        (void)snprintf(file, sizeof file, "log/" WAL_FILE_NAME, WAL_FILE(at));
        int status = salvage_report_damage(s, file, NULL, &lost, text);
        s->log_status = s->log_status == NACRE_OK ? status : s->log_status;
    }
}

wal_position salvage_log_begin(const struct salvage *s)
{
    const struct manifest_state *state = &s->manifest.state;
    wal_position floor = WAL_POSITION(state->next_log_file, 0), least = UINT64_MAX;
    for (size_t i = 0; i < state->collection_count; i++) {
        wal_position position = state->collections[i].log_position;
        position = position > floor ? position : floor;
        least = position < least ? position : least;
    }
    return least == UINT64_MAX ? floor : least;
}

/* Of what cannot be read at all the rest of the store is kept all the same. */
static int read_log(struct log_copy *copy)
{
    struct salvage *s = copy->salvage;
    char directory[OS_PATH_MAX];
    int status = os_path(directory, s->path, "log");
    if (status != NACRE_OK) {
        return status;
    }
    struct wal_replay_options options = { .os = s->os,
                                          .directory = directory,
                                          .from = s->manifest.whole ? salvage_log_begin(s) : 0,
                                          .clean_end = s->manifest.whole ? s->manifest.state.clean_log_end : 0,
                                          .salvage = true,
                                          .keep_all = true,
                                          .damaged = note_damage };
    status = wal_replay(&options, visit, copy, &s->log);
    bool damaged =
        status == NACRE_CORRUPT || status == NACRE_IO || status == NACRE_NOT_FOUND || status == NACRE_UNSUPPORTED;
    if (damaged && store_is_sound(s->store)) {
        (void)snprintf(s->log_detail, sizeof s->log_detail, "%s", fail_detail());
        s->log_damages++;
        status = NACRE_OK;
    }
    buffer_free(&copy->payload);
    memory_free(copy->targets);
    return status == NACRE_OK ? s->log_status : status;
}

int salvage_note_log_collections(struct salvage *s)
{
    struct log_copy copy = { .salvage = s, .look = true };
    struct manifest_state *state = &s->manifest.state;
    int status = s->manifest.whole ? NACRE_OK : read_log(&copy);
    for (size_t i = 0; i < state->collection_count; i++) {
        struct manifest_collection *c = &state->collections[i];
        c->kind = c->kind ? c->kind : NACRE_ORDERED; /* nothing tells */
    }
    s->log_damages = 0;
    s->log_detail[0] = 0;
    return status;
}

int salvage_log(struct salvage *s)
{
    struct log_copy copy = { .salvage = s };
    return read_log(&copy);
}
