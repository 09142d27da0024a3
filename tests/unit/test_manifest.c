/* The manifest: edits survive, damage is found, power cuts at every call leave the state before or after the commit. */
#include "base/log.h"
#include "base/memory.h"
#include "support/os_memory.h"
#include "tree/manifest_format.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define STORE "/store"
#define FIRST "/store/manifest/0000000000000001"

static nacre_os *new_disk(void)
{
    nacre_os *os = os_memory_create();
    assert_non_null(os);
    assert_int_equal(os->make_directory(os->context, STORE), NACRE_OK);
    assert_int_equal(os->make_directory(os->context, STORE "/manifest"), NACRE_OK);
    assert_int_equal(os->sync_directory(os->context, STORE), NACRE_OK);
    assert_int_equal(os->sync_directory(os->context, "/"), NACRE_OK);
    return os;
}

static struct buffer key_of(const char *text)
{
    return (struct buffer){ .data = (uint8_t *)(uintptr_t)text, .size = strlen(text) };
}

static struct manifest_piece piece_of(uint64_t id, uint32_t level, const char *smallest, const char *greatest)
{
    struct manifest_piece piece = { .level = level, .run = level ? 0 : id, .shadowed = id % 3, .hiding = id % 5 };
    piece.properties = (struct segment_properties){ .id = id,
                                                    .bytes = 1000 + id,
                                                    .checksum = id * 77,
                                                    .entries = 10,
                                                    .deletes = 1,
                                                    .least_sequence = id,
                                                    .greatest_sequence = id + 9,
                                                    .latest_expiry_ms = UINT64_MAX,
                                                    .smallest = key_of(smallest),
                                                    .greatest = key_of(greatest) };
    return piece;
}

static int create_collection(struct manifest *m, uint32_t id, const char *name)
{
    struct manifest_collection words = {
        .id = id, .name = (char *)(uintptr_t)name, .kind = 1, .default_ttl_ms = 5, .log_position = 64
    };
    return manifest_commit(m, &(struct manifest_edit){ .collection = id, .create = &words });
}

static int create_vectors(struct manifest *m, uint32_t id, uint32_t dimension, uint32_t metric)
{
    struct manifest_collection words = {
        .id = id, .name = (char *)(uintptr_t) "vectors", .kind = NACRE_VECTORS, .dimension = dimension, .metric = metric
    };
    return manifest_commit(m, &(struct manifest_edit){ .collection = id, .create = &words });
}

static int add_piece(struct manifest *m, uint32_t collection, uint64_t id)
{
    struct manifest_piece piece = piece_of(id, 0, "a", "m");
    return manifest_commit(m, &(struct manifest_edit){ .collection = collection,
                                                       .add = &piece,
                                                       .add_count = 1,
                                                       .has_log_position = true,
                                                       .log_position = 100 + id,
                                                       .has_next_run = true,
                                                       .next_run = id + 1,
                                                       .has_last_sequence = true,
                                                       .last_sequence = id + 9 });
}

static const struct manifest_collection *find(const struct manifest_state *state, uint32_t id)
{
    for (size_t i = 0; i < state->collection_count; i++) {
        if (state->collections[i].id == id) {
            return &state->collections[i];
        }
    }
    return NULL;
}

