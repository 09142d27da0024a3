/* Salvage copies of stores whose manifest is gone: what only a manifest seems to know is there all the same, or the report says that it is not. Where an ingest
   stands among other writes, what a collection is called and how it folds operands, and which records of the log are in segments already. */
#include "support/os_memory.h"
#include "support/store_fixture.h"
#include <unistd.h>

static nacre_os *disk;
static nacre_options options;
static nacre_store *store;
static nacre_collection *collection;
static char *report;

static int make_disk(void **state)
{
    (void)state;
    disk = os_memory_create();
    options = (nacre_options)NACRE_OPTIONS_INIT;
    options.os = disk;
    options.durability = NACRE_OS;
    options.memory_budget = 16 << 20;
    options.background_threads = 1;
    return 0;
}

static int free_disk(void **state)
{
    (void)state;
    nacre_free(report);
    report = NULL;
    os_memory_free(disk);
    return 0;
}

static void open_with(const nacre_collection_options *how)
{
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_collection_create(store, "things", how, &collection));
}

static void close_store(void)
{
    nacre_collection_close(collection);
    assert_ok(nacre_close(store));
}

static void put_one(const char *key, const char *value)
{
    assert_ok(nacre_put(collection, text(key), text(value), NULL));
}

/* In two segments: the newer one lies over another, and so has a sequence of its own. */
static void put_twice(const char *key, const char *value)
{
    put_one(key, "oldest");
    assert_ok(nacre_flush(collection));
    put_one(key, value);
    assert_ok(nacre_flush(collection));
}

static void add_one(const char *key, uint8_t number)
{
    uint8_t operand[8] = { number };
    assert_ok(nacre_merge(collection, text(key), (nacre_slice){ operand, sizeof operand }, NULL));
}

/* Two keys with one value. */
static void ingest(const char *first, const char *last, const char *value)
{
    nacre_segment_writer *writer;
    assert_ok(nacre_segment_writer_create(collection, NULL, &writer));
    assert_ok(nacre_segment_writer_put(writer, text(first), text(value)));
    assert_ok(nacre_segment_writer_put(writer, text(last), text(value)));
    assert_ok(nacre_ingest(collection, &writer, 1));
    nacre_segment_writer_free(writer);
}

static void remove_one(void *context, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    assert_int_equal(disk->remove(disk->context, path), NACRE_OK);
}

static void lose_manifest(void)
{
    assert_int_equal(disk->remove(disk->context, "/store/CURRENT"), NACRE_OK);
    assert_int_equal(disk->list(disk->context, "/store/manifest", remove_one, (void *)"/store/manifest"), NACRE_OK);
}

static void salvage(void)
{
    nacre_free(report);
    report = NULL;
    assert_ok(nacre_salvage_copy("/store", "/copy", &options, &report));
    assert_ok(nacre_open("/copy", &options, &store));
}

static void salvage_things(void)
{
    salvage();
    if (nacre_collection_open(store, "things", &collection) != NACRE_OK) {
        assert_ok(nacre_collection_open(store, "salvaged-1", &collection));
    }
}

static void assert_value(const char *key, const char *want)
{
    nacre_value value;
    int status = nacre_get(collection, text(key), NULL, &value);
    if (!want) {
        assert_int_equal(status, NACRE_NOT_FOUND);
        return;
    }
    assert_ok(status);
    assert_int_equal(value.slice.size, strlen(want));
    assert_memory_equal(value.slice.data, want, value.slice.size);
    nacre_value_release(&value);
}

static void assert_reported(const char *part)
{
    if (!strstr(report, part)) {
        fprintf(stderr, "no %s in %s\n", part, report);
        fail();
    }
}

static void assert_sum(const char *key, uint8_t want)
{
    nacre_value value;
    uint8_t sum[8] = { want };
    assert_ok(nacre_get(collection, text(key), NULL, &value));
    assert_int_equal(value.slice.size, sizeof sum);
    assert_memory_equal(value.slice.data, sum, sizeof sum);
    nacre_value_release(&value);
}

