/* Segments: properties, range deletes, side files, life and death, threads, and what happens when memory or the disk fails. */
#include "segment_fixture.h"
#include "strings/strings.h"
#include "support/os_memory.h"
#include <pthread.h>

static struct model small_model(size_t count, uint64_t seed)
{
    struct model m;
    uint64_t random = seed * 77 + 1;
    model_fill(&m, RANDOM_16, count, &random);
    return m;
}

static void properties_tell_what_is_inside(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    fixture_open(&f, true);
    assert_int_equal(
        segment_builder_create(&f.env, &kind_ordered, 9, &(struct build_options){ .build_index = true }, &b), NACRE_OK);
    const struct entry entries[] = {
        { slice_text("b"), slice_text("one"), 7, 500, ENTRY_PUT, NULL },
        { slice_text("b"), { NULL, 0 }, 3, 0, ENTRY_DELETE, NULL },
        { slice_text("c"), slice_text("three"), 5, 100, ENTRY_PUT, NULL },
    };
    for (int i = 0; i < 3; i++)
        assert_int_equal(segment_builder_add(b, &entries[i]), NACRE_OK);
    assert_int_equal(segment_builder_entries(b), 3);
    assert_true(segment_builder_bytes(b) > 0);
    assert_int_equal(segment_builder_add_range(b, &(struct range_delete){ slice_text("bb"), slice_text("d"), 11 }),
                     NACRE_OK);
    assert_int_equal(segment_builder_add_range(b, &(struct range_delete){ slice_text("a"), slice_text("aa"), 2 }),
                     NACRE_OK);
    assert_int_equal(segment_builder_finish(b, &s), NACRE_OK);
    for (int round = 0; round < 2; round++) { /* as built, and opened again */
        const struct segment_properties *p = &s->properties;
        assert_int_equal(p->id, 9);
        assert_int_equal(p->entries, 3);
        assert_int_equal(p->deletes, 1);
        assert_int_equal(p->range_deletes, 2);
        assert_int_equal(p->key_value_bytes, 11);
        assert_int_equal(p->least_sequence, 2);
        assert_int_equal(p->greatest_sequence, 11);
        assert_int_equal(p->expiring, 2);
        assert_int_equal(p->earliest_expiry_ms, 100);
        assert_int_equal(p->latest_expiry_ms, UINT64_MAX);
        assert_true(slice_equal(buffer_slice(&p->smallest), slice_text("a")));
        assert_true(slice_equal(buffer_slice(&p->greatest), slice_text("d")));
        assert_false(p->greatest_open);
        assert_true(p->bytes > 0 && p->index_bytes > 0 && p->checksum);
        assert_int_equal(segment_index_bytes(s), p->index_bytes);
        assert_true(segment_memory(s) > 0);
        assert_int_equal(range_set_count(s->ranges), 2);
        assert_int_equal(range_set_covering(s->ranges, slice_text("c"), UINT64_MAX, NULL), 11);
        uint64_t entries_found = 0, bytes = p->bytes;
        assert_int_equal(segment_verify(s, &entries_found), NACRE_OK);
        segment_unref(s);
        assert_int_equal(segment_open(&f.env, &kind_ordered, 9, bytes + 1, &s), NACRE_CORRUPT);
        assert_int_equal(segment_open(&f.env, &kind_ordered, 9, bytes, &s), NACRE_OK);
    }
    segment_unref(s);
    fixture_close(&f);
}

static void properties_survive_their_encoding(void **state)
{
    (void)state;
    struct buffer bytes = { 0 }, small = { 0 };
    struct segment_properties p = { .id = 1,
                                    .bytes = UINT64_MAX,
                                    .checksum = 7,
                                    .entries = 3,
                                    .merges = 2,
                                    .greatest_open = true },
                              q = { 0 }, r = { 0 };
    assert_int_equal(buffer_append(&p.smallest, "abc", 3), NACRE_OK);
    assert_int_equal(buffer_append(&p.greatest, "xyz\0", 4), NACRE_OK);
    assert_int_equal(segment_properties_encode(&p, &bytes), NACRE_OK);
    struct reader in = reader_of(buffer_slice(&bytes));
    assert_int_equal(segment_properties_decode(&in, &q), NACRE_OK);
    assert_true(in.at == in.end);
    assert_int_equal(segment_properties_copy(&q, &r), NACRE_OK);
    assert_int_equal(segment_properties_encode(&r, &small), NACRE_OK);
    assert_true(slice_equal(buffer_slice(&bytes), buffer_slice(&small)));
    assert_true(r.greatest_open && r.bytes == UINT64_MAX && r.greatest.size == 4 && r.merges == 2);
    segment_properties_free(&q);
    for (size_t size = 0; size < bytes.size; size++) {
        in = reader_of(slice_of(bytes.data, size));
        assert_int_equal(segment_properties_decode(&in, &q), NACRE_CORRUPT);
    }
    segment_properties_free(&p);
    segment_properties_free(&r);
    buffer_free(&bytes);
    buffer_free(&small);
}

