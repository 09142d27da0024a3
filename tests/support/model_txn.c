/* See model_txn.h. */
#include "support/model_txn.h"
#include <stdio.h>
#include <string.h>

static _Thread_local char complaint[300];

static const char *differ(const char *how, unsigned c, unsigned i, uint32_t want)
{
    snprintf(complaint, sizeof complaint, "a transaction: collection %s, key %u, value %u expected: %s", model_names[c],
             i, want, how);
    return complaint;
}

static bool same(nacre_slice got, uint32_t number)
{
    static _Thread_local char value[MODEL_VALUE_MAX];
    nacre_slice want = model_value(number, value);
    return got.size == want.size && (want.size == 0 || memcmp(got.data, want.data, want.size) == 0);
}

int model_txn_begin(struct model_txn *t, const struct model *m, nacre_store *store, uint64_t *seed)
{
    nacre_txn_options options = NACRE_TXN_OPTIONS_INIT;
    memset(t, 0, sizeof *t);
    t->serializable = model_random(seed) % 3 != 0;
    options.isolation = t->serializable ? NACRE_SERIALIZABLE : NACRE_SNAPSHOT_ISOLATION;
    t->began = t->now = *m;
    return nacre_txn_begin(store, &options, &t->txn);
}

void model_txn_abort(struct model_txn *t)
{
    nacre_txn_abort(t->txn);
    t->txn = NULL;
}

static int step_get(struct model_txn *t, nacre_collection *collection, unsigned c, unsigned i, const char **wrong)
{
    nacre_value value;
    const uint32_t want = t->now.values[c][i];
    int status = nacre_txn_get(t->txn, collection, model_key(i), &value);
    if (status == NACRE_NOT_FOUND ? want != 0 : status == NACRE_OK && (!want || !same(value.slice, want))) {
        *wrong = differ(status == NACRE_OK ? "get gives something else" : "get does not find it", c, i, want);
    }
    nacre_value_release(&value);
    if (status == NACRE_OK || status == NACRE_NOT_FOUND) {
        t->read[c][i] |= !t->wrote[c][i];
        status = NACRE_OK;
    }
    return status;
}

static int step_put(struct model_txn *t, nacre_collection *collection, unsigned c, unsigned i, uint32_t number)
{
    static _Thread_local char value[MODEL_VALUE_MAX];
    float vector[MODEL_DIMENSION];
    int status;
    if (t->now.kinds[c] == NACRE_VECTORS) {
        model_vector(number, vector);
        status = nacre_txn_put_vector(t->txn, collection, model_key(i), vector, model_value(number, value));
    } else {
        status = nacre_txn_put(t->txn, collection, model_key(i), model_value(number, value));
    }
    if (status == NACRE_OK) {
        t->now.values[c][i] = number;
        t->wrote[c][i] = true;
    }
    return status;
}

static int step_delete(struct model_txn *t, nacre_collection *collection, unsigned c, unsigned i)
{
    int status = nacre_txn_delete(t->txn, collection, model_key(i));
    if (status == NACRE_OK) {
        t->now.values[c][i] = 0;
        t->wrote[c][i] = true;
    }
    return status;
}