/* ---- where an ingest stands ---- */

static void an_ingested_value_is_newer_than_an_older_put(void **state)
{
    (void)state;
    open_with(NULL);
    put_twice("k", "older");
    ingest("k", "l", "ingested");
    close_store();
    lose_manifest();
    salvage_things();
    assert_value("k", "ingested");
    assert_value("l", "ingested");
    assert_reported("\"stale\":0");
    close_store();
}

static void a_put_behind_an_ingest_stays_newer(void **state)
{
    (void)state;
    open_with(NULL);
    put_one("l", "older");
    ingest("k", "l", "ingested");
    put_one("k", "newer");
    assert_ok(nacre_flush(collection));
    ingest("l", "m", "again");
    close_store();
    lose_manifest();
    salvage_things();
    assert_value("k", "newer");
    assert_value("l", "again");
    assert_value("m", "again");
    close_store();
}

static void what_an_ingest_left_in_the_log_is_kept(void **state)
{
    (void)state;
    open_with(NULL);
    put_one("a", "flushed");
    assert_ok(nacre_flush(collection));
    put_one("z", "logged"); /* not among the keys of the ingest: not flushed by it */
    ingest("k", "l", "ingested");
    put_one("l", "newer");
    close_store();
    lose_manifest();
    salvage_things();
    assert_value("a", "flushed");
    assert_value("z", "logged");
    assert_value("k", "ingested");
    assert_value("l", "newer");
    close_store();
}

/* Merged into the bottom, where sequences are forgotten, while the log still has what was there before. */
static void a_merged_ingest_is_newer_than_the_log_before_it(void **state)
{
    (void)state;
    const nacre_slice none = { NULL, 0 };
    open_with(NULL);
    put_one("m", "logged");
    put_one("k", "older");
    ingest("k", "l", "ingested");
    assert_ok(nacre_compact(collection, none, none));
    close_store();
    lose_manifest();
    salvage_things();
    assert_value("k", "ingested");
    assert_value("l", "ingested");
    assert_value("m", "logged");
    close_store();
}

static void a_load_that_was_not_taken_in_is_left_out_and_named(void **state)
{
    (void)state;
    nacre_segment_writer *writer;
    nacre_os *killed = os_memory_create();
    open_with(NULL);
    put_one("a", "there");
    assert_ok(nacre_flush(collection));
    assert_ok(nacre_segment_writer_create(collection, NULL, &writer));
    assert_ok(nacre_segment_writer_put(writer, text("k"), text("never")));
    assert_ok(nacre_segment_writer_put(writer, text("l"), text("never")));
    os_memory_fail_matching(disk, "sync", ".seg", OS_FAULT_IO, 1);
    assert_true(nacre_ingest(collection, &writer, 1) != NACRE_OK);
    assert_int_equal(os_memory_copy_tree(killed, disk), NACRE_OK); /* as a killed process leaves it */
    os_memory_heal(disk);
    nacre_segment_writer_free(writer);
    nacre_collection_close(collection);
    (void)nacre_close(store);
    assert_int_equal(os_memory_copy_tree(disk, killed), NACRE_OK);
    os_memory_free(killed);
    lose_manifest();
    salvage_things();
    assert_value("a", "there");
    assert_value("k", NULL);
    assert_reported("\"from\":\"k\",\"to\":\"l\"");
    close_store();
}

/* Nothing is left that tells where it stands. */
static void an_ingest_of_unknown_order_is_named_with_its_keys(void **state)
{
    (void)state;
    open_with(NULL);
    put_one("z", "sure");
    put_twice("k", "older");
    ingest("k", "l", "ingested");
    close_store();
    lose_manifest();
    assert_int_equal(disk->remove(disk->context, "/store/GIVEN"), NACRE_OK);
    salvage_things();
    assert_value("l", "ingested");
    assert_value("z", "sure");
    assert_reported("\"from\":\"k\",\"to\":\"l\"");
    assert_reported("\"may_be_stale\":[{\"collection\":\"things\",\"key\":\"k\"}]");
    close_store();
}

