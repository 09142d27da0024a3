/* Writes to collections of vectors, and reads of single ones: what is put comes back, from memory and from files, and what cannot be a vector of
   the collection is refused. */
#include "support/directory.h"
#include "support/store_fixture.h"
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIMENSION FIXTURE_DIMENSION

#define assert_refused(call, code, word) refused((call), (code), (word), #call, __LINE__)

static void refused(int got, int want, const char *word, const char *call, int line)
{
    assert_status(got, want, call, __FILE__, line);
    if (!strstr(nacre_last_error(), word)) {
        fprintf(stderr, "%s:%d: %s: the detail \"%s\" does not say \"%s\"\n", __FILE__, line, call, nacre_last_error(),
                word);
        fail();
    }
}

/* Five floats that go with a number. */
static const float *vector_of(float number)
{
    static float vector[DIMENSION];
    for (unsigned i = 0; i < DIMENSION; i++) {
        vector[i] = number + (float)i / 8;
    }
    return vector;
}

static void put_vector(struct fixture *f, const char *key, float number, const char *value)
{
    assert_ok(nacre_put_vector(f->collection, text(key), vector_of(number), text(value), NULL));
}

/* "number=value" of a key; a static buffer. */
static const char *vector_at(struct fixture *f, const char *key, nacre_snapshot *snapshot)
{
    static char out[200];
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    float vector[DIMENSION];
    nacre_value value;
    options.snapshot = snapshot;
    int status = nacre_get_vector(f->collection, text(key), &options, vector, &value);
    if (status == NACRE_NOT_FOUND) {
        return "<none>";
    }
    assert_ok(status);
    assert_memory_equal(vector, vector_of(vector[0]), sizeof vector);
    snprintf(out, sizeof out, "%g=%.*s", (double)vector[0], (int)value.slice.size, (const char *)value.slice.data);
    nacre_value_release(&value);
    return out;
}

/* Calls `check` while all is in memory, after a reopening, in segments, in one segment, and after another reopening. */
static void in_every_layer(struct fixture *f, void (*check)(struct fixture *))
{
    check(f);
    fixture_reopen(f);
    check(f);
    assert_ok(nacre_flush(f->collection));
    check(f);
    assert_ok(nacre_compact(f->collection, text(""), text("")));
    check(f);
    fixture_reopen(f);
    check(f);
}

static void check_overwritten(struct fixture *f)
{
    assert_string_equal(vector_at(f, "a", NULL), "3=new");
    assert_string_equal(vector_at(f, "b", NULL), "2=");
    assert_string_equal(vector_at(f, "c", NULL), "<none>");
    assert_string_equal(get(f, "a"), "new");
    assert_string_equal(get(f, "b"), "");
    assert_string_equal(scan(f, NULL), "a=new b=");
    float vector[DIMENSION];
    assert_ok(nacre_get_vector(f->collection, text("a"), NULL, vector, NULL)); /* without the value */
    assert_memory_equal(vector, vector_of(3), sizeof vector);
}

static void the_newest_vector_and_value_come_back_from_every_layer(void **state)
{
    struct fixture *f = *state;
    put_vector(f, "a", 1, "old");
    put_vector(f, "b", 2, "");
    put_vector(f, "a", 3, "new");
    in_every_layer(f, check_overwritten);
}

static void check_deleted(struct fixture *f)
{
    assert_string_equal(scan(f, NULL), "a=1 d=4 e=again pa=7");
    assert_string_equal(vector_at(f, "b", NULL), "<none>");
    assert_string_equal(vector_at(f, "c", NULL), "<none>");
    assert_string_equal(vector_at(f, "e", NULL), "50=again");
    assert_string_equal(vector_at(f, "p/x", NULL), "<none>");
}

static void deletes_of_keys_ranges_and_prefixes_take_vectors_away(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = { "a", "b", "c", "d", "e", "p/x", "pa" };
    for (int i = 0; i < 7; i++) {
        char value[2] = { (char)('1' + i), 0 };
        put_vector(f, keys[i], (float)i + 1, value);
    }
    assert_ok(nacre_flush(f->collection));
    delete_key(f, "b");
    assert_ok(nacre_delete_range(f->collection, text("c"), text("d"), NULL));
    delete_key(f, "e");
    put_vector(f, "e", 50, "again");
    assert_ok(nacre_delete_prefix(f->collection, text("p/"), NULL));
    in_every_layer(f, check_deleted);
    assert_ok(nacre_collection_clear(f->collection));
    assert_string_equal(scan(f, NULL), "");
    assert_string_equal(vector_at(f, "a", NULL), "<none>");
}

