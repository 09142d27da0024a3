/* Making and asking the learned index; learned_index.h has the bytes and the method. An open one is immutable; any thread.
   Invariants:
   1. digests ascend as the separators do; equal separators' digests may be equal, as may those that differ behind the digits.
   2. a model's line through a piece is within `error` of the last block whose digest is <= d, for every d from the piece's first digest up to the
      next one's: it rises steadily, so it is enough to look where blocks begin and right before the next one does. */
#include "ordered/learned_index.h"
#include "base/memory.h"
#include "base/status.h"
#include "ordered/block.h"

#define HEADER_BYTES 64u
#define TABLE_BITS   10u
#define TABLE_SLOTS  ((1u << TABLE_BITS) + 2)
#define LINE_BYTES   24u
#define UNSEEN       0x8000u
#define BOUND        3u /* on the error: two lines of cache at most */
#define BLOCKS_LEAST 256u

/* ---- digests ---- */

static uint64_t digest_of(const struct learned_index *x, nacre_slice key)
{
    if (x->digits == 0)
        return slice_head(key);
    const uint8_t *bytes = key.data;
    uint32_t most = key.size < x->digits ? (uint32_t)key.size : x->digits;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < most; i++) {
        uint32_t rank = load_u16(x->ranks + 2 * (size_t)bytes[i]);
        sum = sum * x->base + (rank & ~UNSEEN);
        if (unlikely(rank & UNSEEN)) {
            uint64_t power = x->powers[x->digits - i - 1];
            return sum * power + (power - 1);
        }
    }
    return sum * x->powers[x->digits - most];
}

static void set_base(struct learned_index *x, uint64_t base)
{
    uint32_t digits = 0;
    x->base = base;
    x->powers[0] = 1;
    while (digits < 64 && x->powers[digits] <= UINT64_MAX / base) {
        x->powers[digits + 1] = x->powers[digits] * base;
        digits++;
    }
    x->digits = digits;
}

/* ---- asking ---- */

static uint32_t predict(const struct learned_index *x, const uint8_t *line, uint64_t digest)
{
    double slope, at = (double)(digest - load_u64(line));
    memcpy(&slope, line + 8, sizeof slope);
    at *= slope;
    double room = (double)(x->blocks - load_u32(line + 16));
    return load_u32(line + 16) + (uint32_t)(at < room ? at : room);
}

static const uint8_t *line_of(const struct learned_index *x, uint64_t digest)
{
    uint32_t piece = load_u32(x->table + 4 * (size_t)((digest - load_u64(x->digests)) >> x->shift));
    const uint8_t *line = x->lines + (size_t)piece * LINE_BYTES,
                  *last = x->lines + (size_t)(x->pieces - 1) * LINE_BYTES;
    while (line < last && load_u64(line + LINE_BYTES) <= digest)
        line += LINE_BYTES;
    return line;
}

/* The last block whose digest is <= `digest`, which is between the first and the last one's. */
static uint32_t find_digest(const struct learned_index *x, uint64_t digest)
{
    uint32_t at = predict(x, line_of(x, digest), digest);
    uint32_t low = at > x->error ? at - x->error : 0, high = at + x->error + 1;
    if (high > x->blocks)
        high = x->blocks;
    if (unlikely(low >= high))
        low = high - 1;
    uint32_t below = 0;
    for (uint32_t i = low; i < high; i++)
        below += load_u64(x->digests + 8 * (size_t)i) <= digest;
    return low + below - (below != 0);
}

static uint64_t digest_at(const struct learned_index *x, uint32_t block)
{
    return load_u64(x->digests + 8 * (size_t)block);
}

uint32_t learned_find(const struct learned_index *x, const struct fence *f, nacre_slice key)
{
    uint32_t outside;
    if (fence_strip_prefix(f, &key, &outside))
        return outside;
    uint64_t digest = digest_of(x, key), first = digest_at(x, 0), last = digest_at(x, x->blocks - 1);
    if (digest < first)
        return 0;
    uint32_t block = find_digest(x, digest < last ? digest : last);
    if (block == 0 || digest_at(x, block) != digest || slice_compare(fence_separator(f, block), key) <= 0)
        return block;
    return fence_find_between(f, digest > first ? find_digest(x, digest - 1) : 0, block, key);
}

