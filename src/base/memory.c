/* Allocation (see memory.h). Any thread; no locks. What is held is counted in a few shards, each a line of its own: one relaxed add per call. Tests may set or remove the fault hook while other threads allocate,
   but replace one hook by another only after removing it: the two words are read one after the other. */
#include "base/memory.h"
#include "base/big_block.h"
#include "base/status.h"
#include <malloc.h>
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

/* ---- what is held ---- */

#define SHARDS 16u
static struct shard {
    _Alignas(64) _Atomic int64_t heap, mapped; /* one thread's may be negative: another frees what it allocated */
} shards[SHARDS];

static _Thread_local struct {
    struct shard *shard;
    struct memory_stretch at;
} own;

static struct shard *own_shard(void)
{
    static _Atomic unsigned next;
    if (__builtin_expect(!own.shard, 0)) {
        own.shard = &shards[atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % SHARDS];
    }
    return own.shard;
}

static void meter(int64_t bytes)
{
    if (own.at.meter) {
        own.at.balance += bytes;
        atomic_fetch_add_explicit(&own.at.meter->bytes, bytes, memory_order_relaxed);
    }
}

static void count_heap(int64_t bytes)
{
    atomic_fetch_add_explicit(&own_shard()->heap, bytes, memory_order_relaxed);
    meter(bytes);
}

static void count_mapped(int64_t bytes)
{
    atomic_fetch_add_explicit(&own_shard()->mapped, bytes, memory_order_relaxed);
    meter(bytes);
}

struct memory_use memory_used(void)
{
    int64_t heap = 0, mapped = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        heap += atomic_load_explicit(&shards[i].heap, memory_order_relaxed);
        mapped += atomic_load_explicit(&shards[i].mapped, memory_order_relaxed);
    }
    return (struct memory_use){ heap > 0 ? (uint64_t)heap : 0, mapped > 0 ? (uint64_t)mapped : 0 };
}

void memory_stretch_begin(struct memory_meter *meter, struct memory_stretch *outer)
{
    *outer = own.at;
    own.at = (struct memory_stretch){ meter, 0 };
}

void memory_stretch_end(const struct memory_stretch *outer)
{
    atomic_fetch_sub_explicit(&own.at.meter->bytes, own.at.balance, memory_order_relaxed);
    own.at = *outer;
}

static size_t size_of(void *memory)
{
    size_t big = big_block_size(memory);
    return big ? big : malloc_usable_size(memory);
}

void memory_give_away(void *memory)
{
    meter(-(int64_t)size_of(memory));
}

void memory_take_over(void *memory)
{
    meter((int64_t)size_of(memory));
}

/* ---- allocation ---- */

static void *checked(void *memory, size_t bytes)
{
    if (!memory) {
        (void)fail(NACRE_NO_MEMORY, "%zu bytes of memory could not be allocated", bytes);
        return NULL;
    }
    count_heap((int64_t)size_of(memory));
    return memory;
}

static void *big_or(void *big, void *(*allocate)(size_t), size_t bytes)
{
    return big ? big : allocate(bytes);
}

static void *zeroed(size_t bytes)
{
    return calloc(1, bytes);
}

void *memory_alloc(size_t bytes)
{
    return checked(faulted(bytes) ? NULL : big_or(big_block_make(bytes), malloc, bytes ? bytes : 1), bytes);
}

void *memory_zalloc(size_t bytes)
{
    return checked(faulted(bytes) ? NULL : big_or(big_block_make(bytes), zeroed, bytes ? bytes : 1), bytes);
}

void *memory_alloc_aligned(size_t alignment, size_t bytes)
{
    size_t rounded = 0;
    bool fits = size_add(bytes ? bytes : 1, alignment - 1, &rounded);
    rounded -= rounded % alignment;
    void *memory = NULL;
    if (!faulted(bytes) && fits) {
        memory = alignment <= BIG_BLOCK_ALIGNMENT ? big_block_make(rounded) : NULL;
        memory = memory ? memory : aligned_alloc(alignment, rounded);
    }
    return checked(memory, bytes);
}

/* From one place to another: from the allocator's to a block of the system's, or back. */
static void *moved_to(void *fresh, void *memory, size_t before, size_t bytes)
{
    if (!fresh) {
        return NULL;
    }
    memcpy(fresh, memory, before < bytes ? before : bytes);
    if (big_block_size(memory)) {
        big_block_free(memory);
    } else {
        free(memory);
    }
    return fresh;
}

static void *resized(void *memory, size_t before, size_t bytes)
{
    if (!memory) {
        return big_or(big_block_make(bytes), malloc, bytes ? bytes : 1);
    }
    bool big = big_block_size(memory) != 0;
    void *fresh = big ? big_block_resize(memory, bytes) : NULL;
    if (fresh) {
        return fresh;
    }
    if (big) {
        return moved_to(malloc(bytes ? bytes : 1), memory, before, bytes);
    }
    fresh = big_block_make(bytes);
    return fresh ? moved_to(fresh, memory, before, bytes) : realloc(memory, bytes ? bytes : 1);
}

void *memory_realloc(void *memory, size_t bytes)
{
    size_t before = memory ? size_of(memory) : 0;
    void *moved = checked(faulted(bytes) ? NULL : resized(memory, before, bytes), bytes);
    if (moved) {
        count_heap(-(int64_t)before);
    }
    return moved;
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
    size_t big = memory ? big_block_size(memory) : 0;
    if (big) {
        count_heap(-(int64_t)big);
        big_block_free(memory);
    } else if (memory) {
        count_heap(-(int64_t)malloc_usable_size(memory));
        free(memory);
    }
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
    count_mapped((int64_t)bytes);
    return memory;
}

void memory_unmap(void *memory, size_t bytes)
{
    if (memory) {
        (void)munmap(memory, bytes);
        count_mapped(-(int64_t)bytes);
    }
}
