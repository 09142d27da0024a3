/* Merge operators: counters that nobody reads to add to, tags of which each is kept once by an operator of the program's own, and what an operator may rely on. */
#include "example.h"

/* The value is a list of words, one per line, each of them once. */
static int has(nacre_slice list, nacre_slice word)
{
    const char *at = list.data, *end = at ? at + list.size : at;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        if (size == word.size && memcmp(at, word.data, size) == 0)
            return 1;
        at += size + 1;
    }
    return 0;
}

/* All operands at once: what the key had, then each new word. */
static int add_words(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                     nacre_output *value)
{
    (void)context, (void)key;
    int status = base ? nacre_output_append(value, *base) : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        int known = base && has(*base, operands[i]);
        for (size_t j = 0; j < i && !known; j++)
            known = operands[j].size == operands[i].size &&
                    memcmp(operands[j].data, operands[i].data, operands[i].size) == 0;
        if (known)
            continue;
        if (base || i > 0)
            status = nacre_output_append(value, text("\n"));
        if (status == NACRE_OK)
            status = nacre_output_append(value, operands[i]);
    }
    return status;
}

static nacre_collection *merging(nacre_store *store, const char *name, const char *merge_operator)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *found = NULL;
    options.merge_operator = merge_operator;
    int status = nacre_collection_create(store, name, &options, &found);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, name, &found);
    must(status, name);
    return found;
}

static void visit(nacre_collection *visits, const char *page)
{
    static const unsigned char one[8] = { 1 }; /* little-endian */
    must(nacre_merge(visits, text(page), (nacre_slice){ one, sizeof one }, NULL), "merge");
}

int main(void)
{
    /* An operator that cannot combine two operands into one has NULL there: they are kept until their base is met. */
    const nacre_merge_operator own[] = { { "words", NULL, add_words, NULL } };
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    nacre_value value;
    hooks.merge_operators = own;
    hooks.merge_operator_count = 1;
    options.hooks = &hooks;
    options.durability = NACRE_OS;
    must(nacre_open("merge.nacre", &options, &store), "open");

    nacre_collection *visits = merging(store, "visits", "add64"), *tags = merging(store, "tags", "words");
    must(nacre_collection_clear(visits), "clear");
    must(nacre_collection_clear(tags), "clear");
    for (int i = 0; i < 1000; i++)
        visit(visits, i % 4 ? "/index" : "/about");
    must(nacre_get(visits, text("/index"), NULL, &value), "get");
    uint64_t sum = 0;
    for (size_t i = 8; i-- > 0;)
        sum = sum << 8 | ((const unsigned char *)value.slice.data)[i];
    nacre_value_release(&value);
    printf("/index was visited %llu times\n", (unsigned long long)sum);
    check(sum == 750, "every visit counts");

    must(nacre_merge(tags, text("photo"), text("sea"), NULL), "merge");
    must(nacre_merge(tags, text("photo"), text("summer"), NULL), "merge");
    must(nacre_flush(tags), "flush");
    must(nacre_merge(tags, text("photo"), text("sea"), NULL), "merge");
    must(nacre_get(tags, text("photo"), NULL, &value), "get");
    printf("photo: %.*s\n", (int)value.slice.size, (const char *)value.slice.data);
    check(value.slice.size == strlen("sea\nsummer"), "each tag is there once");
    nacre_value_release(&value);

    nacre_collection_close(tags);
    nacre_collection_close(visits);
    must(nacre_close(store), "close");
    return 0;
}
