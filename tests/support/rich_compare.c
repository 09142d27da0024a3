/* What a store answers against the model of all options (see rich_model.h). */
#include "support/rich_private.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static char text[400];

struct comparing {
    const struct rich_collection *model;
    nacre_collection *collection;
    nacre_snapshot *snapshot;
    unsigned number; /* of the collection */
};

static const char *wrong(const struct comparing *c, const char *how, unsigned k)
{
    const nacre_collection_options *o = &c->model->options;
    char bytes[RICH_KEY_BYTES] = "";
    if (k < RICH_KEYS) {
        rich_key(k, bytes);
    }
    int size = snprintf(
        text, sizeof text, "collection %u (kind %d, ttl %llu, threshold %llu, operator %s, filter %s): %s, key %s",
        c->number, (int)o->kind, (unsigned long long)o->default_ttl_ms, (unsigned long long)o->value_log_threshold,
        o->merge_operator ? o->merge_operator : "-", o->compaction_filter ? o->compaction_filter : "-", how, bytes);
    for (unsigned i = 0; k < RICH_KEYS && i < c->model->keys[k].count && size < (int)sizeof text - 80; i++) {
        struct rich_state alive = rich_alive(&c->model->keys[k].states[i]);
        const char *shown = alive.value ? alive.value->bytes : "nothing"; /* values end without a NUL */
        size_t length = alive.value ? alive.value->size : strlen(shown);
        size += snprintf(text + size, sizeof text - (size_t)size, " | %.*s, expires %llu",
                         (int)(length < 30 ? length : 30), shown, (unsigned long long)alive.expiry_ms);
    }
    return text;
}

static const char *failed(const struct comparing *c, const char *call, int status)
{
    char how[300];
    snprintf(how, sizeof how, "%s gave %s: %.200s", call, nacre_status_name(status), nacre_last_error());
    return wrong(c, how, RICH_KEYS);
}

/* The state that such an answer shows; -1: none. NULL value: the key is not there. */
static int state_of(const struct rich_key *key, const nacre_slice *value)
{
    for (unsigned i = 0; i < key->count; i++) {
        struct rich_state alive = rich_alive(&key->states[i]);
        if (!alive.value || !value) {
            if (!alive.value && !value) {
                return (int)i;
            }
        } else if (alive.value->size == value->size &&
                   (value->size == 0 || memcmp(alive.value->bytes, value->data, value->size) == 0)) {
            return (int)i;
        }
    }
    return key->count == 0 ? 0 : -1;
}

static bool may_be_absent(const struct comparing *c, unsigned k)
{
    return state_of(&c->model->keys[k], NULL) >= 0;
}

static unsigned index_of(nacre_slice key)
{
    char bytes[RICH_KEY_BYTES];
    for (unsigned k = 0; k < RICH_KEYS; k++) {
        nacre_slice at = rich_key(k, bytes);
        if (at.size == key.size && memcmp(at.data, key.data, at.size) == 0) {
            return k;
        }
    }
    return RICH_KEYS;
}

/* ---- gets ---- */

static bool is_right_vector(const struct rich_key *key, nacre_slice value, const float *vector)
{
    float want[RICH_DIMENSION];
    for (unsigned i = 0; i < key->count; i++) {
        const struct rich_bytes *of = rich_alive(&key->states[i]).value;
        if (!of || of->size != value.size || (value.size && memcmp(of->bytes, value.data, value.size) != 0)) {
            continue;
        }
        rich_vector(of->vector, want);
        if (memcmp(want, vector, sizeof want) == 0) {
            return true;
        }
    }
    return key->count == 0;
}

static const char *compare_get(const struct comparing *c, unsigned k)
{
    nacre_read_options options = NACRE_READ_OPTIONS_INIT;
    char bytes[RICH_KEY_BYTES];
    float vector[RICH_DIMENSION];
    nacre_value value;
    bool vectors = c->model->options.kind == NACRE_VECTORS;
    options.snapshot = c->snapshot;
    nacre_slice key = rich_key(k, bytes);
    int status = vectors ? nacre_get_vector(c->collection, key, &options, vector, &value)
                         : nacre_get(c->collection, key, &options, &value);
    if (status != NACRE_OK && status != NACRE_NOT_FOUND) {
        return failed(c, "get", status);
    }
    char got[80];
    bool right = state_of(&c->model->keys[k], status == NACRE_OK ? &value.slice : NULL) >= 0;
    right = right && (status != NACRE_OK || !vectors || is_right_vector(&c->model->keys[k], value.slice, vector));
    snprintf(got, sizeof got, "get: %.*s",
             (int)(status == NACRE_OK ? (value.slice.size < 50 ? value.slice.size : 50) : 7),
             status == NACRE_OK ? (const char *)value.slice.data : "nothing");
    nacre_value_release(&value);
    return right ? NULL : wrong(c, got, k);
}

/* ---- cursors ---- */

static bool all_keys(unsigned k)
{
    return k < RICH_KEYS;
}

