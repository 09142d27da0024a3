/* Gathers posting lists of grams.

   Each gram has, in a page of 256 that share all bytes but the last, the block that it came in last; so a gram that comes again in a block costs one look. The
   grams that are new to a block wait until the block ends, so that what their lists lie in can be fetched ahead of its use. A list lies in an arena, as chunks of
   varint differences that double in size:

     chunk: bytes of differences | 4 offset of the next chunk
     A difference may go over the end of a chunk. The first block of a list is kept in the list itself.

   Invariants:
   1. If a gram of three bytes was met in a block, its last two bytes and its last byte were, too: shorter grams are looked at only where the longer one is new.
   2. Grams that end inside of the bytes that a key shares with the one before were met with that one, in the same block.
   3. Page 0 belongs to no grams and says of each that it was never met, so that the walk need not ask whether there is a page.
   4. Once grams of three bytes would cost more memory than is reasonable for so many bytes of keys (random bytes, mostly), no more of them are taken, and none are written.
   5. Lists hold what came in blocks before the present one; `waiting` has room for all grams that the key at hand can bring.
   One thread; no locks. */
#include "strings/gram_builder.h"
#include "base/endian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/varint.h"
#include "strings/gram_dictionary.h"
#include "strings/posting_list.h"
#include "strings/utf8_repair.h"

#define PAGE_GRAMS       256u
#define PAGES_OF_2       65536u /* pages of grams of two bytes: behind those of three, by the first byte */
#define PAGE_OF_1        (PAGES_OF_2 + 256)
#define PAGE_KEYS        (PAGE_OF_1 + 1)
#define LINK_BYTES       4u
#define FIRST_CHUNK      16u /* bytes, with the link */
#define LAST_CHUNK       1024u
#define DIFFERENCE_BYTES 5u         /* at most */
#define AHEAD            16u        /* lists that are fetched before they grow */
#define FREE_BYTES       (8u << 20) /* memory that grams may take, whatever the keys */

struct gram_page {
    struct gram_place {
        uint32_t met;  /* block that the gram came in last, plus 1; 0 = none */
        uint32_t list; /* valid where met */
    } of[PAGE_GRAMS];
};
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
    uint32_t page_of[PAGE_KEYS];
    struct gram_page *pages;
    struct gram_list *lists;
    uint8_t *arena;
    uint32_t *waiting; /* lists of the grams of the present block */
    size_t page_count, page_capacity, list_count, list_capacity, arena_size, arena_capacity, waiting_count,
        waiting_capacity;
    uint64_t key_bytes;
    uint32_t block;    /* of the key added last, plus 1; 0 = none */
    size_t first_high; /* where the key added last has its first byte >= 0x80 */
    bool no_threes;    /* invariant 4 */
    uint8_t folded[256];
    struct buffer repaired;
};

int gram_builder_create(struct gram_builder **out)
{
    struct gram_builder *b = memory_zalloc(sizeof *b);
    *out = b;
    if (!b)
        return NACRE_NO_MEMORY;
    for (unsigned i = 0; i < 256; i++)
        b->folded[i] = (uint8_t)(i >= 'A' && i <= 'Z' ? i + 32 : i);
    b->first_high = SIZE_MAX;
    b->page_capacity = 16;
    b->page_count = 1;
    b->pages = memory_zalloc(b->page_capacity * sizeof *b->pages);
    if (b->pages)
        return NACRE_OK;
    gram_builder_free(b);
    *out = NULL;
    return NACRE_NO_MEMORY;
}

void gram_builder_free(struct gram_builder *b)
{
    if (!b)
        return;
    memory_free(b->pages);
    memory_free(b->lists);
    memory_free(b->arena);
    memory_free(b->waiting);
    buffer_free(&b->repaired);
    memory_free(b);
}

uint64_t gram_builder_memory(const struct gram_builder *b)
{
    return sizeof *b + b->page_capacity * sizeof *b->pages + b->list_capacity * sizeof *b->lists + b->arena_capacity +
           b->waiting_capacity * sizeof *b->waiting + b->repaired.capacity;
}

