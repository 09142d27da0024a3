/* The vectors kind against a plain model: random entries of many shapes and dimensions, under every way to keep them; what is asked by row. */
#include "segment_checks.h"
#include "vectors/graph.h"
#include "vectors/index.h"
#include "vectors/keys.h"
#include "vectors/reader.h"

static void every_shape_answers_as_the_model_does_in_place(void **state)
{
    (void)state;
    const uint32_t dimensions[] = { 1, 3, 17, 100, 33, 8, 1000, 5 };
    for (int shape = 0; shape < MODEL_SHAPES; shape++) {
        model_dimension = dimensions[shape];
        check_shape(&kind_vectors, (enum model_shape)shape, usual_count(shape, 1200), true, shape & 1, COMPRESSION_NONE,
                    4096, (uint64_t)shape);
    }
}

static void every_shape_answers_as_the_model_does_when_compressed(void **state)
{
    (void)state;
    model_dimension = 7;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        for (int codec = COMPRESSION_LZ4; codec <= COMPRESSION_ZSTD; codec++)
            check_shape(&kind_vectors, (enum model_shape)shape, usual_count(shape, 600), codec & 1, false,
                        (enum compression)codec, 4096, (uint64_t)(100 + shape * 2 + codec));
}

static void every_shape_answers_as_the_model_does_without_maps(void **state)
{
    (void)state;
    const uint32_t dimensions[] = { 40, 1, 300, 6, 2, 9, 64, 31 };
    for (int shape = 0; shape < MODEL_SHAPES; shape++) {
        model_dimension = dimensions[shape];
        check_shape(&kind_vectors, (enum model_shape)shape, usual_count(shape, 500), false, false, COMPRESSION_NONE,
                    4096, (uint64_t)(200 + shape));
    }
}

static void vectors_of_the_most_dimensions_are_kept(void **state)
{
    (void)state;
    model_dimension = 65535;
    check_shape(&kind_vectors, BINARY, 30, true, false, COMPRESSION_NONE, 4096, 9);
    check_shape(&kind_vectors, BINARY, 30, false, false, COMPRESSION_NONE, 4096, 10);
}

/* ---- by row ---- */

/* The places in the model of its puts. */
static size_t *places_of_rows(const struct model *m, size_t *rows)
{
    size_t *places = malloc(m->count * sizeof *places + 1);
    assert_non_null(places);
    *rows = 0;
    for (size_t i = 0; i < m->count; i++)
        if (entry_sets(&m->items[i]))
            places[(*rows)++] = i;
    return places;
}

static bool is_older(const struct model *m, size_t i)
{
    return i > 0 && slice_equal(m->items[i - 1].key, m->items[i].key);
}

static void check_row(struct vector_reader *r, const struct model *m, uint32_t row, size_t i)
{
    const struct entry *e = &m->items[i];
    struct row_version version;
    struct buffer key = { 0 };
    struct entry found = { 0 };
    struct pin pin;
    assert_int_equal(reader_row_version(r, row, &version), NACRE_OK);
    assert_int_equal(version.sequence, e->sequence);
    assert_int_equal(version.expiry_ms, e->expiry_ms);
    assert_int_equal(version.shadowed_by, is_older(m, i) ? m->items[i - 1].sequence : 0);
    assert_int_equal(version.shadowed_below, i + 1 < m->count && is_older(m, i + 1));
    assert_int_equal(reader_row_key(r, row, &key), NACRE_OK);
    assert_true(slice_equal(buffer_slice(&key), e->key));
    assert_int_equal(reader_row_value(r, row, &found, &pin), NACRE_OK);
    assert_true(slice_equal(found.value, e->value) && found.type == e->type);
    pin_release(&pin);
    assert_int_equal(vectors_row_entry(r, row, &found, &key, &pin), NACRE_OK);
    assert_entry(e, &found);
    pin_release(&pin);
    assert_int_equal(vector_rows_need(&r->rows, row), NACRE_OK);
    assert_memory_equal(vector_row(&r->rows, row), e->vector, r->rows.stride);
    buffer_free(&key);
}

