/* Damage to the files of a segment, of each kind: every flipped byte and every cut is found by verify, and until then no read is wrong. */
#include "segment_fixture.h"
#include "strings/strings.h"
#include "vectors/vectors.h"
#include <fcntl.h>

struct damaged {
    struct fixture f;
    struct model m;
    uint64_t id, bytes;
    char segment[OS_PATH_MAX], index[OS_PATH_MAX];
};

static void damaged_open(struct damaged *d, const struct kind *kind, enum compression codec, bool map)
{
    uint64_t random = 5;
    fixture_open(&d->f, map);
    d->f.kind = kind;
    model_dimension = kind->holds_vectors ? 3 : 0;
    model_fill(&d->m, COUNTED, 90, &random);
    struct model versions;
    model_fill(&versions, MANY_VERSIONS, 40, &random);
    for (size_t i = 0; i < versions.count; i++) {
        struct entry e = versions.items[i];
        e.vector = NULL;
        model_add(&d->m, e);
    }
    model_free(&versions);
    model_finish(&d->m);
    model_give_vectors(&d->m, &random);
    struct segment *s = model_build(
        &d->f, &d->m,
        &(struct build_options){ .compression = codec, .block_bytes = 512, .build_index = true, .learned_index = 2 });
    if (kind->quick_index)
        assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
    d->id = s->properties.id;
    d->bytes = s->properties.bytes;
    assert_int_equal(segment_path(&d->f.env, d->id, false, d->segment), NACRE_OK);
    assert_int_equal(segment_path(&d->f.env, d->id, true, d->index), NACRE_OK);
    segment_unref(s);
}

static void damaged_close(struct damaged *d)
{
    model_free(&d->m);
    fixture_close(&d->f);
}

/* Right answers, or damage told. */
static void check_reads(struct segment *s, const struct model *m, bool damage_allowed)
{
    struct cursor *c = NULL;
    size_t at = 0;
    for (size_t i = 0; i < m->count; i += 3) {
        struct lookup lookup = lookup_of(m->items[i].key, m->items[i].sequence);
        struct entry found = { 0 };
        struct pin pin;
        int status = s->kind->get(s->reader, &lookup, &found, &pin);
        if (status == NACRE_OK) {
            assert_entry(&m->items[i], &found);
            assert_true(s->kind->may_have_key(s->reader, &lookup));
            assert_true(s->kind->may_have_prefix(s->reader, slice_of(m->items[i].key.data, m->items[i].key.size / 2)));
            pin_release(&pin);
        } else {
            assert_true(damage_allowed);
            assert_int_equal(status, NACRE_CORRUPT);
        }
        lookup = lookup_of(slice_text("tenant/0017/user/no"), UINT64_MAX);
        status = s->kind->get(s->reader, &lookup, &found, &pin);
        assert_true(status == NACRE_NOT_FOUND || (damage_allowed && status == NACRE_CORRUPT));
    }
    assert_int_equal(s->kind->cursor_create(s->reader, &c), NACRE_OK);
    for (cursor_first(c); c->valid; cursor_next(c)) {
        assert_true(at < m->count);
        assert_entry(&m->items[at++], &c->entry);
    }
    assert_true(c->status == NACRE_OK ? at == m->count : damage_allowed && c->status == NACRE_CORRUPT);
    cursor_close(c);
}

static void check_damaged_segment(struct damaged *d)
{
    struct segment *s = NULL;
    uint64_t entries;
    int status = segment_open(&d->f.env, d->f.kind, d->id, 0, &s);
    if (status == NACRE_OK) {
        check_reads(s, &d->m, true);
        status = segment_verify(s, &entries);
        segment_unref(s);
    }
    assert_int_equal(status, NACRE_CORRUPT);
    assert_non_null(strstr(fail_detail(), ".seg"));
}

