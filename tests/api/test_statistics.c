/* Statistics: that they say what is so, in every form, and that memory by owner adds up to what the allocator gave. */
#include "base/clock.h"
#include "base/memory.h"
#include "support/directory.h"
#include "support/store_fixture.h"
#include <ctype.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *parsed(char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        fail_msg("%s at %d in %.200s", error.text, error.position, text);
    }
    nacre_free(text);
    return root;
}

static json_t *look(nacre_store *store)
{
    char *json;
    assert_ok(nacre_stats(store, &json));
    return parsed(json);
}

/* "latency.get.count", "collection.0.keys" */
static json_t *find(json_t *root, const char *path)
{
    char name[128];
    json_t *at = root;
    while (*path && at) {
        size_t size = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)size, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(name, NULL, 10)) : json_object_get(at, name);
        path += size + (path[size] == '.');
    }
    return at;
}

static uint64_t number(json_t *root, const char *path)
{
    json_t *value = find(root, path);
    if (!json_is_integer(value)) {
        fail_msg("%s is no number", path);
    }
    return (uint64_t)json_integer_value(value);
}

static uint64_t figure(nacre_store *store, const char *path)
{
    json_t *root = look(store);
    uint64_t value = number(root, path);
    json_decref(root);
    return value;
}

static void put_many(nacre_collection *collection, unsigned begin, unsigned end, size_t value_size)
{
    static char value[4096];
    memset(value, 'v', sizeof value);
    for (unsigned i = begin; i < end; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%08u", i * 2654435761u);
        assert_ok(nacre_put(collection, text(key), (nacre_slice){ value, value_size }, NULL));
    }
}

static void get_many(nacre_collection *collection, unsigned begin, unsigned end, int expected)
{
    for (unsigned i = begin; i < end; i++) {
        char key[32];
        nacre_value value;
        snprintf(key, sizeof key, "key-%08u", i * 2654435761u);
        assert_code(nacre_get(collection, text(key), NULL, &value), expected);
        nacre_value_release(&value);
    }
}

static nacre_collection *make(nacre_store *store, const char *name, nacre_kind kind)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *made;
    options.kind = kind;
    if (kind == NACRE_VECTORS) {
        options.dimension = 64;
        options.metric = NACRE_L2;
    }
    assert_ok(nacre_collection_create(store, name, &options, &made));
    return made;
}

static void put_vectors(nacre_collection *vectors, unsigned begin, unsigned end)
{
    float vector[64];
    for (unsigned i = begin; i < end; i++) {
        char key[32];
        snprintf(key, sizeof key, "v-%08u", i);
        for (unsigned d = 0; d < 64; d++) {
            vector[d] = (float)((i * 2654435761u >> d % 16) % 1000) / 1000;
        }
        assert_ok(nacre_put_vector(vectors, text(key), vector, text("value"), NULL));
    }
}

/* ---- latencies ---- */

static void assert_rises(json_t *latency)
{
    static const char *const names[] = { "p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns" };
    uint64_t before = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint64_t now = number(latency, names[i]);
        assert_true(now >= before);
        before = now;
    }
}

