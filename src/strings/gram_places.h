/* A number and a bit for each gram of one to three bytes, made as grams come. Private to the builders of the side file.

   Places: 0 to 255 belong to no gram; then one for each byte, then one for each pair of bytes; then pages of 256, one for each pair that three bytes begin with, in the
   order in which they came. Bits lie apart from the numbers: they are few enough to stay in the cache, where a builder looks at every byte of every key. One thread. */
#ifndef NACRE_STRINGS_GRAM_PLACES_H
#define NACRE_STRINGS_GRAM_PLACES_H
#include "regex/analysis.h"

#define PLACES_PER_PAGE   256u
#define PLACES_OF_1       PLACES_PER_PAGE
#define PLACES_OF_2       (2 * PLACES_PER_PAGE)
#define PAGES_BEFORE_OF_3 258u

struct gram_places {
    uint32_t page_of[65536]; /* by the first two of three bytes; 0 = none yet */
    uint32_t *numbers;
    uint64_t *bits;
    uint32_t page_count, page_capacity;
};
int gram_places_begin(struct gram_places *); /* zeroed before; NACRE_NO_MEMORY. To be freed even then */
void gram_places_free(struct gram_places *);
uint64_t gram_places_memory(const struct gram_places *); /* without the struct */
int gram_places_make_page(struct gram_places *, uint32_t pair);

static inline uint32_t place_of_1(uint8_t byte)
{
    return PLACES_OF_1 + byte;
}
static inline uint32_t place_of_2(uint32_t pair)
{
    return PLACES_OF_2 + pair;
}
/* In a page of 0 the place belongs to no gram. */
static inline uint32_t place_of_3(const struct gram_places *p, uint32_t pair, uint8_t last)
{
    return p->page_of[pair] * PLACES_PER_PAGE + last;
}
static inline uint32_t place_of_gram(const struct gram_places *p, gram g)
{
    switch (g >> 24) {
    case 1:
        return place_of_1((uint8_t)(g >> 16));
    case 2:
        return place_of_2(g >> 8 & 0xffff);
    default:
        return place_of_3(p, g >> 8 & 0xffff, (uint8_t)g);
    }
}
/* Sets the bit of a place; 1 when it was not set. Without branches, as there is no telling what comes. */
static inline uint32_t place_set(uint64_t *bits, uint32_t place)
{
    uint64_t word = bits[place / 64], bit = UINT64_C(1) << (place % 64);
    bits[place / 64] = word | bit;
    return (word & bit) == 0;
}
static inline void place_clear(uint64_t *bits, uint32_t place)
{
    bits[place / 64] &= ~(UINT64_C(1) << (place % 64));
}
#endif
