/* Big blocks and the table that knows them (see big_block.h). A word of it has the number of a block's first page and how many there are. A page's place is
   one of the PLACES words of one line, so that a lookup reads one line, and takes no lock that a fork could leave held. Where all of a line are taken, the
   allocator gets the block.

   Invariants:
   1. A block's word is set before its pointer is given out, and cleared before its pages go back: so no two words have one page.
   2. All blocks begin at a page, as one in 256 of the allocator's does: only for those is the table read.
   Any thread; no locks. */
#include "base/big_block.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#define PAGE         ((size_t)4096)
#define LINES        4096u /* a power of two */
#define PLACES       8u
#define COUNT_BITS   28u
#define COUNT_MOST   (((uint64_t)1 << COUNT_BITS) - 1)
#define ADDRESS_BITS 48u
#define MOVING       1u /* taken, and no block's: there is no page 0 */

static _Alignas(64) _Atomic uint64_t table[LINES][PLACES]; /* 0: free */

#ifdef NACRE_SANITIZED
static const bool usable = false;
#else
static const bool usable = true;
#endif

static _Atomic uint64_t *line_of(uint64_t page)
{
    return table[(page * UINT64_C(0x9E3779B97F4A7C15)) >> 52 & (LINES - 1)];
}

/* The word of the block that begins there; NULL: none does. Relaxed: whoever has the pointer has it from who set the word. */
static _Atomic uint64_t *word_of(const void *memory, uint64_t *word)
{
    uint64_t page = (uintptr_t)memory / PAGE;
    _Atomic uint64_t *line = line_of(page);
    for (unsigned i = 0; i < PLACES; i++) {
        *word = atomic_load_explicit(&line[i], memory_order_relaxed);
        if (*word >> COUNT_BITS == page) {
            return &line[i];
        }
    }
    return NULL;
}

static bool enter(const void *memory, size_t pages)
{
    uint64_t page = (uintptr_t)memory / PAGE, word = page << COUNT_BITS | pages;
    _Atomic uint64_t *line = line_of(page);
    for (unsigned i = 0; i < PLACES; i++) {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong_explicit(&line[i], &none, word, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static bool count_pages(size_t bytes, size_t *pages)
{
    *pages = bytes / PAGE + (bytes % PAGE != 0);
    return usable && bytes >= BIG_BLOCK && *pages <= COUNT_MOST;
}

void *big_block_make(size_t bytes)
{
    size_t pages;
    if (!count_pages(bytes, &pages)) {
        return NULL;
    }
    void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if ((uintptr_t)memory >> ADDRESS_BITS != 0 || !enter(memory, pages)) {
        (void)munmap(memory, pages * PAGE); /* a whole map can always go */
        return NULL;
    }
    return memory;
}

size_t big_block_size(const void *memory)
{
    uint64_t word;
    return (uintptr_t)memory % PAGE == 0 && memory && word_of(memory, &word) ? (size_t)(word & COUNT_MOST) * PAGE : 0;
}

void *big_block_resize(void *memory, size_t bytes)
{
    size_t pages;
    uint64_t word;
    _Atomic uint64_t *place = word_of(memory, &word);
    if (!place || !count_pages(bytes, &pages)) {
        return NULL;
    }
    size_t before = (size_t)(word & COUNT_MOST);
    if (pages <= before) {
        atomic_store_explicit(place, word - before + pages, memory_order_relaxed);
        if (pages < before) {
            (void)munmap((uint8_t *)memory + pages * PAGE, (before - pages) * PAGE); /* else it stays unused */
        }
        return memory;
    }
    uint8_t *larger = big_block_make(bytes);
    if (!larger) {
        return NULL;
    }
    /* The old pages take the place of the new one's first. As soon as they have moved, their place may be another's. */
    atomic_store_explicit(place, MOVING, memory_order_relaxed);
    bool moved = mremap(memory, before * PAGE, before * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, larger) != MAP_FAILED;
    atomic_store_explicit(place, moved ? 0 : word, memory_order_relaxed);
    if (!moved) {
        big_block_free(larger);
        return NULL;
    }
    return larger;
}

void big_block_free(void *memory)
{
    uint64_t word;
    _Atomic uint64_t *place = word_of(memory, &word);
    if (place) {
        atomic_store_explicit(place, 0, memory_order_relaxed);
        (void)munmap(memory, (size_t)(word & COUNT_MOST) * PAGE); /* a whole map can always go */
    }
}