static void a_segment_of_range_deletes_alone_answers(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        bool index = round & 1;
        const struct kind *kind = round & 2 ? &kind_strings : &kind_ordered;
        struct fixture f;
        struct segment_builder *b = NULL;
        struct segment *s = NULL;
        struct cursor *c = NULL;
        uint64_t entries = 9;
        fixture_open(&f, true);
        assert_int_equal(segment_builder_create(&f.env, kind, 9, &(struct build_options){ .build_index = index }, &b),
                         NACRE_OK);
        assert_int_equal(segment_builder_add_range(b, &(struct range_delete){ slice_text("k"), { NULL, 0 }, 11 }),
                         NACRE_OK);
        assert_int_equal(segment_builder_finish(b, &s), NACRE_OK);
        assert_true(s->properties.greatest_open);
        assert_true(slice_equal(buffer_slice(&s->properties.smallest), slice_text("k")));
        struct lookup lookup = lookup_of(slice_text("k"), UINT64_MAX);
        struct entry entry;
        struct pin pin;
        assert_int_equal(s->kind->get(s->reader, &lookup, &entry, &pin), NACRE_NOT_FOUND);
        assert_false(s->kind->may_have_key(s->reader, &lookup));
        assert_false(s->kind->may_have_prefix(s->reader, slice_text("")));
        assert_int_equal(s->kind->cursor_create(s->reader, &c), NACRE_OK);
        cursor_first(c);
        assert_false(c->valid);
        cursor_seek(c, slice_text("k"));
        assert_false(c->valid);
        cursor_seek_before(c, slice_text("k"));
        assert_false(c->valid);
        assert_int_equal(c->status, NACRE_OK);
        cursor_close(c);
        assert_int_equal(segment_verify(s, &entries), NACRE_OK);
        assert_int_equal(entries, 0);
        assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
        segment_unref(s);
        fixture_close(&f);
    }
}

static void reap(void *context, uint64_t id)
{
    *(uint64_t *)context = id;
}

static void an_obsolete_segment_goes_with_its_last_reference(void **state)
{
    (void)state;
    struct fixture f;
    char path[OS_PATH_MAX];
    struct model m = small_model(100, 3);
    fixture_open(&f, true);
    struct segment *s = model_build(&f, &m, &(struct build_options){ .build_index = true });
    uint64_t id = s->properties.id, reaped = 0;
    segment_ref(s);
    segment_mark_obsolete(s);
    segment_unref(s);
    assert_int_equal(segment_path(&f.env, id, true, path), NACRE_OK);
    assert_true(os_exists(f.env.os, path));
    segment_unref(s);
    assert_false(os_exists(f.env.os, path));
    assert_int_equal(segment_path(&f.env, id, false, path), NACRE_OK);
    assert_false(os_exists(f.env.os, path));
    assert_int_equal(segment_remove_files(&f.env, id), NACRE_OK); /* again: nothing to do is no error */
    f.env.reap = reap;
    f.env.reap_context = &reaped;
    s = model_build(&f, &m, &(struct build_options){ 0 });
    id = s->properties.id;
    segment_mark_obsolete(s);
    segment_unref(s);
    assert_int_equal(reaped, id);
    assert_int_equal(segment_path(&f.env, id, false, path), NACRE_OK);
    assert_true(os_exists(f.env.os, path));
    model_free(&m);
    fixture_close(&f);
}