struct visit {
    const struct model *m;
    const size_t *places;
    uint32_t next, last;
};

static bool visit_key(void *context, uint32_t row, nacre_slice key)
{
    struct visit *v = context;
    assert_int_equal(row, v->next);
    assert_true(slice_equal(key, v->m->items[v->places[row]].key));
    return v->next++ < v->last;
}

static void check_visits(struct vector_reader *r, const struct model *m, const size_t *places, size_t rows,
                         uint64_t *random)
{
    for (int i = 0; i < 100; i++) {
        uint32_t begin = (uint32_t)below(random, rows + 1), end = begin + (uint32_t)below(random, rows + 1 - begin);
        struct visit v = { m, places, begin, i % 4 ? UINT32_MAX : begin + (uint32_t)below(random, rows) };
        assert_int_equal(reader_visit_keys(r, begin, end, visit_key, &v), NACRE_OK);
        assert_int_equal(v.next, end <= v.last ? end : v.last + 1);
    }
}

static size_t rows_below(const struct model *m, const size_t *places, size_t rows, nacre_slice key)
{
    size_t row = 0;
    while (row < rows && slice_compare(m->items[places[row]].key, key) < 0)
        row++;
    return row;
}

static void check_ranges(struct vector_reader *r, const struct model *m, const size_t *places, size_t rows,
                         enum model_shape shape, uint64_t *random)
{
    static uint8_t begin[MODEL_KEY_MAX], end[MODEL_KEY_MAX];
    for (int i = 0; i < 200; i++) {
        nacre_slice from = slice_of(begin, model_key(shape, random, begin)),
                    to = slice_of(end, model_key(shape, random, end));
        uint32_t first, after;
        assert_int_equal(reader_row_range(r, from, to, &first, &after), NACRE_OK);
        size_t expected = rows_below(m, places, rows, from);
        assert_int_equal(first, expected);
        size_t behind = to.size ? rows_below(m, places, rows, to) : rows;
        assert_int_equal(after, behind > expected ? behind : expected);
    }
}

static void rows_tell_their_versions_keys_and_values(void **state)
{
    (void)state;
    for (int shape = 0; shape < MODEL_SHAPES; shape++) {
        struct fixture f;
        struct model m;
        size_t rows;
        uint64_t random = 77 + (uint64_t)shape;
        fixture_open_kind(&f, &kind_vectors, shape & 1);
        model_dimension = 1 + (uint32_t)shape * 13;
        model_fill(&m, (enum model_shape)shape, usual_count(shape, 900), &random);
        struct segment *s = model_build(&f, &m, &(struct build_options){ .compression = COMPRESSION_LZ4 });
        struct vector_reader *r = s->reader;
        size_t *places = places_of_rows(&m, &rows);
        assert_int_equal(r->rows.count, rows);
        assert_int_equal(r->entries, m.count);
        assert_int_equal(r->rows.dimension, model_dimension);
        for (uint32_t row = 0; row < rows; row++)
            check_row(r, &m, row, places[row]);
        for (int i = 0; i < 300; i++) {
            uint32_t row = (uint32_t)below(&random, rows);
            check_row(r, &m, row, places[row]);
        }
        check_visits(r, &m, places, rows, &random);
        check_ranges(r, &m, places, rows, (enum model_shape)shape, &random);
        struct row_version version;
        assert_int_equal(reader_row_version(r, (uint32_t)rows, &version), NACRE_INVALID);
        free(places);
        fixture_close_with(&f, &m, s);
    }
}

static bool all_count(struct fixture *f, const struct model *m, uint64_t snapshot, uint64_t now_ms)
{
    struct segment *s = model_build(f, m, &(struct build_options){ 0 });
    bool answer = reader_all_rows_count(s->reader, snapshot, now_ms);
    segment_unref(s);
    return answer;
}

