/* What trees look like after much work: few pieces, bounded garbage, little written twice, and an end to the work. */
#include "tree_fixture.h"

#define MANY 20000u

struct churn {
    struct fixture f;
    uint32_t *values;       /* of each key; 0 = not there */
    uint64_t written_bytes; /* keys and values */
};

static nacre_slice many_key(uint32_t index, char room[32])
{
    return slice_of(room, (size_t)snprintf(room, 32, "user:one-long-prefix:%06u", index));
}

static nacre_slice many_value(uint32_t value, char room[64])
{
    uint64_t state = value + 1;
    for (int i = 0; i < 60; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        room[i] = (char)(state >> 56);
    }
    return slice_of(room, 60);
}

static void churn_open(struct churn *c)
{
    fixture_open(&c->f, &kind_ordered, 7);
    atomic_store(&c->f.tuning.segment_bytes, 64 << 10);
    atomic_store(&c->f.tuning.level_base_bytes, 256 << 10);
    atomic_store(&c->f.tuning.level_ratio, 4);
    atomic_store(&c->f.tuning.level0_runs, 6);
    atomic_store(&c->f.tuning.block_bytes, 1024);
    c->values = calloc(MANY, sizeof *c->values);
    assert_non_null(c->values);
    c->written_bytes = 0;
}

static void churn_close(struct churn *c)
{
    free(c->values);
    fixture_close(&c->f);
}

static void write_key(struct churn *c, uint32_t key, uint32_t value)
{
    char key_room[32], value_room[64];
    struct entry entry = { .key = many_key(key, key_room),
                           .value = value ? many_value(value, value_room) : (nacre_slice){ "", 0 },
                           .sequence = ++c->f.sequence,
                           .type = value ? ENTRY_PUT : ENTRY_DELETE };
    assert_int_equal(memtable_reserve(c->f.memtable, 1, 128), NACRE_OK);
    assert_int_equal(memtable_put(c->f.memtable, &entry), NACRE_OK);
    c->values[key] = value;
    c->written_bytes += entry.key.size + entry.value.size;
}

static void check_all(struct churn *c)
{
    struct version *v = tree_version(c->f.tree);
    struct cursor **children = NULL, *merged;
    size_t count = 0, capacity = 0;
    nacre_slice open = { NULL, 0 };
    assert_int_equal(version_cursors(v, open, open, open, &children, &count, &capacity), NACRE_OK);
    assert_int_equal(merge_cursor_create(children, count, &merged), NACRE_OK);
    cursor_first(merged);
    for (uint32_t key = 0; key < MANY; key++) {
        char key_room[32], value_room[64];
        nacre_slice name = many_key(key, key_room);
        struct lookup lookup = { name, hash_bytes(name.data, name.size), SEQUENCE_MAX, NULL };
        struct entry entry;
        struct pin pin = { NULL, NULL };
        int status = version_get(v, &lookup, 0, &entry, &pin);
        bool live = status == NACRE_OK && entry.type == ENTRY_PUT;
        assert_int_equal(live, c->values[key] != 0);
        assert_true(!live || slice_equal(entry.value, many_value(c->values[key], value_room)));
        pin_release(&pin);
        bool first = true;
        for (; merged->valid && slice_equal(merged->entry.key, name); cursor_next(merged)) {
            if (first && version_covering(v, name, SEQUENCE_MAX, NULL) < merged->entry.sequence) {
                assert_int_equal(merged->entry.type == ENTRY_PUT, live);
            }
            first = false;
        }
        assert_true(!live || !first);
    }
    assert_false(merged->valid);
    assert_int_equal(merged->status, NACRE_OK);
    cursor_close(merged);
    free(children);
    version_unref(v);
}

static uint64_t live_bytes(const struct churn *c)
{
    uint64_t live = 0;
    for (uint32_t key = 0; key < MANY; key++) {
        live += c->values[key] ? 27 + 60 + 16 : 0; /* with what a record takes beside */
    }
    return live;
}

static void sum_size(void *context, const char *name)
{
    struct {
        nacre_os *os;
        uint64_t bytes;
    } *sum = context;
    char path[128];
    nacre_file *file;
    uint64_t size = 0;
    (void)snprintf(path, sizeof path, "/s/segments/%s", name);
    if (strstr(name, ".seg") && sum->os->open(sum->os->context, path, NACRE_FILE_READ, &file) == NACRE_OK) {
        assert_int_equal(sum->os->size(file, &size), NACRE_OK);
        sum->os->close(file);
        sum->bytes += size;
    }
}

