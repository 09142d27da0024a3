/* Reading a side file: opens each part when it is first asked for, and remembers the ones that are no good.

   Invariants:
   1. state[p] leaves PART_UNKNOWN once, under `lock`; its release store publishes what was opened. A part that was not opened for want of memory stays unknown.
   2. Absent parts: TAIL and PFIX may be left out by the builder; any other one that is missing is damage.
   3. Whoever meets damage marks the index as bad; a part that was opened goes on being used where its bytes have the right checksum, as each answer checks what
      it reads.
   Any thread; `lock` is a leaf but for the container's own. */
#include "strings/string_index.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/key_filter.h"
#include "filter/prefix_filter.h"
#include "strings/gram_index.h"
#include "strings/literal_counts.h"
#include "strings/signature_section.h"
#include "strings/tail_index.h"
#include <pthread.h>
#include <stdatomic.h>

enum index_part { PART_SIGNATURES, PART_GRAMS, PART_LITERALS, PART_TAILS, PART_KEYS, PART_PREFIXES, INDEX_PARTS };
enum part_state { PART_UNKNOWN, PART_GOOD, PART_NONE };

struct string_index {
    struct container *container;
    uint32_t blocks;
    uint64_t keys;
    _Atomic bool bad; /* damage was found */
    _Atomic int state[INDEX_PARTS];
    const uint64_t *signatures;
    struct gram_index grams;
    struct gram_dictionary literals;
    struct tail_index tails;
    struct key_filter key_filter;
    struct prefix_filter prefixes;
    pthread_mutex_t lock;
};

static void mark_bad(struct string_index *x, const char *why)
{
    if (atomic_exchange_explicit(&x->bad, true, memory_order_relaxed))
        return; /* nothing is published by it */
    char text[512];
    log_line(x->container->logger, NACRE_LOG_WARNING, "index_damaged", "\"detail\":\"%s\"",
             log_escape(why, text, sizeof text));
}

/* ---- parts ---- */

static int open_signatures(struct string_index *x)
{
    nacre_slice section;
    int status = container_section(x->container, "SGNT", &section);
    return status == NACRE_OK ? signature_section_open(section, x->blocks, &x->signatures) : status;
}

static int open_grams(struct string_index *x)
{
    nacre_slice grams, lists;
    int status = container_section(x->container, "GRAM", &grams);
    if (status == NACRE_OK)
        status = container_section(x->container, "GPOS", &lists);
    return status == NACRE_OK ? gram_index_open(grams, lists, x->blocks, x->keys, &x->grams) : status;
}

static int open_literals(struct string_index *x)
{
    nacre_slice section;
    int status = container_section(x->container, "GCNT", &section);
    if (status == NACRE_OK)
        status = gram_dictionary_open(section, false, &x->literals);
    if (status == NACRE_OK && x->literals.keys != x->keys)
        status = fail(NACRE_CORRUPT, "counts of literals: %llu keys expected, %llu found", (unsigned long long)x->keys,
                      (unsigned long long)x->literals.keys);
    return status;
}

static int open_tails(struct string_index *x)
{
    nacre_slice section;
    int status = container_section(x->container, "TAIL", &section);
    return status == NACRE_OK ? tail_index_open(section, x->keys, &x->tails) : status;
}

static int open_keys(struct string_index *x)
{
    nacre_slice section;
    int status = container_section(x->container, "KFIL", &section);
    if (status == NACRE_OK)
        status = key_filter_open(section, &x->key_filter);
    if (status == NACRE_OK && x->key_filter.keys != x->keys)
        status = fail(NACRE_CORRUPT, "key filter: %llu keys expected, %llu found", (unsigned long long)x->keys,
                      (unsigned long long)x->key_filter.keys);
    return status;
}

static int open_prefixes(struct string_index *x)
{
    nacre_slice section;
    int status = container_section(x->container, "PFIX", &section);
    return status == NACRE_OK ? prefix_filter_open(section, &x->prefixes) : status;
}