static void every_class_of_call_is_timed_and_its_percentiles_rise(void **state)
{
    struct fixture *f = *state;
    nacre_batch *batch;
    nacre_cursor *cursor;
    nacre_value values[2];
    nacre_slice keys[2] = { text("a"), text("b") };
    int statuses[2];
    put_many(f->collection, 0, 20000, 10);
    get_many(f->collection, 0, 20000, NACRE_OK);
    assert_ok(nacre_delete(f->collection, text("nothing"), NULL));
    assert_ok(nacre_delete_range(f->collection, text("x"), text("y"), NULL));
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, f->collection, text("a"), text("b")));
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
    assert_ok(nacre_multi_get(f->collection, keys, 2, NULL, values, statuses));
    nacre_value_release(&values[0]);
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {}
    nacre_cursor_close(cursor);
    assert_ok(nacre_sync(f->store));
    assert_ok(nacre_seal(f->collection));
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    json_t *root = look(f->store);
    static const char *const exact[] = { "delete", "delete_range", "write", "multi_get", "scan",
                                         "sync",   "seal",         "flush", "compact" };
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "latency.%s", exact[i]);
        if (number(find(root, path), "count") != 1) {
            fail_msg("%s was timed %llu times", exact[i], (unsigned long long)number(find(root, path), "count"));
        }
        assert_true(number(find(root, path), "p50_ns") > 0);
    }
    static const char *const sampled[] = { "put", "get" };
    for (size_t i = 0; i < sizeof sampled / sizeof sampled[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "latency.%s", sampled[i]);
        uint64_t count = number(find(root, path), "count"); /* some 310 samples, so within a fourth */
        if (count < 15000 || count > 25000) {
            fail_msg("%s is told to have run %llu times", sampled[i], (unsigned long long)count);
        }
    }
    assert_true(number(root, "latency.cursor_move.count") > 0);
    assert_true(number(root, "latency.memtable_flush.count") >= 1);
    assert_true(number(root, "latency.log_sync.count") >= 1);
    const char *name;
    json_t *latency;
    json_object_foreach(json_object_get(root, "latency"), name, latency)
    {
        assert_rises(latency);
    }
    json_decref(root);
}

static void without_statistics_nothing_is_timed_but_all_is_counted(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "statistics", "0"));
    put_many(f->collection, 0, 1000, 10);
    get_many(f->collection, 0, 1000, NACRE_OK);
    assert_ok(nacre_flush(f->collection));
    json_t *root = look(f->store);
    assert_int_equal(number(root, "puts"), 1000);
    assert_int_equal(number(root, "gets"), 1000);
    assert_int_equal(number(root, "latency.put.count"), 0);
    assert_int_equal(number(root, "latency.get.count"), 0);
    assert_int_equal(number(root, "latency.flush.count"), 0);
    assert_int_equal(number(root, "latency.memtable_flush.count"), 0);
    json_decref(root);
}

/* ---- memory ---- */

/* What the library held before the store was opened is not the store's. */
static void assert_memory_adds_up(nacre_store *store, uint64_t before, const char *when)
{
    json_t *root = look(store);
    const char *name;
    json_t *owner;
    uint64_t sum = 0, total = number(root, "memory.total");
    json_object_foreach(json_object_get(root, "memory"), name, owner)
    {
        sum += strcmp(name, "total") == 0 ? 0 : (uint64_t)json_integer_value(owner);
    }
    assert_int_equal(sum, total);
    assert_int_equal(number(root, "memory_bytes"), total);
    uint64_t allocated = number(root, "memory_allocated_bytes") - before;
    /* A chunk may be on its way from the system to the pool of memtables. */
    double off = ((double)total - (double)allocated) / (double)allocated, chunk = (double)(2 << 20) / (double)allocated;
    if (off < -0.08 - chunk || off > 0.08) {
        char *dump = json_dumps(json_object_get(root, "memory"), 0);
        fail_msg("%s: owners have %llu, the allocator gave %llu (%+.1f %%): %s", when, (unsigned long long)total,
                 (unsigned long long)allocated, 100 * off, dump);
    }
    json_decref(root);
}

static uint64_t allocated_now(void)
{
    struct memory_use used = memory_used();
    return used.heap_bytes + used.mapped_bytes;
}

struct load {
    nacre_store *store;
    nacre_collection *collection;
    _Atomic bool stop;
};

static void *keep_writing(void *context)
{
    struct load *load = context;
    for (unsigned i = 0; !atomic_load(&load->stop); i++) {
        put_many(load->collection, i * 100 % 60000, i * 100 % 60000 + 100, 200);
    }
    return NULL;
}

