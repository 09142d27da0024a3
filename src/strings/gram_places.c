/* Places of grams; gram_places.h has the layout. */
#include "strings/gram_places.h"
#include "base/memory.h"
#include "base/status.h"

#define FIRST_PAGES 512u

static int reserve(struct gram_places *p, uint32_t pages)
{
    size_t before = (size_t)p->page_capacity * PLACES_PER_PAGE, after = (size_t)pages * PLACES_PER_PAGE;
    uint32_t *numbers = memory_realloc(p->numbers, after * sizeof *numbers);
    if (!numbers)
        return NACRE_NO_MEMORY;
    p->numbers = numbers;
    uint64_t *bits = memory_realloc(p->bits, after / 8);
    if (!bits)
        return NACRE_NO_MEMORY;
    p->bits = bits;
    memset(numbers + before, 0, (after - before) * sizeof *numbers);
    memset(bits + before / 64, 0, (after - before) / 8);
    p->page_capacity = pages;
    return NACRE_OK;
}

int gram_places_begin(struct gram_places *p)
{
    p->page_count = PAGES_BEFORE_OF_3;
    return reserve(p, FIRST_PAGES);
}

void gram_places_free(struct gram_places *p)
{
    memory_free(p->numbers);
    memory_free(p->bits);
}

uint64_t gram_places_memory(const struct gram_places *p)
{
    return (uint64_t)p->page_capacity * (PLACES_PER_PAGE * sizeof *p->numbers + PLACES_PER_PAGE / 8);
}

int gram_places_make_page(struct gram_places *p, uint32_t pair)
{
    int status = p->page_count < p->page_capacity ? NACRE_OK : reserve(p, p->page_capacity + p->page_capacity / 2);
    if (status == NACRE_OK)
        p->page_of[pair] = p->page_count++;
    return status;
}