static void all_rows_count_only_when_each_does(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 3;
    fixture_open_kind(&f, &kind_vectors, true);
    model_dimension = 2;
    model_add_numbers(&m, 100);
    model_give_vectors(&m, &random);
    assert_true(all_count(&f, &m, 5, 1000));
    assert_false(all_count(&f, &m, 4, 1000));
    m.items[50].expiry_ms = 1000;
    assert_false(all_count(&f, &m, 5, 1000));
    assert_true(all_count(&f, &m, 5, 999));
    m.items[50].expiry_ms = 0;
    struct entry older = m.items[50];
    older.sequence = 4;
    older.type = ENTRY_DELETE;
    older.vector = NULL;
    model_add(&m, older); /* an older delete supersedes nothing */
    model_finish(&m);
    assert_true(all_count(&f, &m, 5, 0));
    m.items[51].type = ENTRY_PUT;
    m.items[51].vector = model_vector(&random);
    assert_false(all_count(&f, &m, 5, 0));
    model_free(&m);
    fixture_close(&f);
}

/* ---- what newer segments supersede ---- */

static void expect_dead(const struct model *older, const struct model *newer, const struct range_delete *ranges,
                        size_t range_count, size_t place, uint64_t *superseded_by)
{
    const struct entry *e = &older->items[place];
    *superseded_by = 0;
    for (size_t i = model_seek(newer, e->key); i < newer->count && slice_equal(newer->items[i].key, e->key); i++)
        if (newer->items[i].sequence > e->sequence)
            *superseded_by = newer->items[i].sequence; /* they go downwards */
    for (size_t i = 0; i < range_count; i++)
        if (ranges[i].sequence > e->sequence && slice_compare(e->key, ranges[i].begin) >= 0 &&
            (ranges[i].end.size == 0 || slice_compare(e->key, ranges[i].end) < 0) && *superseded_by == 0)
            *superseded_by = ranges[i].sequence;
}

static void check_find_dead(struct segment *older, struct segment *newer, const struct model *old_model,
                            const struct model *new_model, const struct range_delete *ranges, size_t range_count)
{
    struct dead_rows *rows = NULL;
    struct range_set *set = NULL;
    size_t count, dead = 0;
    size_t *places = places_of_rows(old_model, &count);
    assert_int_equal(dead_rows_create(&rows), NACRE_OK);
    assert_int_equal(range_set_create(ranges, range_count, &set), NACRE_OK);
    assert_int_equal(kind_vectors.find_dead(older->reader, newer->reader, set, rows, NULL, NULL), NACRE_OK);
    for (uint32_t row = 0; row < count; row++) {
        uint64_t superseded_by;
        expect_dead(old_model, new_model, ranges, range_count, places[row], &superseded_by);
        assert_int_equal(dead_rows_has(rows, row), superseded_by != 0);
        assert_true(superseded_by <= rows->valid_from);
        dead += superseded_by != 0;
    }
    dead_rows_seal(rows);
    assert_int_equal(rows->count, dead);
    dead_rows_unref(rows);
    range_set_free(set);
    free(places);
}

