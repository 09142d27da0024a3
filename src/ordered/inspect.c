/* Looking a whole ordered segment over: verify, dump, samples. Any thread; nothing is kept. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "ordered/index_builder.h"
#include "ordered/reader.h"

/* ---- verify ---- */

struct verification {
    struct ordered_reader *reader;
    struct buffer key, before; /* the record's whole key, and that of the record before it */
    uint64_t sequence_before;
    uint64_t entries, keys, digest;
    uint32_t block;
};

static int wrong(const struct verification *v, const char *what, uint64_t expected, uint64_t found)
{
    return fail(NACRE_CORRUPT, "%s: block %u at %u: %s: %llu expected, %llu found", v->reader->container->path,
                v->block, fence_offset(&v->reader->fence, v->block), what, (unsigned long long)expected,
                (unsigned long long)found);
}

/* A distinct key must be found through the position index, at this very place. */
static int verify_position(struct verification *v, struct position_index *x, uint32_t offset)
{
    struct position_probe probe;
    uint32_t position, wanted = x->offset_bits ? v->block << x->offset_bits | offset : v->block;
    bool found = false;
    position_probe_begin(&probe, x, hash_bytes(v->key.data, v->key.size));
    while (!found && position_probe_next(&probe, &position))
        found = position == wanted;
    position_probe_end(&probe);
    if (probe.status != NACRE_OK)
        return probe.status;
    if (found)
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "%s: position index: key of block %u, offset %u: position %u expected, none found",
                x->container->path, v->block, offset, wanted);
}

static int verify_order(struct verification *v, uint64_t sequence, bool *same)
{
    *same = false;
    if (v->entries == 0)
        return NACRE_OK;
    int order = slice_compare(buffer_slice(&v->before), buffer_slice(&v->key));
    *same = order == 0;
    if (order > 0)
        return wrong(v, "order of keys around record of sequence", v->sequence_before, sequence);
    if (order == 0 && v->sequence_before <= sequence)
        return wrong(v, "sequence of an older version, below", v->sequence_before, sequence);
    return NACRE_OK;
}

/* What the block says of the key ahead of its records. */
static int verify_front(const struct verification *v, const struct block_view *view, uint32_t slot)
{
    const uint8_t *rest = v->key.data + view->shared;
    size_t rest_size = v->key.size - view->shared;
    uint32_t head = (rest_size > 0 ? (uint32_t)rest[0] << 8 : 0) | (rest_size > 1 ? rest[1] : 0);
    uint32_t found = load_u16(view->heads + 2 * (size_t)slot);
    if (memcmp(v->key.data, view->prefix, view->shared) != 0) {
        return wrong(v, "shared bytes of record", slot, slot);
    }
    return head == found ? NACRE_OK : wrong(v, "head of a key", head, found);
}

/* What the fence says of the block, by its first key; `same`: it is the last key of the block before. */
static int verify_fence(const struct verification *v, bool same)
{
    const struct fence *fence = &v->reader->fence;
    bool continues = fence_place(fence, v->block) & PLACE_CONTINUES;
    if (continues != same) {
        return wrong(v, "mark of a key that goes on", same, continues);
    }
    uint32_t found = same ? v->block : fence_find(fence, buffer_slice(&v->key));
    if (found != v->block) {
        return wrong(v, "block that the fence names for its first key", v->block, found);
    }
    const struct learned_index *learned = ordered_learned_index(v->reader);
    found = same || !learned ? v->block : learned_find(learned, fence, buffer_slice(&v->key));
    return found == v->block ? NACRE_OK
                             : wrong(v, "block that the learned index names for its first key", v->block, found);
}

static int verify_record(struct verification *v, struct position_index *x, const struct block_view *view, uint32_t slot)
{
    struct record rec;
    uint32_t offset = block_slot(view, slot);
    bool same = false;
    record_parse(view->bytes + offset, v->reader->base_sequence, &rec);
    buffer_clear(&v->key);
    int status = buffer_reserve(&v->key, 1);
    if (status == NACRE_OK)
        status = buffer_append(&v->key, view->prefix, view->stripped);
    if (status == NACRE_OK)
        status = buffer_append(&v->key, rec.key, rec.key_size);
    if (status == NACRE_OK)
        status = verify_order(v, rec.sequence, &same);
    if (status == NACRE_OK)
        status = verify_front(v, view, slot);
    if (status == NACRE_OK && slot == 0 && v->block)
        status = verify_fence(v, same);
    if (status == NACRE_OK && !same && x)
        status = verify_position(v, x, offset);
    if (status != NACRE_OK)
        return status;
    struct buffer swap = v->before;
    v->before = v->key;
    v->key = swap;
    v->sequence_before = rec.sequence;
    v->entries++;
    v->keys += !same;
    return NACRE_OK;
}