static void edits_survive_reopening(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *m;
    struct manifest_state state;
    assert_int_equal(manifest_open(os, STORE, false, NULL, &m), NACRE_NOT_FOUND);
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_OK);
    assert_int_equal(create_collection(m, 2, "mail"), NACRE_OK);
    assert_int_equal(add_piece(m, 1, 7), NACRE_OK);
    struct manifest_piece old = piece_of(7, 0, "a", "m"), left = piece_of(7, 0, "a", "m"),
                          moved = piece_of(8, 2, "c", "k");
    left.has_end = true;
    left.end = key_of("c");
    moved.has_begin = true;
    moved.begin = key_of("c");
    struct manifest_piece added[] = { left, moved };
    assert_int_equal(
        manifest_commit(m,
                        &(struct manifest_edit){
                            .collection = 1, .remove = &old, .remove_count = 1, .add = added, .add_count = 2 }),
        NACRE_OK);
    assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .collection = 2, .drop = true }), NACRE_OK);
    assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .has_opening = true,
                                                                 .opening = 4,
                                                                 .has_next_log_file = true,
                                                                 .next_log_file = 9 }),
                     NACRE_OK);
    uint64_t id = manifest_next_segment_id(m);
    assert_true(id >> 32 == 4);
    assert_true(manifest_next_segment_id(m) != id);
    manifest_close(m);
    for (int again = 0; again < 3; again++) {
        assert_int_equal(manifest_open(os, STORE, again == 0, NULL, &m), NACRE_OK);
        assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
        assert_int_equal(state.collection_count, 1);
        assert_int_equal(state.opening, 4);
        assert_int_equal(state.next_log_file, 9);
        assert_int_equal(state.last_sequence, 16);
        assert_int_equal(state.next_collection, 3); /* the dropped one's number is not used again */
        const struct manifest_collection *c = find(&state, 1);
        assert_non_null(c);
        assert_string_equal(c->name, "users");
        assert_int_equal(c->default_ttl_ms, 5);
        assert_int_equal(c->log_position, 107);
        assert_int_equal(c->next_run, 8);
        assert_int_equal(c->piece_count, 2);
        const struct manifest_piece *second = c->pieces[0].level == 2 ? &c->pieces[0] : &c->pieces[1];
        assert_int_equal(second->properties.id, 8);
        assert_int_equal(second->properties.checksum, 8 * 77);
        assert_int_equal(second->shadowed, 2);
        assert_int_equal(second->hiding, 3);
        assert_true(second->has_begin && !second->has_end);
        assert_true(slice_equal(buffer_slice(&second->begin), slice_text("c")));
        manifest_state_free(&state);
        if (again == 1) { /* a commit begins a new generation */
            assert_int_equal(
                manifest_commit(m, &(struct manifest_edit){ .has_clean_log_end = true, .clean_log_end = 0 }), NACRE_OK);
            assert_int_equal(manifest_generation(m), 2);
        }
        manifest_close(m);
    }
    os_memory_free(os);
}

static void edits_that_do_not_fit_are_refused_and_change_nothing(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *m;
    struct manifest_state state;
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_EXISTS);
    assert_int_equal(add_piece(m, 3, 1), NACRE_NOT_FOUND);
    struct manifest_piece missing = piece_of(7, 0, "a", "m"), wrong = piece_of(8, 0, "m", "a");
    uint64_t bytes = manifest_bytes(m);
    assert_int_equal(
        manifest_commit(m, &(struct manifest_edit){ .collection = 1, .remove = &missing, .remove_count = 1 }),
        NACRE_CORRUPT);
    assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .collection = 1, .add = &wrong, .add_count = 1 }),
                     NACRE_CORRUPT);
    assert_int_equal(manifest_bytes(m), bytes);
    assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
    assert_int_equal(find(&state, 1)->piece_count, 0);
    manifest_state_free(&state);
    manifest_close(m);
    os_memory_free(os);
}

static void a_grown_file_gives_way_to_a_new_generation(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *m;
    struct manifest_state state;
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_OK);
    for (uint64_t i = 0; i < 20000; i++) {
        struct manifest_piece old = piece_of(i, 0, "a", "m"), fresh = piece_of(i + 1, 0, "a", "m");
        assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .collection = 1,
                                                                     .remove = &old,
                                                                     .remove_count = i > 0,
                                                                     .add = &fresh,
                                                                     .add_count = 1 }),
                         NACRE_OK);
    }
    assert_true(manifest_generation(m) > 1);
    assert_true(manifest_bytes(m) < (1u << 20) + 4096);
    assert_true(os_memory_bytes(os) < (1u << 20) + 8192); /* the old one is gone */
    manifest_close(m);
    assert_int_equal(manifest_verify(os, STORE, &state), NACRE_OK);
    assert_int_equal(find(&state, 1)->piece_count, 1);
    assert_int_equal(find(&state, 1)->pieces[0].properties.id, 20000);
    manifest_state_free(&state);
    os_memory_free(os);
}