/* ---- making ---- */

struct maker {
    struct learned_index x;
    const uint8_t *ends, *separators;
    size_t prefix;
    uint64_t *digests; /* of all blocks; then: distinct ones, and the last block of each */
    uint32_t *last_blocks;
    uint32_t distinct, equal_heads; /* the latter: blocks whose head in the fence is that of the block before */
    struct buffer lines;
    uint16_t ranks[256];
    uint32_t table[TABLE_SLOTS];
};

static nacre_slice separator_of(const struct maker *m, uint32_t block)
{
    uint32_t start = block ? load_u32(m->ends + 4 * (size_t)(block - 1)) : 0;
    size_t size = load_u32(m->ends + 4 * (size_t)block) - start;
    return size <= m->prefix ? (nacre_slice){ "", 0 } : slice_of(m->separators + start + m->prefix, size - m->prefix);
}

static void choose_digits(struct maker *m)
{
    bool occurs[256] = { false };
    unsigned count = 0;
    for (uint32_t i = 1; i < m->x.blocks; i++) {
        nacre_slice s = separator_of(m, i);
        for (size_t j = 0; j < s.size; j++)
            occurs[((const uint8_t *)s.data)[j]] = true;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        count += occurs[byte];
        m->ranks[byte] = (uint16_t)(occurs[byte] ? count : count | UNSEEN);
    }
    m->x.ranks = (const uint8_t *)m->ranks;
    if (count > 0 && count <= LEARNED_ALPHABET_MAX)
        set_base(&m->x, (uint64_t)count + 1);
}

static int make_digests(struct maker *m)
{
    uint32_t n = 0;
    uint64_t head_before = 0;
    m->digests = memory_alloc(8 * (size_t)m->x.blocks);
    m->last_blocks = memory_alloc(4 * (size_t)m->x.blocks);
    if (!m->digests || !m->last_blocks)
        return NACRE_NO_MEMORY;
    for (uint32_t i = 0; i < m->x.blocks; i++) {
        uint64_t digest = digest_of(&m->x, separator_of(m, i)), head = slice_head(separator_of(m, i));
        m->equal_heads += i > 0 && head == head_before;
        head_before = head;
        n += n == 0 || m->digests[n - 1] != digest;
        m->digests[n - 1] = digest;
        m->last_blocks[n - 1] = i;
    }
    m->distinct = n;
    return NACRE_OK;
}

static int add_line(struct maker *m, uint64_t first, double slope, uint32_t block)
{
    uint8_t line[LINE_BYTES] = { 0 };
    store_u64(line, first);
    memcpy(line + 8, &slope, sizeof slope);
    store_u32(line + 16, block);
    m->x.pieces++;
    return buffer_append(&m->lines, line, sizeof line);
}

/* The greatest digest that belongs to distinct digest i. */
static uint64_t reach(const struct maker *m, uint32_t i)
{
    return i + 1 < m->distinct ? m->digests[i + 1] - 1 : m->digests[i];
}

static int make_lines(struct maker *m, uint32_t bound)
{
    int status = NACRE_OK;
    for (uint32_t i = 0; i < m->distinct && status == NACRE_OK;) {
        double low = 0, high = -1; /* slopes that hold for all points so far; -1: any from low on */
        uint32_t start = i;
        for (; i < m->distinct; i++) {
            double begin = (double)(m->digests[i] - m->digests[start]), end = (double)(reach(m, i) - m->digests[start]);
            double rise = (double)(m->last_blocks[i] - m->last_blocks[start]);
            double least = begin > 0 ? (rise - bound) / begin : 0, most = end > 0 ? (rise + bound) / end : -1;
            least = least > low ? least : low;
            most = most < 0 || (high >= 0 && high < most) ? high : most;
            if (most >= 0 && least > most)
                break;
            low = least;
            high = most;
        }
        status = add_line(m, m->digests[start], high < 0 ? low : (low + high) / 2, m->last_blocks[start]);
    }
    m->x.lines = m->lines.data;
    return status;
}

