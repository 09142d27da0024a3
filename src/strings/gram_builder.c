/* Gathers posting lists of grams.

   Each gram has a number, that of its list, and a bit that says whether it came in the present block (gram_places.h). The grams of a block wait until it ends; what
   their lists lie in is then fetched ahead of its use. A list lies in an arena, as chunks of varint differences that double in size:

     chunk: bytes of differences | 4 offset of the next chunk
     A difference may go over the end of a chunk. The first block of a list is kept in the list itself.

   Invariants:
   1. Grams that end inside of the bytes that a key shares with the one before were met with that one, in the same block.
   2. Lists hold what came in blocks before the present one; `waiting` has each gram of the present one, once, and room for all that the key at hand can bring. List 0
      is that of no gram, and is empty.
   3. Once grams of three bytes would cost more memory than is reasonable for so many bytes of keys (random bytes, mostly), no more of them are taken; grams whose lists
      would come to more than half of the bytes of keys are not written.
   One thread; no locks. */
#include "strings/gram_builder.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/varint.h"
#include "strings/gram_dictionary.h"
#include "strings/gram_places.h"
#include "strings/posting_list.h"
#include "base/utf8.h"

#define LINK_BYTES       4u
#define FIRST_CHUNK      16u /* bytes, with the link */
#define LAST_CHUNK       1024u
#define DIFFERENCE_BYTES 5u          /* at most */
#define AHEAD            16u         /* lists that are fetched before they grow */
#define FREE_BYTES       (8u << 20)  /* memory that grams may take, whatever the keys */
#define FREE_LIST_BYTES  (64u << 10) /* bytes that the lists of one length may take, whatever the keys */

struct gram_list {
    /* What grows it, in a cache line of its own or half of one. */
    _Alignas(16) uint32_t count; /* blocks */
    uint32_t last;               /* block */
    uint32_t at;                 /* where the next difference goes */
    uint32_t end;                /* of the last chunk's differences: where its link lies */
    uint32_t first;              /* block */
    uint32_t chunk;              /* where the first chunk begins; valid from the second block on */
    uint32_t size;               /* of the last chunk, with its link */
};
struct gram_builder {
    struct gram_places places; /* numbers: lists; 0 = none yet */
    struct gram_list *lists;
    uint8_t *arena;
    uint32_t *waiting; /* places of the grams of the present block */
    size_t list_count, list_capacity, arena_size, arena_capacity, waiting_count, waiting_capacity;
    uint64_t key_bytes;
    uint32_t block;    /* of the key added last, plus 1; 0 = none */
    size_t first_high; /* where the key added last has its first byte >= 0x80 */
    bool no_threes;    /* invariant 3 */
    uint8_t folded[256];
    struct buffer repaired;
};

/* ---- growing ---- */

int gram_builder_create(struct gram_builder **out)
{
    struct gram_builder *b = memory_zalloc(sizeof *b);
    *out = b;
    if (!b)
        return NACRE_NO_MEMORY;
    for (unsigned i = 0; i < 256; i++)
        b->folded[i] = (uint8_t)(i >= 'A' && i <= 'Z' ? i + 32 : i);
    b->first_high = SIZE_MAX;
    b->list_count = 1;
    int status = gram_places_begin(&b->places);
    if (status == NACRE_OK)
        status = memory_grow((void **)&b->lists, &b->list_capacity, 1024, sizeof *b->lists);
    if (status == NACRE_OK)
        status = memory_grow((void **)&b->arena, &b->arena_capacity, 16384, 1);
    if (status == NACRE_OK) {
        b->lists[0] = (struct gram_list){ 0 };
        return NACRE_OK;
    }
    gram_builder_free(b);
    *out = NULL;
    return status;
}

void gram_builder_free(struct gram_builder *b)
{
    if (!b)
        return;
    gram_places_free(&b->places);
    memory_free(b->lists);
    memory_free(b->arena);
    memory_free(b->waiting);
    buffer_free(&b->repaired);
    memory_free(b);
}

uint64_t gram_builder_memory(const struct gram_builder *b)
{
    return sizeof *b + gram_places_memory(&b->places) + b->list_capacity * sizeof *b->lists + b->arena_capacity +
           b->waiting_capacity * sizeof *b->waiting + b->repaired.capacity;
}

/* ---- lists ---- */

