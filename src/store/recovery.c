/* Replay: what the log holds and no segment does goes into memtables again.

   Records are parsed by the log's replay in one thread and applied by two: as versions of a key sort themselves by sequence, the
   order in which they are applied does not matter. Full memtables are sealed and flushed meanwhile as in normal running (not in read-only
   openings, which keep everything in memory). A record older than a collection's log position, or of a collection that is
   gone, is passed over op by op. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "distance/distance.h"
#include "store/values.h"

#define REPLAY_SLOTS 4096u

struct replay_record {
    nacre_slice payload;
    uint64_t sequence;
    wal_position begin;
};
struct replay {
    nacre_store *store;
    const wal_position *positions; /* by index in store->collections */
    wal_position from;
    uint64_t greatest_sequence;
    bool helper; /* a second thread applies too */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct replay_record *batch; /* handed to the helper */
    size_t batch_count;
    bool end;
    int helper_status;
    char helper_detail[512];
    struct replay_record *filling;
    size_t filled;
    uint64_t sequences; /* of the record that was checked last */
    bool readable;      /* all of its ops are */
};

/* The collection of an op that is not in segments yet, or NULL. */
static nacre_collection *target_of(const struct replay *replay, uint32_t id, wal_position begin)
{
    const nacre_store *store = replay->store;
    for (size_t i = 0; i < store->collection_count; i++) {
        if (store->collections[i]->id == id) {
            return begin >= replay->positions[i] ? store->collections[i] : NULL;
        }
    }
    return NULL;
}

/* A log that another program wrote may hold what no collection of the kind takes. */
int recovery_check_op(const nacre_collection *collection, const struct batch_op *op, wal_position begin)
{
    size_t most = collection->kind->key_max, vector = op->code == BATCH_PUT ? collection->vector_bytes : 0;
    if (op->key.size > most || (op->code == BATCH_DELETE_RANGE && op->value.size > most)) {
        return fail(NACRE_CORRUPT, "log file %u, offset %u: a key of %zu bytes for collection '%s' of kind %s",
                    WAL_FILE(begin), WAL_OFFSET(begin), op->key.size, collection->name, collection->kind->name);
    }
    if (op->code == BATCH_MERGE && collection->vector_bytes > 0) {
        return fail(NACRE_CORRUPT, "log file %u, offset %u: a merge for collection '%s', which holds vectors",
                    WAL_FILE(begin), WAL_OFFSET(begin), collection->name);
    }
    if (op->vector.size != vector) {
        return fail(NACRE_CORRUPT,
                    "log file %u, offset %u: a put with a vector of %zu bytes for collection '%s', whose vectors have "
                    "%zu",
                    WAL_FILE(begin), WAL_OFFSET(begin), op->vector.size, collection->name, vector);
    }
    if (vector > 0 &&
        (!vector_is_finite(op->vector.data, collection->dimension) ||
         (collection->metric == NACRE_COSINE && vector_is_zero(op->vector.data, collection->dimension)))) {
        return fail(NACRE_CORRUPT, "log file %u, offset %u: a put with a vector that collection '%s' cannot hold",
                    WAL_FILE(begin), WAL_OFFSET(begin), collection->name);
    }
    return NACRE_OK;
}

static int apply_record(const struct replay *replay, const struct replay_record *record)
{
    struct reader reader = reader_of(record->payload);
    struct batch_op op;
    uint64_t sequence = record->sequence;
    int status = NACRE_OK;
    while (status == NACRE_OK && batch_decode(&reader, &op)) {
        nacre_collection *collection = target_of(replay, op.collection, record->begin);
        if (collection && (status = recovery_check_op(collection, &op, record->begin)) == NACRE_OK) {
            status = apply_op(collection->active->memtable, &op, sequence);
            if (!replay->store->read_only) { /* who only reads has no garbage to collect */
                table_note_hidden(collection->active, collection, &op);
            }
        }
        sequence++;
    }
    if (status == NACRE_OK && !reader.ok) {
        return fail(NACRE_CORRUPT, "log file %u, offset %u: the record's checksum is good but its batch cannot be read",
                    WAL_FILE(record->begin), WAL_OFFSET(record->begin));
    }
    return status;
}

static int apply_all(const struct replay *replay, const struct replay_record *records, size_t count)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = apply_record(replay, &records[i]);
    }
    return status;
}

