/* Counts of literals from front-coded keys.

   Walking the path of a key byte by byte, the first occurrence of a gram on the path is alive from this key until a key comes that does not share it: so many keys
   hold the gram. Those that are alive lie on a stack in the order of their ends; what a key does not share with the one before is popped.
   Invariants:
   1. A gram has a number, the keys counted so far, and a bit that says whether it is on the stack (gram_places.h). Numbers are only touched when a gram dies.
   2. marks[d] is the height of the stack after the first d bytes of the key added last.
   3. Once counts of three bytes would take more memory than is reasonable for so many bytes of keys, no more are taken, and none are kept.
   One thread; no locks. */
#include "strings/literal_counts.h"
#include "base/memory.h"
#include "base/status.h"
#include "strings/gram_places.h"

#define FREE_PAGES 4096u /* that may be taken, whatever the keys */

struct living {
    uint32_t place, from; /* `from`: the number of the key that it lives from */
};
struct literal_builder {
    struct gram_places places;
    uint32_t *marks;
    struct living *stack;
    size_t stack_size, stack_capacity, mark_capacity;
    uint32_t keys;
    uint64_t key_bytes;
    bool no_threes; /* invariant 3 */
};

int literal_builder_create(struct literal_builder **out)
{
    struct literal_builder *b = memory_zalloc(sizeof *b);
    *out = b;
    if (!b)
        return NACRE_NO_MEMORY;
    if (gram_places_begin(&b->places) == NACRE_OK)
        return NACRE_OK;
    literal_builder_free(b);
    *out = NULL;
    return NACRE_NO_MEMORY;
}

void literal_builder_free(struct literal_builder *b)
{
    if (!b)
        return;
    gram_places_free(&b->places);
    memory_free(b->stack);
    memory_free(b->marks);
    memory_free(b);
}

uint64_t literal_builder_memory(const struct literal_builder *b)
{
    return sizeof *b + gram_places_memory(&b->places) + b->stack_capacity * sizeof *b->stack +
           b->mark_capacity * sizeof *b->marks;
}

static void pop_to(struct literal_builder *b, size_t height)
{
    const uint32_t now = b->keys;
    uint32_t *numbers = b->places.numbers;
    uint64_t *bits = b->places.bits;
    for (size_t i = height; i < b->stack_size; i++) {
        struct living l = b->stack[i];
        numbers[l.place] += now - l.from;
        place_clear(bits, l.place);
    }
    b->stack_size = height;
}

static int make_page(struct literal_builder *b, uint32_t pair)
{
    b->no_threes = b->places.page_count > FREE_PAGES + b->key_bytes / 4096;
    return gram_places_make_page(&b->places, pair);
}

static int reserve_for(struct literal_builder *b, size_t key_size)
{
    if (b->keys == UINT32_MAX)
        return fail(NACRE_LIMIT, "more than %u keys in a segment", UINT32_MAX);
    int status = memory_grow((void **)&b->marks, &b->mark_capacity, key_size + 1, sizeof *b->marks);
    return status == NACRE_OK
               ? memory_grow((void **)&b->stack, &b->stack_capacity, 3 * (key_size + 1), sizeof *b->stack)
               : status;
}

/* The stack has room. */
static inline size_t bring_alive(uint64_t *bits, struct living *stack, size_t height, uint32_t place, uint32_t from)
{
    stack[height] = (struct living){ place, from };
    return height + place_set(bits, place);
}

/* Brings alive what ends at the bytes of the key from `shared` on. */
static int push_from(struct literal_builder *b, const uint8_t *key, size_t size, size_t shared)
{
    const uint32_t from = b->keys;
    uint32_t *marks = b->marks;
    struct living *stack = b->stack;
    size_t height = b->stack_size;
    for (size_t i = shared; i < size; i++) {
        if (i >= 2 && !b->no_threes) {
            uint32_t pair = (uint32_t)key[i - 2] << 8 | key[i - 1];
            int status = b->places.page_of[pair] ? NACRE_OK : make_page(b, pair);
            if (status != NACRE_OK)
                return status;
            height = bring_alive(b->places.bits, stack, height, place_of_3(&b->places, pair, key[i]), from);
        }
        uint64_t *bits = b->places.bits;
        if (i >= 1)
            height = bring_alive(bits, stack, height, place_of_2((uint32_t)key[i - 1] << 8 | key[i]), from);
        height = bring_alive(bits, stack, height, place_of_1(key[i]), from);
        marks[i + 1] = (uint32_t)height;
    }
    b->stack_size = height;
    return NACRE_OK;
}

int literal_builder_add(struct literal_builder *b, nacre_slice key, size_t shared)
{
    int status = reserve_for(b, key.size);
    if (status != NACRE_OK)
        return status;
    if (b->keys == 0)
        b->marks[0] = 0;
    pop_to(b, b->marks[shared]);
    status = push_from(b, key.data, key.size, shared);
    b->keys++;
    b->key_bytes += key.size;
    return status;
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

static int add_count(struct gram_dictionary_builder *d, gram literal, uint32_t keys)
{
    return gram_dictionary_builder_add(d, &(struct gram_entry){ .gram = literal, .count = keys });
}

static int add_threes(const struct literal_builder *b, const struct gram_builder *grams,
                      struct gram_dictionary_builder *d)
{
    int status = NACRE_OK;
    bool known = true;
    for (uint32_t pair = 0; pair < 65536 && status == NACRE_OK; pair++) {
        const uint32_t *counts = b->places.numbers + place_of_3(&b->places, pair, 0);
        for (uint32_t last = 0; b->places.page_of[pair] && last < 256 && status == NACRE_OK; last++)
            if (counts[last] && is_common(grams, pair, last, &known))
                status = add_count(d, (gram)3 << 24 | pair << 8 | last, counts[last]);
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
    const uint32_t *bytes = b->places.numbers + PLACES_OF_1, *pairs = b->places.numbers + PLACES_OF_2;
    for (uint32_t byte = 0; byte < 256 && status == NACRE_OK; byte++)
        if (bytes[byte])
            status = add_count(d, (gram)1 << 24 | byte << 16, bytes[byte]);
    for (uint32_t pair = 0; pair < 65536 && status == NACRE_OK; pair++)
        if (pairs[pair])
            status = add_count(d, (gram)2 << 24 | pair << 8, pairs[pair]);
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