static int make_chunk(struct gram_builder *b, uint32_t size, uint32_t *chunk)
{
    if (b->arena_size + size > UINT32_MAX)
        return fail(NACRE_LIMIT, "the posting lists of a segment would pass %u bytes", UINT32_MAX);
    int status = memory_grow((void **)&b->arena, &b->arena_capacity, b->arena_size + size, 1);
    if (status != NACRE_OK)
        return status;
    *chunk = (uint32_t)b->arena_size;
    b->arena_size += size;
    return NACRE_OK;
}

static uint32_t next_chunk_size(uint32_t size)
{
    return size < LAST_CHUNK ? size * 2 : LAST_CHUNK;
}

/* A chunk behind the list's last one; the first one where there is none. */
static int extend(struct gram_builder *b, struct gram_list *l)
{
    uint32_t chunk = 0, size = l->size ? next_chunk_size(l->size) : FIRST_CHUNK;
    int status = make_chunk(b, size, &chunk);
    if (status != NACRE_OK)
        return status;
    if (l->size)
        store_u32(b->arena + l->end, chunk);
    else
        l->chunk = chunk;
    l->at = chunk;
    l->end = chunk + size - LINK_BYTES;
    l->size = size;
    return NACRE_OK;
}

static int append_difference(struct gram_builder *b, struct gram_list *l, uint32_t difference)
{
    if (__builtin_expect(l->end - l->at >= DIFFERENCE_BYTES, 1)) {
        l->at = (uint32_t)(varint_put(b->arena + l->at, difference) - b->arena);
        return NACRE_OK;
    }
    uint8_t bytes[VARINT_MAX];
    size_t size = (size_t)(varint_put(bytes, difference) - bytes);
    for (size_t i = 0; i < size; i++) {
        int status = l->at == l->end ? extend(b, l) : NACRE_OK;
        if (status != NACRE_OK)
            return status;
        b->arena[l->at++] = bytes[i];
    }
    return NACRE_OK;
}

static int begin_list(struct gram_builder *b, uint32_t place)
{
    if (b->list_count == UINT32_MAX)
        return fail(NACRE_LIMIT, "more than %u grams in a segment", UINT32_MAX);
    int status = memory_grow((void **)&b->lists, &b->list_capacity, b->list_count + 1, sizeof *b->lists);
    if (status != NACRE_OK)
        return status;
    b->lists[b->list_count] = (struct gram_list){ .count = 1, .first = b->block - 1, .last = b->block - 1 };
    b->places.numbers[place] = (uint32_t)b->list_count++;
    return NACRE_OK;
}

static int extend_list(struct gram_builder *b, struct gram_list *l)
{
    int status = append_difference(b, l, b->block - 1 - l->last);
    l->last = b->block - 1;
    l->count++;
    return status;
}

/* Puts the block that ends into the lists of the grams that wait. */
static int end_block(struct gram_builder *b)
{
    const uint32_t *waiting = b->waiting, *numbers = b->places.numbers;
    const size_t count = b->waiting_count;
    int status = NACRE_OK;
    b->waiting_count = 0;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        if (i + 3 * AHEAD < count)
            __builtin_prefetch(&numbers[waiting[i + 3 * AHEAD]]);
        if (i + 2 * AHEAD < count)
            __builtin_prefetch(&b->lists[numbers[waiting[i + 2 * AHEAD]]], 1);
        if (i + AHEAD < count)
            __builtin_prefetch(b->arena + b->lists[numbers[waiting[i + AHEAD]]].at, 1);
        uint32_t place = waiting[i], list = numbers[place];
        place_clear(b->places.bits, place);
        status = list ? extend_list(b, &b->lists[list]) : begin_list(b, place);
    }
    return status;
}

/* ---- adding ---- */

/* `waiting` has room. */
static inline size_t meet(uint64_t *bits, uint32_t *waiting, size_t count, uint32_t place)
{
    waiting[count] = place;
    return count + place_set(bits, place);
}

/* The grams of one byte and of two that end with the first byte of a text, or with its end. */
static void meet_first(struct gram_builder *b, const uint8_t *text, size_t size)
{
    uint8_t first = size ? b->folded[text[0]] : GRAM_END;
    uint64_t *bits = b->places.bits;
    size_t count = meet(bits, b->waiting, b->waiting_count, place_of_2((uint32_t)GRAM_BEGIN << 8 | first));
    b->waiting_count = size ? meet(bits, b->waiting, count, place_of_1(first)) : count;
}

