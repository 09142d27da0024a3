/* The side file of strings segments: any bytes as its sections, damage whose checksums are made right again, and side files of any keys, whose answers must hold for each key. */
#include "base/endian.h"
#include "base/hash.h"
#include "strings/string_index.h"
#include "support/os_memory.h"
#include <stdlib.h>

#define INDEX_PATH "/index"
#define INDEX_ID   3u
#define KEYS_MAX   200u

struct keys {
    nacre_slice items[KEYS_MAX];
    size_t count;
};

static void must(bool right)
{
    if (!right)
        abort();
}

static uint32_t block_of(size_t i)
{
    return (uint32_t)(i / 3);
}
static uint32_t blocks_of(const struct keys *k)
{
    return k->count ? block_of(k->count - 1) + 1 : 0;
}

static int key_order(const void *a, const void *b)
{
    return slice_compare(*(const nacre_slice *)a, *(const nacre_slice *)b);
}

/* Pieces of the input: a byte says how long each is. */
static void split(const uint8_t *data, size_t size, struct keys *k)
{
    size_t kept = 0;
    k->count = 0;
    for (size_t at = 0; at < size && k->count < KEYS_MAX;) {
        size_t length = data[at++] % 40;
        length = length < size - at ? length : size - at;
        k->items[k->count++] = slice_of(data + at, length);
        at += length;
    }
    if (k->count)
        qsort(k->items, k->count, sizeof k->items[0], key_order);
    for (size_t i = 0; i < k->count; i++)
        if (kept == 0 || !slice_equal(k->items[kept - 1], k->items[i]))
            k->items[kept++] = k->items[i];
    k->count = kept;
}

static void build(nacre_os *os, const struct keys *k)
{
    struct string_index_builder *b = NULL;
    struct container_writer *w = NULL;
    uint64_t bytes = 0, checksum = 0;
    must(string_index_builder_create(k->count, &b) == NACRE_OK);
    for (size_t i = 0; i < k->count; i++)
        must(string_index_builder_add(b, k->items[i], i ? slice_shared_prefix(k->items[i - 1], k->items[i]) : 0,
                                      block_of(i), hash_bytes(k->items[i].data, k->items[i].size)) == NACRE_OK);
    must(container_writer_create(os, INDEX_PATH, CONTAINER_INDEX, INDEX_ID, 2, &w) == NACRE_OK);
    must(string_index_builder_write(b, blocks_of(k), w) == NACRE_OK);
    must(container_writer_finish(w, &bytes, &checksum) == NACRE_OK);
    string_index_builder_free(b);
}

static bool has_block(struct string_index *x, gram g, uint32_t block)
{
    uint64_t bitmap[(KEYS_MAX + 63) / 64] = { 0 };
    string_index_gram_or(x, g, bitmap);
    bool has = bitmap[block / 64] >> (block % 64) & 1;
    string_index_gram_and(x, g, bitmap);
    return has && bitmap[block / 64] >> (block % 64) & 1 && string_index_gram_blocks(x, g) > 0;
}

/* What is asked of one key; `sound`: what must be answered. */
static void ask(struct string_index *x, nacre_slice key, uint32_t block, bool sound)
{
    uint8_t text[2 + 64] = { GRAM_BEGIN };
    const uint8_t *bytes = key.data;
    uint64_t keys = 0;
    for (size_t i = 0; i < key.size; i++)
        text[1 + i] = (uint8_t)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] + 32 : bytes[i]);
    text[1 + key.size] = GRAM_END;
    for (unsigned n = 1; n <= 3; n++) {
        for (size_t i = n == 1; i + n + (n == 1) <= key.size + 2; i++)
            must(has_block(x, gram_of(text + i, n), block) || !sound);
        for (size_t i = 0; i + n <= key.size; i++)
            must(!string_index_literal_keys(x, bytes + i, n, &keys) || keys > 0 || !sound);
    }
    for (unsigned n = 1; n <= 8 && n <= key.size; n++)
        must(!string_index_tail_keys(x, bytes + key.size - n, n, &keys) || keys > 0 || !sound);
    must(string_index_may_have_key(x, hash_bytes(bytes, key.size)) || !sound);
    must(string_index_may_have_prefix(x, slice_of(bytes, key.size / 2)) || !sound);
}