/* The answers stay right, verify tells, and making the index again heals it. */
static void check_damaged_index(struct damaged *d, bool heal)
{
    struct segment *s = NULL;
    uint64_t entries;
    assert_int_equal(segment_open(&d->f.env, d->f.kind, d->id, d->bytes, &s), NACRE_OK);
    check_reads(s, &d->m, false);
    assert_int_equal(segment_verify(s, &entries), NACRE_CORRUPT);
    assert_non_null(strstr(fail_detail(), ".idx"));
    check_reads(s, &d->m, false);
    if (heal) {
        assert_int_equal(segment_build_index(s, NULL), NACRE_OK);
        assert_true(segment_has_index(s));
        check_reads(s, &d->m, false);
        assert_int_equal(segment_verify(s, &entries), NACRE_OK);
    }
    segment_unref(s);
}

static void flip_all(struct damaged *d, const char *path, bool index)
{
    struct buffer good = { 0 };
    assert_int_equal(os_read_file(os_posix(), path, 1 << 24, &good), NACRE_OK);
    for (size_t i = 0; i < good.size; i++) {
        int fd = open(path, O_WRONLY);
        uint8_t flipped = (uint8_t)(good.data[i] ^ (1u << (i * 5 % 8)));
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
        block_cache_set_capacity(d->f.env.cache, 0);
        block_cache_set_capacity(d->f.env.cache, 1 << 20);
        bool heal = index && i % 97 == 0;
        if (index) {
            check_damaged_index(d, heal);
        } else {
            check_damaged_segment(d);
        }
        if (heal) { /* a new file has its place */
            assert_int_equal(close(fd), 0);
            fd = open(path, O_WRONLY | O_TRUNC);
            assert_int_equal(pwrite(fd, good.data, good.size, 0), good.size);
        }
        assert_int_equal(pwrite(fd, &good.data[i], 1, (off_t)i), 1);
        assert_int_equal(close(fd), 0);
    }
    buffer_free(&good);
}

static void cut_all(struct damaged *d, const char *path, bool index)
{
    struct buffer good = { 0 };
    assert_int_equal(os_read_file(os_posix(), path, 1 << 24, &good), NACRE_OK);
    for (size_t size = good.size; size-- > 0;) {
        assert_int_equal(truncate(path, (off_t)size), 0);
        if (index) {
            check_damaged_index(d, false);
        } else {
            check_damaged_segment(d);
        }
    }
    buffer_free(&good);
}

static void every_flip_and_cut(const struct kind *kind, enum compression codec, bool map, bool index)
{
    struct damaged d;
    damaged_open(&d, kind, codec, map);
    flip_all(&d, index ? d.index : d.segment, index);
    cut_all(&d, index ? d.index : d.segment, index);
    damaged_close(&d);
}

static const struct kind *const kinds[] = { &kind_ordered, &kind_strings, &kind_vectors };
#define KINDS (sizeof kinds / sizeof kinds[0])

static void every_flip_and_cut_of_a_mapped_segment_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        every_flip_and_cut(kinds[i], COMPRESSION_NONE, true, false);
}

static void every_flip_and_cut_of_a_compressed_segment_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        every_flip_and_cut(kinds[i], COMPRESSION_LZ4, true, false);
        every_flip_and_cut(kinds[i], COMPRESSION_ZSTD, false, false);
    }
}

static void every_flip_and_cut_of_an_unmapped_segment_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        every_flip_and_cut(kinds[i], COMPRESSION_NONE, false, false);
}

static void every_flip_and_cut_of_a_side_file_is_found_and_costs_no_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        every_flip_and_cut(kinds[i], COMPRESSION_NONE, true, true);
        every_flip_and_cut(kinds[i], COMPRESSION_LZ4, false, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flip_and_cut_of_a_mapped_segment_is_found),
        cmocka_unit_test(every_flip_and_cut_of_a_compressed_segment_is_found),
        cmocka_unit_test(every_flip_and_cut_of_an_unmapped_segment_is_found),
        cmocka_unit_test(every_flip_and_cut_of_a_side_file_is_found_and_costs_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
