/* What fuzz_segment.c, fuzz_strings.c, fuzz_vectors.c and fuzz_index.c share: a small good segment with its side file, damage with right checksums over it, and a walk through every
   call that reads. Nothing is asserted of answers: no crash, no hang, no byte outside of what was given. */
#ifndef NACRE_TESTS_SEGMENT_EXERCISE_H
#define NACRE_TESTS_SEGMENT_EXERCISE_H
#include "base/endian.h"
#include "base/hash.h"
#include "base/memory.h"
#include "ordered/ordered.h"
#include "ordered/reader.h"
#include "support/os_memory.h"
#include "support/small_graphs.h"
#include "segment/block_cache.h"
#include "segment/container_format.h"
#include "segment/segment.h"
#include "strings/reader.h"
#include "strings/strings.h"
#include "distance/distance.h"
#include "values/value_pointer.h"
#include "vectors/keys.h"
#include "vectors/reader.h"
#include <stdio.h>
#include <stdlib.h>

#define EXERCISE_ID 7u

struct exercise {
    nacre_os *os;
    struct segment_env env;
    const struct kind *kind;
};

static inline void must(bool right)
{
    if (!right) {
        abort();
    }
}

static inline void exercise_begin(struct exercise *x, const struct kind *kind, bool map)
{
    x->kind = kind;
    x->os = os_memory_create();
    must(x->os && x->os->make_directory(x->os->context, "/s") == NACRE_OK);
    x->env = (struct segment_env){ .os = x->os, .directory = "/s", .map = map };
    must(block_cache_create(1 << 16, &x->env.cache) == NACRE_OK);
}

static inline void exercise_end(struct exercise *x)
{
    block_cache_free(x->env.cache);
    os_memory_free(x->os);
}

static inline void exercise_write(struct exercise *x, bool index, nacre_slice bytes)
{
    char path[OS_PATH_MAX];
    nacre_file *file = NULL;
    must(segment_path(&x->env, EXERCISE_ID, index, path) == NACRE_OK);
    must(x->os->open(x->os->context, path, NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file) == NACRE_OK);
    must(x->os->truncate(file, 0) == NACRE_OK);
    must(bytes.size == 0 || x->os->write(file, 0, bytes.data, bytes.size) == NACRE_OK);
    must(x->os->close(file) == NACRE_OK);
}

static inline void exercise_read(struct exercise *x, bool index, struct buffer *out)
{
    char path[OS_PATH_MAX];
    must(segment_path(&x->env, EXERCISE_ID, index, path) == NACRE_OK);
    must(os_read_file(x->os, path, 1 << 24, out) == NACRE_OK);
}

/* Makes the entry one whose value lies in the value log; `bytes` hold the pointer. */
static inline void exercise_point(struct entry *e, uint32_t i, uint8_t bytes[VALUE_POINTER_BYTES])
{
    struct value_pointer pointer = { 1 + i % 3, 64 + i * 100, 100, i * 0x9e3779b97f4a7c15u };
    value_pointer_encode(&pointer, bytes);
    e->type = ENTRY_POINTER;
    e->value = slice_of(bytes, VALUE_POINTER_BYTES);
}

/* Entries of many kinds in small blocks, some of them compressed. */
static inline void exercise_build(struct exercise *x)
{
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    struct build_options options = {
        .compression = COMPRESSION_LZ4, .block_bytes = 256, .learned_index = 2, .build_index = true
    };
    must(segment_builder_create(&x->env, &kind_ordered, EXERCISE_ID, &options, &b) == NACRE_OK);
    for (uint32_t i = 0; i < 120; i++) {
        char key[64], value[300];
        int size = snprintf(key, sizeof key, "%s%03u", i < 60 ? "a-common-prefix/" : "", i / 2);
        for (uint32_t k = 0; k < sizeof value; k++) {
            value[k] = (char)(i % 3 ? (k * k + i * k * 7) >> 2 : i);
        }
        struct entry e = { { key, (size_t)size },  { value, i % 20 == 0 ? 290 : i % 30 }, 1000 - i,
                           i % 5 ? 0 : i * 100000, i % 11 == 5 ? ENTRY_MERGE : ENTRY_PUT, NULL };
        uint8_t pointer[VALUE_POINTER_BYTES];
        if (i % 11 == 7) {
            exercise_point(&e, i, pointer);
        }
        if (i >= 60) {
            key[0] = 'b';
        }
        must(segment_builder_add(b, &e) == NACRE_OK);
    }
    must(segment_builder_add_range(b, &(struct range_delete){ slice_text("a"), slice_text("b"), 3 }) == NACRE_OK);
    must(segment_builder_finish(b, &s) == NACRE_OK);
    segment_unref(s);
}

