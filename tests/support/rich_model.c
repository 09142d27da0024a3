/* Writes of the model of all options (see rich_model.h). */
#include "support/rich_model.h"
#include "base/clock.h"
#include "support/model.h"
#include "support/rich_private.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the clock ---- */

static _Atomic uint64_t clock_ms;

static uint64_t now_ms(void)
{
    return atomic_load(&clock_ms);
}

void rich_clock_begin(void)
{
    atomic_store(&clock_ms, UINT64_C(1700000000000));
    clock_set_wall_ms(now_ms);
}

void rich_clock_end(void)
{
    clock_set_wall_ms(NULL);
}

void rich_clock_move(uint64_t ms)
{
    atomic_fetch_add(&clock_ms, ms);
}

/* ---- hooks ---- */

static int append_all(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands,
                      size_t count, nacre_output *value)
{
    int status = base ? nacre_output_append(value, *base) : NACRE_OK;
    (void)context;
    (void)key;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = nacre_output_append(value, operands[i]);
    }
    return status;
}

/* x goes, c becomes d. */
static nacre_filter_decision decide(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                    nacre_output *changed)
{
    char first = value.size ? *(const char *)value.data : 0;
    (void)context;
    (void)key;
    (void)level;
    if (first != 'c') {
        return first == 'x' ? NACRE_FILTER_REMOVE : NACRE_FILTER_KEEP;
    }
    nacre_output_append(changed, (nacre_slice){ "d", 1 });
    nacre_output_append(changed, (nacre_slice){ (const char *)value.data + 1, value.size - 1 });
    return NACRE_FILTER_CHANGE;
}

/* As `append`, which can combine operands. */
static const nacre_merge_operator operators[] = { { "append alone", NULL, append_all, NULL } };
static const nacre_compaction_filter filters[] = { { "x and c", NULL, decide } };
const nacre_hooks rich_hooks = { sizeof rich_hooks, operators, 1, filters, 1, NULL, NULL };

/* ---- states ---- */

uint64_t rich_random(struct rich *r, uint64_t below)
{
    return model_random(&r->seed) % below;
}

static struct rich_bytes *new_bytes(struct rich *r, size_t size)
{
    struct rich_bytes *made = malloc(sizeof *made + size);
    if (!made) {
        abort();
    }
    *made = (struct rich_bytes){ .next = r->all, .size = (uint32_t)size };
    r->all = made;
    return made;
}

struct rich_state rich_alive(const struct rich_state *state)
{
    bool gone = !state->value || (state->expiry_ms && state->expiry_ms <= now_ms());
    return gone ? (struct rich_state){ NULL, 0 } : *state;
}

static bool is_same(const struct rich_state *a, const struct rich_state *b)
{
    if (!a->value || !b->value) {
        return a->value == b->value;
    }
    return a->expiry_ms == b->expiry_ms && a->value->vector == b->value->vector && a->value->size == b->value->size &&
           memcmp(a->value->bytes, b->value->bytes, a->value->size) == 0;
}

struct state_list {
    struct rich_state states[4 * RICH_STATES];
    unsigned count;
};

static void add_state(struct state_list *list, struct rich_state state)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (is_same(&list->states[i], &state)) {
            return;
        }
    }
    if (list->count < sizeof list->states / sizeof list->states[0]) {
        list->states[list->count++] = state;
    }
}

/* And what a filter may make of it. */
static void add_filtered(struct rich *r, const struct rich_collection *c, struct state_list *list,
                         struct rich_state state)
{
    add_state(list, state);
    if (!c->options.compaction_filter || !state.value || state.value->size == 0) {
        return;
    }
    if (state.value->bytes[0] == 'x') {
        add_state(list, (struct rich_state){ NULL, 0 });
    } else if (state.value->bytes[0] == 'c') {
        struct rich_bytes *changed = new_bytes(r, state.value->size);
        memcpy(changed->bytes, state.value->bytes, state.value->size);
        changed->bytes[0] = 'd';
        changed->vector = state.value->vector;
        add_state(list, (struct rich_state){ changed, state.expiry_ms });
    }
}