/* Ten commits; the number that were acknowledged. */
static uint64_t run_commits(nacre_os *os, bool *created)
{
    struct manifest *m = NULL;
    uint64_t done = 0;
    *created = manifest_create(os, STORE, &m) == NACRE_OK;
    if (!*created) {
        return 0;
    }
    for (uint64_t i = 1; i <= 10; i++) {
        if (manifest_commit(m, &(struct manifest_edit){ .has_opening = true, .opening = i }) != NACRE_OK) {
            break;
        }
        done = i;
        if (i == 5) { /* half of them in a second opening */
            manifest_close(m);
            if (manifest_open(os, STORE, false, NULL, &m) != NACRE_OK) {
                return done;
            }
        }
    }
    manifest_close(m);
    return done;
}

static void a_power_cut_at_any_call_loses_no_acknowledged_commit(void **unused)
{
    (void)unused;
    for (uint64_t at = 1; at < 200; at++) {
        for (uint64_t seed = 1; seed <= 6; seed++) {
            nacre_os *os = new_disk();
            bool created;
            os_memory_cut_at(os, os_memory_calls(os) + at);
            uint64_t done = run_commits(os, &created);
            os_memory_restart(os, seed * 1000 + at);
            struct manifest *m = NULL;
            struct manifest_state state;
            int status = manifest_open(os, STORE, false, NULL, &m);
            if (!created && status == NACRE_NOT_FOUND) {
                status = manifest_create(os, STORE, &m);
            }
            assert_int_equal(status, NACRE_OK);
            assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
            assert_true(state.opening == done || state.opening == done + 1);
            manifest_state_free(&state);
            assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .has_opening = true, .opening = 100 }),
                             NACRE_OK);
            manifest_close(m);
            os_memory_cut_at(os, os_memory_calls(os) + 1); /* and again, right after it */
            os_memory_restart(os, seed);
            os_memory_cut_at(os, 0);
            assert_int_equal(manifest_verify(os, STORE, &state), NACRE_OK);
            assert_int_equal(state.opening, 100);
            manifest_state_free(&state);
            os_memory_free(os);
            if (done == 10) {
                return;
            }
        }
    }
    fail_msg("the cut never came after the last commit");
}

static void a_failed_call_is_never_followed_by_a_lost_commit(void **unused)
{
    (void)unused;
    for (uint64_t nth = 1; nth < 40; nth++) {
        for (int sticky = 0; sticky < 2; sticky++) {
            nacre_os *os = new_disk();
            struct manifest *m;
            struct manifest_state state;
            uint64_t done = 0;
            assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
            os_memory_fail(os, nth, nth % 2 ? OS_FAULT_IO : OS_FAULT_NO_SPACE, sticky);
            for (uint64_t i = 1; i <= 12; i++) {
                if (i == 8) {
                    os_memory_heal(os);
                }
                int status = manifest_commit(m, &(struct manifest_edit){ .has_opening = true, .opening = i });
                done = status == NACRE_OK ? i : done;
                assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
                assert_int_equal(state.opening, done);
                manifest_state_free(&state);
            }
            assert_int_equal(done, 12);
            manifest_close(m);
            os_memory_restart(os, nth);
            assert_int_equal(manifest_verify(os, STORE, &state), NACRE_OK);
            assert_int_equal(state.opening, 12);
            manifest_state_free(&state);
            os_memory_free(os);
        }
    }
}

static uint64_t size_of(nacre_os *os, const char *path)
{
    struct buffer file = { 0 };
    assert_int_equal(os_read_file(os, path, UINT64_MAX, &file), NACRE_OK);
    uint64_t size = file.size;
    buffer_free(&file);
    return size;
}

static uint64_t end_of_snapshot(nacre_os *os)
{
    struct buffer file = { 0 };
    struct manifest_header header;
    assert_int_equal(os_read_file(os, FIRST, UINT64_MAX, &file), NACRE_OK);
    assert_int_equal(manifest_header_decode(buffer_slice(&file), FIRST, &header), NACRE_OK);
    buffer_free(&file);
    return header.snapshot_end;
}