static void sequences_that_were_given_are_noted_again_where_they_are_missing(void **state)
{
    (void)state;
    open_with(NULL);
    put_twice("k", "older");
    ingest("k", "l", "ingested");
    close_store();
    assert_int_equal(disk->remove(disk->context, "/store/GIVEN"), NACRE_OK);
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_close(store));
    lose_manifest();
    salvage_things();
    assert_value("k", "ingested");
    close_store();
}

static unsigned damaged;

/* Its header: every entry can be read. */
static void damage_segment(void *context, const char *name)
{
    char path[128];
    (void)context;
    snprintf(path, sizeof path, "/store/segments/%s", name);
    if (strstr(name, ".seg")) {
        assert_int_equal(os_memory_flip(disk, path, 56, 1), NACRE_OK);
        damaged++;
    }
}

/* A damaged segment of an ingest: what is left of it keeps its place. */
static void a_damaged_ingest_keeps_its_place(void **state)
{
    (void)state;
    open_with(NULL);
    for (char key[2] = "a"; key[0] <= 'z'; key[0]++) {
        put_one(key, "older");
    }
    put_twice("k", "older");
    ingest("k", "l", "ingested");
    close_store();
    lose_manifest();
    damaged = 0;
    assert_int_equal(disk->list(disk->context, "/store/segments", damage_segment, NULL), NACRE_OK);
    assert_int_equal(damaged, 3);
    salvage_things();
    assert_value("j", "older");
    assert_value("k", "ingested");
    assert_value("l", "ingested");
    assert_value("m", "older");
    close_store();
}

/* ---- what is known of a collection ---- */

static void a_collection_keeps_its_name_and_its_operator(void **state)
{
    (void)state;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.merge_operator = "add64";
    how.value_log_threshold = 100;
    how.default_ttl_ms = 1000 * 1000 * 1000;
    open_with(&how);
    add_one("n", 3);
    assert_ok(nacre_flush(collection));
    add_one("n", 4);
    close_store();
    lose_manifest();
    salvage();
    assert_ok(nacre_collection_open(store, "things", &collection));
    assert_sum("n", 7);
    add_one("n", 1);
    assert_sum("n", 8);
    close_store();
}

/* The manifest also knew when the last entry of a segment expires: the copy does not take one whose entries all expire some day for one that did. */
static void what_expires_later_is_not_dropped(void **state)
{
    (void)state;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.default_ttl_ms = 1000 * 1000 * 1000;
    open_with(&how);
    put_one("k", "kept");
    assert_ok(nacre_flush(collection));
    close_store();
    lose_manifest();
    salvage_things();
    put_one("l", "later");
    assert_ok(nacre_flush(collection)); /* a look for work, if the opening's is not over */
    for (int i = 0; i < 20; i++) {
        assert_value("k", "kept");
        usleep(10 * 1000);
    }
    assert_value("l", "later");
    close_store();
}

/* Operands that a merge has folded are still in the log, and are not folded twice. */
static void operands_in_segments_are_not_counted_again(void **state)
{
    (void)state;
    const nacre_slice none = { NULL, 0 };
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.merge_operator = "add64";
    open_with(&how);
    add_one("n", 3);
    assert_ok(nacre_flush(collection));
    add_one("n", 4);
    assert_ok(nacre_compact(collection, none, none));
    add_one("n", 5);
    close_store();
    lose_manifest();
    salvage_things();
    assert_sum("n", 12);
    close_store();
}

static int add_up(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                  nacre_output *value)
{
    uint8_t sum[8] = { base ? *(const uint8_t *)base->data : 0 };
    (void)context;
    (void)key;
    for (size_t i = 0; i < count; i++) {
        sum[0] = (uint8_t)(sum[0] + *(const uint8_t *)operands[i].data);
    }
    return nacre_output_append(value, (nacre_slice){ sum, sizeof sum });
}