static void set_states(struct rich_key *key, const struct state_list *list)
{
    key->count = list->count <= RICH_STATES ? list->count : 0;
    memcpy(key->states, list->states, key->count * sizeof *key->states);
}

static void set_key(struct rich *r, struct rich_collection *c, unsigned k, struct rich_state state)
{
    struct state_list list = { .count = 0 };
    add_filtered(r, c, &list, state);
    set_states(&c->keys[k], &list);
}

static void merge_key(struct rich *r, struct rich_collection *c, unsigned k, struct rich_state operand)
{
    struct state_list list = { .count = 0 };
    struct rich_key *key = &c->keys[k];
    for (unsigned i = 0; i < key->count; i++) {
        struct rich_state base = rich_alive(&key->states[i]);
        size_t before = base.value ? base.value->size : 0;
        struct rich_bytes *both = new_bytes(r, before + operand.value->size);
        if (before) {
            memcpy(both->bytes, base.value->bytes, before);
        }
        memcpy(both->bytes + before, operand.value->bytes, operand.value->size);
        add_filtered(r, c, &list, (struct rich_state){ both, operand.expiry_ms });
    }
    set_states(key, &list);
}

static unsigned longest(const struct rich_key *key)
{
    unsigned most = 0;
    for (unsigned i = 0; i < key->count; i++) {
        most = key->states[i].value && key->states[i].value->size > most ? key->states[i].value->size : most;
    }
    return most;
}

/* ---- keys and values ---- */

nacre_slice rich_key(unsigned k, char out[RICH_KEY_BYTES])
{
    static const char tail[] = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
    int size = k == RICH_KEYS - 1
                   ? snprintf(out, RICH_KEY_BYTES, "~")
                   : snprintf(out, RICH_KEY_BYTES, "%c/%02u%s", 'a' + (int)(k / 16), k % 16, k % 5 == 0 ? tail : "");
    return (nacre_slice){ out, (size_t)size };
}

void rich_vector(uint32_t number, float *out)
{
    uint64_t seed = number * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (unsigned i = 0; i < RICH_DIMENSION; i++) {
        out[i] = (float)(int)(model_random(&seed) % 2000) / 16.0f - 61.3f;
    }
}

nacre_slice rich_slice(const struct rich_bytes *value)
{
    return (nacre_slice){ value->bytes, value->size };
}

static bool has_vectors(const struct rich_collection *c)
{
    return c->options.kind == NACRE_VECTORS;
}

static struct rich_bytes *draw_value(struct rich *r, const struct rich_collection *c, bool operand)
{
    static const char firsts[] = "aaaaxxcc";
    char head[32];
    uint32_t number = ++r->next_value;
    int length = snprintf(head, sizeof head, "%c%u,", operand ? '+' : firsts[rich_random(r, 8)], number);
    size_t size = rich_random(r, 40) == 0 && !operand ? 0 : (size_t)length;
    if (size && rich_random(r, 3) == 0) {
        size += rich_random(r, operand ? 60 : 300);
    }
    struct rich_bytes *value = new_bytes(r, size);
    memset(value->bytes, 'a' + (int)(number % 26), size);
    memcpy(value->bytes, head, size < (size_t)length ? size : (size_t)length);
    value->vector = has_vectors(c) ? number : 0;
    return value;
}

static uint64_t draw_ttl(struct rich *r)
{
    static const uint64_t some[] = { 0, 0, 0, 0, UINT64_MAX, 1, 3000, 50000, 100000, 3600000, 1000000000 };
    return some[rich_random(r, sizeof some / sizeof some[0])];
}

static uint64_t expiry_of(const struct rich_collection *c, uint64_t ttl_ms)
{
    uint64_t ttl = ttl_ms ? ttl_ms : c->options.default_ttl_ms;
    return ttl == 0 || ttl == UINT64_MAX ? 0 : now_ms() + ttl;
}

/* ---- writes ---- */

enum way { ALONE, BATCH, TXN };

struct writing {
    enum way way;
    nacre_write_options options;
    nacre_batch *batch;
    nacre_txn *txn;
};