static void vectors_expire_by_their_own_time_to_live_or_the_collections(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *test = f->collection, *brief;
    nacre_write_options w = NACRE_WRITE_OPTIONS_INIT;
    o.kind = NACRE_VECTORS;
    o.dimension = DIMENSION;
    o.metric = NACRE_DOT;
    o.default_ttl_ms = 60;
    assert_ok(nacre_collection_create(f->store, "brief", &o, &brief));
    w.ttl_ms = 60;
    assert_ok(nacre_put_vector(test, text("a"), vector_of(1), text("x"), &w));
    put_vector(f, "b", 2, "stays");
    f->collection = brief;
    put_vector(f, "c", 3, "y");
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put_vector(batch, brief, text("d"), vector_of(4), text("z")));
    assert_ok(nacre_write(f->store, batch, NULL));
    nacre_batch_free(batch);
    w.ttl_ms = UINT64_MAX;
    assert_ok(nacre_put_vector(brief, text("e"), vector_of(5), text("for ever"), &w));
    usleep(80000);
    for (int round = 0; round < 2; round++) {
        f->collection = test;
        assert_string_equal(vector_at(f, "a", NULL), "<none>");
        assert_string_equal(scan(f, NULL), "b=stays");
        assert_ok(nacre_flush(test));
        f->collection = brief;
        assert_string_equal(vector_at(f, "c", NULL), "<none>");
        assert_string_equal(vector_at(f, "d", NULL), "<none>");
        assert_string_equal(vector_at(f, "e", NULL), "5=for ever");
        assert_ok(nacre_flush(brief));
    }
    nacre_collection_close(test);
}

static void a_batch_over_all_kinds_is_one_write(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *ordered, *strings;
    nacre_batch *batch;
    nacre_snapshot *before;
    assert_ok(nacre_collection_create(f->store, "ordered", &o, &ordered));
    o.kind = NACRE_STRINGS;
    assert_ok(nacre_collection_create(f->store, "strings", &o, &strings));
    put_vector(f, "gone", 9, "");
    assert_ok(nacre_snapshot_create(f->store, &before));
    assert_ok(nacre_batch_create(&batch));
    assert_ok(nacre_batch_put(batch, ordered, text("k"), text("1")));
    assert_ok(nacre_batch_put_vector(batch, f->collection, text("k"), vector_of(1), text("2")));
    assert_ok(nacre_batch_put(batch, strings, text("k"), text("3")));
    assert_ok(
        nacre_batch_put_vector(batch, f->collection, text("k"), vector_of(2), text("4"))); /* the later one wins */
    assert_ok(nacre_batch_delete(batch, f->collection, text("gone")));
    assert_refused(nacre_batch_put(batch, f->collection, text("k"), text("5")), NACRE_INVALID, "a put needs one");
    assert_refused(nacre_batch_put_vector(batch, ordered, text("k"), vector_of(1), text("6")), NACRE_UNSUPPORTED,
                   "'ordered'");
    assert_int_equal(nacre_batch_count(batch), 5);
    for (int round = 0; round < 2; round++) { /* the same again, with expiries stamped into it */
        nacre_write_options w = NACRE_WRITE_OPTIONS_INIT;
        w.ttl_ms = round ? 3600000 : 0;
        assert_ok(nacre_write(f->store, batch, &w));
        assert_string_equal(vector_at(f, "k", NULL), "2=4");
        assert_string_equal(vector_at(f, "gone", NULL), "<none>");
    }
    nacre_batch_free(batch);
    assert_string_equal(vector_at(f, "k", before), "<none>");
    assert_string_equal(vector_at(f, "gone", before), "9=");
    nacre_snapshot_release(before);
    nacre_collection_close(ordered);
    nacre_collection_close(strings);
    fixture_reopen(f);
    assert_string_equal(vector_at(f, "k", NULL), "2=4");
}