static int verify_totals(const struct verification *v)
{
    const struct ordered_reader *r = v->reader;
    const char *path = r->container->path;
    if (v->entries != r->entries || v->keys != r->keys)
        return fail(NACRE_CORRUPT, "%s: %llu entries of %llu keys expected, %llu of %llu found", path,
                    (unsigned long long)r->entries, (unsigned long long)r->keys, (unsigned long long)v->entries,
                    (unsigned long long)v->keys);
    if (v->digest != r->digest)
        return fail(NACRE_CORRUPT, "%s: digest of the blocks: %016llx expected, %016llx found", path,
                    (unsigned long long)r->digest, (unsigned long long)v->digest);
    if (v->entries && !slice_equal(buffer_slice(&v->before), r->greatest_key))
        return fail(NACRE_CORRUPT, "%s: the last key is not the greatest key of section ORDR", path);
    return NACRE_OK;
}

/* The zeros between the last block and the first section. */
static int verify_gap(struct ordered_reader *r)
{
    uint64_t from = r->fence.blocks ? fence_offset(&r->fence, r->fence.blocks) : 64, to = 0, size = 0;
    struct buffer scratch = { 0 };
    const uint8_t *bytes = NULL;
    int status = container_section_bounds(r->container, r->fence.blocks ? "FENC" : "ORDR", &to, &size);
    if (status == NACRE_OK)
        status = container_read(r->container, from, (size_t)(to - from), &scratch, &bytes);
    for (uint64_t i = 0; status == NACRE_OK && i < to - from; i++)
        if (bytes[i])
            status = fail(NACRE_CORRUPT, "%s: padding at %llu: 0 expected, %u found", r->container->path,
                          (unsigned long long)(from + i), bytes[i]);
    buffer_free(&scratch);
    return status;
}

static int verify_block(struct verification *v, struct position_index *x, struct buffer *stored, struct buffer *raw)
{
    struct block_view view;
    int status = ordered_verify_block(v->reader, v->block, stored, raw, &view);
    if (status != NACRE_OK)
        return status;
    v->digest = block_digest_add(v->digest, load_u64(view.bytes));
    if (v->block == 0) {
        struct record first;
        record_parse(view.bytes + block_slot(&view, 0), 0, &first);
        if (block_key_compare(&view, &first, v->reader->least_key) != 0)
            return fail(NACRE_CORRUPT, "%s: the first key is not the least key of section ORDR",
                        v->reader->container->path);
    }
    for (uint32_t slot = 0; slot < view.count && status == NACRE_OK; slot++)
        status = verify_record(v, x, &view, slot);
    return status;
}

int ordered_verify(void *reader, uint64_t *entries)
{
    struct verification v = { .reader = reader };
    struct ordered_reader *r = reader;
    struct buffer stored = { 0 }, raw = { 0 };
    struct position_index *x = ordered_index(r);
    int status = container_verify(r->container);
    if (status == NACRE_OK)
        status = ordered_need_fence(r);
    if (status == NACRE_OK)
        status = verify_gap(r);
    if (status == NACRE_OK && x)
        status = container_verify(x->container);
    for (v.block = 0; status == NACRE_OK && v.block < r->fence.blocks; v.block++)
        status = verify_block(&v, x, &stored, &raw);
    if (status == NACRE_OK)
        status = verify_totals(&v);
    *entries = v.entries;
    buffer_free(&v.key);
    buffer_free(&v.before);
    buffer_free(&stored);
    buffer_free(&raw);
    return status;
}

/* ---- dump ---- */

static int append_hex(struct buffer *out, nacre_slice bytes)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < bytes.size && status == NACRE_OK; i++)
        status = buffer_append_format(out, "%02x", ((const uint8_t *)bytes.data)[i]);
    return status;
}

static int dump_block(struct ordered_reader *r, uint32_t block, struct buffer *line)
{
    static const char *const codecs[] = { "none", "lz4", "zstd" };
    struct block_view v;
    int status = ordered_view_block(r, block, &v);
    if (status != NACRE_OK)
        return status;
    struct record first;
    record_parse(v.bytes + block_slot(&v, 0), r->base_sequence, &first);
    uint32_t place = fence_place(&r->fence, block), offset = place & ~PLACE_FLAGS;
    buffer_clear(line);
    status = buffer_append_format(
        line,
        "{\"block\":%u,\"offset\":%u,\"bytes\":%u,\"raw_bytes\":%u,\"entries\":%u,\"codec\":\"%s\",\"shared\":%u,"
        "\"stripped\":%s,\"continues\":%s,\"first_key\":\"",
        block, offset, fence_offset(&r->fence, block + 1) - offset, v.size, v.count,
        codecs[v.bytes[22] <= 2 ? v.bytes[22] : 0], v.shared, place & PLACE_STRIPPED ? "true" : "false",
        place & PLACE_CONTINUES ? "true" : "false");
    if (status == NACRE_OK && v.stripped)
        status = append_hex(line, slice_of(v.prefix, v.stripped));
    if (status == NACRE_OK)
        status = append_hex(line, slice_of(first.key, first.key_size));
    if (status == NACRE_OK)
        status = buffer_append_format(line, "\",\"first_sequence\":%llu}", (unsigned long long)first.sequence);
    ordered_release_view(&v);
    return status;
}