/* All grams that end at byte `from` of the text or behind it. */
static int add_text(struct gram_builder *b, const uint8_t *text, size_t size, size_t from)
{
    int status = memory_grow((void **)&b->waiting, &b->waiting_capacity, b->waiting_count + 3 * (size - from) + 5,
                             sizeof *b->waiting);
    if (status != NACRE_OK)
        return status;
    if (from == 0)
        meet_first(b, text, size);
    if (size == 0)
        return NACRE_OK;
    size_t i = from ? from : 1, count = b->waiting_count;
    uint32_t *waiting = b->waiting;
    uint8_t before = i > 1 ? b->folded[text[i - 2]] : GRAM_BEGIN, middle = b->folded[text[i - 1]];
    for (; i <= size; i++) {
        uint8_t last = i < size ? b->folded[text[i]] : GRAM_END;
        if (!b->no_threes) {
            uint32_t pair = (uint32_t)before << 8 | middle;
            status = b->places.page_of[pair] ? NACRE_OK : gram_places_make_page(&b->places, pair);
            if (status != NACRE_OK)
                return status;
            count = meet(b->places.bits, waiting, count, place_of_3(&b->places, pair, last));
        }
        count = meet(b->places.bits, waiting, count, place_of_2((uint32_t)middle << 8 | last));
        if (i < size) /* GRAM_END alone is no gram */
            count = meet(b->places.bits, waiting, count, place_of_1(last));
        before = middle;
        middle = last;
    }
    b->waiting_count = count;
    return NACRE_OK;
}

static size_t find_high(const uint8_t *bytes, size_t from, size_t size)
{
    size_t i = from;
    for (; i + 8 <= size; i += 8)
        if (load_u64(bytes + i) & 0x8080808080808080u)
            break;
    for (; i < size; i++)
        if (bytes[i] & 0x80)
            return i;
    return SIZE_MAX;
}

static bool is_too_much(const struct gram_builder *b)
{
    uint64_t used = b->arena_size + b->list_count * sizeof *b->lists +
                    b->places.page_count * (PLACES_PER_PAGE * sizeof *b->places.numbers + PLACES_PER_PAGE / 8);
    return used > FREE_BYTES + b->key_bytes / 2 * 3;
}

int gram_builder_add(struct gram_builder *b, nacre_slice key, size_t shared, uint32_t block)
{
    if (block == UINT32_MAX)
        return fail(NACRE_LIMIT, "too many blocks in a segment");
    if (b->first_high == SIZE_MAX || b->first_high >= shared)
        b->first_high = find_high(key.data, shared, key.size);
    int status = NACRE_OK;
    if (b->block != block + 1) {
        status = end_block(b);
        b->block = block + 1;
        shared = 0;
        b->no_threes = b->no_threes || is_too_much(b);
    }
    b->key_bytes += key.size;
    if (status == NACRE_OK)
        status = add_text(b, key.data, key.size, shared);
    if (status != NACRE_OK || b->first_high == SIZE_MAX || utf8_is_valid(key))
        return status;
    buffer_clear(&b->repaired);
    status = utf8_repair(key, &b->repaired);
    return status == NACRE_OK ? add_text(b, b->repaired.data, b->repaired.size, 0) : status;
}

/* ---- writing ---- */

uint32_t gram_builder_blocks(const struct gram_builder *b, gram g, bool *known)
{
    *known = g >> 24 < 3 || !b->no_threes;
    return b->lists[b->places.numbers[place_of_gram(&b->places, g)]].count;
}