static nacre_os *closed_store(bool cleanly)
{
    nacre_os *os = new_disk();
    struct manifest *m;
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_OK);
    assert_int_equal(add_piece(m, 1, 3), NACRE_OK);
    assert_int_equal(
        manifest_commit(m, &(struct manifest_edit){ .has_clean_log_end = true, .clean_log_end = cleanly ? 77 : 0 }),
        NACRE_OK);
    manifest_close(m);
    return os;
}

static void any_flipped_bit_of_a_closed_store_is_found(void **unused)
{
    (void)unused;
    for (int cleanly = 0; cleanly < 2; cleanly++) {
        nacre_os *os = closed_store(cleanly);
        const char *const paths[] = { FIRST, STORE "/CURRENT" };
        for (int i = 0; i < 2; i++) {
            uint64_t size = size_of(os, paths[i]);
            for (uint64_t at = 0; at < size; at++) {
                uint8_t mask = (uint8_t)(1u << (at % 8));
                assert_int_equal(os_memory_flip(os, paths[i], at, mask), NACRE_OK);
                int status = manifest_verify(os, STORE, NULL);
                if (status != NACRE_CORRUPT && status != NACRE_UNSUPPORTED) {
                    fail_msg("%s: bit flip at %llu gave %d", paths[i], (unsigned long long)at, status);
                }
                assert_int_equal(os_memory_flip(os, paths[i], at, mask), NACRE_OK);
            }
        }
        assert_int_equal(manifest_verify(os, STORE, NULL), NACRE_OK);
        os_memory_free(os);
    }
}

static void a_shortened_file_is_damage_when_the_store_was_closed_cleanly(void **unused)
{
    (void)unused;
    for (int cleanly = 0; cleanly < 2; cleanly++) {
        nacre_os *os = closed_store(cleanly);
        uint64_t size = size_of(os, FIRST), snapshot_end = end_of_snapshot(os);
        for (uint64_t cut = 1; cut < size; cut++) {
            nacre_os *other = os_memory_create();
            assert_int_equal(os_memory_copy_tree(other, os), NACRE_OK);
            assert_int_equal(os_memory_resize(other, FIRST, size - cut), NACRE_OK);
            int status = manifest_verify(other, STORE, NULL);
            bool in_snapshot = size - cut < snapshot_end;
            assert_int_equal(status, cleanly || in_snapshot ? NACRE_CORRUPT : NACRE_OK);
            os_memory_free(other);
        }
        os_memory_free(os);
    }
}

static unsigned torn_lines;
static void count_torn(void *context, nacre_log_level level, const char *event, const char *fields)
{
    (void)context, (void)level, (void)fields;
    torn_lines += strcmp(event, "manifest_torn_tail") == 0;
}

static void a_torn_tail_is_logged_cut_off_and_never_written_behind(void **unused)
{
    (void)unused;
    const nacre_logger logger = { sizeof logger, NULL, NACRE_LOG_DEBUG, count_torn };
    nacre_os *os = closed_store(false);
    struct manifest *m;
    struct manifest_state state;
    assert_int_equal(os_memory_resize(os, FIRST, size_of(os, FIRST) + 30),
                     NACRE_OK); /* zeros: a write that did not come */
    torn_lines = 0;
    assert_int_equal(manifest_open(os, STORE, false, &logger, &m), NACRE_OK);
    assert_int_equal(torn_lines, 1);
    assert_int_equal(add_piece(m, 1, 4), NACRE_OK);
    manifest_close(m);
    assert_int_equal(manifest_open(os, STORE, true, &logger, &m), NACRE_OK);
    assert_int_equal(torn_lines, 1);
    assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
    assert_int_equal(find(&state, 1)->piece_count, 2);
    assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .has_opening = true }), NACRE_READ_ONLY);
    manifest_state_free(&state);
    manifest_close(m);
    os_memory_free(os);
}