static void find_dead_tells_what_versions_and_range_deletes_supersede(void **state)
{
    (void)state;
    const size_t sizes[][2] = { { 600, 600 }, { 1500, 10 }, { 10, 1500 }, { 300, 1 }, { 1, 300 }, { 1200, 150 } };
    model_dimension = 2;
    for (int shape = 0; shape < MODEL_SHAPES; shape++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            if (shape == LARGE_VALUES || (shape == LONG_KEYS && i > 1))
                continue;
            struct fixture f;
            struct model old_model, new_model;
            static uint8_t keys[6][MODEL_KEY_MAX];
            struct range_delete ranges[3];
            uint64_t random = 300 + (uint64_t)shape * 10 + i;
            fixture_open_kind(&f, &kind_vectors, i & 1);
            size_t scale = shape == LONG_KEYS ? 10 : 1;
            model_fill(&old_model, (enum model_shape)shape, sizes[i][0] / scale + 1, &random);
            model_fill(&new_model, (enum model_shape)shape, sizes[i][1] / scale + 1, &random);
            for (size_t k = 0; k < new_model.count && i != 2; k++)
                new_model.items[k].sequence += 3 * sizes[i][0]; /* as newer ones have; in one case they mingle */
            struct segment *older = model_build(&f, &old_model, &(struct build_options){ 0 });
            struct segment *newer = model_build(&f, &new_model, &(struct build_options){ 0 });
            check_find_dead(older, newer, &old_model, &new_model, NULL, 0);
            for (int k = 0; k < 3; k++) {
                nacre_slice a = slice_of(keys[2 * k], model_key((enum model_shape)shape, &random, keys[2 * k]));
                nacre_slice b = slice_of(keys[2 * k + 1], model_key((enum model_shape)shape, &random, keys[2 * k + 1]));
                bool swap = slice_compare(a, b) > 0;
                ranges[k] = (struct range_delete){ swap ? b : a, swap ? a : b, below(&random, 6 * sizes[i][0]) + 2 };
            }
            for (int k = 0; k < 3; k++)
                if (slice_equal(ranges[k].begin, ranges[k].end))
                    ranges[k].end = slice_of("", 0);
            check_find_dead(older, newer, &old_model, &new_model, ranges, 3);
            segment_unref(older);
            segment_unref(newer);
            model_free(&old_model);
            model_free(&new_model);
            fixture_close(&f);
        }
}

static int stop_at_once(void *context)
{
    (void)context;
    return NACRE_CANCELLED;
}

static void find_dead_stops_when_asked(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 5;
    struct dead_rows *rows = NULL;
    fixture_open_kind(&f, &kind_vectors, true);
    model_dimension = 1;
    model_add_numbers(&m, 5000);
    model_give_vectors(&m, &random);
    struct segment *s = model_build(&f, &m, &(struct build_options){ 0 });
    assert_int_equal(dead_rows_create(&rows), NACRE_OK);
    assert_int_equal(kind_vectors.find_dead(s->reader, s->reader, NULL, rows, stop_at_once, NULL), NACRE_CANCELLED);
    dead_rows_unref(rows);
    fixture_close_with(&f, &m, s);
}

/* ---- indexes ---- */

/* Some of two segments, as a merge would leave it: sequences forgotten, one of them with new vectors. */
static void merge_models(const struct model *older, const struct model *newer, struct model *merged, uint64_t *random)
{
    *merged = (struct model){ 0 };
    for (int k = 0; k < 2; k++) {
        const struct model *m = k ? newer : older;
        for (size_t i = 0; i < m->count; i++) {
            struct entry e = m->items[i];
            bool covered = k == 0 && model_get(newer, e.key, UINT64_MAX);
            if (e.type == ENTRY_DELETE || is_older(m, i) || covered || below(random, 5) == 0)
                continue;
            e.sequence = 1;
            void *vector = malloc(4 * (size_t)model_dimension);
            memcpy(vector, e.vector, 4 * (size_t)model_dimension);
            e.vector = vector;
            model_add(merged, e);
        }
    }
    model_finish(merged);
}

static void check_mapping(struct segment *from, struct segment *to, uint64_t *taken, size_t *mapped)
{
    struct vector_reader *a = from->reader, *b = to->reader;
    struct buffer key = { 0 }, other = { 0 };
    uint32_t *rows = malloc(a->rows.count * sizeof *rows + 1);
    assert_int_equal(index_map_rows(a, b, taken, rows, NULL), NACRE_OK);
    for (uint32_t row = 0; row < a->rows.count; row++) {
        if (rows[row] == GRAPH_NO_ROW)
            continue;
        ++*mapped;
        assert_memory_equal(vector_row(&a->rows, row), vector_row(&b->rows, rows[row]), a->rows.stride);
        assert_int_equal(reader_row_key(a, row, &key), NACRE_OK);
        assert_int_equal(reader_row_key(b, rows[row], &other), NACRE_OK);
        assert_true(slice_equal(buffer_slice(&key), buffer_slice(&other)));
    }
    free(rows);
    buffer_free(&key);
    buffer_free(&other);
}