static int write_put(struct rich *r, struct writing *w, unsigned c, unsigned k)
{
    struct rich_collection *model = &r->now.collections[c];
    nacre_collection *to = r->collections[c];
    const struct rich_bytes *drawn = draw_value(r, model, false);
    char bytes[RICH_KEY_BYTES];
    nacre_slice key = rich_key(k, bytes), value = rich_slice(drawn);
    float vector[RICH_DIMENSION];
    rich_vector(drawn->vector, vector);
    set_key(r, model, k, (struct rich_state){ drawn, expiry_of(model, w->options.ttl_ms) });
    if (has_vectors(model)) {
        return w->way == ALONE   ? nacre_put_vector(to, key, vector, value, &w->options)
               : w->way == BATCH ? nacre_batch_put_vector(w->batch, to, key, vector, value)
                                 : nacre_txn_put_vector(w->txn, to, key, vector, value);
    }
    return w->way == ALONE   ? nacre_put(to, key, value, &w->options)
           : w->way == BATCH ? nacre_batch_put(w->batch, to, key, value)
                             : nacre_txn_put(w->txn, to, key, value);
}

static int write_merge(struct rich *r, struct writing *w, unsigned c, unsigned k)
{
    struct rich_collection *model = &r->now.collections[c];
    nacre_collection *to = r->collections[c];
    if (longest(&model->keys[k]) > RICH_VALUE_MAX - 100) {
        return write_put(r, w, c, k);
    }
    const struct rich_bytes *operand = draw_value(r, model, true);
    char bytes[RICH_KEY_BYTES];
    nacre_slice key = rich_key(k, bytes), value = rich_slice(operand);
    merge_key(r, model, k, (struct rich_state){ operand, expiry_of(model, w->options.ttl_ms) });
    return w->way == ALONE   ? nacre_merge(to, key, value, &w->options)
           : w->way == BATCH ? nacre_batch_merge(w->batch, to, key, value)
                             : nacre_txn_merge(w->txn, to, key, value);
}

static int write_delete(struct rich *r, struct writing *w, unsigned c, unsigned k)
{
    char bytes[RICH_KEY_BYTES];
    nacre_slice key = rich_key(k, bytes);
    set_key(r, &r->now.collections[c], k, (struct rich_state){ NULL, 0 });
    return w->way == ALONE   ? nacre_delete(r->collections[c], key, &w->options)
           : w->way == BATCH ? nacre_batch_delete(w->batch, r->collections[c], key)
                             : nacre_txn_delete(w->txn, r->collections[c], key);
}

static int write_range(struct rich *r, struct writing *w, unsigned c)
{
    char first[RICH_KEY_BYTES], last[RICH_KEY_BYTES];
    bool prefix = w->way == ALONE && rich_random(r, 3) == 0;
    unsigned begin = (unsigned)rich_random(r, RICH_KEYS - 1), end = begin + 1 + (unsigned)rich_random(r, 12);
    if (prefix) {
        begin -= begin % 16;
        end = begin + 16;
    }
    end = end < RICH_KEYS ? end : RICH_KEYS - 1;
    for (unsigned k = begin; k < end; k++) {
        set_key(r, &r->now.collections[c], k, (struct rich_state){ NULL, 0 });
    }
    nacre_slice from = rich_key(begin, first), to = rich_key(end, last);
    if (prefix) {
        return nacre_delete_prefix(r->collections[c], (nacre_slice){ first, 2 }, &w->options);
    }
    return w->way == ALONE ? nacre_delete_range(r->collections[c], from, to, &w->options)
                           : nacre_batch_delete_range(w->batch, r->collections[c], from, to);
}

static int write_one(struct rich *r, struct writing *w)
{
    unsigned c = (unsigned)rich_random(r, RICH_COLLECTIONS), k = (unsigned)rich_random(r, RICH_KEYS - 1);
    unsigned what = (unsigned)rich_random(r, 100);
    bool merges = r->now.collections[c].options.merge_operator != NULL;
    if (what < 4 && w->way != TXN) {
        return write_range(r, w, c);
    }
    if (what < 18) {
        return write_delete(r, w, c, k);
    }
    return merges && what < 60 ? write_merge(r, w, c, k) : write_put(r, w, c, k);
}