static void memory_by_owner_adds_up_to_what_the_allocator_gave(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    uint64_t before = allocated_now();
    f->options.memory_budget = UINT64_C(64) << 20;
    fixture_open(f);
    nacre_collection *strings = make(f->store, "strings", NACRE_STRINGS);
    nacre_collection *vectors = make(f->store, "vectors", NACRE_VECTORS);
    put_many(f->collection, 0, 40000, 100);
    put_many(strings, 0, 40000, 20);
    put_vectors(vectors, 0, 5000);
    assert_memory_adds_up(f->store, before, "in memtables");
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_flush(strings));
    assert_ok(nacre_flush(vectors));
    assert_ok(nacre_build_indexes(vectors));
    get_many(f->collection, 0, 40000, NACRE_OK);
    get_many(strings, 0, 40000, NACRE_OK);
    assert_memory_adds_up(f->store, before, "in segments");
    struct load load = { .collection = f->collection };
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, keep_writing, &load), 0);
    for (unsigned i = 0; i < 20; i++) {
        clock_sleep_ns(50000000);
        assert_memory_adds_up(f->store, before, "under load");
    }
    atomic_store(&load.stop, true);
    pthread_join(writer, NULL);
    nacre_collection_close(strings);
    nacre_collection_close(vectors);
}

static void blocks_that_are_not_mapped_are_the_caches(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "segment_map", "0"));
    fixture_close(f);
    uint64_t before = allocated_now();
    fixture_open(f);
    put_many(f->collection, 0, 60000, 200);
    assert_ok(nacre_flush(f->collection));
    get_many(f->collection, 0, 60000, NACRE_OK);
    assert_true(figure(f->store, "memory.block_cache") > 1 << 20);
    assert_memory_adds_up(f->store, before, "with a full cache");
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_memory_adds_up(f->store, before, "after a merge that read through the cache");
    assert_true(figure(f->store, "collection.0.cache_misses") > 0);
    assert_int_equal(figure(f->store, "memory.building"), 0);
}

/* What the system has mapped of the files in a directory of the store. */
static uint64_t mapped_beneath(const struct fixture *f, const char *directory)
{
    char line[1024], path[256];
    unsigned long long begin, end;
    uint64_t bytes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    snprintf(path, sizeof path, "%s/%s/", f->path, directory);
    while (fgets(line, sizeof line, maps)) {
        bytes += strstr(line, path) && sscanf(line, "%llx-%llx", &begin, &end) == 2 ? end - begin : 0;
    }
    fclose(maps);
    return bytes;
}

static void assert_maps_are_told(struct fixture *f)
{
    const uint64_t pages = 4096 * (figure(f->store, "segments") * 2 + figure(f->store, "value_log_files") + 2);
    const uint64_t segments = mapped_beneath(f, "segments"), values = mapped_beneath(f, "values");
    assert_in_range(figure(f->store, "mapped_bytes"), segments > pages ? segments - pages : 0, segments);
    assert_in_range(figure(f->store, "value_log_mapped_bytes"), values > pages ? values - pages : 0, values);
}

static void maps_of_files_are_told(void **state)
{
    struct fixture *f = *state;
    static const char large[20000] = "v";
    put_many(f->collection, 0, 20000, 100);
    for (unsigned i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof key, "large%u", i);
        assert_ok(nacre_put(f->collection, text(key), (nacre_slice){ large, sizeof large }, NULL));
    }
    assert_ok(nacre_flush(f->collection));
    assert_maps_are_told(f);
    nacre_value value;
    assert_ok(nacre_get(f->collection, text("large7"), NULL, &value));
    assert_maps_are_told(f);
    assert_true(mapped_beneath(f, "segments") > 0 && mapped_beneath(f, "values") > 0);
    nacre_value_release(&value);
}

/* ---- who holds what ---- */