static int verify_grams(const struct string_index *x)
{
    return gram_index_verify(&x->grams);
}
static int verify_literals(const struct string_index *x)
{
    return gram_dictionary_walk(&x->literals, x->keys, NULL, NULL);
}
static int verify_tails(const struct string_index *x)
{
    return tail_index_verify(&x->tails);
}

static const struct part {
    const char *name;
    bool may_be_left_out;
    int (*open)(struct string_index *);
    int (*verify)(const struct string_index *); /* what opening does not check; NULL: nothing */
} parts[INDEX_PARTS] = {
    [PART_SIGNATURES] = { "SGNT", false, open_signatures, NULL },
    [PART_GRAMS] = { "GRAM", false, open_grams, verify_grams },
    [PART_LITERALS] = { "GCNT", false, open_literals, verify_literals },
    [PART_TAILS] = { "TAIL", true, open_tails, verify_tails },
    [PART_KEYS] = { "KFIL", false, open_keys, NULL },
    [PART_PREFIXES] = { "PFIX", true, open_prefixes, NULL },
};

static int open_part(struct string_index *x, enum index_part p)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&x->lock);
    int state = atomic_load_explicit(&x->state[p], memory_order_relaxed);
    if (state == PART_UNKNOWN) {
        status = parts[p].open(x);
        state = status == NACRE_OK ? PART_GOOD : PART_NONE;
        if (status == NACRE_NO_MEMORY)
            state = PART_UNKNOWN;
        atomic_store_explicit(&x->state[p], state, memory_order_release); /* pairs with has_part */
    }
    pthread_mutex_unlock(&x->lock);
    bool is_absent = parts[p].may_be_left_out && !container_has_section(x->container, parts[p].name);
    if (status != NACRE_OK && status != NACRE_NO_MEMORY && !is_absent) {
        (void)fail_context(status, "%s: section %s: ", x->container->path, parts[p].name);
        mark_bad(x, fail_detail());
    }
    return state;
}

static inline bool has_part(struct string_index *x, enum index_part p)
{
    int state = atomic_load_explicit(&x->state[p], memory_order_acquire); /* pairs with open_part */
    if (__builtin_expect(state == PART_UNKNOWN, 0))
        state = open_part(x, p);
    return state == PART_GOOD;
}

/* ---- the whole ---- */

int string_index_open(struct container *c, uint32_t blocks, uint64_t keys, struct string_index **out)
{
    *out = NULL;
    struct string_index *x = memory_zalloc(sizeof *x);
    if (!x)
        return NACRE_NO_MEMORY;
    x->container = c;
    x->blocks = blocks;
    x->keys = keys;
    atomic_init(&x->bad, false);
    for (int p = 0; p < INDEX_PARTS; p++)
        atomic_init(&x->state[p], PART_UNKNOWN);
    pthread_mutex_init(&x->lock, NULL);
    *out = x;
    return NACRE_OK;
}

void string_index_free(struct string_index *x)
{
    if (!x)
        return;
    pthread_mutex_destroy(&x->lock);
    memory_free(x);
}

bool string_index_is_good(const struct string_index *x)
{
    return !atomic_load_explicit(&x->bad, memory_order_relaxed);
}

uint64_t string_index_memory(const struct string_index *x)
{
    return sizeof *x;
}

int string_index_verify(struct string_index *x)
{
    int status = container_verify(x->container);
    for (int p = 0; p < INDEX_PARTS && status == NACRE_OK; p++) {
        if (parts[p].may_be_left_out && !container_has_section(x->container, parts[p].name))
            continue;
        pthread_mutex_lock(&x->lock);
        /* Opened again, so that the reason is told; what is published stays as it is. */
        struct string_index again = { .container = x->container, .blocks = x->blocks, .keys = x->keys };
        status = parts[p].open(&again);
        pthread_mutex_unlock(&x->lock);
        if (status == NACRE_OK && parts[p].verify)
            status = parts[p].verify(&again);
        if (status != NACRE_OK)
            (void)fail_context(status, "%s: section %s: ", x->container->path, parts[p].name);
    }
    if (status == NACRE_CORRUPT || status == NACRE_NOT_FOUND)
        mark_bad(x, fail_detail());
    return status == NACRE_NOT_FOUND ? NACRE_CORRUPT : status;
}