/* Several blocks of keys, with and without versions, wide ones, and ones that are not ASCII, or not UTF-8; some values are compressed. */
static inline void exercise_build_strings(struct exercise *x)
{
    static char key[600];
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    struct build_options options = { .compression = COMPRESSION_LZ4, .block_bytes = 4096, .build_index = true };
    must(segment_builder_create(&x->env, &kind_strings, EXERCISE_ID, &options, &b) == NACRE_OK);
    for (uint32_t i = 0; i < 500; i++) {
        const char *end = i % 9 ? "" : i < 300 ? "\xc3\xa9" : "\xff";
        int size = snprintf(key, sizeof key, "%s%03u/%s", i < 200 ? "a-common-prefix/" : "b", i, end);
        if (i % 100 == 50) {
            memset(key + size, 'w', 300);
            size += 300;
        }
        for (uint32_t version = 0; version < (i >= 130 && i % 7 == 0 ? 3 : 1); version++) {
            bool put = i < 130 || i % 5;
            struct entry e = {
                { key, (size_t)size }, { key, put && i >= 200 ? i % 30 : 0 }, 7, 0, put ? ENTRY_PUT : ENTRY_DELETE, NULL
            };
            if (i >= 130) {
                e.sequence = 1000 + i * i - version;
                e.expiry_ms = i % 4 ? 0 : i * 100000;
                e.type = !put ? ENTRY_DELETE : i % 11 == 7 ? ENTRY_MERGE : ENTRY_PUT;
            }
            uint8_t pointer[VALUE_POINTER_BYTES];
            if (i >= 130 && put && i % 11 == 3) {
                exercise_point(&e, i, pointer);
            }
            must(segment_builder_add(b, &e) == NACRE_OK);
        }
    }
    must(segment_builder_add_range(b, &(struct range_delete){ slice_text("a"), slice_text("b"), 3 }) == NACRE_OK);
    must(segment_builder_finish(b, &s) == NACRE_OK);
    segment_unref(s);
}

/* Several blocks of entries, with deletes, old versions, expiries and values, some of them compressed. */
static inline void exercise_build_vectors(struct exercise *x)
{
    struct segment_builder *b = NULL;
    struct segment *s = NULL;
    struct build_options options = {
        .compression = COMPRESSION_LZ4, .block_bytes = 4096, .dimension = 8, .metric = NACRE_L2
    };
    must(segment_builder_create(&x->env, &kind_vectors, EXERCISE_ID, &options, &b) == NACRE_OK);
    for (uint32_t i = 0; i < 130; i++) {
        char key[64], value[300];
        float vector[8];
        int size = snprintf(key, sizeof key, "%s%03u", i < 60 ? "a-common-prefix/" : "b", i / 2);
        for (uint32_t k = 0; k < sizeof value; k++)
            value[k] = (char)(i % 3 ? (k * k + i * k * 7) >> 2 : i);
        for (uint32_t k = 0; k < 8; k++)
            vector[k] = (float)((i * 37 + k * k * 11) % 101) - 50;
        bool put = i % 7 != 3;
        struct entry e = { { key, (size_t)size },
                           { value, !put          ? 0
                                    : i % 20 == 0 ? 290
                                                  : i % 30 },
                           1000 - i,
                           i % 5 ? 0 : i * 100000,
                           put ? ENTRY_PUT : ENTRY_DELETE,
                           put ? vector : NULL };
        uint8_t pointer[VALUE_POINTER_BYTES];
        if (put && i % 9 == 4) {
            exercise_point(&e, i, pointer);
        }
        must(segment_builder_add(b, &e) == NACRE_OK);
    }
    must(segment_builder_add_range(b, &(struct range_delete){ slice_text("a"), slice_text("b"), 3 }) == NACRE_OK);
    must(segment_builder_finish(b, &s) == NACRE_OK);
    segment_unref(s);
}

/* Flips as the input says: two bytes of place, one of mask, and again. */
static inline void damage(struct buffer *file, const uint8_t *data, size_t size)
{
    for (; size >= 3; data += 3, size -= 3) {
        file->data[load_u16(data) % file->size] ^= data[2];
    }
}

static inline const uint8_t *find_section_entry(const struct buffer *file, const char *name)
{
    const uint8_t *footer = file->data + file->size - CONTAINER_FOOTER_BYTES;
    for (uint32_t i = 0; i < load_u32(footer + 8); i++) {
        const uint8_t *entry = file->data + load_u64(footer) + (size_t)i * CONTAINER_ENTRY_BYTES;
        if (memcmp(entry, name, 4) == 0) {
            return entry;
        }
    }
    abort();
}

