/* Dictionaries of grams; gram_dictionary.h has the bytes and the invariant. */
#include "strings/gram_dictionary.h"
#include "base/endian.h"
#include "base/status.h"
#include "base/varint.h"
#include "strings/posting_list.h"

#define HEADER_BYTES 32u
#define GROUP_BYTES  16u

/* ---- building ---- */

static int begin_group_at(struct gram_dictionary_builder *b, gram g)
{
    int status = buffer_append_u32(&b->groups, g);
    if (status == NACRE_OK)
        status = buffer_append_u32(&b->groups, (uint32_t)b->entries.size);
    return status == NACRE_OK ? buffer_append_u64(&b->groups, b->list_bytes) : status;
}

int gram_dictionary_builder_add(struct gram_dictionary_builder *b, const struct gram_entry *e)
{
    if (b->entries.size > UINT32_MAX - 4 * VARINT_MAX || b->count == UINT32_MAX)
        return fail(NACRE_LIMIT, "the dictionary of grams would pass %u bytes", UINT32_MAX);
    int status = b->count % DICTIONARY_GROUP == 0 ? begin_group_at(b, e->gram)
                                                  : buffer_append_varint(&b->entries, e->gram - b->last);
    uint64_t count = b->has_lists ? (uint64_t)e->count * 2 + (e->gap_bytes != 0) : e->count;
    if (status == NACRE_OK)
        status = buffer_append_varint(&b->entries, count);
    if (status == NACRE_OK && b->has_lists && e->gap_bytes)
        status = buffer_append_varint(&b->entries, e->gap_bytes);
    else if (status == NACRE_OK && b->has_lists && e->count == 1 && b->blocks > 1)
        status = buffer_append_varint(&b->entries, e->only);
    if (status != NACRE_OK)
        return status;
    b->last = e->gram;
    b->count++;
    if (b->has_lists)
        b->list_bytes += e->gap_bytes ? e->gap_bytes : posting_list_size(b->blocks, e->count);
    return NACRE_OK;
}

int gram_dictionary_builder_make(const struct gram_dictionary_builder *b, struct buffer *section)
{
    uint8_t header[HEADER_BYTES] = { 0 };
    store_u32(header, b->count);
    store_u32(header + 4, (uint32_t)b->entries.size);
    store_u32(header + 8, b->blocks);
    store_u32(header + 12, b->lengths);
    store_u64(header + 16, b->list_bytes);
    store_u64(header + 24, b->keys);
    int status = buffer_append(section, header, sizeof header);
    if (status == NACRE_OK)
        status = buffer_append(section, b->groups.data, b->groups.size);
    return status == NACRE_OK ? buffer_append(section, b->entries.data, b->entries.size) : status;
}

void gram_dictionary_builder_free(struct gram_dictionary_builder *b)
{
    buffer_free(&b->groups);
    buffer_free(&b->entries);
}

/* ---- reading ---- */

int gram_dictionary_open(nacre_slice section, bool has_lists, struct gram_dictionary *d)
{
    struct reader r = reader_of(section);
    *d = (struct gram_dictionary){ .has_lists = has_lists };
    d->entries = reader_u32(&r);
    uint32_t bytes = reader_u32(&r);
    d->blocks = reader_u32(&r);
    d->lengths = reader_u32(&r);
    d->list_bytes = reader_u64(&r);
    d->keys = reader_u64(&r);
    d->groups = (uint32_t)(((uint64_t)d->entries + DICTIONARY_GROUP - 1) / DICTIONARY_GROUP);
    d->group_bytes = reader_bytes(&r, (size_t)d->groups * GROUP_BYTES).data;
    d->begin = reader_bytes(&r, bytes).data;
    if (!r.ok || r.at != r.end)
        return fail(NACRE_CORRUPT, "dictionary of grams: %zu bytes do not fit %u entries of %u bytes", section.size,
                    d->entries, bytes);
    d->end = r.end;
    return NACRE_OK;
}

static gram group_gram(const struct gram_dictionary *d, uint32_t group)
{
    return load_u32(d->group_bytes + (size_t)group * GROUP_BYTES);
}