static void a_copy_for_a_checkpoint_says_the_same(void **unused)
{
    (void)unused;
    nacre_os *os = closed_store(false);
    struct manifest_state state, copy;
    assert_int_equal(manifest_verify(os, STORE, &state), NACRE_OK);
    assert_int_equal(os->make_directory(os->context, "/copy"), NACRE_OK);
    assert_int_equal(os->sync_directory(os->context, "/"), NACRE_OK);
    assert_int_equal(manifest_write_copy(os, "/copy", &state), NACRE_OK);
    os_memory_restart(os, 3);
    assert_int_equal(manifest_verify(os, "/copy", &copy), NACRE_OK);
    assert_int_equal(copy.collection_count, 1);
    assert_int_equal(find(&copy, 1)->piece_count, 1);
    assert_int_equal(copy.last_sequence, state.last_sequence);
    manifest_state_free(&state);
    manifest_state_free(&copy);
    os_memory_free(os);
}

static void unknown_fields_and_formats_are_unsupported(void **unused)
{
    (void)unused;
    struct manifest_decoded decoded;
    const uint8_t unknown[] = { 99, 1 };
    assert_int_equal(manifest_edit_decode(slice_of(unknown, 2), &decoded), NACRE_UNSUPPORTED);
    manifest_decoded_free(&decoded);
    const uint8_t cut[] = { 8 };
    assert_int_equal(manifest_edit_decode(slice_of(cut, 1), &decoded), NACRE_CORRUPT);
    manifest_decoded_free(&decoded);
}

static void count_line(void *context, const char *json)
{
    unsigned *lines = context;
    size_t size = strlen(json);
    assert_true(json[0] == '{' && json[size - 1] == '}');
    ++*lines;
}

static void a_dump_shows_every_edit(void **unused)
{
    (void)unused;
    nacre_os *os = closed_store(false);
    unsigned lines = 0;
    assert_int_equal(manifest_dump_file(os, FIRST, count_line, &lines), NACRE_OK);
    assert_int_equal(lines, 5); /* header, the first state, create, add, the log's end */
    os_memory_free(os);
}

static uint64_t allocations_left;
static bool fail_allocation(void *context, size_t bytes)
{
    (void)context, (void)bytes;
    return allocations_left-- == 0;
}

static void a_failed_allocation_changes_nothing(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *m;
    struct manifest_state state;
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_OK);
    int status = NACRE_NO_MEMORY;
    for (uint64_t nth = 0; status != NACRE_OK; nth++) {
        allocations_left = nth;
        memory_set_fault(fail_allocation, NULL);
        status = add_piece(m, 1, 5);
        memory_set_fault(NULL, NULL);
        assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
        assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
        assert_int_equal(find(&state, 1)->piece_count, status == NACRE_OK);
        manifest_state_free(&state);
    }
    manifest_close(m);
    assert_int_equal(manifest_verify(os, STORE, &state), NACRE_OK);
    assert_int_equal(find(&state, 1)->piece_count, 1);
    manifest_state_free(&state);
    os_memory_free(os);
}

static void dimension_and_metric_are_kept_with_their_collection(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *m;
    struct manifest_state state;
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(create_collection(m, 1, "users"), NACRE_OK);
    assert_int_equal(create_vectors(m, 2, NACRE_DIMENSION_MAX, NACRE_DOT), NACRE_OK);
    manifest_close(m);
    for (int again = 0; again < 3; again++) {
        assert_int_equal(manifest_open(os, STORE, false, NULL, &m), NACRE_OK);
        assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
        assert_int_equal(find(&state, 1)->dimension, 0);
        assert_int_equal(find(&state, 1)->metric, 0);
        assert_int_equal(find(&state, 2)->dimension, NACRE_DIMENSION_MAX);
        assert_int_equal(find(&state, 2)->metric, NACRE_DOT);
        manifest_state_free(&state);
        assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .has_clean_log_end = true }), NACRE_OK);
        manifest_close(m);
    }
    os_memory_free(os);
}