static struct writing draw_writing(struct rich *r, enum way way)
{
    struct writing w = { .way = way, .options = NACRE_WRITE_OPTIONS_INIT };
    unsigned what = (unsigned)rich_random(r, 12);
    w.options.durability = what == 0 ? NACRE_DISK : what < 3 && r->at_memory ? NACRE_MEMORY : NACRE_OS;
    w.options.ttl_ms = draw_ttl(r);
    return w;
}

static int write_many(struct rich *r, enum way way)
{
    struct writing w = draw_writing(r, way);
    int status = way == BATCH ? nacre_batch_create(&w.batch) : nacre_txn_begin(r->store, NULL, &w.txn);
    for (uint64_t n = 1 + rich_random(r, 25); n > 0 && status == NACRE_OK; n--) {
        status = write_one(r, &w);
    }
    if (status == NACRE_OK) {
        status = way == BATCH ? nacre_write(r->store, w.batch, &w.options) : nacre_txn_commit(w.txn, &w.options);
    }
    nacre_batch_free(w.batch);
    return status;
}

static int write_ingest(struct rich *r)
{
    unsigned c = (unsigned)rich_random(r, RICH_COLLECTIONS);
    struct rich_collection *model = &r->now.collections[c];
    nacre_segment_writer_options options = NACRE_SEGMENT_WRITER_OPTIONS_INIT;
    nacre_segment_writer *writer;
    options.ttl_ms = draw_ttl(r);
    int status = nacre_segment_writer_create(r->collections[c], &options, &writer);
    unsigned k = (unsigned)rich_random(r, RICH_KEYS - 1), end = k + 1 + (unsigned)rich_random(r, 20);
    for (; k < end && k < RICH_KEYS - 1 && status == NACRE_OK; k += 1 + (unsigned)rich_random(r, 3)) {
        char bytes[RICH_KEY_BYTES];
        float vector[RICH_DIMENSION];
        const struct rich_bytes *value = draw_value(r, model, false);
        rich_vector(value->vector, vector);
        set_key(r, model, k, (struct rich_state){ value, expiry_of(model, options.ttl_ms) });
        status = has_vectors(model)
                     ? nacre_segment_writer_put_vector(writer, rich_key(k, bytes), vector, rich_slice(value))
                     : nacre_segment_writer_put(writer, rich_key(k, bytes), rich_slice(value));
    }
    status = status == NACRE_OK ? nacre_ingest(r->collections[c], &writer, 1) : status;
    nacre_segment_writer_free(writer);
    return status;
}

int rich_put_last(struct rich *r, unsigned c)
{
    struct writing w = { .way = ALONE, .options = NACRE_WRITE_OPTIONS_INIT };
    struct rich_key *key = &r->now.collections[c].keys[RICH_KEYS - 1];
    int status = NACRE_OK;
    w.options.ttl_ms = UINT64_MAX;
    w.options.durability = NACRE_OS;
    do {
        status = write_put(r, &w, c, RICH_KEYS - 1);
    } while (status == NACRE_OK && key->count != 1); /* not one that is filtered */
    return status;
}

static int clear(struct rich *r)
{
    unsigned c = (unsigned)rich_random(r, RICH_COLLECTIONS);
    for (unsigned k = 0; k < RICH_KEYS; k++) {
        set_key(r, &r->now.collections[c], k, (struct rich_state){ NULL, 0 });
    }
    int status = nacre_collection_clear(r->collections[c]);
    status = status == NACRE_OK ? rich_put_last(r, c) : status;
    return status == NACRE_OK ? nacre_flush(r->collections[c]) : status;
}

int rich_write_one(struct rich *r)
{
    unsigned what = (unsigned)rich_random(r, 98);
    struct writing w = draw_writing(r, ALONE);
    return what < 50   ? write_one(r, &w)
           : what < 80 ? write_many(r, BATCH)
           : what < 90 ? write_many(r, TXN)
                       : write_ingest(r);
}