/* ---- growing ---- */

static int grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes)
{
    if (wanted <= *capacity)
        return NACRE_OK;
    size_t more = wanted + wanted / 2;
    void *moved = memory_realloc(*items, more * item_bytes);
    if (!moved)
        return NACRE_NO_MEMORY;
    *items = moved;
    *capacity = more;
    return NACRE_OK;
}

static int make_page(struct gram_builder *b, uint32_t page_key)
{
    int status = grow((void **)&b->pages, &b->page_capacity, b->page_count + 1, sizeof *b->pages);
    if (status != NACRE_OK)
        return status;
    memset(&b->pages[b->page_count], 0, sizeof *b->pages);
    b->page_of[page_key] = (uint32_t)b->page_count++;
    return NACRE_OK;
}

static int make_chunk(struct gram_builder *b, uint32_t size, uint32_t *chunk)
{
    if (b->arena_size + size > UINT32_MAX)
        return fail(NACRE_LIMIT, "the posting lists of a segment would pass %u bytes", UINT32_MAX);
    int status = grow((void **)&b->arena, &b->arena_capacity, b->arena_size + size, 1);
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

/* ---- adding ---- */

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

static int begin_list(struct gram_builder *b, struct gram_place *place)
{
    if (b->list_count == UINT32_MAX)
        return fail(NACRE_LIMIT, "more than %u grams in a segment", UINT32_MAX);
    int status = grow((void **)&b->lists, &b->list_capacity, b->list_count + 1, sizeof *b->lists);
    if (status != NACRE_OK)
        return status;
    b->lists[b->list_count] = (struct gram_list){ 0 };
    place->list = (uint32_t)b->list_count++;
    return NACRE_OK;
}

/* The gram was never met. */
static __attribute__((noinline)) int make_gram(struct gram_builder *b, uint32_t page_key, uint8_t last)
{
    int status = b->page_of[page_key] ? NACRE_OK : make_page(b, page_key);
    return status == NACRE_OK ? begin_list(b, &b->pages[b->page_of[page_key]].of[last]) : status;
}

/* Puts the block that ends into the lists that wait. */
static int end_block(struct gram_builder *b)
{
    const uint32_t block = b->block - 1;
    const size_t count = b->waiting_count;
    int status = NACRE_OK;
    b->waiting_count = 0;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        if (i + 2 * AHEAD < count)
            __builtin_prefetch(&b->lists[b->waiting[i + 2 * AHEAD]], 1);
        if (i + AHEAD < count && b->arena)
            __builtin_prefetch(b->arena + b->lists[b->waiting[i + AHEAD]].at, 1);
        struct gram_list *l = &b->lists[b->waiting[i]];
        if (l->count == 0)
            l->first = block;
        else
            status = append_difference(b, l, block - l->last);
        l->last = block;
        l->count++;
    }
    return status;
}

static inline bool is_met(const struct gram_builder *b, uint32_t page_key, uint8_t last)
{
    return b->pages[b->page_of[page_key]].of[last].met == b->block;
}

/* The gram was not met in this block yet. */
static inline int add_gram(struct gram_builder *b, uint32_t page_key, uint8_t last)
{
    struct gram_place *place = &b->pages[b->page_of[page_key]].of[last];
    if (__builtin_expect(place->met == 0, 0)) {
        int status = make_gram(b, page_key, last);
        if (status != NACRE_OK)
            return status;
        place = &b->pages[b->page_of[page_key]].of[last];
    }
    place->met = b->block;
    b->waiting[b->waiting_count++] = place->list;
    return NACRE_OK;
}

static inline int look_at(struct gram_builder *b, uint32_t page_key, uint8_t last)
{
    return is_met(b, page_key, last) ? NACRE_OK : add_gram(b, page_key, last);
}

/* The grams of two bytes and of one that end with `last`; GRAM_END alone is none. */
static int add_shorter(struct gram_builder *b, uint8_t before, uint8_t last)
{
    int status = look_at(b, PAGES_OF_2 + before, last);
    return status == NACRE_OK && last != GRAM_END ? look_at(b, PAGE_OF_1, last) : status;
}