static void *help(void *context)
{
    struct replay *replay = context;
    pthread_mutex_lock(&replay->lock);
    for (;;) {
        while (!replay->batch && !replay->end) {
            pthread_cond_wait(&replay->work, &replay->lock);
        }
        struct replay_record *batch = replay->batch;
        size_t count = replay->batch_count;
        if (!batch) {
            break;
        }
        pthread_mutex_unlock(&replay->lock);
        int status = apply_all(replay, batch, count);
        pthread_mutex_lock(&replay->lock);
        if (status != NACRE_OK && replay->helper_status == NACRE_OK) {
            replay->helper_status = status;
            size_t size = strnlen(fail_detail(), sizeof replay->helper_detail - 1);
            memcpy(replay->helper_detail, fail_detail(), size);
        }
        memory_free(batch);
        replay->batch = NULL;
        pthread_cond_signal(&replay->done);
    }
    pthread_mutex_unlock(&replay->lock);
    return NULL;
}

/* What is collected goes to the helper if it is free, else this thread applies it. */
static int pass_on(struct replay *replay)
{
    if (replay->filled == 0) {
        return NACRE_OK;
    }
    bool given = false;
    int status = NACRE_OK;
    pthread_mutex_lock(&replay->lock);
    status = replay->helper_status;
    if (status == NACRE_OK && replay->helper && !replay->batch) {
        replay->batch = replay->filling;
        replay->batch_count = replay->filled;
        replay->filling = NULL;
        given = true;
        pthread_cond_signal(&replay->work);
    }
    pthread_mutex_unlock(&replay->lock);
    if (status != NACRE_OK) {
        return fail(status, "%s", replay->helper_detail);
    }
    if (!given) {
        status = apply_all(replay, replay->filling, replay->filled);
    }
    replay->filled = 0;
    return status;
}

static int wait_for_helper(struct replay *replay)
{
    pthread_mutex_lock(&replay->lock);
    while (replay->batch) {
        pthread_cond_wait(&replay->done, &replay->lock);
    }
    int status = replay->helper_status;
    pthread_mutex_unlock(&replay->lock);
    return status == NACRE_OK ? NACRE_OK : fail(status, "%s", replay->helper_detail);
}

/* The log as far as it was read must be as durable as the segments that are made of it (see make_log_durable in seal.c). */
static int sync_log_files(const struct replay *replay, wal_position end)
{
    const nacre_store *store = replay->store;
    const nacre_os *os = store->os;
    int status = NACRE_OK;
    for (uint32_t number = WAL_FILE(replay->from); number <= WAL_FILE(end) && status == NACRE_OK; number++) {
        char path[OS_PATH_MAX];
        nacre_file *file = NULL;
        status = os_path(path, store->log_path, WAL_FILE_NAME, number);
        if (status == NACRE_OK) {
            status = os->open(os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &file);
        }
        if (status == NACRE_OK) {
            status = os->sync(file);
            os->close(file);
        } else if (status == NACRE_NOT_FOUND) {
            status = NACRE_OK; /* numbers may have been skipped */
        }
    }
    return status;
}

/* Seals what has become full. All records handed out so far are applied first, as a flush must see them. */
static int seal_full(struct replay *replay, wal_position end)
{
    nacre_store *store = replay->store;
    if (store->read_only) {
        return NACRE_OK;
    }
    int status = NACRE_OK;
    for (size_t i = 0; i < store->collection_count && status == NACRE_OK; i++) {
        nacre_collection *c = store->collections[i];
        if (!table_is_full(c, c->active)) {
            continue;
        }
        status = wait_for_helper(replay);
        if (status == NACRE_OK) {
            status = value_log_sync(store->values);
        }
        if (status == NACRE_OK) {
            status = sync_log_files(replay, end);
        }
        if (status == NACRE_OK) {
            atomic_store_explicit(&store->last_sequence, replay->greatest_sequence, memory_order_seq_cst);
            publish_raise(&store->publisher, replay->greatest_sequence);
            store->replay_end = end;
            status = collection_seal(c, NULL);
        }
        if (status == NACRE_OK) {
            status = pacing_wait_for_flush(store);
        }
    }
    return status;
}

/* Whether the values that the record points to are there. Notes which position each memtable begins with (what the log is still needed for) and which
   value files it needs: too much of that, where the record does not count after all, does no harm. */
static int check_record(void *context, wal_position begin, nacre_slice payload)
{
    struct replay *replay = context;
    struct reader reader = reader_of(payload);
    struct batch_op op;
    replay->sequences = 0;
    while (batch_decode(&reader, &op)) {
        nacre_collection *collection = target_of(replay, op.collection, begin);
        if (collection && collection->active->first == 0) {
            collection->active->first = begin;
        }
        int status = collection && op.pointer ? recovery_check_value(replay->store, collection->active, &op) : NACRE_OK;
        if (status != NACRE_OK) {
            return status;
        }
        replay->sequences++;
    }
    replay->readable = reader.ok;
    return NACRE_OK;
}