static void holders_are_listed_with_age_and_what_they_keep(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *snapshot;
    nacre_cursor *cursors[20];
    put_many(f->collection, 0, 20000, 100);
    assert_ok(nacre_snapshot_create(f->store, &snapshot));
    clock_sleep_ns(30000000);
    for (unsigned i = 0; i < 20; i++) {
        assert_ok(nacre_scan(f->collection, NULL, &cursors[i]));
    }
    assert_ok(nacre_flush(f->collection));
    clock_sleep_ns(20000000);
    json_t *root = look(f->store);
    assert_int_equal(json_array_size(find(root, "holders")), 16);
    assert_int_equal(number(root, "holders_not_shown"), 5);
    assert_string_equal(json_string_value(find(root, "holders.0.what")), "snapshot");
    assert_true(number(root, "holders.0.age_ms") >= 20);
    assert_int_equal(number(root, "holders.0.sequence"), 20000);
    assert_string_equal(json_string_value(find(root, "holders.1.what")), "cursor");
    assert_string_equal(json_string_value(find(root, "holders.1.collection")), "test");
    assert_true(number(root, "holders.1.kept_bytes") > 1000000); /* the memtable that was flushed */
    json_decref(root);
    for (unsigned i = 0; i < 20; i++) {
        nacre_cursor_close(cursors[i]);
    }
    nacre_snapshot_release(snapshot);
    root = look(f->store);
    assert_int_equal(json_array_size(find(root, "holders")), 0);
    json_decref(root);
}

static void transactions_are_listed_with_their_age_however_many(void **state)
{
    enum { MANY = 200 }; /* more than have a read point */
    struct fixture *f = *state;
    nacre_txn *txns[MANY];
    put_many(f->collection, 0, 10, 10);
    assert_ok(nacre_txn_begin(f->store, NULL, &txns[0]));
    clock_sleep_ns(50000000);
    for (unsigned i = 1; i < MANY; i++) {
        assert_ok(nacre_txn_begin(f->store, NULL, &txns[i]));
    }
    json_t *root = look(f->store);
    assert_int_equal(number(root, "transactions"), MANY);
    assert_true(number(root, "oldest_transaction_age_ms") >= 30);
    assert_int_equal(json_array_size(find(root, "holders")), 16);
    assert_int_equal(number(root, "holders_not_shown"), MANY - 16);
    assert_string_equal(json_string_value(find(root, "holders.0.what")), "transaction");
    assert_true(number(root, "holders.0.age_ms") >= 30);
    assert_true(number(root, "holders.1.age_ms") < number(root, "holders.0.age_ms"));
    assert_int_equal(number(root, "holders.0.sequence"), 10);
    json_decref(root);
    for (unsigned i = 0; i < MANY; i++) {
        nacre_txn_abort(txns[i]);
    }
    root = look(f->store);
    assert_int_equal(number(root, "transactions"), 0);
    assert_int_equal(json_array_size(find(root, "holders")), 0);
    json_decref(root);
}

static void values_held_are_counted(void **state)
{
    struct fixture *f = *state;
    nacre_value value;
    put_many(f->collection, 0, 1, 4000);
    assert_ok(nacre_get(f->collection, text("key-00000000"), NULL, &value));
    assert_int_equal(figure(f->store, "values"), 1);
    nacre_value_release(&value);
    assert_int_equal(figure(f->store, "values"), 0);
}

/* ---- the log, tasks, collections ---- */

static void the_log_says_who_needs_its_oldest_file(void **state)
{
    struct fixture *f = *state;
    nacre_collection *other = make(f->store, "other", NACRE_ORDERED);
    json_t *root = look(f->store);
    assert_string_equal(json_string_value(find(root, "log.pinned_by")), "");
    json_decref(root);
    put_many(other, 0, 10, 10);
    put_many(f->collection, 0, 10, 10);
    root = look(f->store);
    assert_string_equal(json_string_value(find(root, "log.pinned_by")), "other");
    json_decref(root);
    assert_ok(nacre_flush(other));
    assert_ok(nacre_sync(f->store));
    root = look(f->store);
    assert_string_equal(json_string_value(find(root, "log.pinned_by")), "test");
    assert_string_equal(json_string_value(find(root, "log.position")),
                        json_string_value(find(root, "log.durable_position")));
    assert_true(number(root, "log.files") >= 1);
    json_decref(root);
    nacre_collection_close(other);
}