/* ---- answers ---- */

bool string_index_has_grams(struct string_index *x)
{
    return has_part(x, PART_GRAMS);
}

static struct posting_list list_of(struct string_index *x, gram g)
{
    bool good = true;
    struct posting_list list = gram_index_list(&x->grams, g, &good);
    if (!good)
        mark_bad(x, "an entry of the dictionary of grams does not fit its lists");
    return list;
}

uint32_t string_index_gram_blocks(struct string_index *x, gram g)
{
    return has_part(x, PART_GRAMS) ? list_of(x, g).count : x->blocks;
}

void string_index_gram_or(struct string_index *x, gram g, uint64_t *bitmap)
{
    const struct posting_list all = { .blocks = x->blocks, .count = x->blocks };
    struct posting_list list = has_part(x, PART_GRAMS) ? list_of(x, g) : all;
    posting_list_or(&list, bitmap);
}

void string_index_gram_and(struct string_index *x, gram g, uint64_t *bitmap)
{
    const struct posting_list all = { .blocks = x->blocks, .count = x->blocks };
    struct posting_list list = has_part(x, PART_GRAMS) ? list_of(x, g) : all;
    posting_list_and(&list, bitmap);
}

static gram folded_gram(const uint8_t *bytes)
{
    uint8_t folded[3];
    for (int i = 0; i < 3; i++)
        folded[i] = (uint8_t)(bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] + 32 : bytes[i]);
    return gram_of(folded, 3);
}

bool string_index_literal_keys(struct string_index *x, const uint8_t *bytes, unsigned size, uint64_t *keys)
{
    *keys = 0;
    if (size < 1 || size > 3 || !has_part(x, PART_LITERALS))
        return false;
    struct gram_entry e;
    if (gram_dictionary_find(&x->literals, gram_of(bytes, size), &e)) {
        *keys = e.count;
        return e.count && e.count <= x->keys;
    }
    if (size < 3)
        return true;
    /* All literals of common grams are there: so this one is in no key if its gram is common. */
    return x->literals.blocks && has_part(x, PART_GRAMS) && x->grams.dictionary.lengths & GRAMS_OF_3 &&
           list_of(x, folded_gram(bytes)).count >= x->literals.blocks;
}

bool string_index_tail_keys(struct string_index *x, const uint8_t *bytes, unsigned size, uint64_t *keys)
{
    *keys = 0;
    if (size < 1 || size > TAIL_BYTES || !has_part(x, PART_TAILS))
        return false;
    if (tail_index_keys(&x->tails, bytes, size, keys))
        return true;
    mark_bad(x, "the dictionary of tails is not what its checksum says");
    return false;
}

const uint64_t *string_index_signatures(struct string_index *x)
{
    return has_part(x, PART_SIGNATURES) ? x->signatures : NULL;
}

void string_index_prefetch_key(const struct string_index *x, uint64_t hash)
{
    /* Pairs with open_part. Nothing is opened for it. */
    if (atomic_load_explicit(&x->state[PART_KEYS], memory_order_acquire) == PART_GOOD)
        key_filter_prefetch(&x->key_filter, hash);
}

bool string_index_may_have_key(struct string_index *x, uint64_t hash)
{
    return !has_part(x, PART_KEYS) || key_filter_may_have(&x->key_filter, hash);
}

bool string_index_may_have_prefix(struct string_index *x, nacre_slice prefix)
{
    return !has_part(x, PART_PREFIXES) || prefix_filter_may_have(&x->prefixes, prefix);
}
