/* Reading posting lists of grams. GRAM is a dictionary (gram_dictionary.h) of numbers of blocks; GPOS holds their lists back to back in the same order
   (posting_list.h), then 16 bytes of zeros.
   Invariant: a list is handed out only when its bytes lie inside of the section. */
#include "strings/gram_index.h"
#include "base/status.h"

int gram_index_open(nacre_slice gram_section, nacre_slice lists_section, uint32_t blocks, uint64_t keys,
                    struct gram_index *x)
{
    int status = gram_dictionary_open(gram_section, true, &x->dictionary);
    if (status != NACRE_OK)
        return status;
    const struct gram_dictionary *d = &x->dictionary;
    if (d->blocks != blocks || d->keys != keys || lists_section.size < POSTING_SLACK ||
        lists_section.size - POSTING_SLACK != d->list_bytes)
        return fail(NACRE_CORRUPT, "posting lists: %u blocks, %llu keys, %llu bytes expected, %u, %llu, %zu found",
                    blocks, (unsigned long long)keys, (unsigned long long)d->list_bytes + POSTING_SLACK, d->blocks,
                    (unsigned long long)d->keys, lists_section.size);
    x->lists = lists_section.data;
    return NACRE_OK;
}

static bool lies_inside(const struct gram_dictionary *d, const struct gram_entry *e)
{
    if (e->count == 0 || e->count > d->blocks || e->only >= d->blocks)
        return false;
    uint64_t size = e->gap_bytes ? e->gap_bytes : posting_list_size(d->blocks, e->count);
    return e->list <= d->list_bytes && size <= d->list_bytes - e->list;
}

static struct posting_list list_of(const struct gram_index *x, const struct gram_entry *e)
{
    return (struct posting_list){ x->lists + e->list, x->dictionary.blocks, e->count, e->only, e->gap_bytes };
}

struct posting_list gram_index_list(const struct gram_index *x, gram g, bool *good)
{
    const struct gram_dictionary *d = &x->dictionary;
    const struct posting_list all = { x->lists, d->blocks, d->blocks, 0, 0 };
    struct gram_entry e;
    uint32_t length = g >> 24;
    *good = true;
    if (length < 1 || length > 3 || !(d->lengths >> (length - 1) & 1))
        return all;
    if (!gram_dictionary_find(d, g, &e))
        return (struct posting_list){ x->lists, d->blocks, 0, 0, 0 };
    *good = lies_inside(d, &e);
    return *good ? list_of(x, &e) : all;
}

static int check_list(void *context, const struct gram_entry *e)
{
    const struct gram_index *x = context;
    bool good = lies_inside(&x->dictionary, e);
    struct posting_list list = list_of(x, good ? e : &(struct gram_entry){ 0 });
    int status = good ? posting_list_check(&list, &good) : NACRE_OK;
    if (status != NACRE_OK)
        return status;
    return good ? NACRE_OK
                : fail(NACRE_CORRUPT, "posting list of gram %08x: its bytes are not those of %u blocks", e->gram,
                       e->count);
}

int gram_index_verify(const struct gram_index *x)
{
    for (unsigned i = 0; i < POSTING_SLACK; i++)
        if (x->lists[x->dictionary.list_bytes + i])
            return fail(NACRE_CORRUPT, "posting lists: zeros expected behind the last");
    return gram_dictionary_walk(&x->dictionary, x->dictionary.blocks, check_list, (void *)(uintptr_t)x);
}
