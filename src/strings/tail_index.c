/* Tails of keys; tail_index.h has the bytes.
   Invariants:
   1. A walk decodes with bounds; nothing of the section is believed: any bytes are harmless.
   2. With the tail s of k bytes as a value V (builder's order): the keys that end with s are those from the first tail not less than (V, k) to the last one whose k highest
      bytes are those of V. A shorter tail among these would be V with fewer bytes, and comes before (V, k).
   The builder: one thread; no locks. */
#include "strings/tail_index.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/varint.h"

#define HEADER_BYTES 16u
#define GROUP_BYTES  8u
#define LONG_HEAD    8u
#define FREE_BYTES   (UINT64_C(1) << 16) /* that tails may take, whatever the keys */
#define KEY_SHARE    24u                 /* and a 24th of the bytes of keys */
#define SAMPLE_TAILS 65536u              /* so many tails are looked at before they are given up */
#define BYTES_EACH   4u                  /* that a tail takes, as a rule */

/* ---- order ---- */

static uint64_t tail_value(const uint8_t *bytes, uint32_t size)
{
    if (size == TAIL_BYTES)
        return load_u64(bytes);
    uint64_t value = 0;
    for (uint32_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * (TAIL_BYTES - size + i));
    return value;
}

static inline bool tail_less(uint64_t value, uint32_t size, uint64_t other_value, uint32_t other_size)
{
    return value != other_value ? value < other_value : size < other_size;
}

static uint32_t common_bytes(const struct tail *a, const struct tail *b)
{
    uint32_t least = a->size < b->size ? a->size : b->size;
    uint32_t common = a->value == b->value ? TAIL_BYTES : (uint32_t)__builtin_clzll(a->value ^ b->value) / 8;
    return common < least ? common : least;
}

/* ---- building ---- */

static inline size_t tail_hash(uint64_t value, uint32_t size, size_t capacity)
{
    uint64_t h = (value + size) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)((h ^ h >> 32) & (capacity - 1));
}

static struct tail *find_slot(struct tail *slots, size_t capacity, uint64_t value, uint32_t size)
{
    size_t i = tail_hash(value, size, capacity);
    while (slots[i].keys && (slots[i].value != value || slots[i].size != size))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

static int grow_slots(struct tail_builder *b)
{
    size_t capacity = b->capacity ? b->capacity * 2 : 1024;
    struct tail *slots = memory_zalloc(capacity * sizeof *slots);
    if (!slots)
        return NACRE_NO_MEMORY;
    for (size_t i = 0; i < b->capacity; i++)
        if (b->slots[i].keys)
            *find_slot(slots, capacity, b->slots[i].value, b->slots[i].size) = b->slots[i];
    memory_free(b->slots);
    b->slots = slots;
    b->capacity = capacity;
    return NACRE_OK;
}

static bool is_too_much(const struct tail_builder *b, uint64_t bytes)
{
    return bytes > FREE_BYTES + b->key_bytes / KEY_SHARE;
}

static void drop(struct tail_builder *b)
{
    memory_free(b->slots);
    b->slots = NULL;
    b->capacity = 0;
    b->dropped = true;
}

static uint64_t tail_of(nacre_slice key, uint32_t *size)
{
    *size = key.size < TAIL_BYTES ? (uint32_t)key.size : TAIL_BYTES;
    return *size ? tail_value((const uint8_t *)key.data + key.size - *size, *size) : 0;
}

void tail_builder_prefetch(const struct tail_builder *b, nacre_slice key)
{
    uint32_t size;
    uint64_t value = tail_of(key, &size);
    if (b->capacity)
        __builtin_prefetch(&b->slots[tail_hash(value, size, b->capacity)], 1);
}

int tail_builder_add(struct tail_builder *b, nacre_slice key)
{
    b->keys++;
    b->key_bytes += key.size;
    if (b->dropped)
        return NACRE_OK;
    if (b->count >= b->capacity / 4 * 3) {
        if (b->count >= SAMPLE_TAILS && is_too_much(b, b->count * BYTES_EACH)) {
            drop(b);
            return NACRE_OK;
        }
        int status = grow_slots(b);
        if (status != NACRE_OK)
            return status;
    }
    uint32_t size;
    uint64_t value = tail_of(key, &size);
    struct tail *slot = find_slot(b->slots, b->capacity, value, size);
    b->count += slot->keys == 0;
    slot->value = value;
    slot->size = size;
    slot->keys++;
    return NACRE_OK;
}

/* The digit of a pass: first the size, then the value's bytes from the lowest. */
static inline uint32_t tail_digit(const struct tail *t, uint32_t pass)
{
    return pass == 0 ? t->size : (uint32_t)(t->value >> (8 * (pass - 1))) & 0xff;
}

/* One pass of a radix sort; false: all digits are the same, so nothing moved. */
static bool sort_pass(const struct tail *from, struct tail *to, size_t count, uint32_t pass)
{
    size_t starts[256] = { 0 }, sum = 0;
    for (size_t i = 0; i < count; i++)
        starts[tail_digit(&from[i], pass)]++;
    if (starts[tail_digit(&from[0], pass)] == count)
        return false;
    for (uint32_t digit = 0; digit < 256; digit++) {
        size_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[tail_digit(&from[i], pass)]++] = from[i];
    return true;
}

/* By value, then size. The sorted tails are in *tails or in *other, which becomes *tails. */
static void sort_tails(struct tail **tails, struct tail **other, size_t count)
{
    for (uint32_t pass = 0; pass <= TAIL_BYTES && count; pass++) {
        if (sort_pass(*tails, *other, count, pass)) {
            struct tail *sorted = *other;
            *other = *tails;
            *tails = sorted;
        }
    }
}

static int append_tail(struct buffer *out, const struct tail *before, const struct tail *t)
{
    uint32_t common = before ? common_bytes(before, t) : 0;
    uint8_t bytes[2 + TAIL_BYTES + VARINT_MAX], *at = bytes;
    bool is_long = t->size < TAIL_BYTES || common >= LONG_HEAD;
    *at++ = (uint8_t)((is_long ? LONG_HEAD : common) << 4 | (t->keys < 16 ? t->keys : 0));
    if (is_long)
        *at++ = (uint8_t)(common << 4 | t->size);
    for (uint32_t i = common; i < t->size; i++)
        *at++ = (uint8_t)(t->value >> (8 * (TAIL_BYTES - 1 - i)));
    if (t->keys >= 16)
        at = varint_put(at, t->keys);
    return buffer_append(out, bytes, (size_t)(at - bytes));
}

static int append_all(const struct tail *tails, size_t count, struct buffer *groups, struct buffer *bytes)
{
    int status = NACRE_OK;
    uint64_t keys = 0;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        bool first = i % TAIL_GROUP == 0;
        if (bytes->size > UINT32_MAX - 64)
            return fail(NACRE_LIMIT, "the tails of a segment would pass %u bytes", UINT32_MAX);
        if (first)
            status = buffer_append_u32(groups, (uint32_t)bytes->size);
        if (first && status == NACRE_OK)
            status = buffer_append_u32(groups, (uint32_t)keys);
        if (status == NACRE_OK)
            status = append_tail(bytes, first ? NULL : &tails[i - 1], &tails[i]);
        keys += tails[i].keys;
    }
    return status;
}