static void a_snapshot_shows_the_vector_of_its_time_in_every_layer(void **state)
{
    struct fixture *f = *state;
    nacre_snapshot *first, *second;
    put_vector(f, "a", 1, "one");
    assert_ok(nacre_snapshot_create(f->store, &first));
    put_vector(f, "a", 2, "two");
    assert_ok(nacre_snapshot_create(f->store, &second));
    delete_key(f, "a");
    for (int layer = 0; layer < 3; layer++) {
        assert_string_equal(vector_at(f, "a", first), "1=one");
        assert_string_equal(vector_at(f, "a", second), "2=two");
        assert_string_equal(vector_at(f, "a", NULL), "<none>");
        assert_ok(layer ? nacre_compact(f->collection, text(""), text("")) : nacre_flush(f->collection));
    }
    nacre_snapshot_release(first);
    nacre_snapshot_release(second);
}

static void what_is_no_vector_of_the_collection_is_refused_before_it_is_logged(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *cosine, *ordered;
    nacre_batch *batch;
    float vector[DIMENSION];
    assert_ok(nacre_collection_create(f->store, "ordered", &o, &ordered));
    o.kind = NACRE_VECTORS;
    o.dimension = DIMENSION;
    o.metric = NACRE_COSINE;
    assert_ok(nacre_collection_create(f->store, "cosine", &o, &cosine));
    assert_ok(nacre_batch_create(&batch));
    uint64_t before = stat_of(f->store, "sequence");
    const float strange[] = { NAN, -NAN, INFINITY, -INFINITY };
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned at = 0; at < DIMENSION; at++) {
            memcpy(vector, vector_of(1), sizeof vector);
            vector[at] = strange[i];
            assert_refused(nacre_put_vector(f->collection, text("k"), vector, text(""), NULL), NACRE_INVALID, "finite");
            assert_refused(nacre_batch_put_vector(batch, f->collection, text("k"), vector, text("")), NACRE_INVALID,
                           "finite");
        }
    }
    memset(vector, 0, sizeof vector);
    vector[1] = -0.0F;
    assert_refused(nacre_put_vector(cosine, text("k"), vector, text(""), NULL), NACRE_INVALID, "zero");
    assert_refused(nacre_batch_put_vector(batch, cosine, text("k"), vector, text("")), NACRE_INVALID, "zero");
    assert_refused(nacre_put_vector(f->collection, text("k"), NULL, text(""), NULL), NACRE_INVALID, "NULL");
    assert_refused(nacre_put(f->collection, text("k"), text("v"), NULL), NACRE_INVALID, "a put needs one");
    assert_refused(nacre_put_vector(ordered, text("k"), vector, text(""), NULL), NACRE_UNSUPPORTED, "'ordered'");
    assert_refused(nacre_get_vector(ordered, text("k"), NULL, vector, NULL), NACRE_UNSUPPORTED, "'ordered'");
    assert_refused(nacre_get_vector(f->collection, text("k"), NULL, NULL, NULL), NACRE_INVALID, "NULL");
    assert_refused(nacre_put_vector(f->collection, text(""), vector, text(""), NULL), NACRE_INVALID, "key is empty");
    assert_refused(nacre_put_vector(f->collection, text("k"), vector, (nacre_slice){ NULL, 1 }, NULL), NACRE_INVALID,
                   "value");
    static char key[NACRE_KEY_MAX + 1];
    assert_refused(nacre_put_vector(f->collection, (nacre_slice){ key, sizeof key }, vector, text(""), NULL),
                   NACRE_LIMIT, "65536");
    assert_refused(nacre_put_vector(NULL, text("k"), vector, text(""), NULL), NACRE_INVALID, "NULL");
    nacre_cursor *cursor;
    uint64_t count;
    assert_refused(nacre_regex_scan(f->collection, text("a"), NULL, &cursor), NACRE_UNSUPPORTED, "only strings");
    assert_refused(nacre_regex_count(f->collection, text("a"), NULL, &count), NACRE_UNSUPPORTED, "only strings");
    assert_int_equal(nacre_batch_count(batch), 0);
    assert_int_equal(stat_of(f->store, "sequence"), before);
    /* Where the metric is not cosine, nothing is wrong with zero. */
    assert_ok(nacre_put_vector(f->collection, text("k"), vector, text(""), NULL));
    assert_ok(nacre_put_vector(cosine, text("k"), vector_of(1), text(""), NULL));
    nacre_batch_free(batch);
    nacre_collection_close(ordered);
    nacre_collection_close(cosine);
}