static void names_and_threshold_are_kept_with_their_collection(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *m;
    struct manifest_state state;
    struct manifest_collection words = { .id = 1,
                                         .name = (char *)(uintptr_t) "counters",
                                         .kind = 1,
                                         .merge_operator = (char *)(uintptr_t) "append:, ",
                                         .compaction_filter = (char *)(uintptr_t) "old",
                                         .value_log_threshold = UINT64_C(1) << 40 };
    assert_int_equal(manifest_create(os, STORE, &m), NACRE_OK);
    assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .collection = 1, .create = &words }), NACRE_OK);
    assert_int_equal(create_collection(m, 2, "users"), NACRE_OK);
    manifest_close(m);
    for (int again = 0; again < 3; again++) {
        assert_int_equal(manifest_open(os, STORE, false, NULL, &m), NACRE_OK);
        assert_int_equal(manifest_copy_state(m, &state), NACRE_OK);
        assert_string_equal(find(&state, 1)->merge_operator, "append:, ");
        assert_string_equal(find(&state, 1)->compaction_filter, "old");
        assert_int_equal(find(&state, 1)->value_log_threshold, UINT64_C(1) << 40);
        assert_null(find(&state, 2)->merge_operator);
        assert_null(find(&state, 2)->compaction_filter);
        assert_int_equal(find(&state, 2)->value_log_threshold, 0);
        manifest_state_free(&state);
        assert_int_equal(manifest_commit(m, &(struct manifest_edit){ .has_clean_log_end = true }), NACRE_OK);
        manifest_close(m);
    }
    os_memory_free(os);
}

/* An edit that creates collection 1 with a name of one byte, and then has the bytes given. */
static int decode_created_with(const uint8_t *field, size_t size)
{
    static const uint8_t create[] = { 1, 1, 2, 1, 'v', 3, 0, 0, 0 };
    uint8_t bytes[32];
    struct manifest_decoded decoded;
    memcpy(bytes, create, sizeof create);
    memcpy(bytes + sizeof create, field, size);
    int status = manifest_edit_decode(slice_of(bytes, sizeof create + size), &decoded);
    manifest_decoded_free(&decoded);
    return status;
}

static void dimensions_and_metrics_that_cannot_be_are_corrupt(void **unused)
{
    (void)unused;
    static const uint8_t good[] = { 13, 0xff, 0xff, 3, 1 }, none[] = { 13, 0, 1 },
                         too_many[] = { 13, 0x80, 0x80, 4, 1 }, no_metric[] = { 13, 3, 0 }, strange[] = { 13, 3, 4 },
                         cut[] = { 13, 3 }, alone[] = { 1, 1, 13, 3, 1 };
    struct manifest_decoded decoded;
    assert_int_equal(decode_created_with(good, sizeof good), NACRE_OK);
    assert_int_equal(decode_created_with(none, sizeof none), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(too_many, sizeof too_many), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(no_metric, sizeof no_metric), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(strange, sizeof strange), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(cut, sizeof cut), NACRE_CORRUPT);
    assert_int_equal(manifest_edit_decode(slice_of(alone, sizeof alone), &decoded), NACRE_CORRUPT);
    manifest_decoded_free(&decoded);
}

static void names_and_thresholds_that_cannot_be_are_corrupt(void **unused)
{
    (void)unused;
    static const uint8_t good[] = { 14, 2, 'a', 'b', 15, 1, 'f', 16, 5 }, empty[] = { 14, 0 },
                         nul[] = { 15, 2, 'a', 0 }, cut[] = { 14, 3, 'a' }, zero[] = { 16, 0 },
                         alone[] = { 1, 1, 14, 1, 'a' };
    struct manifest_decoded decoded;
    assert_int_equal(decode_created_with(good, sizeof good), NACRE_OK);
    assert_int_equal(decode_created_with(empty, sizeof empty), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(nul, sizeof nul), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(cut, sizeof cut), NACRE_CORRUPT);
    assert_int_equal(decode_created_with(zero, sizeof zero), NACRE_CORRUPT);
    assert_int_equal(manifest_edit_decode(slice_of(alone, sizeof alone), &decoded), NACRE_CORRUPT);
    manifest_decoded_free(&decoded);
}

/* Positions agree, and with them what both say. */
static void same_state(const struct manifest *writer, const struct manifest *reader, uint64_t pieces)
{
    const struct manifest_state *seen = manifest_followed(reader);
    assert_true(manifest_position(writer) == manifest_position(reader));
    assert_int_equal(find(seen, 1)->piece_count, pieces);
}