static int visit(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    struct replay *replay = context;
    uint64_t sequences = replay->sequences;
    int status = NACRE_OK;
    if (!replay->readable) {
        return fail(NACRE_CORRUPT, "log file %u, offset %u: the record's batch cannot be read", WAL_FILE(begin),
                    WAL_OFFSET(begin));
    }
    if (!replay->filling && !(replay->filling = memory_alloc(REPLAY_SLOTS * sizeof *replay->filling))) {
        return NACRE_NO_MEMORY;
    }
    replay->filling[replay->filled++] = (struct replay_record){ payload, sequence, begin };
    uint64_t last = sequence + sequences - (sequences > 0);
    replay->greatest_sequence = last > replay->greatest_sequence ? last : replay->greatest_sequence;
    if (replay->filled == REPLAY_SLOTS) {
        status = pass_on(replay);
        if (status == NACRE_OK) {
            status = seal_full(replay, end);
        }
    }
    return status;
}

wal_position recovery_position(const struct manifest_state *state, uint32_t collection)
{
    wal_position floor = WAL_POSITION(state->next_log_file, 0);
    for (size_t i = 0; i < state->collection_count; i++) {
        if (state->collections[i].id == collection) {
            return state->collections[i].log_position > floor ? state->collections[i].log_position : floor;
        }
    }
    return UINT64_MAX;
}

static int positions_of(nacre_store *store, const struct manifest_state *state, wal_position **positions,
                        wal_position *from)
{
    *positions = memory_alloc((store->collection_count + 1) * sizeof **positions);
    if (!*positions) {
        return NACRE_NO_MEMORY;
    }
    *from = UINT64_MAX;
    for (size_t i = 0; i < store->collection_count; i++) {
        wal_position position = recovery_position(state, store->collections[i]->id);
        (*positions)[i] = position;
        *from = position < *from ? position : *from;
    }
    *from = *from == UINT64_MAX ? WAL_POSITION(state->next_log_file, 0) : *from;
    return NACRE_OK;
}

/* All that was read is applied while it can still be read. */
static int finish(void *context)
{
    struct replay *replay = context;
    int status = pass_on(replay);
    int waited = wait_for_helper(replay);
    status = status == NACRE_OK ? waited : status;
    /* The log is about to be made durable: what it points to comes first. */
    return status == NACRE_OK && !replay->store->read_only ? value_log_sync(replay->store->values) : status;
}

static void end_helper(struct replay *replay)
{
    if (replay->helper) {
        pthread_mutex_lock(&replay->lock);
        replay->end = true;
        pthread_cond_signal(&replay->work);
        pthread_mutex_unlock(&replay->lock);
        pthread_join(replay->thread, NULL);
    }
    memory_free(replay->filling);
}

int store_recover(nacre_store *store, const struct manifest_state *state, bool salvage)
{
    uint64_t start = clock_monotonic_ns();
    struct replay replay = { .store = store, .greatest_sequence = state->last_sequence };
    pthread_mutex_init(&replay.lock, NULL);
    pthread_cond_init(&replay.work, NULL);
    pthread_cond_init(&replay.done, NULL);
    wal_position *positions = NULL, from = 0;
    int status = positions_of(store, state, &positions, &from);
    if (status == NACRE_OK) {
        replay.positions = positions;
        replay.from = from;
        replay.helper = pthread_create(&replay.thread, NULL, help, &replay) == 0;
        struct wal_replay_options options = { .os = store->os,
                                              .directory = store->log_path,
                                              .logger = store->logger,
                                              .from = from,
                                              .clean_end = state->clean_log_end,
                                              .truncate = !store->read_only,
                                              .salvage = salvage,
                                              .check = check_record,
                                              .finish = finish };
        status = wal_replay(&options, visit, &replay, &store->recovery);
    }
    end_helper(&replay);
    memory_free(positions);
    pthread_mutex_destroy(&replay.lock);
    pthread_cond_destroy(&replay.work);
    pthread_cond_destroy(&replay.done);
    if (status == NACRE_OK) {
        atomic_store_explicit(&store->last_sequence, replay.greatest_sequence, memory_order_seq_cst);
        publish_raise(&store->publisher, replay.greatest_sequence);
    }
    store->recovery_ns = clock_monotonic_ns() - start;
    return status;
}