static int dump_front(struct ordered_reader *r, struct buffer *line)
{
    int status = buffer_append_format(
        line,
        "{\"kind\":\"ordered\",\"id\":%llu,\"bytes\":%llu,\"blocks\":%u,\"entries\":%llu,\"keys\":%llu,"
        "\"base_sequence\":%llu,\"block_bytes\":%u,\"index\":%s,\"learned_index\":%s,\"least_key\":\"",
        (unsigned long long)r->container->id, (unsigned long long)r->container->bytes, r->fence.blocks,
        (unsigned long long)r->entries, (unsigned long long)r->keys, (unsigned long long)r->base_sequence,
        r->block_bytes, ordered_index(r) ? "true" : "false", ordered_has_learned_index(r) ? "true" : "false");
    if (status == NACRE_OK)
        status = append_hex(line, r->least_key);
    if (status == NACRE_OK)
        status = buffer_append_format(line, "\",\"greatest_key\":\"");
    if (status == NACRE_OK)
        status = append_hex(line, r->greatest_key);
    return status == NACRE_OK ? buffer_append_format(line, "\"}") : status;
}

int ordered_dump(void *reader, void (*print)(void *context, const char *json), void *context)
{
    struct ordered_reader *r = reader;
    struct buffer line = { 0 };
    int status = ordered_need_fence(r);
    if (status == NACRE_OK)
        status = dump_front(r, &line);
    if (status == NACRE_OK)
        print(context, (const char *)line.data);
    for (uint32_t block = 0; status == NACRE_OK && block < r->fence.blocks; block++) {
        status = dump_block(r, block, &line);
        if (status == NACRE_OK)
            print(context, (const char *)line.data);
    }
    buffer_free(&line);
    return status;
}

/* ---- samples ---- */

static int append_separator(const struct fence *f, uint32_t block, struct buffer *keys)
{
    nacre_slice rest = fence_separator(f, block);
    int status = buffer_append_varint(keys, f->prefix_size + rest.size);
    if (status == NACRE_OK)
        status = buffer_append(keys, f->prefix, f->prefix_size);
    return status == NACRE_OK ? buffer_append(keys, rest.data, rest.size) : status;
}

/* Few blocks: keys of entries, each step-th, no key twice. */
static int sample_entries(struct ordered_reader *r, size_t count, struct buffer *keys, size_t *made)
{
    struct cursor *cursor = NULL;
    struct buffer last = { 0 };
    uint64_t step = r->entries / (count + 1) + 1, seen = 0;
    int status = ordered_cursor_create(r, &cursor);
    if (status != NACRE_OK)
        return status;
    for (cursor_first(cursor); cursor->valid && status == NACRE_OK && *made < count; cursor_next(cursor)) {
        if (++seen % step || (*made && slice_equal(cursor->entry.key, buffer_slice(&last))))
            continue;
        buffer_clear(&last);
        status = buffer_append(&last, cursor->entry.key.data, cursor->entry.key.size);
        if (status == NACRE_OK)
            status = buffer_append_slice(keys, cursor->entry.key);
        if (status == NACRE_OK)
            ++*made;
    }
    if (status == NACRE_OK)
        status = cursor->status;
    cursor_close(cursor);
    buffer_free(&last);
    return status;
}

int ordered_sample_keys(void *reader, size_t count, struct buffer *keys, size_t *made)
{
    struct ordered_reader *r = reader;
    *made = 0;
    int status = ordered_need_fence(r);
    if (status != NACRE_OK || count == 0 || r->fence.blocks == 0)
        return status;
    if (r->fence.blocks / 4 < count)
        return sample_entries(r, count, keys, made);
    uint32_t last = 0;
    for (size_t i = 1; i <= count && status == NACRE_OK; i++) {
        uint32_t block = (uint32_t)((uint64_t)r->fence.blocks * i / (count + 1));
        /* Blocks of one key's versions have the same separator. */
        if (block == 0 || (last && slice_equal(fence_separator(&r->fence, block), fence_separator(&r->fence, last))))
            continue;
        status = append_separator(&r->fence, block, keys);
        last = block;
        if (status == NACRE_OK)
            ++*made;
    }
    return status;
}
