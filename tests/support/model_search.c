/* Searches of the model: which patterns match which of its keys, and whether a collection answers so (see model.h). */
#include "support/model.h"
#include "regex/regex.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const patterns[MODEL_PATTERNS] = {
    "",
    "a",
    "^a",
    "^ab.?$",
    "key1",
    "^key",
    "^key10?[a-g]$",
    "[0-9]",
    "[a-c]$",
    "Debian",
    "(?i)debian.$",
    "doc/.*n[a-z]?$",
    "^usr/share/(doc|man)/",
    "^(q|zz)",
    "zz0[0-4]|zz[5-9]{2}",
    "\\x00",
    "\\x{fffd}$",
    "(?s)^.{3,4}$",
    "^[^a]*$",
    "l{60}",
    "^long(l|/)*[^l]",
    "\\bkey\\b",
    "nothing like it",
    "(?i)^K.Y[^0-9]*$",
};

static bool matches[MODEL_PATTERNS][MODEL_KEYS];

/* After those keys are made. */
__attribute__((constructor(201))) static void match_keys(void)
{
    for (unsigned p = 0; p < MODEL_PATTERNS; p++) {
        struct regex *regex;
        const struct regex_options options = { false, false };
        int status = regex_compile(model_pattern(p), &options, &regex, NULL);
        for (unsigned i = 0; status == NACRE_OK && i < MODEL_KEYS; i++) {
            status = regex_matches_slowly(regex, model_key(i), &matches[p][i]);
        }
        if (status != NACRE_OK) {
            fprintf(stderr, "pattern %s: %s\n", patterns[p], nacre_last_error());
            abort();
        }
        regex_free(regex);
    }
}

nacre_slice model_pattern(unsigned index)
{
    return (nacre_slice){ patterns[index], strlen(patterns[index]) };
}

bool model_matches(unsigned pattern, unsigned key)
{
    return matches[pattern][key];
}

static bool is_at_or_behind(unsigned key, nacre_slice bound)
{
    nacre_slice k = model_key(key);
    int order = memcmp(k.data, bound.data, k.size < bound.size ? k.size : bound.size);
    return order > 0 || (order == 0 && k.size >= bound.size);
}

static bool is_wanted(const struct model *m, unsigned c, unsigned pattern, unsigned key,
                      const nacre_regex_options *options)
{
    return m->values[c][key] != 0 && matches[pattern][key] &&
           (options->begin.size == 0 || is_at_or_behind(key, options->begin)) &&
           (options->end.size == 0 || !is_at_or_behind(key, options->end));
}

static char complaint[300];

static const char *differ(unsigned c, unsigned pattern, const char *how, uint64_t got, uint64_t want)
{
    snprintf(complaint, sizeof complaint, "collection %s, pattern '%s': %s: %llu, not %llu", model_names[c],
             patterns[pattern], how, (unsigned long long)got, (unsigned long long)want);
    return complaint;
}

static const char *compare_cursor(const struct model *m, nacre_collection *collection, unsigned c, unsigned pattern,
                                  const nacre_regex_options *options, int *status)
{
    nacre_cursor *cursor;
    const char *wrong = NULL;
    char value[MODEL_VALUE_MAX];
    *status = nacre_regex_scan(collection, model_pattern(pattern), options, &cursor);
    for (unsigned n = 0; n < MODEL_KEYS && !wrong && *status == NACRE_OK; n++) {
        unsigned i = options->reverse ? MODEL_KEYS - 1 - n : n;
        if (!is_wanted(m, c, pattern, i, options)) {
            continue;
        }
        if (!nacre_cursor_valid(cursor)) {
            *status = nacre_cursor_status(cursor);
            wrong = *status == NACRE_OK ? differ(c, pattern, "a cursor ends before key", i, i) : NULL;
            continue;
        }
        nacre_slice key = model_key(i), want = model_value(m->values[c][i], value), got = nacre_cursor_key(cursor);
        if (got.size != key.size || memcmp(got.data, key.data, key.size) != 0) {
            wrong = differ(c, pattern, "a cursor stands on another key than", i, i);
        } else if (nacre_cursor_value(cursor).size != want.size ||
                   (want.size && memcmp(nacre_cursor_value(cursor).data, want.data, want.size) != 0)) {
            wrong = differ(c, pattern, "a cursor gives another value than that of key", i, i);
        }
        nacre_cursor_next(cursor);
    }
    if (!wrong && *status == NACRE_OK) {
        *status = nacre_cursor_status(cursor);
        wrong = nacre_cursor_valid(cursor) ? differ(c, pattern, "a cursor finds more keys", 1, 0) : NULL;
    }
    nacre_cursor_close(cursor);
    return wrong;
}

const char *model_compare_search(const struct model *m, nacre_collection *collection, unsigned c, unsigned pattern,
                                 const nacre_regex_options *options, int *status)
{
    uint64_t count, want = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        want += is_wanted(m, c, pattern, i, options);
    }
    *status = nacre_regex_count(collection, model_pattern(pattern), options, &count);
    if (*status != NACRE_OK) {
        return NULL;
    }
    return count == want ? compare_cursor(m, collection, c, pattern, options, status)
                         : differ(c, pattern, "a count", count, want);
}

/* Which of the searches are made, the model itself decides: the same in each run. */
const char *model_compare_searches(const struct model *m, nacre_collection *collection, unsigned c,
                                   nacre_snapshot *snapshot)
{
    uint64_t seed = 4711;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        seed = (seed ^ m->values[c][i]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    }
    for (unsigned n = 0; n < 3; n++) {
        nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
        int status;
        options.snapshot = snapshot;
        options.parallelism = n == 0 ? 2 : 1;
        options.reverse = model_random(&seed) % 2;
        if (n % 2) {
            options.begin = model_key((unsigned)(model_random(&seed) % MODEL_KEYS));
        }
        if (n == 2) {
            options.end = model_key((unsigned)(model_random(&seed) % MODEL_KEYS));
        }
        const char *wrong =
            model_compare_search(m, collection, c, (unsigned)(model_random(&seed) % MODEL_PATTERNS), &options, &status);
        if (!wrong && status != NACRE_OK) {
            snprintf(complaint, sizeof complaint, "a search failed: %.200s", nacre_last_error());
            wrong = complaint;
        }
        if (wrong) {
            return wrong;
        }
    }
    return NULL;
}