static void tasks_in_the_background_are_counted_by_class(void **state)
{
    struct fixture *f = *state;
    put_many(f->collection, 0, 1000, 10);
    assert_ok(nacre_seal(f->collection));
    for (unsigned i = 0; figure(f->store, "tasks.flush.done") == 0; i++) {
        assert_true(i < 20000);
        clock_sleep_ns(1000000);
    }
    json_t *root = look(f->store);
    assert_true(number(root, "tasks.flush.last_ns") > 0);
    assert_int_equal(number(root, "tasks.flush.failed"), 0);
    json_decref(root);
}

static void a_collection_tells_its_keys_levels_filters_and_amplification(void **state)
{
    struct fixture *f = *state;
    put_many(f->collection, 0, 10000, 50);
    assert_ok(nacre_flush(f->collection));
    put_many(f->collection, 0, 5000, 50);
    assert_ok(nacre_flush(f->collection));
    get_many(f->collection, 0, 10000, NACRE_OK);
    get_many(f->collection, 20000, 30000, NACRE_NOT_FOUND);
    json_t *root = look(f->store);
    assert_true(number(root, "collection.0.gets_sampled") > 100);
    assert_true(number(root, "collection.0.filters_asked") >= number(root, "collection.0.filters_said_no"));
    assert_true(number(root, "collection.0.filters_said_no") > number(root, "collection.0.filters_were_wrong"));
    assert_true(number(root, "collection.0.read_amplification_percent") > 100);
    assert_int_equal(number(root, "collection.0.levels.0.entries"), 15000);
    json_decref(root);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    root = look(f->store);
    assert_int_equal(number(root, "collection.0.keys"), 10000);
    assert_int_equal(number(root, "collection.0.entries"), 10000);
    assert_true(number(root, "collection.0.write_amplification_percent") > 100);
    json_decref(root);
}

static void a_collection_tells_where_learned_indexes_are(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, NACRE_TUNING_LEARNED_INDEX, "2"));
    nacre_collection *strings = make(f->store, "strings", NACRE_STRINGS);
    put_many(f->collection, 0, 10000, 50);
    put_many(strings, 0, 10000, 50);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_flush(strings));
    json_t *root = look(f->store);
    bool first = strcmp(json_string_value(find(root, "collection.0.name")), "test") == 0;
    assert_true(number(root, "learned_indexes") > 0);
    assert_int_equal(number(root, first ? "collection.0.learned_indexes" : "collection.1.learned_indexes"),
                     number(root, "learned_indexes"));
    assert_int_equal(number(root, first ? "collection.1.learned_indexes" : "collection.0.learned_indexes"), 0);
    json_decref(root);
    assert_ok(nacre_tune(f->store, NACRE_TUNING_LEARNED_INDEX, "0"));
    put_many(f->collection, 0, 5000, 50); /* for a merge to write it anew */
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    assert_int_equal(figure(f->store, "learned_indexes"), 0);
    nacre_collection_close(strings);
}

/* ---- metrics ---- */

struct metric {
    char name[96], type[256];
    unsigned samples;
};
static struct metric metrics[512];
static size_t metric_count;

static struct metric *metric_of(const char *name, size_t size)
{
    for (size_t i = 0; i < metric_count; i++) {
        if (strlen(metrics[i].name) == size && strncmp(metrics[i].name, name, size) == 0) {
            return &metrics[i];
        }
    }
    return NULL;
}

static bool ends_with(const char *name, size_t size, const char *ending)
{
    size_t length = strlen(ending);
    return size > length && strncmp(name + size - length, ending, length) == 0;
}