/* All grams that end at byte `from` of the text or behind it. */
static int add_text(struct gram_builder *b, const uint8_t *text, size_t size, size_t from)
{
    const bool threes = !b->no_threes;
    int status =
        grow((void **)&b->waiting, &b->waiting_capacity, b->waiting_count + 3 * (size - from) + 4, sizeof *b->waiting);
    if (status != NACRE_OK)
        return status;
    if (from == 0)
        status = add_shorter(b, GRAM_BEGIN, size ? b->folded[text[0]] : GRAM_END);
    if (size == 0 || status != NACRE_OK)
        return status;
    size_t i = from ? from : 1;
    uint8_t before = i > 1 ? b->folded[text[i - 2]] : GRAM_BEGIN, middle = b->folded[text[i - 1]];
    for (; i <= size; i++) {
        uint8_t last = i < size ? b->folded[text[i]] : GRAM_END;
        uint32_t page_key = (uint32_t)before << 8 | middle;
        if (!threes || !is_met(b, page_key, last)) {
            status = threes ? add_gram(b, page_key, last) : NACRE_OK;
            if (status == NACRE_OK)
                status = add_shorter(b, middle, last);
            if (status != NACRE_OK)
                return status;
        }
        before = middle;
        middle = last;
    }
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
    return gram_builder_memory(b) > FREE_BYTES + b->key_bytes / 4 * 3;
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

static uint32_t page_key_of(gram g)
{
    return g >> 24 == 3 ? g >> 8 & 0xffff : g >> 24 == 2 ? PAGES_OF_2 + (g >> 16 & 0xff) : PAGE_OF_1;
}

uint32_t gram_builder_blocks(const struct gram_builder *b, gram g, bool *known)
{
    uint32_t length = g >> 24;
    const struct gram_place *place = &b->pages[b->page_of[page_key_of(g)]].of[g >> (24 - 8 * length) & 0xff];
    *known = length < 3 || !b->no_threes;
    return place->met ? b->lists[place->list].count : 0;
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

static int write_page(const struct gram_builder *b, struct gram_writing *w, uint32_t page_key, gram base,
                      unsigned last_shift)
{
    const struct gram_page *page = &b->pages[b->page_of[page_key]];
    int status = NACRE_OK;
    for (uint32_t last = 0; last < PAGE_GRAMS && status == NACRE_OK && b->page_of[page_key]; last++) {
        if (page->of[last].met == 0)
            continue;
        const struct gram_list *l = &b->lists[page->of[last].list];
        list_values(b, l, w->values);
        buffer_clear(&w->list);
        status = posting_list_append(&w->list, w->dictionary.blocks, w->values, l->count);
        if (status == NACRE_OK)
            status = gram_dictionary_builder_add(&w->dictionary, base | last << last_shift, l->count, l->first);
        if (status == NACRE_OK)
            status = container_write(w->out, w->list.data, w->list.size, NULL);
    }
    return status;
}

static int write_lists(const struct gram_builder *b, struct gram_writing *w)
{
    static const uint8_t slack[POSTING_SLACK];
    int status = container_section_begin(w->out, "GPOS");
    if (status == NACRE_OK)
        status = write_page(b, w, PAGE_OF_1, (gram)1 << 24, 16);
    for (uint32_t first = 0; first < 256 && status == NACRE_OK; first++)
        status = write_page(b, w, PAGES_OF_2 + first, (gram)2 << 24 | first << 16, 8);
    for (uint32_t pair = 0; pair < PAGES_OF_2 && status == NACRE_OK && !b->no_threes; pair++)
        status = write_page(b, w, pair, (gram)3 << 24 | pair << 8, 0);
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
    b->no_threes = b->no_threes || is_too_much(b);
    w.dictionary.blocks = blocks;
    w.dictionary.keys = keys;
    w.dictionary.has_lists = true;
    w.dictionary.lengths = GRAMS_OF_1 | GRAMS_OF_2 | (b->no_threes ? 0 : GRAMS_OF_3);
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
