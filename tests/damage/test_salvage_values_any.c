/* As test_salvage_values.c, of disks that fail and of histories and damage that chance makes: each key is right or named, and no call that fails is taken for
   damage. NACRE_TEST_SCALE does more rounds. */
#include "values_fixture.h"

/* ---- a disk that does not read ---- */

static void a_call_that_fails_once_costs_nothing(void **state)
{
    (void)state;
    static const char *const calls[] = { "open", "read", "size", "list" };
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    put_number("k", 10);
    end_store();
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        os_memory_fail_matching(struck, calls[i], "store/values", OS_FAULT_IO, 1);
        salvage();
        os_memory_heal(struck);
        expect_ten_but("");
        expect_sound("k", 10);
        assert_non_null(strstr(report, "\"damaged\":0"));
        close_store();
        assert_int_equal(os_memory_copy_tree(struck, disk), NACRE_OK);
    }
}

static void a_disk_that_does_not_read_value_files_costs_all_values(void **state)
{
    (void)state;
    static const char *const calls[] = { "open", "read", "list" };
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    put_number("k", 10);
    end_store();
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        os_memory_fail_matching(struck, calls[i], "store/values", OS_FAULT_IO, UINT64_MAX);
        salvage();
        os_memory_heal(struck);
        expect_ten_but("abcdefghij");
        close_store();
        assert_int_equal(os_memory_copy_tree(struck, disk), NACRE_OK);
    }
}

static void a_file_that_cannot_be_read_is_damage_of_it_alone(void **state)
{
    (void)state;
    char other[64];
    const char *path = "";
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    put_number("b", 100);
    put_number("k", 10);
    end_store();
    (void)find_record("k", 10, &path);
    snprintf(other, sizeof other, "%s", path);
    (void)find_record("b", 1, &path);
    assert_string_not_equal(other, path);
    os_memory_fail_matching(struck, "read", path + 1, OS_FAULT_IO, UINT64_MAX);
    salvage();
    os_memory_heal(struck);
    expect_lost("a", -1);
    expect_lost("b", -1);
    expect_sound("k", 10);
    assert_non_null(strstr(report, "a part that the disk does not read"));
    close_store();
}

/* Whatever fails: it may end the salvage, but no value is lost by it. */
static void no_call_that_fails_once_counts_as_a_lost_value(void **state)
{
    (void)state;
    static const enum os_fault faults[] = { OS_FAULT_IO, OS_FAULT_NO_SPACE };
    unsigned succeeded = 0, failed = 0;
    open_with(NACRE_ORDERED, "4096");
    put_ten();
    put_number("k", 10);
    end_store();
    set_options(struck);
    uint64_t before = os_memory_calls(struck);
    salvage();
    uint64_t calls = os_memory_calls(struck) - before;
    close_store();
    for (uint64_t nth = 1; nth <= calls; nth++) {
        assert_int_equal(os_memory_copy_tree(struck, disk), NACRE_OK);
        nacre_free(report);
        report = NULL;
        os_memory_fail(struck, nth, faults[nth % 2], false);
        int status = nacre_salvage_copy("/store", "/copy", &options, &report);
        os_memory_heal(struck);
        succeeded += status == NACRE_OK;
        failed += status != NACRE_OK;
        if (status == NACRE_OK && strstr(report, "\"lost\":\"a value\"")) {
            complain(nacre_last_error(), "a failure is taken for damage");
        }
        if (status == NACRE_OK) {
            open_copy();
            assert_int_equal(number_of("a"), 0);
            assert_int_equal(number_of("j"), 9);
            close_store();
        }
    }
    assert_true(succeeded > 0 && failed > 0);
}

/* ---- any damage ---- */

#define KEYS    30u
#define WRITES  160u
#define NUMBERS (WRITES + 1)

static struct {
    int now;           /* the value's number; -1: none */
    bool had[NUMBERS]; /* that it ever had */
    bool unordered;    /* wrong in a copy without a manifest, whatever the values are */
} keys[KEYS];

static const char *name_of(unsigned key, char out[8])
{
    snprintf(out, 8, "r%02u", key);
    return out;
}