static void read_back(nacre_os *os, const struct keys *k, bool map, bool sound)
{
    struct container *c = NULL;
    struct string_index *x = NULL;
    uint64_t sum = 0;
    if (container_open(os, INDEX_PATH, CONTAINER_INDEX, INDEX_ID, 0, map, &c) != NACRE_OK) {
        must(!sound);
        return;
    }
    must(string_index_open(c, blocks_of(k), k->count, &x) == NACRE_OK);
    for (size_t i = 0; i < k->count; i++)
        ask(x, k->items[i], block_of(i), sound);
    const uint64_t *signatures = string_index_signatures(x);
    for (uint32_t i = 0; signatures && i < blocks_of(k); i++)
        sum += signatures[i];
    must((string_index_verify(x) == NACRE_OK && string_index_is_good(x)) || !sound);
    (void)sum;
    string_index_free(x);
    container_close(c);
}

/* The input as the bytes of sections: one after another, each as long as two bytes say. */
static void write_sections(nacre_os *os, const uint8_t *data, size_t size)
{
    static const char *const names[] = { "SGNT", "GRAM", "GPOS", "GCNT", "TAIL", "KFIL", "PFIX" };
    struct container_writer *w = NULL;
    uint64_t bytes = 0, checksum = 0;
    size_t at = 0;
    must(container_writer_create(os, INDEX_PATH, CONTAINER_INDEX, INDEX_ID, 2, &w) == NACRE_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t length = size - at >= 2 ? load_u16(data + at) % 2048 : 0;
        at += size - at >= 2 ? 2 : 0;
        length = length < size - at ? length : size - at;
        must(container_write_section(w, names[i], slice_of(data + at, length)) == NACRE_OK);
        at += length;
    }
    must(container_writer_finish(w, &bytes, &checksum) == NACRE_OK);
}

/* The good side file of `k`, made once. */
static const struct buffer *good_file(nacre_os *os, const struct keys *k)
{
    static struct buffer good;
    if (good.size == 0) {
        build(os, k);
        must(os_read_file(os, INDEX_PATH, 1 << 24, &good) == NACRE_OK);
    }
    return &good;
}

/* Three bytes each: where, and what. Then all checksums are made right again; the frame stays as it is. */
static void write_damaged(nacre_os *os, const struct buffer *good, const uint8_t *data, size_t size)
{
    struct buffer file = { 0 };
    nacre_file *f = NULL;
    must(buffer_append(&file, good->data, good->size) == NACRE_OK);
    uint8_t *footer = file.data + file.size - 64, *table = file.data + load_u64(footer);
    uint32_t count = load_u32(footer + 8);
    size_t room = (size_t)(table - file.data) - 64;
    for (size_t i = 0; i + 3 <= size; i += 3)
        file.data[64 + load_u16(data + i) % room] = data[i + 2];
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *entry = table + (size_t)i * 32;
        store_u64(entry + 24, hash_bytes(file.data + load_u64(entry + 8), (size_t)load_u64(entry + 16)));
    }
    store_u64(footer + 16, hash_seeded(table, (size_t)count * 32, INDEX_ID));
    store_u64(footer + 56, hash_bytes(footer, 56));
    must(os->open(os->context, INDEX_PATH, NACRE_FILE_WRITE | NACRE_FILE_CREATE, &f) == NACRE_OK);
    must(os->write(f, 0, file.data, file.size) == NACRE_OK);
    must(os->close(f) == NACRE_OK);
    buffer_free(&file);
}

static const char sample[] = "\x05usr/a\x09usr/share\x0dusr/share/doc\x0f"
                             "usr/share/README\x03ZZZ\x04\xff\xfe\xc3\xa9\x02\x00\x00\x08"
                             "lib/x-10\x08lib/x-11\x08lib/x-12\x08lib/x-13\x01q\x0a"
                             "0123456789\x07libz.so\x09libzq.so1\x00";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keys k;
    if (size < 1)
        return 0;
    nacre_os *os = os_memory_create();
    must(os != NULL);
    bool map = data[0] & 4;
    if (data[0] % 4 == 0) {
        split(data + 1, size - 1, &k);
        build(os, &k);
        read_back(os, &k, map, true);
    } else {
        split((const uint8_t *)sample, sizeof sample - 1, &k);
        if (data[0] % 4 == 1)
            write_sections(os, data + 1, size - 1);
        else
            write_damaged(os, good_file(os, &k), data + 1, size - 1);
        read_back(os, &k, map, false);
    }
    os_memory_free(os);
    return 0;
}