static void list_values(const struct gram_builder *b, const struct gram_list *l, uint32_t *values)
{
    uint32_t value = l->first, at = l->chunk, size = FIRST_CHUNK, end = at + size - LINK_BYTES;
    values[0] = value;
    for (uint32_t i = 1; i < l->count; i++) {
        uint32_t difference = 0;
        for (unsigned shift = 0;; shift += 7) {
            if (at == end) {
                at = load_u32(b->arena + end);
                size = next_chunk_size(size);
                end = at + size - LINK_BYTES;
            }
            uint8_t byte = b->arena[at++];
            difference |= (uint32_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
        value += difference;
        values[i] = value;
    }
}

struct gram_writing {
    struct gram_dictionary_builder dictionary;
    struct container_writer *out;
    struct buffer list;
    uint32_t *values;
};

/* Calls `visit` for the grams of so many bytes, ascending. */
static int for_each_gram(const struct gram_builder *b, uint32_t length,
                         int (*visit)(const struct gram_builder *, gram, const struct gram_list *, void *context),
                         void *context)
{
    static const uint32_t rows[4] = { 0, 1, 256, 65536 };
    int status = NACRE_OK;
    for (uint32_t row = 0; row < rows[length] && status == NACRE_OK; row++) {
        gram base = length << 24 | row << (8 * (4 - length));
        if (length == 3 && b->places.page_of[row] == 0)
            continue;
        for (gram last = 0; last < 256 && status == NACRE_OK; last++) {
            gram g = base | last << (8 * (3 - length));
            const struct gram_list *l = &b->lists[b->places.numbers[place_of_gram(&b->places, g)]];
            status = l->count ? visit(b, g, l, context) : NACRE_OK;
        }
    }
    return status;
}

struct list_sizes {
    uint64_t bytes;
    uint32_t blocks;
};
static int add_size(const struct gram_builder *b, gram g, const struct gram_list *l, void *context)
{
    struct list_sizes *sizes = context;
    (void)b;
    (void)g;
    sizes->bytes += posting_list_size(sizes->blocks, l->count);
    return NACRE_OK;
}

static bool is_worth_keeping(const struct gram_builder *b, uint32_t length, uint32_t blocks)
{
    struct list_sizes sizes = { 0, blocks };
    (void)for_each_gram(b, length, add_size, &sizes);
    return sizes.bytes <= FREE_LIST_BYTES + b->key_bytes / 2;
}

static int write_list(const struct gram_builder *b, gram g, const struct gram_list *l, void *context)
{
    struct gram_writing *w = context;
    list_values(b, l, w->values);
    buffer_clear(&w->list);
    struct gram_entry e = { .gram = g, .count = l->count, .only = l->first };
    int status = posting_list_append(&w->list, w->dictionary.blocks, w->values, l->count, &e.gap_bytes);
    if (status == NACRE_OK)
        status = gram_dictionary_builder_add(&w->dictionary, &e);
    return status == NACRE_OK ? container_write(w->out, w->list.data, w->list.size, NULL) : status;
}

static int write_lists(const struct gram_builder *b, struct gram_writing *w)
{
    static const uint8_t slack[POSTING_SLACK];
    int status = container_section_begin(w->out, "GPOS");
    for (uint32_t length = 1; length <= 3 && status == NACRE_OK; length++)
        if (w->dictionary.lengths >> (length - 1) & 1)
            status = for_each_gram(b, length, write_list, w);
    if (status == NACRE_OK)
        status = container_write(w->out, slack, sizeof slack, NULL);
    return status == NACRE_OK ? container_section_end(w->out) : status;
}

int gram_builder_write(struct gram_builder *b, uint32_t blocks, uint64_t keys, struct container_writer *out)
{
    struct gram_writing w = { .out = out };
    struct buffer section = { 0 };
    if (b->block > blocks)
        return fail(NACRE_INVALID, "keys of block %u where there are %u blocks", b->block - 1, blocks);
    int status = end_block(b);
    b->no_threes = b->no_threes || is_too_much(b) || !is_worth_keeping(b, 3, blocks);
    w.dictionary.blocks = blocks;
    w.dictionary.keys = keys;
    w.dictionary.has_lists = true;
    w.dictionary.lengths =
        GRAMS_OF_1 | (is_worth_keeping(b, 2, blocks) ? GRAMS_OF_2 : 0) | (b->no_threes ? 0 : GRAMS_OF_3);
    w.values = memory_alloc(((size_t)blocks + 1) * sizeof *w.values);
    if (status == NACRE_OK)
        status = w.values ? write_lists(b, &w) : NACRE_NO_MEMORY;
    if (status == NACRE_OK)
        status = gram_dictionary_builder_make(&w.dictionary, &section);
    if (status == NACRE_OK)
        status = container_write_section(out, "GRAM", buffer_slice(&section));
    buffer_free(&section);
    buffer_free(&w.list);
    gram_dictionary_builder_free(&w.dictionary);
    memory_free(w.values);
    return status;
}