static void write_randomly(uint64_t *seed)
{
    const nacre_slice none = { NULL, 0 };
    nacre_snapshot *snapshots[2] = { NULL, NULL };
    char name[8];
    memset(keys, 0, sizeof keys);
    for (unsigned k = 0; k < KEYS; k++) {
        keys[k].now = -1;
    }
    for (unsigned n = 0; n < WRITES; n++) {
        unsigned k = (unsigned)(model_random(seed) % KEYS), what = (unsigned)(model_random(seed) % 100);
        if (model_random(seed) % 8 == 0) {
            assert_ok(nacre_delete(collection, text(name_of(k, name)), NULL));
            keys[k].now = -1;
        } else {
            put_number(name_of(k, name), n);
            keys[k].now = (int)n;
            keys[k].had[n] = true;
        }
        if (what < 6) {
            flush();
        } else if (what < 8) {
            assert_ok(nacre_compact(collection, none, none));
        } else if (what < 12) {
            nacre_snapshot_release(snapshots[n % 2]);
            snapshots[n % 2] = NULL;
            assert_ok(nacre_snapshot_create(store, &snapshots[n % 2]));
        }
    }
    assert_int_equal(os_memory_copy_tree(struck, disk), NACRE_OK);
    nacre_snapshot_release(snapshots[0]);
    nacre_snapshot_release(snapshots[1]);
    close_store();
}

static void strike_randomly(uint64_t *seed)
{
    list_files("/store/values");
    if (file_count == 0) {
        return;
    }
    const struct file *f = &files[model_random(seed) % file_count];
    uint64_t at = f->size ? model_random(seed) % f->size : 0;
    nacre_file *handle;
    static const char zeros[200];
    switch (model_random(seed) % 8) {
    case 0:
        assert_int_equal(struck->remove(struck->context, f->path), NACRE_OK);
        break;
    case 1:
        assert_int_equal(os_memory_resize(struck, f->path, at), NACRE_OK);
        break;
    case 2:
        assert_int_equal(struck->open(struck->context, f->path, NACRE_FILE_READ | NACRE_FILE_WRITE, &handle), NACRE_OK);
        assert_int_equal(struck->write(handle, at, zeros, f->size - at < sizeof zeros ? f->size - at : sizeof zeros),
                         NACRE_OK);
        struck->close(handle);
        break;
    default:
        if (f->size) {
            flip(f->path, at);
        }
    }
}

static void check_keys(bool with_manifest, unsigned *lost)
{
    char bytes[8];
    for (unsigned k = 0; k < KEYS; k++) {
        const char *name = name_of(k, bytes);
        int number = number_of(name);
        unsigned named = times_lost(name), stale = times_stale(name);
        if (named > 1) {
            complain(name, "named more than once");
        }
        if (with_manifest && number == keys[k].now && stale) {
            complain(name, "right, but called stale");
        }
        if (number == keys[k].now || keys[k].unordered) {
            continue;
        }
        *lost += 1;
        if (named == 0) {
            complain(name, "neither right nor named");
        }
        if (number >= 0 && (!keys[k].had[number] || stale == 0)) {
            complain(name, "an older value that is not called stale");
        }
    }
}

/* Which keys are wrong for the want of a manifest alone. */
static void lose_manifest_first(void)
{
    char name[8];
    lose_manifest();
    salvage();
    for (unsigned k = 0; k < KEYS; k++) {
        keys[k].unordered = number_of(name_of(k, name)) != keys[k].now;
    }
    close_store();
    static char *parts[] = { "/copy/segments", "/copy/values", "/copy/log", "/copy/manifest" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        remove_all(parts[i]);
        assert_int_equal(struck->remove_directory(struck->context, parts[i]), NACRE_OK);
    }
    remove_all("/copy");
    assert_int_equal(struck->remove_directory(struck->context, "/copy"), NACRE_OK);
}

static void after_any_damage_each_key_is_right_or_named(void **state)
{
    uint64_t seed = 2026;
    const char *scale = getenv("NACRE_TEST_SCALE");
    unsigned rounds = 40 * (scale ? (unsigned)atoi(scale) : 1), lost = 0;
    for (unsigned round = 0; round < rounds; round++) {
        bool with_manifest = round % 4 != 3;
        assert_int_equal(free_disks(state) + make_disks(state), 0);
        open_with(round % 3 == 2 ? NACRE_STRINGS : NACRE_ORDERED, round % 2 ? "8192" : "65536");
        write_randomly(&seed);
        if (!with_manifest) {
            lose_manifest_first();
        }
        for (unsigned n = 0; n < 1 + round % 9; n++) {
            strike_randomly(&seed);
        }
        salvage();
        check_keys(with_manifest, &lost);
        close_store();
    }
    assert_true(lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_disks(a_call_that_fails_once_costs_nothing),
        on_disks(a_disk_that_does_not_read_value_files_costs_all_values),
        on_disks(a_file_that_cannot_be_read_is_damage_of_it_alone),
        on_disks(no_call_that_fails_once_counts_as_a_lost_value),
        on_disks(after_any_damage_each_key_is_right_or_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