static void a_side_file_of_another_segment_is_not_used(void **state)
{
    (void)state;
    struct fixture f;
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    struct model m = small_model(300, 3), other = small_model(200, 4);
    fixture_open(&f, true);
    struct segment *a = model_build(&f, &m, &(struct build_options){ .build_index = true });
    struct segment *b = model_build(&f, &other, &(struct build_options){ .build_index = true });
    uint64_t id = a->properties.id, entries = 0;
    assert_int_equal(segment_path(&f.env, b->properties.id, true, from), NACRE_OK);
    assert_int_equal(segment_path(&f.env, id, true, to), NACRE_OK);
    segment_unref(a);
    segment_unref(b);
    assert_int_equal(f.env.os->rename(f.env.os->context, from, to), NACRE_OK);
    assert_int_equal(segment_open(&f.env, &kind_ordered, id, 0, &a), NACRE_OK);
    assert_false(segment_has_index(a));
    assert_int_equal(segment_verify(a, &entries), NACRE_CORRUPT); /* it lies there, bad */
    assert_int_equal(segment_build_index(a, NULL), NACRE_OK);
    assert_true(segment_has_index(a));
    assert_int_equal(segment_verify(a, &entries), NACRE_OK);
    segment_unref(a);
    model_free(&m);
    model_free(&other);
    fixture_close(&f);
}

/* ---- threads ---- */

struct shared {
    struct segment *segment;
    const struct model *model;
    uint64_t seed;
};

static void *read_all(void *argument)
{
    struct shared *shared = argument;
    struct segment *s = shared->segment;
    const struct model *m = shared->model;
    uint64_t random = shared->seed;
    struct cursor *c = NULL;
    assert_int_equal(s->kind->cursor_create(s->reader, &c), NACRE_OK);
    for (int i = 0; i < 4000; i++) {
        const struct entry *e = &m->items[below(&random, m->count)];
        struct lookup lookup = lookup_of(e->key, e->sequence);
        struct entry found = { 0 }; /* only kinds that hold vectors say whether it has one */
        struct pin pin;
        s->kind->prefetch(s->reader, &lookup);
        assert_int_equal(s->kind->get(s->reader, &lookup, &found, &pin), NACRE_OK);
        assert_entry(e, &found);
        pin_release(&pin);
        assert_true(s->kind->may_have_prefix(s->reader, slice_of(e->key.data, 8)));
        cursor_seek(c, e->key);
        assert_true(c->valid && slice_equal(c->entry.key, e->key));
    }
    cursor_close(c);
    return NULL;
}

static void readers_and_the_maker_of_the_index_run_together(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct fixture f;
        struct model m = small_model(3000, 11);
        fixture_open(&f, variant & 1);
        struct segment *s =
            model_build(&f, &m,
                        &(struct build_options){ .compression = variant & 2 ? COMPRESSION_ZSTD : COMPRESSION_NONE,
                                                 .block_bytes = 4096 });
        pthread_t threads[3];
        struct shared shared[3];
        for (uint64_t i = 0; i < 3; i++) {
            shared[i] = (struct shared){ s, &m, i + 1 };
            assert_int_equal(pthread_create(&threads[i], NULL, read_all, &shared[i]), 0);
        }
        assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
        assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(segment_has_index(s));
        fixture_close_with(&f, &m, s);
    }
}

/* ---- failures ---- */

static int build_and_read(struct segment_env *env, const struct model *m, uint64_t id, enum compression codec)
{
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    struct cursor *c = NULL;
    uint64_t entries = 0;
    int status = segment_builder_create(
        env, &kind_ordered, id,
        &(struct build_options){ .compression = codec, .block_bytes = 512, .build_index = true, .learned_index = 2 },
        &b);
    if (status != NACRE_OK)
        return status;
    for (size_t i = 0; i < m->count && status == NACRE_OK; i++)
        status = segment_builder_add(b, &m->items[i]);
    if (status == NACRE_OK)
        status = segment_builder_add_range(b, &(struct range_delete){ slice_text("x"), slice_text("y"), 1 });
    if (status != NACRE_OK) {
        segment_builder_abandon(b);
        return status;
    }
    status = segment_builder_finish(b, &s);
    if (status != NACRE_OK)
        return status;
    struct lookup lookup = lookup_of(m->items[m->count / 2].key, UINT64_MAX);
    struct entry found;
    struct pin pin;
    status = s->kind->get(s->reader, &lookup, &found, &pin);
    if (status == NACRE_OK)
        pin_release(&pin);
    if (status == NACRE_OK)
        status = s->kind->cursor_create(s->reader, &c);
    if (status == NACRE_OK) {
        size_t count = 0;
        for (cursor_first(c); c->valid; cursor_next(c))
            count++;
        status = c->status;
        if (status == NACRE_OK)
            assert_int_equal(count, m->count);
        for (cursor_last(c); c->valid; cursor_prev(c))
            continue;
        if (status == NACRE_OK)
            status = c->status;
        cursor_close(c);
    }
    if (status == NACRE_OK)
        status = segment_build_index(s, NULL);
    if (status == NACRE_OK)
        status = segment_verify(s, &entries);
    segment_mark_obsolete(s);
    segment_unref(s);
    return status;
}

