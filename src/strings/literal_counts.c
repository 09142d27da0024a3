/* Counts of literals from front-coded keys.

   Walking the path of a key byte by byte, the first occurrence of a gram on the path is alive from this key until a key comes that does not share it: so many keys
   hold the gram. Those that are alive lie on a stack in the order of their ends; what a key does not share with the one before is popped.
   Invariants:
   1. counts[c] of a gram that is alive has ALIVE set, and holds the keys counted less the number of the key that it lives from, mod 2^31; when it dies, the number
      of the key that ends it is added.
   2. marks[d] is the height of the stack after the first d bytes of the key added last.
   3. Where a gram of three bytes is alive, so are its last two bytes and its last one: these are looked at only where the longer one is new.
   4. Page 0 of three bytes belongs to no grams and is never alive.
   5. Once counts of three bytes would take more memory than is reasonable for so many bytes of keys, no more are taken, and none are kept.
   One thread; no locks. */
#include "strings/literal_counts.h"
#include "base/memory.h"
#include "base/status.h"

#define ALIVE      (UINT32_C(1) << 31)
#define PAIRS_AT   256u /* in counts: bytes, then pairs, then pages of 256 for three bytes */
#define PAGES_AT   (256u + 65536u)
#define FREE_PAGES 4096u /* that may be taken, whatever the keys */

struct literal_builder {
    uint32_t page_of[65536];
    uint32_t *counts, *stack, *marks;
    size_t count_capacity, stack_size, stack_capacity, mark_capacity;
    uint32_t page_count, keys;
    uint64_t key_bytes;
    bool no_threes; /* invariant 5 */
};

static int grow(uint32_t **items, size_t *capacity, size_t wanted, bool zero)
{
    if (wanted <= *capacity)
        return NACRE_OK;
    size_t more = wanted + wanted / 2;
    uint32_t *moved = memory_realloc(*items, more * sizeof *moved);
    if (!moved)
        return NACRE_NO_MEMORY;
    if (zero)
        memset(moved + *capacity, 0, (more - *capacity) * sizeof *moved);
    *items = moved;
    *capacity = more;
    return NACRE_OK;
}

int literal_builder_create(struct literal_builder **out)
{
    struct literal_builder *b = memory_zalloc(sizeof *b);
    *out = b;
    if (!b)
        return NACRE_NO_MEMORY;
    b->page_count = 1;
    if (grow(&b->counts, &b->count_capacity, PAGES_AT + 256, true) == NACRE_OK)
        return NACRE_OK;
    literal_builder_free(b);
    *out = NULL;
    return NACRE_NO_MEMORY;
}

void literal_builder_free(struct literal_builder *b)
{
    if (!b)
        return;
    memory_free(b->counts);
    memory_free(b->stack);
    memory_free(b->marks);
    memory_free(b);
}

uint64_t literal_builder_memory(const struct literal_builder *b)
{
    return sizeof *b + (b->count_capacity + b->stack_capacity + b->mark_capacity) * sizeof *b->counts;
}

static void pop_to(struct literal_builder *b, size_t height)
{
    const uint32_t now = b->keys;
    uint32_t *counts = b->counts;
    for (size_t i = height; i < b->stack_size; i++) {
        uint32_t *count = &counts[b->stack[i]];
        *count = (*count + now) & ~ALIVE;
    }
    b->stack_size = height;
}

/* Room on the stack is there. */
static inline bool bring_alive(struct literal_builder *b, uint32_t place)
{
    uint32_t *count = &b->counts[place];
    if (*count & ALIVE)
        return false;
    *count = (*count - b->keys) | ALIVE;
    b->stack[b->stack_size++] = place;
    return true;
}

static int make_page(struct literal_builder *b, uint32_t pair)
{
    int status = grow(&b->counts, &b->count_capacity, PAGES_AT + ((size_t)b->page_count + 1) * 256, true);
    if (status == NACRE_OK)
        b->page_of[pair] = b->page_count++;
    b->no_threes = b->no_threes || b->page_count > FREE_PAGES + b->key_bytes / 4096;
    return status;
}