/* Invariant 2. */
static void measure_error(struct maker *m)
{
    const uint8_t *line = m->x.lines, *last = line + (size_t)(m->x.pieces - 1) * LINE_BYTES;
    for (uint32_t i = 0; i < m->distinct; i++) {
        while (line < last && load_u64(line + LINE_BYTES) <= m->digests[i])
            line += LINE_BYTES;
        uint32_t least = predict(&m->x, line, m->digests[i]), most = predict(&m->x, line, reach(m, i));
        uint32_t block = m->last_blocks[i];
        uint32_t under = block > least ? block - least : 0, over = most > block ? most - block : 0;
        uint32_t error = under > over ? under : over;
        m->x.error = error > m->x.error ? error : m->x.error;
    }
}

static void make_table(struct maker *m)
{
    uint64_t first = m->digests[0], range = m->digests[m->distinct - 1] - first;
    uint32_t piece = 0;
    while (range >> m->x.shift >> TABLE_BITS)
        m->x.shift++;
    for (uint32_t slot = 0; slot < TABLE_SLOTS; slot++) {
        uint64_t offset = (uint64_t)slot << m->x.shift;
        bool beyond = offset >> m->x.shift != slot || offset > range;
        while (piece + 1 < m->x.pieces &&
               (beyond || load_u64(m->x.lines + (size_t)(piece + 1) * LINE_BYTES) - first <= offset))
            piece++;
        m->table[slot] = piece;
    }
}

/* From measurements: with many equal digests lookups end in comparing whole keys more often than not, and with many pieces finding one takes longer
   than a level of the fence. Where the fence tells blocks apart by their heads alone, digits take back what the model saves. */
static bool learned_pays(const struct maker *m)
{
    return m->x.blocks >= BLOCKS_LEAST && m->x.error <= LEARNED_ERROR_MAX && m->x.pieces <= m->x.blocks / 8 &&
           m->x.blocks - m->distinct <= m->x.blocks / 16 && (m->x.digits == 0 || m->equal_heads >= m->x.blocks / 16);
}

static int write_section(const struct maker *m, struct buffer *section)
{
    uint8_t header[HEADER_BYTES] = { 0 };
    store_u32(header, m->x.blocks);
    store_u32(header + 4, m->x.pieces);
    store_u32(header + 8, m->x.error);
    store_u32(header + 12, m->x.shift);
    store_u32(header + 16, m->x.digits);
    store_u32(header + 20, (uint32_t)m->x.base);
    int status = buffer_append(section, header, sizeof header);
    for (unsigned byte = 0; byte < 256 && status == NACRE_OK; byte++)
        status = buffer_append_u16(section, m->ranks[byte]);
    for (uint32_t slot = 0; slot < TABLE_SLOTS && status == NACRE_OK; slot++)
        status = buffer_append_u32(section, m->table[slot]);
    for (uint32_t i = 0; i < m->distinct && status == NACRE_OK; i++)
        for (uint32_t b = i ? m->last_blocks[i - 1] + 1 : 0; b <= m->last_blocks[i] && status == NACRE_OK; b++)
            status = buffer_append_u64(section, m->digests[i]);
    return status == NACRE_OK ? buffer_append(section, m->lines.data, m->lines.size) : status;
}

static int make(struct maker *m, uint32_t bound, bool always, struct buffer *section)
{
    choose_digits(m);
    int status = make_digests(m);
    if (status == NACRE_OK)
        status = make_lines(m, bound);
    if (status == NACRE_OK) {
        measure_error(m);
        make_table(m);
        status = always || learned_pays(m) ? write_section(m, section) : NACRE_OK;
    }
    memory_free(m->digests);
    memory_free(m->last_blocks);
    buffer_free(&m->lines);
    memory_free(m);
    return status;
}

