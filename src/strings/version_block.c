/* Reading the versions of a block of keys; version_block.h has the bytes.
   Invariants of a checked block:
   1. The columns and the values end at the raw size.
   2. Counts ascend, each key has at least one version, the last count is the number of versions.
   3. Ends ascend up to the size of the values.
   No locks; any thread. */
#include "strings/version_block.h"
#include "base/endian.h"
#include "base/varint.h"

/* Number i of a column of `width` bytes each, 0 to 8. */
static inline uint64_t column_at(const uint8_t *column, uint32_t width, uint64_t i)
{
    if (width == 0)
        return 0;
    return load_u64(column + i * width) & (UINT64_MAX >> (64 - 8 * width));
}

void versions_make_plain(struct versions_view *v, uint32_t keys, uint64_t base_sequence)
{
    *v = (struct versions_view){ .base_sequence = base_sequence, .keys = keys, .versions = keys };
}

/* Where the columns lie. Returns where the values begin, measured from the block's begin. */
static uint64_t lay_out(struct versions_view *v, const uint8_t *raw)
{
    uint64_t count = load_u32(raw + 16), at = VERSION_BLOCK_HEADER;
    v->versions = (uint32_t)count;
    v->keys = load_u16(raw + 20);
    v->flags = raw[23];
    v->sequence_bytes = raw[24];
    v->expiry_bytes = raw[25];
    v->end_bytes = raw[26];
    v->expiry_base = load_u64(raw + 32);
    uint64_t afters = at;
    at += v->flags & VERSIONS_COUNTED ? 4 * (uint64_t)v->keys : 0;
    uint64_t sequences = at;
    at += count * v->sequence_bytes;
    uint64_t deletes = at;
    at += v->flags & VERSIONS_DELETES ? (count + 7) / 8 : 0;
    uint64_t specials = at;
    at += v->flags & VERSIONS_SPECIALS ? (count + 7) / 8 : 0;
    uint64_t expiries = at;
    at += count * v->expiry_bytes;
    uint64_t ends = at;
    at += count * v->end_bytes;
    if (at > load_u32(raw + 12))
        return at;
    v->afters = raw + afters;
    v->sequences = raw + sequences;
    v->deletes = raw + deletes;
    v->specials = raw + specials;
    v->expiries = raw + expiries;
    v->ends = raw + ends;
    v->values = raw + at;
    v->values_size = load_u32(raw + 12) - (size_t)at;
    return at;
}

void versions_make(struct versions_view *v, const uint8_t *raw, uint64_t base_sequence)
{
    v->base_sequence = base_sequence;
    (void)lay_out(v, raw);
}

static const char *check_columns(const struct versions_view *v)
{
    uint32_t after = 0;
    for (uint32_t i = 0; i < v->keys && (v->flags & VERSIONS_COUNTED); i++) {
        uint32_t next = load_u32(v->afters + 4 * (size_t)i);
        if (next <= after || next > v->versions)
            return "counts of versions";
        after = next;
    }
    if ((v->flags & VERSIONS_COUNTED ? after : v->keys) != v->versions)
        return "number of versions";
    uint64_t end = 0;
    for (uint32_t i = 0; i < v->versions && v->end_bytes; i++) {
        uint64_t next = column_at(v->ends, v->end_bytes, i);
        if (next < end || next > v->values_size)
            return "ends of values";
        end = next;
    }
    return end == v->values_size ? NULL : "end of the values";
}

const char *version_block_check(const uint8_t *raw, size_t size, uint32_t keys)
{
    static const uint8_t zeros[5];
    struct versions_view v = { 0 };
    if (size < VERSION_BLOCK_HEADER || load_u32(raw + 12) != size)
        return "raw size";
    if (load_u16(raw + 20) != keys)
        return "number of keys";
    if ((raw[23] & ~(VERSIONS_COUNTED | VERSIONS_DELETES | VERSIONS_SPECIALS)) || raw[24] > 8 || raw[25] > 8 ||
        raw[26] > 4 || raw[26] == 3 || memcmp(raw + 27, zeros, sizeof zeros) != 0)
        return "flags";
    if (lay_out(&v, raw) > size)
        return "columns";
    return check_columns(&v);
}

void versions_of_key(const struct versions_view *v, uint32_t i, uint32_t *first, uint32_t *after)
{
    if (v->flags & VERSIONS_COUNTED) {
        *first = i ? load_u32(v->afters + 4 * (size_t)(i - 1)) : 0;
        *after = load_u32(v->afters + 4 * (size_t)i);
    } else {
        *first = i;
        *after = i + 1;
    }
}

static uint8_t type_of(const struct versions_view *v, uint32_t version)
{
    static const uint8_t types[4] = { ENTRY_PUT, ENTRY_DELETE, ENTRY_POINTER, ENTRY_MERGE };
    uint32_t type = v->flags & VERSIONS_DELETES ? v->deletes[version / 8] >> (version % 8) & 1u : 0;
    if (v->flags & VERSIONS_SPECIALS)
        type |= (v->specials[version / 8] >> (version % 8) & 1u) << 1;
    return types[type];
}

void versions_entry(const struct versions_view *v, uint32_t version, struct entry *e)
{
    e->sequence = v->base_sequence + unzigzag(column_at(v->sequences, v->sequence_bytes, version));
    e->type = type_of(v, version);
    uint64_t expiry = column_at(v->expiries, v->expiry_bytes, version);
    e->expiry_ms = expiry ? expiry - 1 + v->expiry_base : 0;
    if (v->end_bytes) {
        uint64_t begin = version ? column_at(v->ends, v->end_bytes, version - 1) : 0;
        e->value = slice_of(v->values + begin, (size_t)(column_at(v->ends, v->end_bytes, version) - begin));
    } else {
        e->value = slice_of("", 0);
    }
}