/* `good` tells where everything was before the damage: so the damage is what the checksums vouch for. */
static inline void mend_blocks(struct buffer *file, const struct buffer *good)
{
    const uint8_t *fence = good->data + load_u64(find_section_entry(good, "FENC") + 8);
    struct fence f;
    uint64_t limit = load_u64(find_section_entry(good, "FENC") + 8);
    struct container c = { .path = (char[]){ "good" } };
    must(fence_open(&c, slice_of(fence, (size_t)load_u64(find_section_entry(good, "FENC") + 16)), 64, limit, &f) ==
         NACRE_OK);
    for (uint32_t i = 0; i < f.blocks; i++) {
        uint32_t offset = fence_offset(&f, i), room = fence_offset(&f, i + 1) - offset;
        uint8_t *block = file->data + offset;
        uint32_t size = load_u32(block + 8);
        if (size >= BLOCK_HEADER_BYTES && size <= room) {
            store_u64(block, hash_bytes(block + 8, size - 8) + block_checksum_mix(EXERCISE_ID, offset));
        }
    }
}

static inline void mend_block(struct buffer *file, uint32_t offset, uint32_t end)
{
    uint8_t *block = file->data + offset;
    uint32_t size = load_u32(block + 8);
    if (size >= KEY_BLOCK_HEADER && size <= end - offset)
        store_u64(block, hash_bytes(block + 8, size - 8) + block_checksum_mix(EXERCISE_ID, offset));
}

static inline void mend_string_blocks(struct buffer *file, const struct buffer *good)
{
    const uint8_t *directory = good->data + load_u64(find_section_entry(good, "BDIR") + 8);
    const uint8_t *versions = good->data + load_u64(find_section_entry(good, "VDIR") + 8);
    uint64_t blocks = load_u64(find_section_entry(good, "BFLG") + 16);
    for (uint64_t i = 0; i < blocks; i++) {
        uint32_t offset = load_u32(directory + 8 * i), end = load_u32(directory + 8 * (i + 1)),
                 behind = load_u32(versions + 4 * i);
        mend_block(file, offset, behind ? behind : end);
        if (behind)
            mend_block(file, behind, end);
    }
}

static inline void mend_vectors(struct buffer *file, const struct buffer *good)
{
    const uint8_t *about = good->data + load_u64(find_section_entry(good, "VECS") + 8);
    const uint8_t *sums = find_section_entry(good, "VSUM");
    size_t stride = 4 * (size_t)load_u32(about), bytes = load_u32(about + 12) * stride;
    size_t whole = stride << row_block_shift(stride), at = CONTAINER_HEADER_BYTES;
    for (uint64_t i = 0; 8 * i < load_u64(sums + 16); i++, at += whole) {
        size_t part = CONTAINER_HEADER_BYTES + bytes - at;
        store_u64(file->data + load_u64(sums + 8) + 8 * i,
                  row_block_checksum(EXERCISE_ID, at, file->data + at, part < whole ? part : whole));
    }
}

static inline void mend_vector_blocks(struct buffer *file, const struct buffer *good)
{
    const uint8_t *about = good->data + load_u64(find_section_entry(good, "VECS") + 8);
    const uint8_t *directory = good->data + load_u64(find_section_entry(good, "KDIR") + 8);
    uint32_t begin = load_u32(about + 72), values_begin = load_u32(about + 76);
    mend_vectors(file, good);
    for (uint32_t i = 0; i < load_u32(about + 20); i++) {
        uint32_t offset = load_u32(directory + 8 * (size_t)i), room = load_u32(directory + 8 * (size_t)i + 8) - offset;
        const uint8_t *was = good->data + begin + offset;
        uint8_t *block = file->data + begin + offset, *values = file->data + values_begin + load_u32(was + 40);
        uint32_t size = load_u32(block + 8), values_size = load_u32(was + 44);
        if (size >= ENTRY_BLOCK_HEADER && size <= room)
            store_u64(block, hash_bytes(block + 8, size - 8) + block_checksum_mix(EXERCISE_ID, offset));
        if (values_size)
            store_u64(values, hash_bytes(values + 8, values_size - 8) +
                                  block_checksum_mix(EXERCISE_ID, load_u32(was + 40) + ENTRY_VALUES_MIX));
    }
}