/* Nothing but operands in the log: a program that knows what they mean brings the operator under the name that the copy has for it. */
static void the_loss_of_an_operator_is_said_and_can_be_made_good(void **state)
{
    (void)state;
    const nacre_merge_operator operator= { "salvaged", NULL, add_up, NULL };
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.merge_operator = "add64";
    open_with(&how);
    add_one("n", 3);
    add_one("n", 6);
    close_store();
    lose_manifest();
    salvage();
    assert_reported("\"collection\":\"salvaged-1\",\"lost\":\"the name of its merge operator");
    assert_code(nacre_collection_open(store, "salvaged-1", &collection), NACRE_UNSUPPORTED);
    assert_ok(nacre_close(store));
    hooks.merge_operators = &operator;
    hooks.merge_operator_count = 1;
    options.hooks = &hooks;
    assert_ok(nacre_open("/copy", &options, &store));
    assert_ok(nacre_collection_open(store, "salvaged-1", &collection));
    assert_sum("n", 9);
    close_store();
}

/* A dropped collection whose segments are still there does not take the name of the one that came after it. */
static void of_two_collections_of_one_name_the_newer_one_has_it(void **state)
{
    (void)state;
    open_with(NULL);
    put_one("k", "dropped");
    assert_ok(nacre_flush(collection));
    close_store();
    assert_ok(nacre_open("/store", &options, &store));
    nacre_collection *pinned;
    assert_ok(nacre_collection_open(store, "things", &pinned));
    nacre_cursor *cursor; /* holds its segment */
    assert_ok(nacre_scan(pinned, NULL, &cursor));
    assert_ok(nacre_collection_drop(store, "things"));
    assert_ok(nacre_collection_create(store, "things", NULL, &collection));
    put_one("k", "new");
    assert_ok(nacre_flush(collection));
    nacre_os *killed = os_memory_create();
    assert_int_equal(os_memory_copy_tree(killed, disk), NACRE_OK);
    nacre_cursor_close(cursor);
    nacre_collection_close(pinned);
    close_store();
    assert_int_equal(os_memory_copy_tree(disk, killed), NACRE_OK);
    os_memory_free(killed);
    lose_manifest();
    salvage();
    assert_ok(nacre_collection_open(store, "things", &collection));
    assert_value("k", "new");
    close_store();
}

/* ---- segments that were replaced ---- */

static void remake_disk(void)
{
    os_memory_free(disk);
    make_disk(NULL);
}

/* As a crash would leave the disk just now. */
static void kill_and_close(void)
{
    nacre_os *killed = os_memory_create();
    assert_int_equal(os_memory_copy_tree(killed, disk), NACRE_OK);
    close_store();
    assert_int_equal(os_memory_copy_tree(disk, killed), NACRE_OK);
    os_memory_free(killed);
}

static void count_segment(void *context, const char *name)
{
    *(unsigned *)context += strstr(name, ".seg") != NULL;
}

static unsigned segments(void)
{
    unsigned count = 0;
    assert_ok(nacre_reclaim(store));
    assert_int_equal(disk->list(disk->context, "/store/segments", count_segment, &count), NACRE_OK);
    return count;
}

/* Files go a moment after their last user has let go of them. */
static void wait_for_segments(unsigned count)
{
    for (int i = 0; i < 1000 && segments() != count; i++) {
        usleep(10 * 1000);
    }
    assert_int_equal(segments(), count);
}

static void flush_pair(const char *key, const char *value)
{
    put_one("a", value);
    put_one(key, value);
    put_one("z", value);
    assert_ok(nacre_flush(collection));
}

/* The file of the newest segment, by its name. */
static void note_newest(void *context, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/store/segments/%s", name);
    if (strstr(name, ".seg") && strcmp(path, context) > 0) {
        memcpy(context, path, sizeof path);
    }
}

static void compact_one(const char *key)
{
    char behind[32];
    snprintf(behind, sizeof behind, "%s\x01", key);
    assert_ok(nacre_compact(collection, text(key), text(behind)));
}

