/* Allocation (see memory.h). Any thread; no locks. Tests may set or remove the fault hook while other threads allocate,
   but replace one hook by another only after removing it: the two words are read one after the other. */
#include "base/memory.h"
#include "base/status.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

typedef bool fault_hook(void *context, size_t bytes);
static _Atomic(fault_hook *) hook;
static _Atomic(void *) hook_context;

void memory_set_fault(bool (*should_fail)(void *context, size_t bytes), void *context)
{
    if (should_fail) { /* else: whoever has read the hook just now still wants its context */
        atomic_store_explicit(&hook_context, context, memory_order_relaxed);
    }
    atomic_store_explicit(&hook, should_fail, memory_order_release); /* pairs with faulted */
}

static bool faulted(size_t bytes)
{
    fault_hook *now = atomic_load_explicit(&hook, memory_order_acquire);
    return now && now(atomic_load_explicit(&hook_context, memory_order_relaxed), bytes);
}

static void *checked(void *memory, size_t bytes)
{
    if (!memory) {
        (void)fail(NACRE_NO_MEMORY, "%zu bytes of memory could not be allocated", bytes);
    }
    return memory;
}

void *memory_alloc(size_t bytes)
{
    return checked(faulted(bytes) ? NULL : malloc(bytes ? bytes : 1), bytes);
}

void *memory_zalloc(size_t bytes)
{
    return checked(faulted(bytes) ? NULL : calloc(1, bytes ? bytes : 1), bytes);
}

void *memory_alloc_aligned(size_t alignment, size_t bytes)
{
    size_t rounded = 0;
    bool fits = size_add(bytes ? bytes : 1, alignment - 1, &rounded);
    rounded -= rounded % alignment;
    return checked(faulted(bytes) || !fits ? NULL : aligned_alloc(alignment, rounded), bytes);
}

void *memory_realloc(void *memory, size_t bytes)
{
    return checked(faulted(bytes) ? NULL : realloc(memory, bytes ? bytes : 1), bytes);
}

int memory_grow(void **items, size_t *capacity, size_t wanted, size_t item_bytes)
{
    size_t more, bytes;
    if (wanted <= *capacity) {
        return NACRE_OK;
    }
    if (!size_add(wanted, wanted / 2, &more) || !size_multiply(more, item_bytes, &bytes)) {
        return fail(NACRE_NO_MEMORY, "%zu items of %zu bytes are too many", wanted, item_bytes);
    }
    void *moved = memory_realloc(*items, bytes);
    if (!moved) {
        return NACRE_NO_MEMORY;
    }
    *items = moved;
    *capacity = more;
    return NACRE_OK;
}

void memory_free(void *memory)
{
    free(memory);
}

char *memory_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_alloc(size);
    if (copy) {
        memcpy(copy, text, size);
    }
    return copy;
}

void *memory_map(size_t bytes)
{
    bool huge = bytes >= HUGE_PAGE;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 0, asked = 0;
    bool fits = size_add(bytes, page - 1, &pages);
    pages -= pages % page;
    fits = fits && size_add(pages, huge ? HUGE_PAGE : 0, &asked);
    if (faulted(bytes) || !fits) {
        return checked(NULL, bytes);
    }
    char *memory = mmap(NULL, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return checked(NULL, bytes);
    }
    if (huge) {
        /* Cut both ends off so that what is left is aligned. */
        size_t before = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
        if (before) {
            (void)munmap(memory, before); /* fails only where no map is left to split; then it stays unused */
        }
        (void)munmap(memory + before + pages, HUGE_PAGE - before);
        memory += before;
        (void)madvise(memory, bytes, MADV_HUGEPAGE); /* only advice */
    }
    return memory;
}

void memory_unmap(void *memory, size_t bytes)
{
    if (memory) {
        (void)munmap(memory, bytes);
    }
}