static void an_index_is_made_again_out_of_those_of_its_sources(void **state)
{
    (void)state;
    for (int map = 0; map < 2; map++) {
        struct fixture f;
        struct model older, newer, merged;
        uint64_t random = 41, taken[100] = { 0 }, entries;
        size_t mapped = 0;
        fixture_open_kind(&f, &kind_vectors, map);
        model_dimension = 6;
        model_fill(&older, COUNTED, 3000, &random);
        model_fill(&newer, COUNTED, 900, &random);
        merge_models(&older, &newer, &merged, &random);
        struct segment *a = model_build(&f, &older, &(struct build_options){ 0 });
        struct segment *b = model_build(&f, &newer, &(struct build_options){ 0 });
        struct segment *s = model_build(&f, &merged, &(struct build_options){ 0 });
        assert_int_equal(segment_build_index(a, NULL), NACRE_OK);
        assert_int_equal(segment_build_index(b, NULL), NACRE_OK);
        void *const sources[] = { a->reader, b->reader };
        struct index_job job = { .sources = sources, .source_count = 2, .threads = 2 };
        assert_int_equal(segment_build_index(s, &job), NACRE_OK);
        assert_true(segment_has_index(s));
        check_mapping(a, s, taken, &mapped);
        check_mapping(b, s, taken, &mapped);
        assert_int_equal(mapped, merged.count); /* no vector is new */
        assert_int_equal(segment_verify(s, &entries), NACRE_OK);
        job.stop = stop_at_once;
        assert_int_equal(segment_build_index(s, &job), NACRE_CANCELLED);
        assert_true(segment_has_index(s)); /* the one there was */
        segment_unref(a);
        segment_unref(b);
        segment_unref(s);
        model_free(&older);
        model_free(&newer);
        model_free(&merged);
        fixture_close(&f);
    }
}

/* ---- what is refused ---- */

static void a_builder_refuses_what_is_no_entry_of_vectors(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    static uint8_t key[NACRE_KEY_MAX + 1];
    float vector[2] = { 1, 2 };
    fixture_open(&f, true);
    struct build_options options = { .dimension = 0, .metric = NACRE_L2 };
    assert_int_equal(segment_builder_create(&f.env, &kind_vectors, 1, &options, &b), NACRE_INVALID);
    options.dimension = 65536;
    assert_int_equal(segment_builder_create(&f.env, &kind_vectors, 1, &options, &b), NACRE_INVALID);
    options = (struct build_options){ .dimension = 2 };
    assert_int_equal(segment_builder_create(&f.env, &kind_vectors, 1, &options, &b), NACRE_INVALID);
    options.metric = NACRE_DOT;
    assert_int_equal(segment_builder_create(&f.env, &kind_vectors, 1, &options, &b), NACRE_OK);
    struct entry e = { .key = slice_text("key10"), .value = slice_text("v"), .sequence = 5, .type = ENTRY_PUT };
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID); /* no vector */
    e.vector = vector;
    check_order_is_kept(b, &e);
    e.key = slice_text("key2");
    e.type = ENTRY_DELETE;
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID); /* a delete with a vector */
    e.vector = NULL;
    assert_int_equal(segment_builder_add(b, &e), NACRE_INVALID); /* with a value */
    e.value.size = 0;
    assert_int_equal(segment_builder_add(b, &e), NACRE_OK);
    memset(key, 'x', sizeof key);
    e = (struct entry){ .key = slice_of(key, sizeof key), .sequence = 1, .type = ENTRY_PUT, .vector = vector };
    assert_int_equal(segment_builder_add(b, &e), NACRE_LIMIT);
    e.key.size--;
    e.value = slice_of(key, NACRE_VALUE_MAX); /* the file could not hold it: it is not looked at */
    assert_int_equal(segment_builder_add(b, &e), NACRE_LIMIT);
    e.value.size = 7;
    assert_int_equal(segment_builder_add(b, &e), NACRE_OK);
    segment_builder_abandon(b);
    fixture_close(&f);
}