/* Over the keys that are wanted, in either direction. */
static const char *compare_cursor(const struct comparing *c, nacre_cursor *cursor, bool reverse, bool keys_only,
                                  bool (*wanted)(unsigned))
{
    int step = reverse ? -1 : 1, next = reverse ? RICH_KEYS - 1 : 0;
    const char *found = NULL;
    for (; nacre_cursor_valid(cursor) && !found; nacre_cursor_next(cursor)) {
        int k = (int)index_of(nacre_cursor_key(cursor));
        nacre_slice value = nacre_cursor_value(cursor);
        if (k == RICH_KEYS || !wanted((unsigned)k) || (k - next) * step < 0) {
            return wrong(c, "a cursor gives a key that is not there, or out of order", (unsigned)k);
        }
        for (; next != k && !found; next += step) {
            found = wanted((unsigned)next) && !may_be_absent(c, (unsigned)next)
                        ? wrong(c, "a cursor misses", (unsigned)next)
                        : NULL;
        }
        if (!found && !keys_only && state_of(&c->model->keys[k], &value) < 0) {
            found = wrong(c, "a cursor gives a wrong value", (unsigned)k);
        }
        next = k + step;
    }
    for (; next >= 0 && next < RICH_KEYS && !found && nacre_cursor_status(cursor) == NACRE_OK; next += step) {
        found = wanted((unsigned)next) && !may_be_absent(c, (unsigned)next)
                    ? wrong(c, "a cursor ends before", (unsigned)next)
                    : NULL;
    }
    int status = nacre_cursor_status(cursor);
    return found ? found : status != NACRE_OK ? failed(c, "a cursor", status) : NULL;
}

static const char *compare_scan(const struct comparing *c, bool reverse, bool keys_only)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.snapshot = c->snapshot;
    options.reverse = reverse;
    options.keys_only = keys_only;
    int status = nacre_scan(c->collection, &options, &cursor);
    if (status != NACRE_OK) {
        return failed(c, "nacre_scan", status);
    }
    const char *found = compare_cursor(c, cursor, reverse, keys_only, all_keys);
    nacre_cursor_close(cursor);
    return found;
}

/* ---- patterns ---- */

static bool has_tail(unsigned k)
{
    return k < RICH_KEYS - 1 && k % 5 == 0;
}

static bool is_in_b(unsigned k)
{
    return k / 16 == 1;
}

static bool is_late(unsigned k)
{
    return k < RICH_KEYS - 1 && k % 16 >= 11;
}

static const char *compare_pattern(const struct comparing *c, const char *pattern, bool (*wanted)(unsigned))
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    nacre_slice bytes = { pattern, strlen(pattern) };
    nacre_cursor *cursor;
    uint64_t count = 0, least = 0, most = 0;
    options.snapshot = c->snapshot;
    int status = nacre_regex_count(c->collection, bytes, &options, &count);
    if (status == NACRE_OK) {
        status = nacre_regex_scan(c->collection, bytes, &options, &cursor);
    }
    if (status != NACRE_OK) {
        return failed(c, "a search", status);
    }
    const char *found = compare_cursor(c, cursor, false, false, wanted);
    nacre_cursor_close(cursor);
    for (unsigned k = 0; k < RICH_KEYS; k++) {
        const struct rich_key *key = &c->model->keys[k];
        bool absent = may_be_absent(c, k), present = key->count == 0;
        for (unsigned i = 0; i < key->count; i++) {
            present |= rich_alive(&key->states[i]).value != NULL;
        }
        least += wanted(k) && !absent;
        most += wanted(k) && present;
    }
    return found ? found : count < least || count > most ? wrong(c, "a count of matches", RICH_KEYS) : NULL;
}

/* ---- neighbours ---- */

static const char *compare_nearest(const struct comparing *c, uint32_t query_number)
{
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    nacre_neighbors near;
    float query[RICH_DIMENSION];
    bool seen[RICH_KEYS] = { false };
    const char *found = NULL;
    options.snapshot = c->snapshot;
    options.exact = true;
    rich_vector(query_number, query);
    int status = nacre_nearest(c->collection, query, 2 * RICH_KEYS, &options, &near);
    if (status != NACRE_OK) {
        return failed(c, "nacre_nearest", status);
    }
    for (size_t i = 0; i < near.count && !found; i++) {
        unsigned k = index_of(near.items[i].key);
        if (k == RICH_KEYS || seen[k] || (i && near.items[i].distance < near.items[i - 1].distance) || !near.exact) {
            found = wrong(c, "a neighbour that is none, or out of order", k);
        } else if (state_of(&c->model->keys[k], &near.items[i].value) < 0) {
            found = wrong(c, "a neighbour with a wrong value", k);
        } else {
            seen[k] = true;
        }
    }
    for (unsigned k = 0; k < RICH_KEYS && !found; k++) {
        found = !seen[k] && !may_be_absent(c, k) ? wrong(c, "a search for neighbours misses", k) : NULL;
    }
    nacre_neighbors_release(&near);
    return found;
}

/* ---- all ---- */

static const char *compare_collection(const struct comparing *c)
{
    const char *found = NULL;
    for (unsigned k = 0; k < RICH_KEYS && !found; k++) {
        found = compare_get(c, k);
    }
    for (unsigned how = 0; how < 4 && !found; how++) {
        found = compare_scan(c, how % 2, how / 2);
    }
    if (!found && c->model->options.kind == NACRE_STRINGS) {
        found = compare_pattern(c, "z$", has_tail);
        found = found ? found : compare_pattern(c, "^b/", is_in_b);
        found = found ? found : compare_pattern(c, "/1[1-5]", is_late);
    }
    return !found && c->model->options.kind == NACRE_VECTORS ? compare_nearest(c, c->number + 7) : found;
}

const char *rich_compare(struct rich *r, const struct rich_model *model, nacre_snapshot *snapshot)
{
    const char *found = NULL;
    for (unsigned i = 0; i < RICH_COLLECTIONS && !found; i++) {
        struct comparing c = { &model->collections[i], r->collections[i], snapshot, i };
        found = compare_collection(&c);
    }
    return found;
}