/* A merge takes a few keys out of segments. The newest of these has no others and goes; the older ones stay, with older versions of the keys. */
static void keys_that_were_merged_out_of_older_segments_keep_their_newest_version(void **state)
{
    (void)state;
    for (unsigned deleted = 0; deleted < 2; deleted++) {
        remake_disk();
        open_with(NULL);
        flush_pair("k", "oldest");
        flush_pair("k", "old");
        assert_int_equal(segments(), 2);
        if (deleted) {
            assert_ok(nacre_delete(collection, text("k"), NULL));
            put_one("kk", "new");
        } else {
            put_one("k", "new");
        }
        assert_ok(nacre_flush(collection));
        assert_ok(nacre_compact(collection, text("k"), text("l")));
        assert_int_equal(segments(), 3); /* the two old ones, and what came out */
        kill_and_close();
        lose_manifest();
        salvage_things();
        assert_value("k", deleted ? NULL : "new");
        assert_value("a", "old");
        assert_value("z", "old");
        close_store();
    }
}

/* All that a merge had went: it is the next segment that says so. */
static void keys_that_a_merge_left_nothing_of_stay_deleted(void **state)
{
    (void)state;
    open_with(NULL);
    flush_pair("k", "oldest");
    flush_pair("k", "old");
    assert_ok(nacre_delete(collection, text("k"), NULL));
    assert_ok(nacre_flush(collection));
    compact_one("k");
    assert_int_equal(segments(), 2);
    put_one("m", "new");
    assert_ok(nacre_flush(collection));
    kill_and_close();
    lose_manifest();
    salvage_things();
    assert_value("k", NULL);
    assert_value("a", "old");
    assert_value("m", "new");
    close_store();
}

/* Files that a cursor keeps are there, but for what replaced them, and what replaced that. */
static void segments_that_wait_for_their_removal_are_not_read(void **state)
{
    (void)state;
    for (unsigned merges = 1; merges <= 3; merges++) {
        remake_disk();
        open_with(NULL);
        flush_pair("k", "old");
        nacre_cursor *cursor; /* holds this one */
        assert_ok(nacre_scan(collection, NULL, &cursor));
        assert_ok(nacre_delete(collection, text("k"), NULL));
        assert_ok(nacre_flush(collection));
        for (unsigned i = 0; i < merges; i++) {
            put_one("m", "new");
            assert_ok(nacre_flush(collection));
            assert_ok(nacre_compact(collection, text(""), text("")));
        }
        wait_for_segments(2);
        nacre_os *killed = os_memory_create();
        assert_int_equal(os_memory_copy_tree(killed, disk), NACRE_OK);
        nacre_cursor_close(cursor);
        close_store();
        assert_int_equal(os_memory_copy_tree(disk, killed), NACRE_OK);
        os_memory_free(killed);
        lose_manifest();
        salvage_things();
        assert_value("k", NULL);
        assert_value("a", "old");
        assert_value("m", "new");
        close_store();
    }
}

static void range_deletes_of_replaced_segments_do_not_hide_what_is_newer(void **state)
{
    (void)state;
    open_with(NULL);
    flush_pair("k", "oldest");
    assert_ok(nacre_delete_range(collection, text("b"), text("y"), NULL));
    put_one("a", "old");
    put_one("z", "old");
    assert_ok(nacre_flush(collection));
    put_one("k", "new");
    assert_ok(nacre_flush(collection));
    compact_one("k");
    assert_int_equal(segments(), 3);
    kill_and_close();
    lose_manifest();
    salvage_things();
    assert_value("k", "new");
    assert_value("a", "old");
    close_store();
}