static int append_section(const struct tail_builder *b, const struct buffer *groups, const struct buffer *bytes,
                          struct buffer *section)
{
    uint8_t header[HEADER_BYTES];
    store_u32(header, (uint32_t)b->count);
    store_u32(header + 4, (uint32_t)bytes->size);
    store_u64(header + 8, b->keys);
    int status = buffer_append(section, header, sizeof header);
    if (status == NACRE_OK)
        status = buffer_append(section, groups->data, groups->size);
    return status == NACRE_OK ? buffer_append(section, bytes->data, bytes->size) : status;
}

int tail_builder_make(struct tail_builder *b, struct buffer *section)
{
    struct buffer groups = { 0 }, bytes = { 0 };
    size_t count = 0;
    if (b->dropped)
        return NACRE_OK;
    if (b->keys > UINT32_MAX)
        return fail(NACRE_LIMIT, "more than %u keys in a segment", UINT32_MAX);
    for (size_t i = 0; i < b->capacity; i++)
        if (b->slots[i].keys)
            b->slots[count++] = b->slots[i];
    struct tail *other = memory_alloc((count + 1) * sizeof *other);
    int status = other ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        sort_tails(&b->slots, &other, count);
        status = append_all(b->slots, count, &groups, &bytes);
    }
    if (status == NACRE_OK && !is_too_much(b, HEADER_BYTES + groups.size + bytes.size))
        status = append_section(b, &groups, &bytes, section);
    buffer_free(&groups);
    buffer_free(&bytes);
    memory_free(other);
    drop(b);
    return status;
}

void tail_builder_free(struct tail_builder *b)
{
    memory_free(b->slots);
}

/* ---- reading ---- */