static inline void mend_pages(struct buffer *file, const struct buffer *good)
{
    const uint8_t *pages = find_section_entry(good, "PIDX"), *sums = find_section_entry(good, "PSUM");
    uint64_t at = load_u64(pages + 8), size = load_u64(pages + 16);
    for (uint64_t i = 0; i * INDEX_PAGE_BYTES < size; i++) {
        size_t part =
            size - i * INDEX_PAGE_BYTES < INDEX_PAGE_BYTES ? (size_t)(size - i * INDEX_PAGE_BYTES) : INDEX_PAGE_BYTES;
        uint64_t sum = hash_bytes(file->data + at + i * INDEX_PAGE_BYTES, part) + i * 0x9e3779b97f4a7c15u;
        store_u64(file->data + load_u64(sums + 8) + 8 * i, sum);
    }
}

static inline void mend_frame(struct buffer *file, const struct buffer *good)
{
    uint8_t *footer = file->data + file->size - CONTAINER_FOOTER_BYTES;
    const uint8_t *good_footer = good->data + good->size - CONTAINER_FOOTER_BYTES;
    uint64_t table = load_u64(good_footer);
    uint32_t count = load_u32(good_footer + 8);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *entry = file->data + table + (size_t)i * CONTAINER_ENTRY_BYTES;
        uint64_t at = load_u64(entry + 8), size = load_u64(entry + 16);
        if (at <= file->size && size <= file->size - at) {
            store_u64(entry + 24, hash_bytes(file->data + at, (size_t)size));
        }
    }
    store_u64(footer + 16, hash_seeded(file->data + table, (size_t)count * CONTAINER_ENTRY_BYTES, EXERCISE_ID));
    store_u64(footer + 56, hash_bytes(footer, 56));
    store_u64(file->data + 56, hash_bytes(file->data, 56));
}

static inline void exercise_line(void *context, const char *json)
{
    *(size_t *)context += json[0] == '{';
}

static inline void exercise_cursor(struct segment *s)
{
    static const char *const keys[] = { "", "a", "a-common-prefix/017", "b59", "b410/", "zz" };
    struct cursor *c = NULL;
    uint64_t sum = 0;
    must(s->kind->cursor_create(s->reader, &c) == NACRE_OK);
    for (cursor_first(c); c->valid; cursor_next(c)) {
        sum += c->entry.sequence + hash_bytes(c->entry.key.data, c->entry.key.size) +
               hash_bytes(c->entry.value.data, c->entry.value.size);
    }
    for (cursor_last(c); c->valid; cursor_prev(c)) {
        sum += hash_bytes(c->entry.key.data, c->entry.key.size);
    }
    for (size_t i = 0; i < 6; i++) {
        cursor_seek(c, slice_text(keys[i]));
        for (int k = 0; k < 5 && c->valid; k++) {
            k & 1 ? cursor_next(c) : cursor_prev(c);
        }
        cursor_seek_before(c, slice_text(keys[i]));
    }
    cursor_close(c);
    (void)sum;
}

static inline void exercise_gets(struct segment *s)
{
    for (uint32_t i = 0; i < 160; i++) {
        char key[64];
        int size = s->kind == &kind_strings
                       ? snprintf(key, sizeof key, "%s%03u/", i & 1 ? "a-common-prefix/" : "b", i * 3)
                       : snprintf(key, sizeof key, "%s%03u", i & 1 ? "a-common-prefix/" : "b", i / 2);
        struct lookup lookup = { { key, (size_t)size }, hash_bytes(key, (size_t)size), i % 3 ? UINT64_MAX : 950, NULL };
        struct entry entry;
        struct pin pin = { NULL, NULL };
        s->kind->prefetch(s->reader, &lookup);
        (void)s->kind->may_have_key(s->reader, &lookup);
        (void)s->kind->may_have_prefix(s->reader, slice_of(key, (size_t)size / 2));
        if (s->kind->get(s->reader, &lookup, &entry, &pin) == NACRE_OK) {
            must(entry.value.size == 0 || hash_bytes(entry.value.data, entry.value.size) != 1);
            pin_release(&pin);
        }
    }
}

static inline bool exercise_visit(void *context, uint32_t row, nacre_slice key)
{
    *(uint64_t *)context += row + hash_bytes(key.data, key.size);
    return true;
}