/* Where the cursor stands is the next key of the model in its direction; what lies before it was read. */
static int step_scan(struct model_txn *t, nacre_collection *collection, unsigned c, uint64_t *seed, const char **wrong)
{
    unsigned a = (unsigned)(model_random(seed) % MODEL_KEYS), count = 1 + (unsigned)(model_random(seed) % 30);
    unsigned end = a + count < MODEL_KEYS ? a + count : MODEL_KEYS - 1;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.begin = model_key(a);
    options.end = end > a ? model_key(end) : (nacre_slice){ NULL, 0 };
    end = end > a ? end : MODEL_KEYS;
    options.reverse = model_random(seed) % 2;
    unsigned given = 0, most = 1 + (unsigned)(model_random(seed) % 20);
    options.limit = model_random(seed) % 2 ? most : 0;
    int status = nacre_txn_scan(t->txn, collection, &options, &cursor);
    if (status != NACRE_OK) {
        return status;
    }
    for (unsigned n = a; n < end && given < most && !*wrong; n++) {
        const unsigned i = options.reverse ? a + end - 1 - n : n;
        const uint32_t want = t->now.values[c][i];
        t->read[c][i] = true;
        if (want == 0) {
            continue;
        }
        nacre_slice key = nacre_cursor_key(cursor), wanted = model_key(i);
        if (!nacre_cursor_valid(cursor)) {
            status = nacre_cursor_status(cursor);
            *wrong = status == NACRE_OK ? differ("a scan ends before it", c, i, want) : NULL;
            break;
        }
        if (key.size != wanted.size || memcmp(key.data, wanted.data, key.size) != 0) {
            *wrong = differ("a scan gives another key", c, i, want);
        } else if (!same(nacre_cursor_value(cursor), want)) {
            *wrong = differ("a scan gives another value", c, i, want);
        }
        if (++given < most) {
            nacre_cursor_next(cursor);
        }
    }
    if (status == NACRE_OK && !*wrong && given < most && nacre_cursor_valid(cursor)) {
        *wrong = differ("a scan gives more keys than there are", c, a, 0);
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return status;
}

static int step_savepoint(struct model_txn *t)
{
    int status;
    if (t->savepoint) {
        status = nacre_txn_rollback_to(t->txn, t->savepoint);
        t->now = t->saved;
        memcpy(t->wrote, t->saved_wrote, sizeof t->wrote);
        return status;
    }
    status = nacre_txn_savepoint(t->txn, &t->savepoint);
    t->saved = t->now;
    memcpy(t->saved_wrote, t->wrote, sizeof t->wrote);
    return status;
}

int model_txn_step(struct model_txn *t, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                   uint32_t *next_value, const char **wrong)
{
    const unsigned c = (unsigned)(model_random(seed) % MODEL_COLLECTIONS),
                   i = (unsigned)(model_random(seed) % MODEL_KEYS), what = (unsigned)(model_random(seed) % 100);
    *wrong = NULL;
    return what < 30   ? step_get(t, collections[c], c, i, wrong)
           : what < 60 ? step_put(t, collections[c], c, i, ++*next_value)
           : what < 75 ? step_delete(t, collections[c], c, i)
           : what < 95 ? step_scan(t, collections[c], c, seed, wrong)
                       : step_savepoint(t);
}

/* What it relies on and what is there now: *changed = some of that differs; *any = something of all does. */
static void compare(const struct model_txn *t, const struct model *m, bool *changed, bool *any)
{
    *changed = *any = false;
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            bool differs = m->values[c][i] != t->began.values[c][i];
            *any |= differs;
            *changed |= differs && (t->wrote[c][i] || (t->serializable && t->read[c][i]));
        }
    }
}

int model_txn_commit(struct model_txn *t, struct model *m, const nacre_write_options *options, const char **wrong)
{
    bool changed, any, wrote = false;
    compare(t, m, &changed, &any);
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            wrote |= t->wrote[c][i];
        }
    }
    *wrong = NULL;
    int status = nacre_txn_commit(t->txn, options);
    if (status != NACRE_OK) {
        nacre_txn_abort(t->txn);
    }
    t->txn = NULL;
    if (status == NACRE_CONFLICT) {
        *wrong = wrote ? NULL : "a transaction that wrote nothing met a conflict";
        return status;
    }
    if (status == NACRE_OK && wrote && changed) {
        *wrong = "a transaction committed although what it relies on had changed";
    }
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            m->values[c][i] = t->wrote[c][i] ? t->now.values[c][i] : m->values[c][i];
        }
    }
    return status;
}

int model_random_txn(struct model *m, nacre_store *store, nacre_collection *collections[MODEL_COLLECTIONS],
                     uint64_t *seed, uint32_t *next_value, const nacre_write_options *options, const char **wrong)
{
    static _Thread_local struct model_txn t;
    int status = model_txn_begin(&t, m, store, seed);
    *wrong = NULL;
    for (unsigned n = (unsigned)(model_random(seed) % 12); n > 0 && status == NACRE_OK && !*wrong; n--) {
        status = model_txn_step(&t, collections, seed, next_value, wrong);
    }
    if (status != NACRE_OK || *wrong || model_random(seed) % 8 == 0) {
        model_txn_abort(&t);
        return status;
    }
    status = model_txn_commit(&t, m, options, wrong);
    if (status == NACRE_CONFLICT) {
        *wrong = "a transaction met a conflict with nobody";
    }
    return status;
}