int tail_index_open(nacre_slice section, uint64_t keys, struct tail_index *x)
{
    struct reader r = reader_of(section);
    x->tails = reader_u32(&r);
    uint32_t bytes = reader_u32(&r);
    x->keys = reader_u64(&r);
    x->group_count = (uint32_t)(((uint64_t)x->tails + TAIL_GROUP - 1) / TAIL_GROUP);
    x->groups = reader_bytes(&r, (size_t)x->group_count * GROUP_BYTES).data;
    x->begin = reader_bytes(&r, bytes).data;
    x->end = r.end;
    if (!r.ok || r.at != r.end || x->keys != keys || (keys && x->tails == 0))
        return fail(NACRE_CORRUPT, "tails: %zu bytes of %u tails and %llu keys do not fit %llu keys", section.size,
                    x->tails, (unsigned long long)x->keys, (unsigned long long)keys);
    return NACRE_OK;
}

/* The tail at `at`; *t is the one before. NULL when the bytes do not fit. */
static const uint8_t *next_tail(const struct tail_index *x, const uint8_t *at, struct tail *t)
{
    if (at >= x->end)
        return NULL;
    uint32_t head = *at++, common = head >> 4, size = TAIL_BYTES;
    if (common >= LONG_HEAD) {
        if (common > LONG_HEAD || at >= x->end)
            return NULL;
        common = *at >> 4;
        size = *at++ & 15;
    }
    if (size > TAIL_BYTES || common > size || common > t->size || (size_t)(x->end - at) < size - common)
        return NULL;
    uint64_t value = common ? t->value & ~UINT64_C(0) << (8 * (TAIL_BYTES - common)) : 0;
    for (uint32_t i = common; i < size; i++)
        value |= (uint64_t)*at++ << (8 * (TAIL_BYTES - 1 - i));
    uint64_t keys = head & 15;
    if (keys == 0 && (at = varint_get(at, x->end, &keys)) == NULL)
        return NULL;
    *t = (struct tail){ value, (uint32_t)keys, size };
    return keys && keys <= UINT32_MAX ? at : NULL;
}

static const uint8_t *begin_group(const struct tail_index *x, uint32_t group, uint64_t *keys_before)
{
    const uint8_t *at = x->groups + (size_t)group * GROUP_BYTES;
    uint32_t offset = load_u32(at);
    *keys_before = load_u32(at + 4);
    return offset <= (size_t)(x->end - x->begin) ? x->begin + offset : NULL;
}

static uint32_t group_size(const struct tail_index *x, uint32_t group)
{
    return group + 1 < x->group_count ? TAIL_GROUP : x->tails - group * TAIL_GROUP;
}

/* Keys of all tails less than (value, size). False: the bytes are no good. */
static bool keys_before(const struct tail_index *x, uint64_t value, uint32_t size, uint64_t *keys)
{
    uint32_t first = 0, count = x->group_count;
    while (count > 1) { /* the last group that begins with a lesser tail, or 0 */
        uint32_t half = count / 2;
        struct tail t = { 0 };
        uint64_t ignored;
        const uint8_t *at = begin_group(x, first + half, &ignored);
        if (!at || !next_tail(x, at, &t))
            return false;
        first += tail_less(t.value, t.size, value, size) ? half : 0;
        count -= half;
    }
    struct tail t = { 0 };
    const uint8_t *at = begin_group(x, first, keys);
    for (uint32_t i = 0, n = group_size(x, first); i < n; i++) {
        if (!at || (at = next_tail(x, at, &t)) == NULL)
            return false;
        if (!tail_less(t.value, t.size, value, size))
            return true;
        *keys += t.keys;
    }
    return at != NULL;
}

bool tail_index_keys(const struct tail_index *x, const uint8_t *bytes, unsigned size, uint64_t *keys)
{
    *keys = 0;
    if (x->tails == 0)
        return true;
    uint64_t value = tail_value(bytes, size), before = 0, after = 0;
    uint64_t last = size < TAIL_BYTES ? value | ~UINT64_C(0) >> (8 * size) : value;
    if (!keys_before(x, value, size, &before) || !keys_before(x, last, TAIL_BYTES + 1, &after))
        return false;
    *keys = after - before;
    return after >= before && after <= x->keys;
}

int tail_index_verify(const struct tail_index *x)
{
    const uint8_t *at = x->begin;
    struct tail last = { 0 };
    uint64_t keys = 0;
    bool any = false;
    for (uint32_t group = 0; group < x->group_count; group++) {
        uint64_t before = 0;
        struct tail t = { 0 };
        bool good = begin_group(x, group, &before) == at && before == keys;
        for (uint32_t i = 0, n = group_size(x, group); i < n && good; i++) {
            at = next_tail(x, at, &t);
            good = at && (!any || tail_less(last.value, last.size, t.value, t.size));
            keys += t.keys;
            last = t;
            any = true;
        }
        if (!good)
            return fail(NACRE_CORRUPT, "tails: group %u does not fit the one before", group);
    }
    return at == x->end && keys == x->keys ? NACRE_OK : fail(NACRE_CORRUPT, "tails: the ends or the keys do not fit");
}