static void a_reader_follows_edits_and_generations(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *writer = NULL, *reader = NULL;
    assert_int_equal(manifest_create(os, STORE, &writer), NACRE_OK);
    assert_int_equal(create_collection(writer, 1, "one"), NACRE_OK);
    assert_int_equal(manifest_open(os, STORE, true, NULL, &reader), NACRE_OK);
    same_state(writer, reader, 0);
    uint64_t id = 1, before = 0;
    for (; manifest_generation(writer) < 3; id++) {
        assert_int_equal(add_piece(writer, 1, id), NACRE_OK);
        assert_true(manifest_position(writer) > before);
        before = manifest_position(writer);
        if (id % 5 == 0 || id < 50) {
            assert_int_equal(manifest_follow(reader), NACRE_OK);
            same_state(writer, reader, id);
        }
    }
    assert_int_equal(manifest_follow(reader), NACRE_OK);
    same_state(writer, reader, id - 1);
    manifest_close(writer);
    assert_int_equal(manifest_follow(reader), NACRE_OK);
    assert_int_equal(manifest_open(os, STORE, false, NULL, &writer), NACRE_OK);
    assert_int_equal(add_piece(writer, 1, id), NACRE_OK);
    assert_int_equal(manifest_follow(reader), NACRE_OK);
    same_state(writer, reader, id);
    manifest_close(reader);
    manifest_close(writer);
    os_memory_free(os);
}

static void an_edit_that_is_half_there_is_not_followed_yet(void **unused)
{
    (void)unused;
    nacre_os *os = new_disk();
    struct manifest *writer = NULL, *reader = NULL;
    assert_int_equal(manifest_create(os, STORE, &writer), NACRE_OK);
    assert_int_equal(create_collection(writer, 1, "one"), NACRE_OK);
    assert_int_equal(manifest_open(os, STORE, true, NULL, &reader), NACRE_OK);
    uint64_t from = manifest_bytes(writer);
    assert_int_equal(add_piece(writer, 1, 1), NACRE_OK);
    for (uint64_t at = from; at < manifest_bytes(writer); at++) {
        assert_int_equal(os_memory_flip(os, FIRST, at, 1), NACRE_OK);
        assert_int_equal(manifest_follow(reader), NACRE_OK);
        assert_int_equal(find(manifest_followed(reader), 1)->piece_count, 0);
        assert_int_equal(os_memory_flip(os, FIRST, at, 1), NACRE_OK);
    }
    assert_int_equal(manifest_follow(reader), NACRE_OK);
    same_state(writer, reader, 1);
    manifest_close(reader);
    manifest_close(writer);
    os_memory_free(os);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_follows_edits_and_generations),
        cmocka_unit_test(an_edit_that_is_half_there_is_not_followed_yet),
        cmocka_unit_test(edits_survive_reopening),
        cmocka_unit_test(edits_that_do_not_fit_are_refused_and_change_nothing),
        cmocka_unit_test(a_grown_file_gives_way_to_a_new_generation),
        cmocka_unit_test(a_power_cut_at_any_call_loses_no_acknowledged_commit),
        cmocka_unit_test(a_failed_call_is_never_followed_by_a_lost_commit),
        cmocka_unit_test(any_flipped_bit_of_a_closed_store_is_found),
        cmocka_unit_test(a_shortened_file_is_damage_when_the_store_was_closed_cleanly),
        cmocka_unit_test(a_torn_tail_is_logged_cut_off_and_never_written_behind),
        cmocka_unit_test(a_copy_for_a_checkpoint_says_the_same),
        cmocka_unit_test(unknown_fields_and_formats_are_unsupported),
        cmocka_unit_test(dimension_and_metric_are_kept_with_their_collection),
        cmocka_unit_test(dimensions_and_metrics_that_cannot_be_are_corrupt),
        cmocka_unit_test(names_and_threshold_are_kept_with_their_collection),
        cmocka_unit_test(names_and_thresholds_that_cannot_be_are_corrupt),
        cmocka_unit_test(a_dump_shows_every_edit),
        cmocka_unit_test(a_failed_allocation_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