static void collections_of_vectors_need_a_dimension_and_a_metric_and_keep_them(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *c;
    o.kind = NACRE_VECTORS;
    o.metric = NACRE_COSINE;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "dimension");
    o.dimension = NACRE_DIMENSION_MAX + 1;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_LIMIT, "65536");
    o.dimension = NACRE_DIMENSION_MAX;
    o.metric = (nacre_metric)0;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "metric");
    o.metric = (nacre_metric)4;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "metric");
    o.metric = NACRE_COSINE;
    o.kind = NACRE_ORDERED;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "vectors");
    o.dimension = 0;
    assert_refused(nacre_collection_create(f->store, "c", &o, &c), NACRE_INVALID, "vectors");
    o.kind = NACRE_VECTORS;
    o.dimension = NACRE_DIMENSION_MAX;
    assert_ok(nacre_collection_create(f->store, "largest", &o, &c));
    nacre_collection_close(c);
    for (int round = 0; round < 2; round++) {
        nacre_collection_info *list;
        size_t count;
        assert_ok(nacre_collection_list(f->store, &list, &count));
        assert_int_equal(count, 2);
        assert_string_equal(list[1].name, "largest");
        assert_int_equal(list[1].kind, NACRE_VECTORS);
        assert_int_equal(list[1].dimension, NACRE_DIMENSION_MAX);
        assert_int_equal(list[1].metric, NACRE_COSINE);
        assert_int_equal(list[0].dimension, DIMENSION);
        assert_int_equal(list[0].metric, NACRE_L2);
        nacre_free(list);
        fixture_reopen(f);
    }
}

static void a_checkpoint_holds_the_vectors(void **state)
{
    struct fixture *f = *state;
    char path[100];
    put_vector(f, "a", 1, "one");
    assert_ok(nacre_flush(f->collection));
    put_vector(f, "b", 2, "two");
    snprintf(path, sizeof path, "%s/copy", f->path);
    assert_ok(nacre_checkpoint(f->store, path));
    put_vector(f, "a", 3, "later");
    struct fixture copy = *f;
    memcpy(copy.path, path, sizeof copy.path);
    fixture_open(&copy);
    assert_string_equal(vector_at(&copy, "a", NULL), "1=one");
    assert_string_equal(vector_at(&copy, "b", NULL), "2=two");
    fixture_close(&copy);
}

static void vectors_of_level_memory_are_there_until_the_end_and_after_a_flush(void **state)
{
    struct fixture *f = *state;
    nacre_write_options w = NACRE_WRITE_OPTIONS_INIT;
    w.durability = NACRE_MEMORY;
    assert_ok(nacre_put_vector(f->collection, text("kept"), vector_of(1), text("1"), &w));
    assert_ok(nacre_flush(f->collection));
    assert_ok(nacre_put_vector(f->collection, text("lost"), vector_of(2), text("2"), &w));
    assert_string_equal(scan(f, NULL), "kept=1 lost=2");
    fixture_reopen(f);
    assert_string_equal(scan(f, NULL), "kept=1");
    assert_string_equal(vector_at(f, "kept", NULL), "1=1");
}

static void the_longest_vectors_go_through_log_memory_and_segments(void **state)
{
    struct fixture *f = *state;
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *c;
    size_t bytes = NACRE_DIMENSION_MAX * sizeof(float);
    float *vector = malloc(bytes), *found = malloc(bytes);
    o.kind = NACRE_VECTORS;
    o.dimension = NACRE_DIMENSION_MAX;
    o.metric = NACRE_L2;
    assert_ok(nacre_collection_create(f->store, "long", &o, &c));
    for (int round = 0; round < 3; round++) {
        for (unsigned n = 0; n < 12; n++) {
            for (unsigned i = 0; i < NACRE_DIMENSION_MAX; i++) {
                vector[i] = (float)((n * 31 + i) % 4099);
            }
            if (round == 0) {
                assert_ok(nacre_put_vector(c, (nacre_slice){ &n, sizeof n }, vector, text("v"), NULL));
            }
            assert_ok(nacre_get_vector(c, (nacre_slice){ &n, sizeof n }, NULL, found, NULL));
            assert_memory_equal(found, vector, bytes);
        }
        if (round == 0) {
            nacre_collection_close(c);
            fixture_reopen(f);
            assert_ok(nacre_collection_open(f->store, "long", &c));
        } else {
            assert_ok(nacre_flush(c));
        }
    }
    nacre_collection_close(c);
    free(vector);
    free(found);
}