static void a_segment_of_range_deletes_alone_is_empty(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    struct cursor *c = NULL;
    uint64_t entries = 1;
    uint32_t first = 1, after = 1;
    struct lookup lookup = lookup_of(slice_text("k"), UINT64_MAX);
    struct entry e;
    struct pin pin;
    fixture_open(&f, true);
    struct build_options options = { .dimension = 3, .metric = NACRE_COSINE };
    assert_int_equal(segment_builder_create(&f.env, &kind_vectors, 1, &options, &b), NACRE_OK);
    struct range_delete range = { slice_text("a"), slice_text("z"), 9 };
    assert_int_equal(segment_builder_add_range(b, &range), NACRE_OK);
    assert_int_equal(segment_builder_finish(b, &s), NACRE_OK);
    struct vector_reader *r = s->reader;
    assert_int_equal(r->rows.count, 0);
    assert_int_equal(r->rows.metric, NACRE_COSINE);
    assert_int_equal(s->kind->get(r, &lookup, &e, &pin), NACRE_NOT_FOUND);
    assert_int_equal(reader_row_range(r, slice_text("b"), slice_text("c"), &first, &after), NACRE_OK);
    assert_int_equal(after, 0);
    assert_int_equal(s->kind->cursor_create(r, &c), NACRE_OK);
    cursor_first(c);
    assert_false(c->valid);
    cursor_seek_before(c, slice_text("z"));
    assert_false(c->valid);
    cursor_close(c);
    assert_int_equal(segment_verify(s, &entries), NACRE_OK);
    assert_int_equal(entries, 0);
    segment_unref(s);
    fixture_close(&f);
}

static void a_segment_of_deletes_alone_has_no_rows(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    uint64_t random = 7;
    fixture_open_kind(&f, &kind_vectors, true);
    model_dimension = 4;
    model_add_numbers(&m, 200);
    for (size_t i = 0; i < m.count; i++)
        m.items[i].type = ENTRY_DELETE;
    struct segment *s = model_build(&f, &m, &(struct build_options){ 0 });
    assert_int_equal(((struct vector_reader *)s->reader)->rows.count, 0);
    check_all(s, &m, COUNTED, &random);
    fixture_close_with(&f, &m, s);
}

static void values_are_set_aside_in_a_file_that_goes_away(void **state)
{
    (void)state;
    struct fixture f;
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    float vector = 1;
    static uint8_t value[100000];
    fixture_open(&f, true);
    struct build_options options = { .dimension = 1, .metric = NACRE_L2 };
    for (int finish = 0; finish < 2; finish++) {
        assert_int_equal(segment_builder_create(&f.env, &kind_vectors, 1, &options, &b), NACRE_OK);
        for (uint32_t i = 0; i < 30; i++) {
            uint8_t key[4] = { 0, 0, 0, (uint8_t)i };
            struct entry e = { { key, 4 }, { value, sizeof value }, 1, 0, ENTRY_PUT, &vector };
            assert_int_equal(segment_builder_add(b, &e), NACRE_OK);
        }
        assert_true(fixture_temporary_files(&f) > 0);
        assert_true(segment_builder_bytes(b) >= 29 * sizeof value);
        if (finish)
            assert_int_equal(segment_builder_finish(b, &s), NACRE_OK);
        else
            segment_builder_abandon(b);
        assert_int_equal(fixture_temporary_files(&f), 0);
    }
    segment_unref(s);
    fixture_close(&f);
}

/* ---- reading without maps ---- */

static void a_pass_over_all_entries_without_maps_keeps_no_vectors(void **state)
{
    (void)state;
    struct fixture f;
    struct model m = { 0 };
    struct cursor *c = NULL;
    struct entry e = { 0 };
    struct pin pin;
    uint64_t random = 7;
    fixture_open_kind(&f, &kind_vectors, false);
    model_dimension = 1024;
    model_add_numbers(&m, 500);
    model_give_vectors(&m, &random);
    struct segment *s = model_build(&f, &m, &(struct build_options){ 0 });
    assert_int_equal(s->kind->cursor_create(s->reader, &c), NACRE_OK);
    for (cursor_first(c); c->valid; cursor_next(c))
        assert_non_null(c->entry.vector);
    assert_int_equal(c->status, NACRE_OK);
    cursor_close(c);
    uint64_t before = s->kind->memory(s->reader);
    assert_true(before < VECTOR_BLOCK_BYTES);
    struct lookup lookup = lookup_of(m.items[100].key, UINT64_MAX);
    assert_int_equal(s->kind->get(s->reader, &lookup, &e, &pin), NACRE_OK);
    assert_entry(&m.items[100], &e);
    pin_release(&pin);
    assert_int_equal(s->kind->memory(s->reader), before + VECTOR_BLOCK_BYTES);
    fixture_close_with(&f, &m, s);
}