/* Nobody can tell what a damaged segment has replaced: the older version may be shown, but is named. */
static void what_a_damaged_segment_may_have_replaced_is_named(void **state)
{
    (void)state;
    open_with(NULL);
    flush_pair("k", "oldest");
    flush_pair("k", "old");
    put_one("k", "new");
    put_one("kk", "new");
    assert_ok(nacre_flush(collection));
    assert_ok(nacre_compact(collection, text("k"), text("l")));
    assert_int_equal(segments(), 3);
    kill_and_close();
    char newest[64] = "";
    assert_int_equal(disk->list(disk->context, "/store/segments", note_newest, newest), NACRE_OK);
    assert_int_equal(os_memory_flip(disk, newest, 66, 1), NACRE_OK);
    lose_manifest();
    salvage_things();
    assert_reported("\"may_be_stale\":[{");
    assert_reported("\"key\":\"k\"");
    close_store();
}

#define in_memory(test) cmocka_unit_test_setup_teardown(test, make_disk, free_disk)

/* ---- manifests that end early ---- */

static char manifest_path[96];

static void note_manifest(void *context, const char *name)
{
    (void)context;
    snprintf(manifest_path, sizeof manifest_path, "/store/manifest/%s", name);
}

static uint64_t manifest_bytes(void)
{
    nacre_file *file;
    uint64_t bytes = 0;
    assert_int_equal(disk->list(disk->context, "/store/manifest", note_manifest, NULL), NACRE_OK);
    assert_int_equal(disk->open(disk->context, manifest_path, NACRE_FILE_READ, &file), NACRE_OK);
    assert_int_equal(disk->size(file, &bytes), NACRE_OK);
    disk->close(file);
    return bytes;
}

/* To whoever reads it, it ends as that of a killed store may. */
static void kill_and_cut_manifest(uint64_t bytes)
{
    kill_and_close();
    assert_int_equal(os_memory_resize(disk, manifest_path, bytes), NACRE_OK);
    salvage_things();
    assert_reported("\"manifest\":{\"state\":\"damaged\"");
}

static void segments_behind_the_end_of_a_cut_manifest_take_the_place_of_those_that_are_gone(void **state)
{
    (void)state;
    open_with(NULL);
    put_one("a", "older");
    assert_ok(nacre_flush(collection));
    uint64_t bytes = manifest_bytes();
    put_one("a", "newer");
    put_one("b", "kept");
    assert_ok(nacre_compact(collection, text(""), text("")));
    wait_for_segments(1);
    kill_and_cut_manifest(bytes);
    assert_value("a", "newer");
    assert_value("b", "kept");
    close_store();
}

static void segments_behind_the_end_of_a_cut_manifest_are_found_where_the_log_is_gone(void **state)
{
    (void)state;
    static char large[100000];
    memset(large, 'l', sizeof large - 1);
    open_with(NULL);
    assert_ok(nacre_tune(store, "log_file_bytes", "65536"));
    close_store();
    assert_ok(nacre_open("/store", &options, &store));
    assert_ok(nacre_collection_open(store, "things", &collection));
    uint64_t bytes = manifest_bytes();
    for (int i = 0; i < 3; i++) {
        put_one("a", large);
        put_one("b", "kept");
        assert_ok(nacre_flush(collection));
        assert_ok(nacre_prune_log(store));
    }
    kill_and_cut_manifest(bytes);
    assert_value("a", large);
    assert_value("b", "kept");
    close_store();
}

static void a_bulk_load_behind_the_end_of_a_cut_manifest_is_kept(void **state)
{
    (void)state;
    open_with(NULL);
    put_one("c", "kept");
    uint64_t bytes = manifest_bytes();
    ingest("a", "b", "kept");
    kill_and_cut_manifest(bytes);
    assert_value("a", "kept");
    assert_value("b", "kept");
    assert_value("c", "kept");
    close_store();
}

/* ---- flushes that were cut off ---- */

#define CUT_KEYS 240

static nacre_slice cut_key(unsigned i)
{
    static char key[16];
    snprintf(key, sizeof key, "k%03u", i);
    return text(key);
}