static uint64_t disk_bytes(struct churn *c)
{
    struct {
        nacre_os *os;
        uint64_t bytes;
    } sum = { c->f.os, 0 };
    assert_int_equal(c->f.os->list(c->f.os->context, "/s/segments", sum_size, &sum), NACRE_OK);
    return sum.bytes;
}

static size_t piece_count(struct churn *c)
{
    struct version *v = tree_version(c->f.tree);
    size_t count = v->piece_count;
    version_unref(v);
    return count;
}

static void flush_and_settle(struct churn *c)
{
    assert_int_equal(fixture_flush(&c->f), NACRE_OK);
    fixture_settle(&c->f);
}

/* live x 1.5 + segment_bytes, and what level 0's units hold on to. */
static void check_bound(struct churn *c)
{
    uint64_t live = live_bytes(c), disk = disk_bytes(c), slack = 3 * (64 << 10);
    if (disk > live + live / 2 + slack) {
        print_error("%llu live, %llu on disk\n", (unsigned long long)live, (unsigned long long)disk);
        assert_null("not space within its bound");
    }
    size_t most = disk / (16 << 10) + 16;
    if (piece_count(c) > most) {
        print_error("%zu pieces for %llu bytes\n", piece_count(c), (unsigned long long)disk);
        assert_null("not few pieces");
    }
}

static void heavy_churn_keeps_pieces_few_and_space_bounded(void **unused)
{
    (void)unused;
    struct churn c;
    churn_open(&c);
    uint32_t value = 1;
    for (unsigned round = 0; round < 200; round++) {
        unsigned sort = round / 40;
        for (unsigned i = 0; i < 600; i++) {
            uint32_t key = (uint32_t)fixture_random(&c.f, sort == 1 ? MANY / 50 : MANY);
            bool removes = sort == 3 || (sort == 2 && i % 3 == 0);
            write_key(&c, key, removes ? 0 : value++);
        }
        flush_and_settle(&c);
        check_bound(&c);
        if (round % 20 == 19) {
            check_all(&c);
            fixture_check_files(&c.f);
            assert_int_equal(fixture_reopen(&c.f), NACRE_OK);
        }
    }
    churn_close(&c);
}

static void random_fills_are_written_little_more_than_twice(void **unused)
{
    (void)unused;
    struct churn c;
    struct tree_stats stats;
    churn_open(&c);
    atomic_store(&c.f.tuning.level_base_bytes, 512 << 10); /* as 512 MiB to memtables of 46 MB and 600 MB in all */
    for (unsigned i = 0; i < MANY; i++) {
        write_key(&c, (i * 7919u) % MANY, i + 1);
        if (i % (MANY / 13) == MANY / 13 - 1) {
            flush_and_settle(&c);
        }
    }
    flush_and_settle(&c);
    check_all(&c);
    tree_get_stats(c.f.tree, &stats);
    double amplification = (double)(stats.bytes_flushed + stats.bytes_merged_written) / (double)stats.bytes_flushed;
    print_message("random fill: written %.2f times\n", amplification);
    assert_true(amplification < 2.2);
    churn_close(&c);
}

static void sequential_fills_are_written_once(void **unused)
{
    (void)unused;
    struct churn c;
    struct tree_stats stats;
    churn_open(&c);
    for (unsigned i = 0; i < MANY; i++) {
        write_key(&c, i, i + 1);
        if (i % 700 == 699) {
            flush_and_settle(&c);
        }
    }
    flush_and_settle(&c);
    check_all(&c);
    tree_get_stats(c.f.tree, &stats);
    double amplification = (double)(stats.bytes_flushed + stats.bytes_merged_written) / (double)stats.bytes_flushed;
    print_message("sequential fill: written %.2f times\n", amplification);
    assert_true(amplification < 1.1);
    assert_true(stats.level_runs[0] < 6);
    churn_close(&c);
}