static struct maker *maker_of(const uint8_t *ends, const uint8_t *separators, uint32_t blocks, size_t prefix)
{
    struct maker *m = memory_zalloc(sizeof *m);
    if (m) {
        m->x.blocks = blocks;
        m->ends = ends;
        m->separators = separators;
        m->prefix = prefix;
    }
    return m;
}

int learned_make(const uint8_t *ends, const uint8_t *separators, uint32_t blocks, size_t prefix, bool always,
                 struct buffer *section)
{
    if (blocks < (always ? 1u : BLOCKS_LEAST))
        return NACRE_OK;
    struct maker *m = maker_of(ends, separators, blocks, prefix);
    return m ? make(m, BOUND, always, section) : NACRE_NO_MEMORY;
}

int learned_make_bounded(const uint8_t *ends, const uint8_t *separators, uint32_t blocks, size_t prefix, uint32_t bound,
                         struct buffer *section)
{
    struct maker *m = maker_of(ends, separators, blocks, prefix);
    return m ? make(m, bound, true, section) : NACRE_NO_MEMORY;
}

/* ---- opening ---- */

static const char *find_fault(const struct learned_index *x, uint32_t base)
{
    if (x->digits) {
        struct learned_index expected;
        if (base < 2 || base > LEARNED_ALPHABET_MAX + 1)
            return "base of the digits";
        set_base(&expected, base);
        if (expected.digits != x->digits)
            return "number of digits";
    }
    for (unsigned byte = 0; byte < 256 && x->digits; byte++) {
        if ((load_u16(x->ranks + 2 * (size_t)byte) & ~UNSEEN) >= base)
            return "ranks";
    }
    if (x->shift > 63 || (digest_at(x, x->blocks - 1) - digest_at(x, 0)) >> x->shift >= TABLE_SLOTS - 1)
        return "shift";
    for (uint32_t slot = 0; slot < TABLE_SLOTS; slot++) {
        if (load_u32(x->table + 4 * (size_t)slot) >= x->pieces)
            return "table";
    }
    for (uint32_t i = 0; i < x->pieces; i++) {
        const uint8_t *line = x->lines + (size_t)i * LINE_BYTES;
        double slope;
        memcpy(&slope, line + 8, sizeof slope);
        if (!(slope >= 0) || load_u32(line + 16) >= x->blocks ||
            (i == 0 ? load_u64(line) != digest_at(x, 0) : load_u64(line) <= load_u64(line - LINE_BYTES)))
            return "pieces";
    }
    return NULL;
}

int learned_open(const char *path, nacre_slice section, uint32_t blocks, struct learned_index *x)
{
    struct reader r = reader_of(section);
    *x = (struct learned_index){ .blocks = reader_u32(&r) };
    x->pieces = reader_u32(&r);
    x->error = reader_u32(&r);
    x->shift = reader_u32(&r);
    x->digits = reader_u32(&r);
    uint32_t base = reader_u32(&r);
    reader_bytes(&r, HEADER_BYTES - 24);
    if (!r.ok || x->blocks != blocks || x->pieces == 0 || x->pieces > blocks || x->error > blocks || x->digits > 64)
        return fail(NACRE_CORRUPT, "%s: learned index: %u blocks expected, %u in %u pieces found", path, blocks,
                    x->blocks, x->pieces);
    x->ranks = reader_bytes(&r, 512).data;
    x->table = reader_bytes(&r, 4 * (size_t)TABLE_SLOTS).data;
    x->digests = reader_bytes(&r, 8 * (size_t)x->blocks).data;
    x->lines = reader_bytes(&r, LINE_BYTES * (size_t)x->pieces).data;
    const char *fault = !r.ok || r.at != r.end ? "size" : find_fault(x, base);
    if (fault)
        return fail(NACRE_CORRUPT, "%s: learned index: its %s: does not fit the rest of it", path, fault);
    if (x->digits)
        set_base(x, base);
    return NACRE_OK;
}
