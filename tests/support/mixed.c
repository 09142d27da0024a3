/* What each key of the mixed collection is for, by its number: what damage could bring back differs from what is right. */
#include "support/mixed.h"
#include "support/model.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LARGE_BYTES 300
#define DAY_MS      UINT64_C(86400000)

enum part {
    OVERWRITTEN, /* a large value, another one each round */
    LIVING,      /* expires in a day, over one that does not */
    EXPIRED,     /* expires at once, over one that does not: also in the value log */
    FILTERED,    /* goes with the next merge */
    OPERANDS,    /* a base, and an operand each round after */
    PARTS
};

static nacre_filter_decision decide(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                    nacre_output *changed)
{
    (void)context;
    (void)level;
    (void)key;
    (void)changed;
    return value.size > 0 && *(const char *)value.data == 'x' ? NACRE_FILTER_REMOVE : NACRE_FILTER_KEEP;
}

static const nacre_compaction_filter filters[] = { { "drop x", NULL, decide } };

const nacre_hooks *mixed_hooks(void)
{
    static nacre_hooks hooks;
    hooks = model_hooks;
    hooks.compaction_filters = filters;
    hooks.compaction_filter_count = 1;
    return &hooks;
}

int mixed_open(nacre_store *store, nacre_collection **collection)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.merge_operator = "append";
    options.compaction_filter = "drop x";
    options.value_log_threshold = LARGE_BYTES;
    int status = nacre_collection_open(store, MIXED_NAME, collection);
    return status == NACRE_NOT_FOUND ? nacre_collection_create(store, MIXED_NAME, &options, collection) : status;
}

nacre_slice mixed_key(unsigned index, char out[8])
{
    snprintf(out, 8, "m%03u", index);
    return (nacre_slice){ out, 4 };
}

static nacre_slice large(unsigned index, unsigned round, char out[LARGE_BYTES])
{
    memset(out, 'a' + (int)(index % 20), LARGE_BYTES);
    out[0] = index % PARTS == FILTERED ? 'x' : (char)('0' + round);
    return (nacre_slice){ out, LARGE_BYTES };
}

static nacre_slice small(const char *text)
{
    return (nacre_slice){ text, strlen(text) };
}

static int write_one(nacre_collection *c, unsigned index, unsigned round)
{
    static const char *const operands[MIXED_ROUNDS] = { "base", ".1", ".2" };
    char key_bytes[8], bytes[LARGE_BYTES];
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    nacre_slice key = mixed_key(index, key_bytes);
    bool last = round == 1 + index % 2; /* of two writes: in segments, or in the log */
    switch (index % PARTS) {
    case OVERWRITTEN:
        return nacre_put(c, key, large(index, round, bytes), NULL);
    case LIVING:
        options.ttl_ms = DAY_MS;
        return round == 0 ? nacre_put(c, key, small("before"), NULL)
               : last     ? nacre_put(c, key, small("living"), &options)
                          : NACRE_OK;
    case EXPIRED:
        options.ttl_ms = 1;
        return round == 0 ? nacre_put(c, key, small("before"), NULL)
               : last     ? nacre_put(c, key, large(index, round, bytes), &options)
                          : NACRE_OK;
    case FILTERED:
        return round == 0 || last ? nacre_put(c, key, large(index, 0, bytes), NULL) : NACRE_OK;
    default:
        return round == 0 ? nacre_put(c, key, small(operands[0]), NULL)
                          : nacre_merge(c, key, small(operands[round]), NULL);
    }
}

int mixed_write(nacre_collection *c, unsigned round)
{
    int status = NACRE_OK;
    for (unsigned i = 0; i < MIXED_KEYS && status == NACRE_OK; i++) {
        status = write_one(c, i, round);
    }
    usleep(2000); /* what expires at once has */
    return status;
}

static bool same(nacre_slice a, nacre_slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

bool mixed_is_right(unsigned index, int status, nacre_slice value)
{
    char bytes[LARGE_BYTES];
    bool there = status == NACRE_OK;
    switch (index % PARTS) {
    case OVERWRITTEN:
        return there && same(value, large(index, MIXED_ROUNDS - 1, bytes));
    case LIVING:
        return there && same(value, small("living"));
    case EXPIRED:
        return status == NACRE_NOT_FOUND;
    case FILTERED:
        return status == NACRE_NOT_FOUND || (there && same(value, large(index, 0, bytes)));
    default:
        return there && same(value, small("base.1.2"));
    }
}

/* The number of a key. */
static unsigned number_of(nacre_slice key)
{
    unsigned number = 0;
    for (size_t i = 1; i < key.size; i++) {
        number = number * 10 + (unsigned)(((const char *)key.data)[i] - '0');
    }
    return number;
}

static const char *compare_scan(nacre_collection *c, int *status)
{
    nacre_cursor *cursor;
    unsigned next = 0;
    int opened = nacre_scan(c, NULL, &cursor);
    if (opened != NACRE_OK) {
        *status = *status == NACRE_OK ? opened : *status;
        return NULL;
    }
    const char *wrong = NULL;
    for (; nacre_cursor_valid(cursor) && !wrong; nacre_cursor_next(cursor), next++) {
        unsigned found = number_of(nacre_cursor_key(cursor));
        for (; next < found && !wrong; next++) {
            wrong = mixed_is_right(next, NACRE_NOT_FOUND, (nacre_slice){ NULL, 0 }) ? NULL : "a scan misses a key";
        }
        if (!wrong && !mixed_is_right(found, NACRE_OK, nacre_cursor_value(cursor))) {
            wrong = "a wrong answer of a scan of the mixed collection";
        }
    }
    int ended = nacre_cursor_status(cursor);
    for (; ended == NACRE_OK && next < MIXED_KEYS && !wrong; next++) {
        wrong = mixed_is_right(next, NACRE_NOT_FOUND, (nacre_slice){ NULL, 0 }) ? NULL : "a scan ends early";
    }
    *status = *status == NACRE_OK ? ended : *status;
    nacre_cursor_close(cursor);
    return wrong;
}

const char *mixed_compare(nacre_collection *c, int *status)
{
    static char text[64];
    *status = NACRE_OK;
    for (unsigned i = 0; i < MIXED_KEYS; i++) {
        char key[8];
        nacre_value value;
        int got = nacre_get(c, mixed_key(i, key), NULL, &value);
        bool right = mixed_is_right(i, got, value.slice), failed = got != NACRE_OK && got != NACRE_NOT_FOUND;
        *status = failed && *status == NACRE_OK ? got : *status;
        nacre_value_release(&value);
        if (!failed && !right) {
            snprintf(text, sizeof text, "a wrong answer of get of %s", key);
            return text;
        }
    }
    return *status == NACRE_OK ? compare_scan(c, status) : NULL;
}