static void deleting_everything_frees_the_space_without_a_call(void **unused)
{
    (void)unused;
    struct churn c;
    churn_open(&c);
    for (unsigned i = 0; i < MANY; i++) {
        write_key(&c, (i * 7919u) % MANY, i + 1);
        if (i % 2000 == 1999) {
            flush_and_settle(&c);
        }
    }
    uint64_t full = disk_bytes(&c);
    for (unsigned i = 0; i < MANY; i++) {
        write_key(&c, (i * 104729u) % MANY, 0);
        if (i % 2000 == 1999) {
            flush_and_settle(&c);
        }
    }
    check_all(&c);
    print_message("%llu bytes full, %llu bytes after\n", (unsigned long long)full, (unsigned long long)disk_bytes(&c));
    assert_true(disk_bytes(&c) <= 128 << 10);
    churn_close(&c);
}

static void overwriting_everything_many_times_stays_within_the_bound(void **unused)
{
    (void)unused;
    struct churn c;
    churn_open(&c);
    for (unsigned i = 0; i < 6 * MANY; i++) {
        write_key(&c, (uint32_t)((i * UINT64_C(7919)) % MANY), i + 1);
        if (i % 1500 == 1499) {
            flush_and_settle(&c);
            check_bound(&c);
        }
    }
    check_all(&c);
    churn_close(&c);
}

static void a_queue_leaves_little_behind(void **unused)
{
    (void)unused;
    struct churn c;
    struct tree_stats stats;
    churn_open(&c);
    uint32_t head = 0;
    for (uint32_t tail = 0; tail < MANY; tail++) {
        write_key(&c, tail, tail + 1);
        if (tail - head > 300) {
            write_key(&c, head++, 0);
        }
        if (tail % 1000 == 999) {
            flush_and_settle(&c);
            tree_get_stats(c.f.tree, &stats);
            assert_true(stats.entries < 4000);
        }
    }
    check_all(&c);
    double amplification = (double)(stats.bytes_flushed + stats.bytes_merged_written) / (double)c.written_bytes;
    print_message("queue: %llu entries left, written %.2f times\n", (unsigned long long)stats.entries, amplification);
    assert_true(amplification < 1.5);
    churn_close(&c);
}

static void expired_data_goes_by_itself(void **unused)
{
    (void)unused;
    struct fixture f;
    fixture_open(&f, &kind_ordered, 3);
    struct tree_stats stats;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned k = 0; k < TREE_KEYS; k++) {
            fixture_put(&f, k, true, fixture_clock() + 1000);
        }
        assert_int_equal(fixture_flush(&f), NACRE_OK);
        fixture_settle(&f);
    }
    fixture_check(&f);
    assert_false(tree_wants_work(f.tree));
    atomic_fetch_add(&fixture_now_ms, 5000);
    assert_true(tree_wants_work(f.tree));
    fixture_settle(&f);
    fixture_check(&f);
    tree_get_stats(f.tree, &stats);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.bytes_merged_written, stats.bytes_merged_written);
    fixture_check_files(&f);
    fixture_close(&f);
}

static void a_range_delete_over_everything_drops_segments_unread(void **unused)
{
    (void)unused;
    struct churn c;
    struct tree_stats before, after;
    churn_open(&c);
    for (unsigned i = 0; i < MANY; i++) {
        write_key(&c, i, i + 1);
        if (i % 2000 == 1999) {
            flush_and_settle(&c);
        }
    }
    c.f.snapshots[c.f.snapshot_count++] = c.f.sequence;
    struct range_delete all = { slice_text("user:"), slice_text("user;"), ++c.f.sequence };
    assert_int_equal(memtable_delete_range(c.f.memtable, &all), NACRE_OK);
    flush_and_settle(&c);
    tree_get_stats(c.f.tree, &before);
    assert_true(before.entries >= MANY); /* the snapshot still sees them */
    assert_int_equal(before.drops, 0);
    c.f.snapshot_count = 0;
    assert_true(tree_wants_work(c.f.tree)); /* snapshots go without telling */
    fixture_settle(&c.f);
    memset(c.values, 0, MANY * sizeof *c.values);
    check_all(&c);
    tree_get_stats(c.f.tree, &after);
    assert_true(after.drops > 0);
    assert_int_equal(after.bytes_merged_read - before.bytes_merged_read < 64 << 10, true);
    assert_true(disk_bytes(&c) < 8 << 10);
    churn_close(&c);
}