/* "# HELP name text" and "# TYPE name type", each once, before the samples. */
static void check_comment(const char *line)
{
    char word[8], name[96], rest[256];
    assert_int_equal(sscanf(line, "# %7s %95s %255[^\n]", word, name, rest), 3);
    if (strcmp(word, "HELP") == 0) {
        if (metric_of(name, strlen(name))) {
            fail_msg("two HELP lines for %s", name);
        }
        assert_true(metric_count < sizeof metrics / sizeof metrics[0]);
        snprintf(metrics[metric_count++].name, sizeof metrics[0].name, "%s", name);
        return;
    }
    assert_string_equal(word, "TYPE");
    struct metric *metric = metric_of(name, strlen(name));
    assert_non_null(metric);
    assert_int_equal(metric->type[0], 0);
    assert_int_equal(metric->samples, 0);
    snprintf(metric->type, sizeof metric->type, "%s", rest);
    bool counter = strcmp(rest, "counter") == 0;
    assert_true(counter || strcmp(rest, "gauge") == 0 || strcmp(rest, "summary") == 0);
    if (counter != ends_with(name, strlen(name), "_total")) {
        fail_msg("%s is a %s", name, rest);
    }
}

/* name[{label="value",...}] number */
static void check_sample(const char *line)
{
    size_t size = 0;
    while (isalnum((unsigned char)line[size]) || line[size] == '_') {
        size++;
    }
    struct metric *metric = metric_of(line, size);
    bool part = ends_with(line, size, "_sum") || ends_with(line, size, "_count");
    if (!metric && part) {
        metric = metric_of(line, size - (ends_with(line, size, "_sum") ? 4 : 6));
        assert_true(metric && strcmp(metric->type, "summary") == 0);
    }
    if (!metric || !metric->type[0]) {
        fail_msg("no HELP and TYPE before: %.80s", line);
        return;
    }
    metric->samples++;
    const char *at = line + size;
    if (*at == '{') {
        do {
            at++;
            assert_true(isalpha((unsigned char)*at));
            at += strcspn(at, "=");
            assert_int_equal(at[1], '"');
            for (at += 2; *at != '"'; at++) {
                at += *at == '\\';
                assert_true(*at && *at != '\n');
            }
            at++;
        } while (*at == ',');
        assert_int_equal(*at++, '}');
    }
    assert_int_equal(*at, ' ');
    char *end;
    double value = strtod(at, &end);
    assert_true(end > at && *end == '\n' && value >= 0);
}

static void metrics_parse_and_have_the_right_types(void **state)
{
    struct fixture *f = *state;
    nacre_collection *odd = make(f->store, "odd \"name\\", NACRE_STRINGS);
    put_many(odd, 0, 1000, 10);
    char *all;
    metric_count = 0;
    memset(metrics, 0, sizeof metrics);
    assert_ok(nacre_metrics(f->store, &all));
    for (const char *line = all; *line; line += strcspn(line, "\n") + 1) {
        if (line[0] == '#') {
            check_comment(line);
        } else {
            check_sample(line);
        }
    }
    for (size_t i = 0; i < metric_count; i++) {
        assert_true(metrics[i].samples > 0);
    }
    static const char *const counters[] = { "nacre_puts_total", "nacre_merges_total", "nacre_log_syncs_total",
                                            "nacre_cache_hits_total", "nacre_collection_flushes_total" };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        assert_non_null(metric_of(counters[i], strlen(counters[i])));
    }
    assert_non_null(strstr(all, "nacre_call_seconds{call=\"put\",quantile=\"0.99\"} "));
    assert_non_null(strstr(all, "collection=\"odd \\\"name\\\\\""));
    nacre_free(all);
    nacre_collection_close(odd);
}

/* Every name of the JSON stands in docs/statistics.md. */
static void assert_in_docs(json_t *object, const char *docs)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        char quoted[96];
        snprintf(quoted, sizeof quoted, "`%s`", name);
        if (!strstr(docs, quoted)) {
            fail_msg("docs/statistics.md has no %s", quoted);
        }
        assert_in_docs(json_is_array(value) ? json_array_get(value, 0) : value, docs);
    }
}