int rich_write(struct rich *r)
{
    return rich_random(r, 50) ? rich_write_one(r) : clear(r);
}

/* ---- the collections ---- */

static const char *const names[RICH_COLLECTIONS] = { "first", "second", "third", "fourth" };

static nacre_collection_options draw_options(struct rich *r)
{
    static const nacre_kind kinds[] = { NACRE_ORDERED, NACRE_STRINGS, NACRE_VECTORS };
    static const uint64_t thresholds[] = { 0, 16, 100, 250, UINT64_MAX };
    static const uint64_t ttls[] = { 0, 0, 3600000, 40000, 1000000000 };
    static const char *const merges[] = { NULL, "append", "append alone" };
    nacre_collection_options o = NACRE_COLLECTION_OPTIONS_INIT;
    o.kind = kinds[rich_random(r, 3)];
    o.value_log_threshold = thresholds[rich_random(r, 5)];
    o.default_ttl_ms = ttls[rich_random(r, 5)];
    o.compaction_filter = rich_random(r, 3) == 0 ? "x and c" : NULL;
    if (o.kind == NACRE_VECTORS) {
        o.dimension = RICH_DIMENSION;
        o.metric = (nacre_metric)(NACRE_L2 + rich_random(r, 3));
    } else {
        o.merge_operator = merges[rich_random(r, 3)];
    }
    return o;
}

void rich_begin(struct rich *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->seed = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    r->at_memory = rich_random(r, 4) == 0;
    for (unsigned c = 0; c < RICH_COLLECTIONS; c++) {
        r->now.collections[c].options = draw_options(r);
        for (unsigned k = 0; k < RICH_KEYS; k++) {
            set_key(r, &r->now.collections[c], k, (struct rich_state){ NULL, 0 });
        }
    }
}

void rich_end(struct rich *r)
{
    while (r->all) {
        struct rich_bytes *next = r->all->next;
        free(r->all);
        r->all = next;
    }
}

int rich_open(struct rich *r, bool create)
{
    int status = NACRE_OK;
    for (unsigned c = 0; c < RICH_COLLECTIONS && status == NACRE_OK; c++) {
        if (!create) {
            status = nacre_collection_open(r->store, names[c], &r->collections[c]);
            continue;
        }
        status = nacre_collection_create(r->store, names[c], &r->now.collections[c].options, &r->collections[c]);
        status = status == NACRE_OK ? rich_put_last(r, c) : status;
        status = status == NACRE_OK ? nacre_flush(r->collections[c]) : status;
    }
    return status;
}

void rich_close(struct rich *r)
{
    for (unsigned c = 0; c < RICH_COLLECTIONS; c++) {
        nacre_collection_close(r->collections[c]);
        r->collections[c] = NULL;
    }
}

static bool is_same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_options(const nacre_collection_info *info, const nacre_collection_options *o)
{
    uint64_t threshold = o->value_log_threshold == 0            ? 4096
                         : o->value_log_threshold == UINT64_MAX ? 0
                                                                : o->value_log_threshold;
    return info->kind == o->kind && info->default_ttl_ms == o->default_ttl_ms && info->dimension == o->dimension &&
           info->metric == o->metric && info->value_log_threshold == threshold &&
           is_same_name(info->merge_operator, o->merge_operator) &&
           is_same_name(info->compaction_filter, o->compaction_filter);
}

const char *rich_compare_options(struct rich *r)
{
    static char text[256];
    nacre_collection_info *list;
    size_t count;
    const char *wrong = nacre_collection_list(r->store, &list, &count) == NACRE_OK ? NULL : "no list of collections";
    for (unsigned c = 0; c < RICH_COLLECTIONS && !wrong; c++) {
        size_t at = 0;
        while (at < count && strcmp(list[at].name, names[c]) != 0) {
            at++;
        }
        if (at == count || !has_options(&list[at], &r->now.collections[c].options)) {
            snprintf(text, sizeof text, "collection %s is missing, or its options are others", names[c]);
            wrong = text;
        }
    }
    nacre_free(list);
    return wrong;
}