/* The grams that end at byte i of the key. */
static inline int add_at(struct literal_builder *b, const uint8_t *key, size_t i)
{
    if (i >= 2 && !b->no_threes) {
        uint32_t pair = (uint32_t)key[i - 2] << 8 | key[i - 1];
        if (b->counts[PAGES_AT + (size_t)b->page_of[pair] * 256 + key[i]] & ALIVE)
            return NACRE_OK;
        if (__builtin_expect(b->page_of[pair] == 0, 0)) {
            int status = make_page(b, pair);
            if (status != NACRE_OK)
                return status;
        }
        bring_alive(b, PAGES_AT + b->page_of[pair] * 256 + key[i]);
    }
    if (i == 0 || bring_alive(b, PAIRS_AT + ((uint32_t)key[i - 1] << 8 | key[i])))
        bring_alive(b, key[i]);
    return NACRE_OK;
}

int literal_builder_add(struct literal_builder *b, nacre_slice key, size_t shared)
{
    if (b->keys == ALIVE - 1)
        return fail(NACRE_LIMIT, "more than %u keys in a segment", ALIVE - 1);
    int status = grow(&b->marks, &b->mark_capacity, key.size + 1, false);
    if (status == NACRE_OK)
        status = grow(&b->stack, &b->stack_capacity, 3 * (key.size + 1), false);
    if (status != NACRE_OK)
        return status;
    if (b->keys == 0)
        b->marks[0] = 0;
    pop_to(b, b->marks[shared]);
    for (size_t i = shared; i < key.size; i++) {
        status = add_at(b, key.data, i);
        if (status != NACRE_OK)
            return status;
        b->marks[i + 1] = (uint32_t)b->stack_size;
    }
    b->keys++;
    b->key_bytes += key.size;
    return NACRE_OK;
}

/* ---- the section ---- */

static uint8_t fold(uint32_t byte)
{
    return (uint8_t)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
}

/* Whether three bytes belong into the section; *known: whether that can be said. */
static bool is_common(const struct gram_builder *grams, uint32_t pair, uint32_t last, bool *known)
{
    const uint8_t folded[3] = { fold(pair >> 8), fold(pair & 0xff), fold(last) };
    return gram_builder_blocks(grams, gram_of(folded, 3), known) >= LITERAL_BLOCKS;
}

static int add_threes(const struct literal_builder *b, const struct gram_builder *grams,
                      struct gram_dictionary_builder *d)
{
    int status = NACRE_OK;
    bool known = true;
    for (uint32_t pair = 0; pair < 65536 && status == NACRE_OK && known; pair++) {
        const uint32_t *page = b->counts + PAGES_AT + (size_t)b->page_of[pair] * 256;
        for (uint32_t last = 0; b->page_of[pair] && last < 256 && status == NACRE_OK && known; last++)
            if (page[last] && is_common(grams, pair, last, &known))
                status = gram_dictionary_builder_add(d, (gram)3 << 24 | pair << 8 | last, page[last], 0);
    }
    return status;
}

/* What the counts of three bytes take is too much for so many bytes of keys: more than a 25th, and not just a little. */
static bool is_too_much(const struct literal_builder *b, const struct gram_dictionary_builder *d)
{
    return d->entries.size + d->groups.size > (UINT32_C(1) << 16) + b->key_bytes / 25;
}

static int add_shorter(const struct literal_builder *b, struct gram_dictionary_builder *d)
{
    int status = NACRE_OK;
    for (uint32_t byte = 0; byte < 256 && status == NACRE_OK; byte++)
        if (b->counts[byte])
            status = gram_dictionary_builder_add(d, (gram)1 << 24 | byte << 16, b->counts[byte], 0);
    for (uint32_t pair = 0; pair < 65536 && status == NACRE_OK; pair++)
        if (b->counts[PAIRS_AT + pair])
            status = gram_dictionary_builder_add(d, (gram)2 << 24 | pair << 8, b->counts[PAIRS_AT + pair], 0);
    return status;
}

int literal_builder_make(struct literal_builder *b, const struct gram_builder *grams, struct buffer *section)
{
    struct gram_dictionary_builder d = { .keys = b->keys };
    bool known = !b->no_threes;
    pop_to(b, 0);
    if (known)
        (void)is_common(grams, 0, 0, &known);
    int status = add_shorter(b, &d);
    if (status == NACRE_OK && known) {
        d.blocks = LITERAL_BLOCKS;
        status = add_threes(b, grams, &d);
    }
    if (status == NACRE_OK && d.blocks && is_too_much(b, &d)) {
        gram_dictionary_builder_free(&d);
        d = (struct gram_dictionary_builder){ .keys = b->keys };
        status = add_shorter(b, &d);
    }
    if (status == NACRE_OK)
        status = gram_dictionary_builder_make(&d, section);
    gram_dictionary_builder_free(&d);
    return status;
}