static uint64_t allocations, failing;

static bool fail_one(void *context, size_t bytes)
{
    (void)context;
    (void)bytes;
    return ++allocations == failing;
}

/* Also where only the side file could not be had (it is then ignored): the answers must be right. */
static void every_failed_allocation_is_told_and_nothing_leaks(void **state)
{
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        struct fixture f;
        struct model m;
        uint64_t random = 31;
        model_fill(&m, COUNTED, 300, &random);
        fixture_open(&f, variant != 1);
        enum compression codec = variant == 2 ? COMPRESSION_LZ4 : COMPRESSION_NONE;
        int status = NACRE_NO_MEMORY;
        size_t failed = 0;
        for (failing = 1; allocations >= failing - 1; failing++) {
            allocations = 0;
            block_cache_set_capacity(f.env.cache, 0);
            block_cache_set_capacity(f.env.cache, 1 << 20);
            memory_set_fault(fail_one, NULL);
            status = build_and_read(&f.env, &m, failing, codec);
            memory_set_fault(NULL, NULL);
            assert_true(status == NACRE_OK || status == NACRE_NO_MEMORY);
            failed += status != NACRE_OK;
        }
        assert_int_equal(status, NACRE_OK);
        assert_true(failed > 30);
        allocations = 0;
        model_free(&m);
        fixture_close(&f);
    }
}

static void count_name(void *count, const char *name)
{
    (void)name;
    ++*(size_t *)count;
}

static void every_failed_call_of_the_disk_is_told_and_leaves_no_files(void **state)
{
    (void)state;
    const enum os_fault faults[] = { OS_FAULT_IO, OS_FAULT_NO_SPACE };
    struct fixture f;
    struct model m = small_model(200, 9);
    fixture_open(&f, true);
    for (int kind = 0; kind < 2; kind++) {
        int status = NACRE_IO;
        size_t failed = 0;
        for (uint64_t nth = 1; nth < 200; nth++) {
            nacre_os *os = os_memory_create();
            assert_non_null(os);
            assert_int_equal(os->make_directory(os->context, "/segments"), NACRE_OK);
            struct segment_env env = f.env;
            env.os = os;
            env.directory = "/segments";
            os_memory_fail(os, nth, faults[kind], false);
            status = build_and_read(&env, &m, 5, COMPRESSION_NONE);
            os_memory_heal(os);
            assert_true(status == NACRE_OK || status == NACRE_IO || status == NACRE_NO_SPACE);
            size_t files = 0;
            assert_int_equal(os->list(os->context, "/segments", count_name, &files), NACRE_OK);
            if (status == NACRE_OK)
                assert_true(files <= 3); /* a removal may have been what failed */
            failed += status != NACRE_OK;
            block_cache_drop_file(f.env.cache, 5);
            os_memory_free(os);
        }
        assert_int_equal(status, NACRE_OK);
        assert_true(failed > 5);
    }
    model_free(&m);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_tell_what_is_inside),
        cmocka_unit_test(properties_survive_their_encoding),
        cmocka_unit_test(a_segment_of_range_deletes_alone_answers),
        cmocka_unit_test(an_obsolete_segment_goes_with_its_last_reference),
        cmocka_unit_test(a_side_file_of_another_segment_is_not_used),
        cmocka_unit_test(readers_and_the_maker_of_the_index_run_together),
        cmocka_unit_test(every_failed_allocation_is_told_and_nothing_leaks),
        cmocka_unit_test(every_failed_call_of_the_disk_is_told_and_leaves_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