static void compacting_everything_leaves_one_clean_run(void **unused)
{
    (void)unused;
    struct churn c;
    struct tree_stats stats;
    nacre_slice open = { NULL, 0 };
    churn_open(&c);
    for (unsigned i = 0; i < 3 * MANY; i++) {
        write_key(&c, (uint32_t)fixture_random(&c.f, MANY), i % 3 ? i + 1 : 0);
        if (i % 2500 == 2499) {
            if (i % 5000 == 4999) {
                c.f.snapshots[0] = c.f.flushed_sequence;
                c.f.snapshot_count = 1;
            }
            flush_and_settle(&c);
        }
    }
    assert_int_equal(tree_compact(c.f.tree, open, open),
                     NACRE_OK); /* with a snapshot: old versions and deletes may stay */
    check_all(&c);
    c.f.snapshot_count = 0;
    assert_int_equal(fixture_reopen(&c.f), NACRE_OK); /* what is shadowed is known from the manifest */
    assert_int_equal(tree_compact(c.f.tree, open, open), NACRE_OK);
    check_all(&c);
    tree_get_stats(c.f.tree, &stats);
    uint64_t runs = 0, segments = 0, bytes = 0, live = 0;
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        runs += stats.level_runs[level];
        segments += stats.level_segments[level];
        bytes += stats.level_bytes[level];
    }
    for (unsigned k = 0; k < MANY; k++) {
        live += c.values[k] != 0;
    }
    print_message("%llu segments of %llu bytes\n", (unsigned long long)segments, (unsigned long long)bytes);
    assert_int_equal(runs, 1);
    assert_int_equal(stats.deletes, 0);
    assert_int_equal(stats.entries, live);
    assert_true(segments <= bytes / (64 << 10) + 2);
    tree_get_stats(c.f.tree, &stats);
    uint64_t merges = stats.merges;
    assert_int_equal(tree_compact(c.f.tree, open, open), NACRE_OK); /* nothing left to do: nothing is written */
    fixture_settle(&c.f);
    tree_get_stats(c.f.tree, &stats);
    assert_int_equal(stats.merges, merges);
    churn_close(&c);
}

static void compacting_a_range_leaves_the_rest_alone(void **unused)
{
    (void)unused;
    struct churn c;
    char begin[32], end[32];
    churn_open(&c);
    for (unsigned i = 0; i < MANY; i++) {
        write_key(&c, (i * 7919u) % MANY, i + 1);
        if (i % 4000 == 3999) {
            assert_int_equal(fixture_flush(&c.f), NACRE_OK);
        }
    }
    uint64_t before = disk_bytes(&c);
    assert_int_equal(tree_compact(c.f.tree, many_key(5000, begin), many_key(6000, end)), NACRE_OK);
    struct tree_stats stats;
    tree_get_stats(c.f.tree, &stats);
    assert_true(stats.bytes_merged_written < before / 8);
    check_all(&c);
    struct version *v = tree_version(c.f.tree);
    struct key_range {
        nacre_slice begin, end;
    } range = { many_key(5000, begin), many_key(6000, end) };
    struct cursor **children = NULL;
    size_t count = 0, capacity = 0;
    assert_int_equal(version_cursors(v, range.begin, range.end, (nacre_slice){ NULL, 0 }, &children, &count, &capacity),
                     NACRE_OK);
    assert_int_equal(count, 1); /* one run holds the range */
    cursor_close(children[0]);
    free(children);
    version_unref(v);
    fixture_settle(&c.f);
    check_all(&c);
    churn_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_fills_are_written_little_more_than_twice),
        cmocka_unit_test(sequential_fills_are_written_once),
        cmocka_unit_test(heavy_churn_keeps_pieces_few_and_space_bounded),
        cmocka_unit_test(deleting_everything_frees_the_space_without_a_call),
        cmocka_unit_test(overwriting_everything_many_times_stays_within_the_bound),
        cmocka_unit_test(a_queue_leaves_little_behind),
        cmocka_unit_test(expired_data_goes_by_itself),
        cmocka_unit_test(a_range_delete_over_everything_drops_segments_unread),
        cmocka_unit_test(compacting_everything_leaves_one_clean_run),
        cmocka_unit_test(compacting_a_range_leaves_the_rest_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