static void every_name_is_in_the_docs(void **state)
{
    struct fixture *f = *state;
    uint8_t *docs = NULL;
    nacre_cursor *cursor;
    size_t size = file_read_all(NACRE_SOURCE_DIR "/docs/statistics.md", &docs);
    docs = realloc(docs, size + 1);
    assert_non_null(docs);
    docs[size] = 0;
    assert_ok(nacre_scan(f->collection, NULL, &cursor));
    json_t *root = look(f->store);
    assert_in_docs(root, (const char *)docs);
    json_decref(root);
    nacre_cursor_close(cursor);
    free(docs);
}

/* ---- other processes ---- */

static void a_writer_tells_its_statistics_to_another_process(void **state)
{
    struct fixture *f = *state;
    char *json;
    put_many(f->collection, 0, 100, 10);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool good = nacre_writer_stats(f->path, NULL, 10000, &json) == NACRE_OK;
        json_t *root = good ? json_loads(json, 0, NULL) : NULL;
        good = root && json_integer_value(json_object_get(root, "puts")) == 100 &&
               json_integer_value(json_object_get(root, "process")) == (json_int_t)getppid();
        _exit(good ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    put_many(f->collection, 100, 200, 10);
    assert_ok(nacre_writer_stats(f->path, NULL, 10000, &json)); /* newer than the question */
    json_t *root = parsed(json);
    assert_int_equal(number(root, "puts"), 200);
    json_decref(root);
}

static void without_a_writer_nobody_tells_and_nothing_is_left(void **state)
{
    struct fixture *f = *state;
    char *json, path[128];
    assert_ok(nacre_writer_stats(f->path, NULL, 10000, &json));
    nacre_free(json);
    fixture_close(f);
    assert_code(nacre_writer_stats(f->path, NULL, 0, &json), NACRE_NOT_FOUND);
    static const char *const names[] = { "WATCH", "STATS", "STATS.tmp" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", f->path, names[i]);
        assert_false(path_exists(path));
    }
    snprintf(path, sizeof path, "%s/WATCH", f->path); /* as after a crash, or something else altogether */
    file_write_all(path, "", 0);
    assert_code(nacre_writer_stats(f->path, NULL, 50, &json), NACRE_NOT_FOUND);
    static const char page[8192] = "not the right words";
    file_write_all(path, page, sizeof page);
    assert_code(nacre_writer_stats(f->path, NULL, 50, &json), NACRE_NOT_FOUND);
    static const char orphan[4096] = "CWAT";
    file_write_all(path, orphan, sizeof orphan);
    assert_code(nacre_writer_stats(f->path, NULL, 50, &json), NACRE_TIMEOUT);
    assert_code(nacre_writer_stats(NULL, NULL, 50, &json), NACRE_INVALID);
    assert_code(nacre_writer_stats(f->path, NULL, 50, NULL), NACRE_INVALID);
    fixture_open(f);
    assert_ok(nacre_writer_stats(f->path, NULL, 10000, &json));
    nacre_free(json);
}

/* ---- concurrency ---- */

static void *keep_looking(void *context)
{
    struct fixture *f = context;
    char *text_out;
    for (unsigned i = 0; i < 30; i++) {
        json_decref(look(f->store));
        assert_ok(nacre_metrics(f->store, &text_out));
        nacre_free(text_out);
        assert_ok(nacre_writer_stats(f->path, NULL, 30000, &text_out));
        nacre_free(text_out);
    }
    return NULL;
}

static void *keep_reading(void *context)
{
    struct load *load = context;
    while (!atomic_load(&load->stop)) {
        nacre_cursor *cursor;
        nacre_snapshot *snapshot;
        assert_ok(nacre_snapshot_create(load->store, &snapshot));
        assert_ok(nacre_scan(load->collection, NULL, &cursor));
        for (unsigned i = 0; i < 50 && nacre_cursor_valid(cursor); i++) {
            nacre_cursor_next(cursor);
        }
        nacre_cursor_close(cursor);
        nacre_snapshot_release(snapshot);
    }
    return NULL;
}

static void statistics_are_asked_for_while_all_goes_on(void **state)
{
    struct fixture *f = *state;
    struct load load = { .store = f->store, .collection = f->collection };
    pthread_t writer, reader, lookers[2];
    assert_ok(nacre_tune(f->store, "seal_bytes", "262144"));
    assert_int_equal(pthread_create(&writer, NULL, keep_writing, &load), 0);
    assert_int_equal(pthread_create(&reader, NULL, keep_reading, &load), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&lookers[i], NULL, keep_looking, f), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(lookers[i], NULL);
    }
    atomic_store(&load.stop, true);
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
}

