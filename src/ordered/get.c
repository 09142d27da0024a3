/* Point reads of an ordered segment.
   With a position index: the bucket's line, the fence's word for the block, the record. Nothing else is touched where the block is raw, mapped and
   not stripped. Without one: the fence, the block's heads, the record. An index that turns out damaged is left, and the fence answers.
   Any thread; no locks but those of first use (reader.h). */
#include "ordered/reader.h"

#define ASK_THE_FENCE 1 /* not a status: the index could not answer */

static inline bool key_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size - 8 <= 8) /* 8 to 16 bytes: two words that may overlap */
        return ((load_u64(a) ^ load_u64(b)) | (load_u64(a + size - 8) ^ load_u64(b + size - 8))) == 0;
    return memcmp(a, b, size) == 0;
}

static inline int give_entry(const struct lookup *lookup, const struct record *rec, struct entry *entry)
{
    entry->key = lookup->key;
    entry->value = record_value(rec);
    entry->sequence = rec->sequence;
    entry->expiry_ms = rec->expiry_ms;
    entry->type = rec->type;
    return NACRE_OK;
}

/* The record at `at` has the key: the newest of its versions from there on that counts. Takes over what the view holds. */
static int give_version(struct ordered_reader *r, uint32_t block, struct block_view *v, const uint8_t *at,
                        const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    struct record rec;
    int status = NACRE_NOT_FOUND;
    for (record_parse(at, r->base_sequence, &rec); rec.sequence > lookup->snapshot;
         record_parse(at, r->base_sequence, &rec)) {
        at = record_end(&rec);
        if (at == v->bytes + v->size) {
            ordered_release_view(v);
            if (++block == r->fence.blocks || !(fence_place(&r->fence, block) & PLACE_CONTINUES))
                return NACRE_NOT_FOUND;
            status = ordered_view_block(r, block, v);
            if (status != NACRE_OK)
                return status;
            at = v->bytes + block_slot(v, 0);
        }
        struct record next;
        record_parse(at, r->base_sequence, &next);
        if (block_key_compare(v, &next, lookup->key) != 0) {
            ordered_release_view(v);
            return NACRE_NOT_FOUND;
        }
    }
    if (v->held)
        *pin = (struct pin){ cached_block_release, v->held };
    return give_entry(lookup, &rec, entry);
}

static int index_leads_astray(struct position_index *x)
{
    position_index_mark_bad(x, "a position leads out of its block");
    return ASK_THE_FENCE;
}

/* A candidate in a block that has to be looked at as a whole: compressed, not mapped, stripped, or named without an offset. *hit tells
   whether it was the key. */
static int try_view(struct ordered_reader *r, struct position_index *x, uint32_t block, uint32_t offset,
                    const struct lookup *lookup, struct entry *entry, struct pin *pin, bool *hit)
{
    struct block_view v;
    int status = ordered_view_block(r, block, &v);
    if (status != NACRE_OK)
        return status;
    if (x->offset_bits == 0) {
        uint32_t i = block_lower_bound(&v, r->base_sequence, lookup->key);
        offset = i < v.count ? block_slot(&v, i) : 0;
    }
    if (offset) {
        if (offset < BLOCK_HEADER_BYTES || offset >= v.size || !record_fits(v.bytes + offset, v.bytes + v.size)) {
            ordered_release_view(&v);
            return index_leads_astray(x);
        }
        struct record rec;
        record_parse(v.bytes + offset, r->base_sequence, &rec);
        if (block_key_compare(&v, &rec, lookup->key) == 0) {
            *hit = true;
            return give_version(r, block, &v, v.bytes + offset, lookup, entry, pin);
        }
    }
    ordered_release_view(&v);
    return NACRE_OK;
}

/* An older version is wanted than the one at `at`, in a raw mapped block. */
static int older_version(struct ordered_reader *r, uint32_t block, const uint8_t *at, const struct lookup *lookup,
                         struct entry *entry, struct pin *pin)
{
    struct block_view v;
    int status = ordered_view_block(r, block, &v);
    return status == NACRE_OK ? give_version(r, block, &v, at, lookup, entry, pin) : status;
}