/* ---- faults and threads ---- */

static bool visit_any(void *context, uint32_t row, nacre_slice key)
{
    (void)context, (void)row, (void)key;
    return true;
}

static int read_some(struct segment *s, const struct model *m)
{
    struct lookup lookup = lookup_of(m->items[m->count / 2].key, UINT64_MAX);
    struct entry entry;
    struct pin pin;
    struct buffer key = { 0 };
    struct dead_rows *rows = NULL;
    uint64_t entries = 0;
    int status = s->kind->get(s->reader, &lookup, &entry, &pin);
    if (status == NACRE_OK)
        pin_release(&pin);
    if (status == NACRE_OK)
        status = s->kind->row_entry(s->reader, 3, &entry, &key, &pin);
    if (status == NACRE_OK)
        pin_release(&pin);
    buffer_free(&key);
    if (status == NACRE_OK)
        status = reader_visit_keys(s->reader, 0, 100, visit_any, NULL);
    if (status == NACRE_OK)
        status = dead_rows_create(&rows);
    if (status == NACRE_OK)
        status = s->kind->find_dead(s->reader, s->reader, NULL, rows, NULL, NULL);
    dead_rows_unref(rows);
    if (status == NACRE_OK)
        status = count_by_cursor(s, m);
    return status == NACRE_OK ? segment_verify(s, &entries) : status;
}

static int build_and_read(struct fixture *f, const struct model *m)
{
    struct segment *s = NULL;
    int status = model_try_build(f, m, &(struct build_options){ .compression = COMPRESSION_LZ4 }, &s);
    if (status != NACRE_OK)
        return status;
    status = read_some(s, m);
    segment_mark_obsolete(s);
    segment_unref(s);
    return status;
}

static void every_allocation_that_fails_is_told_and_leaks_nothing(void **state)
{
    (void)state;
    model_dimension = 50;
    check_failing_allocations(&kind_vectors, BINARY, build_and_read);
}

static void threads_that_use_a_segment_first_at_the_same_time_read_the_same(void **state)
{
    (void)state;
    model_dimension = 90;
    check_first_uses(&kind_vectors, COUNTED, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_answers_as_the_model_does_in_place),
        cmocka_unit_test(every_shape_answers_as_the_model_does_when_compressed),
        cmocka_unit_test(every_shape_answers_as_the_model_does_without_maps),
        cmocka_unit_test(vectors_of_the_most_dimensions_are_kept),
        cmocka_unit_test(rows_tell_their_versions_keys_and_values),
        cmocka_unit_test(all_rows_count_only_when_each_does),
        cmocka_unit_test(find_dead_tells_what_versions_and_range_deletes_supersede),
        cmocka_unit_test(find_dead_stops_when_asked),
        cmocka_unit_test(an_index_is_made_again_out_of_those_of_its_sources),
        cmocka_unit_test(a_builder_refuses_what_is_no_entry_of_vectors),
        cmocka_unit_test(a_segment_of_range_deletes_alone_is_empty),
        cmocka_unit_test(a_segment_of_deletes_alone_has_no_rows),
        cmocka_unit_test(values_are_set_aside_in_a_file_that_goes_away),
        cmocka_unit_test(a_pass_over_all_entries_without_maps_keeps_no_vectors),
        cmocka_unit_test(every_allocation_that_fails_is_told_and_leaks_nothing),
        cmocka_unit_test(threads_that_use_a_segment_first_at_the_same_time_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