/* Enough for several segments: puts, some in place of older ones or deleted, and operands over some of them. */
static void write_for_cut(void)
{
    char value[200];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (unsigned i = 0; i < CUT_KEYS; i += 3) {
        assert_ok(nacre_put(collection, cut_key(i), text("older"), NULL));
    }
    assert_ok(nacre_flush(collection));
    for (unsigned i = 0; i < CUT_KEYS; i++) {
        assert_ok(nacre_put(collection, cut_key(i), text(value), NULL));
    }
    assert_ok(nacre_delete_range(collection, text("k020"), text("k200"), NULL));
    for (unsigned i = 0; i < CUT_KEYS; i += 2) {
        assert_ok(nacre_merge(collection, cut_key(i), text(value), NULL));
    }
    assert_ok(nacre_sync(store));
}

static size_t cut_size(unsigned i)
{
    return (i < 20 || i >= 200 ? 199u : 0u) + (i % 2 == 0 ? 199u : 0u);
}

/* Some of its segments are there, and say how far the log is in segments: but for their own keys alone. */
static void a_flush_that_was_cut_off_leaves_the_other_keys_to_the_log(void **state)
{
    (void)state;
    nacre_collection_options how = NACRE_COLLECTION_OPTIONS_INIT;
    how.merge_operator = "append";
    bool over = false;
    for (uint64_t calls = 1; !over; calls += 2) {
        remake_disk();
        open_with(&how);
        assert_ok(nacre_tune(store, "segment_bytes", "16384"));
        write_for_cut();
        os_memory_cut_at(disk, os_memory_calls(disk) + calls);
        over = nacre_flush(collection) == NACRE_OK;
        nacre_collection_close(collection);
        (void)nacre_close(store);
        os_memory_restart(disk, calls);
        lose_manifest();
        salvage_things();
        for (unsigned i = 0; i < CUT_KEYS; i++) {
            nacre_value value = { { "", 0 }, NULL };
            int status = nacre_get(collection, cut_key(i), NULL, &value);
            if (status != (cut_size(i) ? NACRE_OK : NACRE_NOT_FOUND) || value.slice.size != cut_size(i)) {
                fprintf(stderr, "cut at call %llu: key %u has %zu bytes, not %zu\n", (unsigned long long)calls, i,
                        value.slice.size, cut_size(i));
                fail();
            }
            nacre_value_release(&value);
        }
        close_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_memory(an_ingested_value_is_newer_than_an_older_put),
        in_memory(a_put_behind_an_ingest_stays_newer),
        in_memory(what_an_ingest_left_in_the_log_is_kept),
        in_memory(a_merged_ingest_is_newer_than_the_log_before_it),
        in_memory(a_load_that_was_not_taken_in_is_left_out_and_named),
        in_memory(an_ingest_of_unknown_order_is_named_with_its_keys),
        in_memory(sequences_that_were_given_are_noted_again_where_they_are_missing),
        in_memory(a_damaged_ingest_keeps_its_place),
        in_memory(a_collection_keeps_its_name_and_its_operator),
        in_memory(what_expires_later_is_not_dropped),
        in_memory(segments_behind_the_end_of_a_cut_manifest_take_the_place_of_those_that_are_gone),
        in_memory(segments_behind_the_end_of_a_cut_manifest_are_found_where_the_log_is_gone),
        in_memory(a_bulk_load_behind_the_end_of_a_cut_manifest_is_kept),
        in_memory(a_flush_that_was_cut_off_leaves_the_other_keys_to_the_log),
        in_memory(operands_in_segments_are_not_counted_again),
        in_memory(the_loss_of_an_operator_is_said_and_can_be_made_good),
        in_memory(of_two_collections_of_one_name_the_newer_one_has_it),
        in_memory(keys_that_were_merged_out_of_older_segments_keep_their_newest_version),
        in_memory(keys_that_a_merge_left_nothing_of_stay_deleted),
        in_memory(segments_that_wait_for_their_removal_are_not_read),
        in_memory(range_deletes_of_replaced_segments_do_not_hide_what_is_newer),
        in_memory(what_a_damaged_segment_may_have_replaced_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