/* What is asked of kinds that hold vectors. */
static inline void exercise_rows(struct segment *s)
{
    struct vector_reader *r = s->reader;
    struct buffer key = { 0 };
    struct dead_rows *dead = NULL;
    uint64_t sum = 0;
    uint32_t first, after, rows = r->rows.count < 300 ? r->rows.count : 300;
    for (uint32_t row = 0; row < rows; row++) {
        struct row_version version;
        struct entry e = { 0 };
        struct pin pin = { NULL, NULL };
        (void)reader_row_version(r, row, &version);
        if (s->kind->row_entry(r, row, &e, &key, &pin) == NACRE_OK)
            sum += hash_bytes(e.value.data, e.value.size) + hash_bytes(e.vector, r->rows.stride);
        pin_release(&pin);
    }
    (void)reader_visit_keys(r, rows / 3, r->rows.count, exercise_visit, &sum);
    (void)reader_row_range(r, slice_text("a-common-prefix/011"), slice_text("b05"), &first, &after);
    must(dead_rows_create(&dead) == NACRE_OK);
    (void)s->kind->find_dead(r, r, s->ranges, dead, NULL, NULL);
    dead_rows_unref(dead);
    buffer_free(&key);
}

static inline bool exercise_allows(void *context, const struct entry *entry)
{
    return (hash_bytes(entry->key.data, entry->key.size) + entry->value.size) % *(uint64_t *)context == 0;
}

/* Searches of kinds that hold vectors: all rows and a part, with and without a filter, exactly and not. */
static inline void exercise_nearest(struct segment *s)
{
    struct vector_reader *r = s->reader;
    float *query = calloc(r->rows.dimension ? r->rows.dimension : 1, sizeof *query);
    must(query != NULL);
    small_graphs();
    for (uint32_t i = 0; i < r->rows.dimension; i++) {
        query[i] = (float)(i % 7) - 3;
    }
    for (unsigned n = 0; n < 8; n++) {
        struct distance distance;
        uint64_t one_in = n + 1;
        struct nearest_filter filter = { .allows = exercise_allows, .context = &one_in, .wants_value = n == 3 };
        struct nearest nearest = { .distance = &distance,
                                   .k = n == 5 ? 1000 : 1 + n,
                                   .recall = 0.9f,
                                   .exact = n % 2,
                                   .snapshot = n % 4 == 3 ? 950 : UINT64_MAX,
                                   .now_ms = 5,
                                   .filter = n > 1 && n < 6 ? &filter : NULL };
        if (n > 4) {
            nearest.begin = slice_text("a-common-prefix/011");
            nearest.end = slice_text("b05");
        }
        if (n == 4) {
            filter.identity = slice_text("one in five");
        }
        distance_begin(&distance, r->rows.metric, query, r->rows.dimension);
        (void)s->kind->nearest(r, &nearest);
        nearest_sort(&nearest);
        for (size_t i = 1; i < nearest.found_count; i++) {
            must(nearest.found[i - 1].distance <= nearest.found[i].distance);
        }
        nearest_free(&nearest);
    }
    free(query);
}

static inline void exercise_segment(struct exercise *x)
{
    struct segment *s = NULL;
    if (segment_open(&x->env, x->kind, EXERCISE_ID, 0, &s) != NACRE_OK) {
        return;
    }
    struct buffer keys = { 0 };
    uint64_t entries = 0;
    size_t made = 0, lines = 0;
    exercise_gets(s);
    exercise_cursor(s);
    if (s->kind->holds_vectors) {
        exercise_rows(s);
        exercise_nearest(s);
    }
    (void)s->kind->sample_keys(s->reader, 5, &keys, &made);
    (void)s->kind->dump(s->reader, exercise_line, &lines);
    (void)segment_verify(s, &entries);
    (void)segment_build_index(s, NULL);
    if (s->kind->holds_vectors) {
        exercise_nearest(s);
    }
    exercise_gets(s);
    buffer_free(&keys);
    segment_unref(s);
}
/* The input as a whole file, and as damage to a good one whose checksums are made right again. */
static inline void exercise_files(const struct kind *kind, void (*build)(struct exercise *),
                                  void (*mend)(struct buffer *, const struct buffer *), const uint8_t *data,
                                  size_t size)
{
    struct exercise x;
    struct buffer good = { 0 }, file = { 0 };
    bool map = size % 2;
    exercise_begin(&x, kind, map);
    exercise_write(&x, false, slice_of(data, size));
    exercise_segment(&x);
    exercise_end(&x);

    exercise_begin(&x, kind, map);
    build(&x);
    exercise_read(&x, false, &good);
    must(buffer_append(&file, good.data, good.size) == NACRE_OK);
    damage(&file, data, size);
    mend(&file, &good);
    mend_frame(&file, &good);
    exercise_write(&x, false, buffer_slice(&file));
    exercise_segment(&x);
    exercise_end(&x);
    buffer_free(&good);
    buffer_free(&file);
}
#endif