static void a_memtable_that_takes_long_to_scan_is_sealed(void **state)
{
    struct fixture *f = *state;
    assert_ok(nacre_tune(f->store, "vector_scan_us", "10")); /* 100 KB, 1 600 rows of 64 bytes */
    for (unsigned n = 0; n < 1500; n++) {
        assert_ok(nacre_put_vector(f->collection, (nacre_slice){ &n, sizeof n }, vector_of((float)n), text(""), NULL));
    }
    assert_int_equal(stat_of(f->store, "seals"), 0);
    for (unsigned n = 1500; n < 1700; n++) {
        assert_ok(nacre_put_vector(f->collection, (nacre_slice){ &n, sizeof n }, vector_of((float)n), text(""), NULL));
    }
    assert_int_equal(stat_of(f->store, "seals"), 1);
}

/* ---- crashes ---- */

/* In a process of its own, which dies without closing the store: vectors of so many floats, the key's number in each. */
static void write_and_die(const char *path, uint32_t dimension)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        nacre_options options = NACRE_OPTIONS_INIT;
        nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
        nacre_store *store;
        nacre_collection *c;
        float vector[DIMENSION * 2] = { 0 };
        bool fine = true;
        options.durability = NACRE_OS;
        o.kind = NACRE_VECTORS;
        o.dimension = dimension;
        o.metric = NACRE_L2;
        fine = nacre_open(path, &options, &store) == NACRE_OK &&
               nacre_collection_create(store, "test", &o, &c) == NACRE_OK;
        for (unsigned n = 0; n < 5000 && fine; n++) {
            vector[dimension - 1] = (float)n;
            fine = nacre_put_vector(c, (nacre_slice){ &n, sizeof n }, vector, text("v"), NULL) == NACRE_OK;
        }
        _exit(fine ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(how, 0);
}

static void acknowledged_vectors_survive_the_death_of_the_process(void **state)
{
    struct fixture *f = *state;
    fixture_close(f); /* a process with one thread forks */
    struct fixture dead = *f;
    snprintf(dead.path, sizeof dead.path, "%.40s/dead", f->path);
    write_and_die(dead.path, DIMENSION);
    for (int round = 0; round < 2; round++) {
        fixture_open(&dead);
        for (unsigned n = 0; n < 5000; n++) {
            float vector[DIMENSION], want[DIMENSION] = { 0 };
            want[DIMENSION - 1] = (float)n;
            assert_ok(nacre_get_vector(dead.collection, (nacre_slice){ &n, sizeof n }, NULL, vector, NULL));
            assert_memory_equal(vector, want, sizeof want);
        }
        fixture_close(&dead);
    }
}

static void a_log_with_vectors_of_another_dimension_is_corrupt(void **state)
{
    struct fixture *f = *state;
    char one[100], other[100], from[200], to[200];
    fixture_close(f);
    snprintf(one, sizeof one, "%s/one", f->path);
    snprintf(other, sizeof other, "%s/other", f->path);
    write_and_die(one, DIMENSION);
    write_and_die(other, DIMENSION + 1);
    snprintf(from, sizeof from, "%s/log", one);
    snprintf(to, sizeof to, "%s/log", other);
    directory_remove(to);
    assert_int_equal(rename(from, to), 0);
    nacre_store *store;
    assert_refused(nacre_open(other, NULL, &store), NACRE_CORRUPT, "a vector of 20 bytes for collection 'test'");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_vectors, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_vector_and_value_come_back_from_every_layer),
        TEST(deletes_of_keys_ranges_and_prefixes_take_vectors_away),
        TEST(vectors_expire_by_their_own_time_to_live_or_the_collections),
        TEST(a_batch_over_all_kinds_is_one_write),
        TEST(a_snapshot_shows_the_vector_of_its_time_in_every_layer),
        TEST(what_is_no_vector_of_the_collection_is_refused_before_it_is_logged),
        TEST(collections_of_vectors_need_a_dimension_and_a_metric_and_keep_them),
        TEST(a_checkpoint_holds_the_vectors),
        TEST(vectors_of_level_memory_are_there_until_the_end_and_after_a_flush),
        TEST(the_longest_vectors_go_through_log_memory_and_segments),
        TEST(a_memtable_that_takes_long_to_scan_is_sealed),
        TEST(acknowledged_vectors_survive_the_death_of_the_process),
        TEST(a_log_with_vectors_of_another_dimension_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