/* The last group that begins with a gram <= g, or 0. */
static uint32_t find_group(const struct gram_dictionary *d, gram g)
{
    uint32_t first = 0, count = d->groups;
    while (count > 1) {
        uint32_t half = count / 2;
        first += group_gram(d, first + half) <= g ? half : 0;
        count -= half;
    }
    return first;
}

static const uint8_t *get_u32(const uint8_t *at, const uint8_t *end, uint32_t *number)
{
    uint64_t wide = 0;
    at = varint_get(at, end, &wide);
    *number = (uint32_t)wide;
    return wide <= UINT32_MAX ? at : NULL;
}

/* The entry at `at`; e->gram and e->list are those of the entry before, or of the group. NULL when the bytes do not fit. */
static inline const uint8_t *next_entry(const struct gram_dictionary *d, const uint8_t *at, bool first,
                                        struct gram_entry *e)
{
    uint32_t step = 0;
    uint64_t count = 0;
    if (!first && (at = get_u32(at, d->end, &step)) == NULL)
        return NULL;
    e->gram += step;
    e->only = e->gap_bytes = 0;
    if ((at = varint_get(at, d->end, &count)) == NULL)
        return NULL;
    bool has_gaps = d->has_lists && count & 1;
    count >>= d->has_lists;
    if (count > UINT32_MAX)
        return NULL;
    e->count = (uint32_t)count;
    if (has_gaps)
        return get_u32(at, d->end, &e->gap_bytes);
    return d->has_lists && count == 1 && d->blocks > 1 ? get_u32(at, d->end, &e->only) : at;
}

static inline uint64_t list_size(const struct gram_dictionary *d, const struct gram_entry *e)
{
    if (e->gap_bytes)
        return e->gap_bytes;
    return d->has_lists && e->count <= d->blocks ? posting_list_size(d->blocks, e->count) : 0;
}

static const uint8_t *begin_group(const struct gram_dictionary *d, uint32_t group, struct gram_entry *e)
{
    const uint8_t *at = d->group_bytes + (size_t)group * GROUP_BYTES;
    *e = (struct gram_entry){ .gram = load_u32(at), .list = load_u64(at + 8) };
    uint32_t offset = load_u32(at + 4);
    return offset <= (size_t)(d->end - d->begin) ? d->begin + offset : NULL;
}

static uint32_t group_size(const struct gram_dictionary *d, uint32_t group)
{
    return group + 1 < d->groups ? DICTIONARY_GROUP : d->entries - group * DICTIONARY_GROUP;
}

bool gram_dictionary_find(const struct gram_dictionary *d, gram g, struct gram_entry *e)
{
    if (d->entries == 0)
        return false;
    uint32_t group = find_group(d, g);
    const uint8_t *at = begin_group(d, group, e);
    for (uint32_t i = 0, size = group_size(d, group); i < size && at; i++) {
        at = next_entry(d, at, i == 0, e);
        if (!at || e->gram > g)
            return false;
        if (e->gram == g)
            return true;
        e->list += list_size(d, e);
    }
    return false;
}

int gram_dictionary_walk(const struct gram_dictionary *d, uint64_t most,
                         int (*visit)(void *context, const struct gram_entry *), void *context)
{
    const uint8_t *at = d->begin;
    uint64_t list = 0;
    gram last = 0;
    for (uint32_t group = 0; group < d->groups; group++) {
        struct gram_entry e;
        if (begin_group(d, group, &e) != at || e.list != list)
            return fail(NACRE_CORRUPT, "dictionary of grams: group %u does not follow the one before", group);
        for (uint32_t i = 0, size = group_size(d, group); i < size; i++) {
            at = next_entry(d, at, i == 0, &e);
            uint32_t length = e.gram >> 24;
            if (!at || e.gram <= last || length < 1 || length > 3 || e.count == 0 || e.count > most)
                return fail(NACRE_CORRUPT, "dictionary of grams: entry %u of group %u, gram %08x, does not fit", i,
                            group, e.gram);
            int status = visit ? visit(context, &e) : NACRE_OK;
            if (status != NACRE_OK)
                return status;
            last = e.gram;
            e.list += list_size(d, &e);
        }
        list = e.list;
    }
    return at == d->end && list == d->list_bytes
               ? NACRE_OK
               : fail(NACRE_CORRUPT, "dictionary of grams: its ends are not where its entries end");
}