static int try_position(struct ordered_reader *r, struct position_index *x, uint32_t position,
                        const struct lookup *lookup, struct entry *entry, struct pin *pin, bool *hit)
{
    uint32_t block = position >> x->offset_bits, offset = position & ((1u << x->offset_bits) - 1);
    if (unlikely(block >= r->fence.blocks))
        return index_leads_astray(x);
    uint32_t place = fence_place(&r->fence, block), end = fence_offset(&r->fence, block + 1);
    if (unlikely(!r->map)) {
        return try_view(r, x, block, offset, lookup, entry, pin, hit);
    }
    const uint8_t *at = r->map + (place & ~PLACE_FLAGS) + offset;
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
    if (unlikely((place & (PLACE_COMPRESSED | PLACE_STRIPPED)) || x->offset_bits == 0)) {
        return try_view(r, x, block, offset, lookup, entry, pin, hit);
    }
    if (unlikely(!ordered_block_is_checked(r, block))) {
        int status = ordered_check_mapped_block(r, block);
        if (status != NACRE_OK)
            return status;
    }
    if (unlikely(offset < BLOCK_HEADER_BYTES || at >= r->map + end))
        return index_leads_astray(x);
    struct record rec;
    record_parse(at, r->base_sequence, &rec); /* a wrong place makes wrong sizes: */
    if (unlikely(record_end(&rec) > r->map + end))
        return index_leads_astray(x);
    if (rec.key_size != lookup->key.size || !key_equal(rec.key, lookup->key.data, rec.key_size))
        return NACRE_OK;
    *hit = true;
    return likely(rec.sequence <= lookup->snapshot) ? give_entry(lookup, &rec, entry)
                                                    : older_version(r, block, at, lookup, entry, pin);
}

static int get_by_index(struct ordered_reader *r, struct position_index *x, const struct lookup *lookup,
                        struct entry *entry, struct pin *pin)
{
    struct position_probe probe;
    uint32_t position;
    bool hit = false, named = false;
    int status = NACRE_OK;
    position_probe_begin(&probe, x, lookup->hash);
    while (!hit && status == NACRE_OK && position_probe_next(&probe, &position)) {
        named = true;
        status = try_position(r, x, position, lookup, entry, pin, &hit);
    }
    position_probe_end(&probe);
    lookup_note_filter(lookup, named);
    if (hit || status != NACRE_OK)
        return status;
    if (likely(probe.status == NACRE_OK))
        return NACRE_NOT_FOUND;
    return probe.status == NACRE_CORRUPT ? ASK_THE_FENCE : probe.status;
}

static int get_by_fence(struct ordered_reader *r, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    struct block_view v;
    uint32_t block, i;
    int status = ordered_lower_bound(r, lookup->key, &block, &i, &v);
    if (status != NACRE_OK)
        return status;
    if (block == r->fence.blocks)
        return NACRE_NOT_FOUND;
    const uint8_t *at = v.bytes + block_slot(&v, i);
    struct record rec;
    record_parse(at, r->base_sequence, &rec);
    if (block_key_compare(&v, &rec, lookup->key) == 0)
        return give_version(r, block, &v, at, lookup, entry, pin);
    ordered_release_view(&v);
    return NACRE_NOT_FOUND;
}

int ordered_get(void *reader, const struct lookup *lookup, struct entry *entry, struct pin *pin)
{
    struct ordered_reader *r = reader;
    *pin = (struct pin){ NULL, NULL };
    struct position_index *x = ordered_index(r);
    if (likely(x)) {
        int status = ordered_need_fence(r);
        if (status == NACRE_OK)
            status = get_by_index(r, x, lookup, entry, pin);
        if (likely(status != ASK_THE_FENCE))
            return status;
    }
    return get_by_fence(r, lookup, entry, pin);
}