static void operations_are_counted_whatever_brings_them(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *sums;
    nacre_batch *batch;
    nacre_txn *txn;
    nacre_value value;
    const uint8_t one[8] = { 1 };
    options.merge_operator = "add64";
    assert_ok(nacre_collection_create(f->store, "sums", &options, &sums));
    put_many(f->collection, 0, 3, 10);
    assert_ok(nacre_delete(f->collection, text("none"), NULL));
    assert_ok(nacre_batch_create(&batch));
    for (unsigned i = 0; i < 10; i++) {
        char key[8] = { 'b', (char)('0' + i) };
        assert_ok(nacre_batch_put(batch, f->collection, text(key), text("v")));
    }
    assert_ok(nacre_batch_delete(batch, f->collection, text("b0")));
    assert_ok(nacre_batch_delete_range(batch, f->collection, text("c"), text("d")));
    assert_ok(nacre_batch_merge(batch, sums, text("n"), (nacre_slice){ one, sizeof one }));
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
    assert_ok(nacre_txn_begin(f->store, NULL, &txn));
    assert_ok(nacre_txn_put(txn, f->collection, text("t"), text("v")));
    assert_ok(nacre_txn_commit(txn, NULL));
    assert_int_equal(figure(f->store, "puts"), 3 + 10 + 1);
    assert_int_equal(figure(f->store, "deletes"), 2);
    assert_int_equal(figure(f->store, "range_deletes"), 1);
    assert_int_equal(figure(f->store, "operands_put"), 1);

    nacre_slice keys[] = { text("b1"), text("b0"), text("t") };
    nacre_value values[3];
    int statuses[3];
    assert_ok(nacre_get(f->collection, text("t"), NULL, &value));
    nacre_value_release(&value);
    assert_code(nacre_get(f->collection, text("none"), NULL, &value), NACRE_NOT_FOUND);
    assert_ok(nacre_get(sums, text("n"), NULL, &value));
    nacre_value_release(&value);
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_multi_get(f->collection, keys, 3, NULL, values, statuses));
    for (unsigned i = 0; i < 3; i++) {
        nacre_value_release(&values[i]);
    }
    assert_int_equal(figure(f->store, "gets"), 6);
    assert_int_equal(figure(f->store, "get_hits"), 4);
    nacre_collection_close(sums);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operations_are_counted_whatever_brings_them),
        TEST(every_class_of_call_is_timed_and_its_percentiles_rise),
        TEST(without_statistics_nothing_is_timed_but_all_is_counted),
        TEST(memory_by_owner_adds_up_to_what_the_allocator_gave),
        TEST(blocks_that_are_not_mapped_are_the_caches),
        TEST(maps_of_files_are_told),
        TEST(holders_are_listed_with_age_and_what_they_keep),
        TEST(transactions_are_listed_with_their_age_however_many),
        TEST(values_held_are_counted),
        TEST(the_log_says_who_needs_its_oldest_file),
        TEST(tasks_in_the_background_are_counted_by_class),
        TEST(a_collection_tells_its_keys_levels_filters_and_amplification),
        TEST(a_collection_tells_where_learned_indexes_are),
        TEST(metrics_parse_and_have_the_right_types),
        TEST(every_name_is_in_the_docs),
        TEST(a_writer_tells_its_statistics_to_another_process),
        TEST(without_a_writer_nobody_tells_and_nothing_is_left),
        TEST(statistics_are_asked_for_while_all_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
