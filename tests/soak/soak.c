/* Everything at once, for minutes: writers of every kind, searches, transactions, bulk loads, snapshots, merges with a filter, checkpoints, backups, a reader in
   another process, tuning changes, kill -9 and reopen, under a small memory budget and log limit.

     soak DIRECTORY SECONDS [SEED]

   A life of the store is a process of its own. The model lies in memory that all processes share. Each thread owns a part of the keys, so that the
   model needs no lock:
   1. the model is what was acknowledged; an intent names what one call is about to change, and is cleared when the call has returned;
   2. after a kill each intent has happened as a whole, or not at all; the check tells which and moves the model on;
   3. but for that, the store has exactly what the model has: after each life, in each snapshot, in each search.
   Values are made from collection, key and version, so that every byte read can be checked. A version divisible by DOOMED is one that the compaction filter
   removes: it may be there or not. Exit code 1 on any difference. */
#include "nacre/nacre.h"
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS    3u
#define SLOTS      1500u
#define INTENTS    64u
#define DIMENSION  8u
#define DOOMED     13u
#define BUDGET     (UINT64_C(24) << 20)
#define ON_TOP     (UINT64_C(16) << 20) /* docs/limits.md */
#define VALUE_MOST (96u << 10)

enum place { PLAIN, WORDS, POINTS, SUMS, PLACES };
static const char *const place_names[PLACES] = { "plain", "words", "points", "sums" };

struct intent {
    uint32_t place, slot, version;
};
struct owner {                     /* what one thread owns */
    uint32_t model[PLACES][SLOTS]; /* versions; of SUMS the sum; 0 = not there */
    struct intent intents[INTENTS];
    atomic_uint count; /* of them; 0 = no call is under way */
    uint32_t versions; /* given so far */
};
struct shared {
    struct owner owners[THREADS];
    atomic_bool stop, broken;
    _Atomic uint64_t operations, busy, kills, lives, checkpoints, backups, refreshes, searches, snapshots, memory_most,
        handles_most;
};
static struct shared *shared;
static const char *directory;

static void broke(const char *what, const char *detail)
{
    fprintf(stderr, "soak: %s: %s\n", what, detail);
    fflush(stderr);
    atomic_store(&shared->broken, true);
    atomic_store(&shared->stop, true);
}

static bool went_well(int status, const char *what)
{
    if (status != NACRE_OK) {
        char text[700];
        snprintf(text, sizeof text, "%s (%s)", nacre_status_name(status), nacre_last_error());
        broke(what, text);
    }
    return status == NACRE_OK;
}

/* ---- keys and values ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t pick(uint64_t *seed, uint32_t below)
{
    *seed += UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mix(*seed) % below);
}

static nacre_slice key_of(unsigned owner, uint32_t place, uint32_t slot, char out[64])
{
    static const char *const words[] = { "amber", "basalt", "coral", "dune", "ember", "fjord", "gravel" };
    int size = place == WORDS ? snprintf(out, 64, "t%u/%s/%04u", owner, words[slot % 7], slot)
                              : snprintf(out, 64, "t%u/%04u", owner, slot);
    return (nacre_slice){ out, (size_t)size };
}

static size_t value_size(uint32_t place, uint64_t hash)
{
    if (place == PLAIN && hash % 40 == 0) {
        return 4096 + hash / 64 % (VALUE_MOST - 4096);
    }
    return 24 + hash % (place == PLAIN ? 500 : 60);
}

/* "version owner place slot", then bytes that follow from it; of a doomed one the first letter is D. */
static nacre_slice value_of(unsigned owner, uint32_t place, uint32_t slot, uint32_t version, char *out)
{
    uint64_t hash = mix(((uint64_t)version << 32) ^ (uint64_t)slot << 8 ^ place << 4 ^ owner);
    size_t size = value_size(place, hash);
    size_t at = (size_t)snprintf(out, 64, "%c%u %u %u %u ", version % DOOMED ? 'v' : 'D', version, owner, place, slot);
    for (; at + 8 <= size; at += 8, hash += 77) {
        uint64_t bytes = mix(hash);
        memcpy(out + at, &bytes, 8);
    }
    return (nacre_slice){ out, at };
}

static void vector_of(uint32_t slot, uint32_t version, float *vector)
{
    uint64_t seed = ((uint64_t)version << 20) + slot;
    for (unsigned i = 0; i < DIMENSION; i++) {
        vector[i] = (float)pick(&seed, 2000) / 1000 - 1;
    }
}

static nacre_filter_decision drop_doomed(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                         nacre_output *changed)
{
    (void)context, (void)key, (void)level, (void)changed;
    return value.size && *(const char *)value.data == 'D' ? NACRE_FILTER_REMOVE : NACRE_FILTER_KEEP;
}

/* ---- a life ---- */

struct life {
    nacre_store *store;
    nacre_collection *places[PLACES];
};

static int open_life(struct life *life, bool read_only)
{
    static nacre_compaction_filter filter = { "doomed", NULL, drop_doomed };
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    nacre_options options = NACRE_OPTIONS_INIT;
    char path[300];
    hooks.compaction_filters = &filter;
    hooks.compaction_filter_count = 1;
    options.hooks = &hooks;
    options.memory_budget = BUDGET;
    options.log_limit = 8 << 20;
    options.durability = NACRE_OS;
    options.read_only = read_only;
    options.write_timeout_ms = 60000;
    snprintf(path, sizeof path, "%s/store", directory);
    int status = nacre_open(path, &options, &life->store);
    for (unsigned p = 0; p < PLACES && status == NACRE_OK; p++) {
        nacre_collection_options made = NACRE_COLLECTION_OPTIONS_INIT;
        made.kind = p == WORDS ? NACRE_STRINGS : p == POINTS ? NACRE_VECTORS : NACRE_ORDERED;
        made.dimension = p == POINTS ? DIMENSION : 0;
        made.metric = p == POINTS ? NACRE_L2 : (nacre_metric)0;
        made.merge_operator = p == SUMS ? "add64" : NULL;
        made.compaction_filter = p == PLAIN ? "doomed" : NULL;
        status = nacre_collection_open(life->store, place_names[p], &life->places[p]);
        if (status == NACRE_NOT_FOUND && !read_only) {
            status = nacre_collection_create(life->store, place_names[p], &made, &life->places[p]);
        }
    }
    return status;
}

static void close_life(struct life *life)
{
    for (unsigned p = 0; p < PLACES; p++) {
        nacre_collection_close(life->places[p]);
    }
    went_well(nacre_close(life->store), "close");
}

/* ---- looking ---- */

/* Whether what a read gave is the version (of SUMS: the sum). */
static bool is_version(unsigned owner, uint32_t place, uint32_t slot, uint32_t version, int status, nacre_slice value)
{
    char expected[VALUE_MOST + 64];
    if (version == 0 || status == NACRE_NOT_FOUND) {
        return status == NACRE_NOT_FOUND && (version == 0 || (place == PLAIN && version % DOOMED == 0));
    }
    if (place == SUMS) {
        uint64_t sum = version;
        return status == NACRE_OK && value.size == sizeof sum && memcmp(value.data, &sum, sizeof sum) == 0;
    }
    nacre_slice want = value_of(owner, place, slot, version, expected);
    return status == NACRE_OK && value.size == want.size && memcmp(value.data, want.data, want.size) == 0;
}

static bool store_has(const struct life *life, unsigned owner, const struct intent *one,
                      const nacre_read_options *options)
{
    char key[64];
    nacre_value value;
    int status = nacre_get(life->places[one->place], key_of(owner, one->place, one->slot, key), options, &value);
    bool same = is_version(owner, one->place, one->slot, one->version, status, value.slice);
    nacre_value_release(&value);
    return same;
}

static void tell_difference(const struct life *life, unsigned owner, const struct intent *one, const char *when)
{
    char text[200], key[64];
    nacre_value value;
    int status = nacre_get(life->places[one->place], key_of(owner, one->place, one->slot, key), NULL, &value);
    snprintf(text, sizeof text, "%s %s: version %u expected; a get now gives %s, %zu bytes, %.30s",
             place_names[one->place], key, one->version, nacre_status_name(status), value.slice.size,
             one->place != SUMS && value.slice.size ? (const char *)value.slice.data : "");
    nacre_value_release(&value);
    broke(when, text);
}

static void check_scan(const struct life *life, unsigned owner, uint32_t place, nacre_snapshot *snapshot,
                       const uint32_t *model, const char *when)
{
    char prefix[8];
    uint32_t slot = 0, slots = place == WORDS ? 0 : SLOTS; /* the order of words is not that of slots: only counted */
    uint64_t found = 0, least = 0, most = 0;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor = NULL;
    options.snapshot = snapshot;
    options.prefix = (nacre_slice){ prefix, (size_t)snprintf(prefix, sizeof prefix, "t%u/", owner) };
    if (!went_well(nacre_scan(life->places[place], &options, &cursor), "scan")) {
        return;
    }
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), found++) {
        nacre_slice key = nacre_cursor_key(cursor);
        char want[64];
        for (; slot < slots; slot++) {
            nacre_slice next = key_of(owner, place, slot, want);
            if (next.size == key.size && memcmp(next.data, key.data, key.size) == 0) {
                break;
            }
            if (!is_version(owner, place, slot, model[slot], NACRE_NOT_FOUND, (nacre_slice){ NULL, 0 })) {
                tell_difference(life, owner, &(struct intent){ place, slot, model[slot] }, "a scan passed over a key");
            }
        }
        if (slot < slots && !is_version(owner, place, slot, model[slot], NACRE_OK, nacre_cursor_value(cursor))) {
            tell_difference(life, owner, &(struct intent){ place, slot, model[slot] }, when);
        }
        slot += slot < slots;
    }
    went_well(nacre_cursor_status(cursor), "scan");
    nacre_cursor_close(cursor);
    for (uint32_t i = 0; i < SLOTS; i++) {
        least += model[i] != 0 && !(place == PLAIN && model[i] % DOOMED == 0);
        most += model[i] != 0;
    }
    if (found < least || found > most) {
        char text[120];
        snprintf(text, sizeof text, "%s t%u: %" PRIu64 " keys, %" PRIu64 " to %" PRIu64 " expected", place_names[place],
                 owner, found, least, most);
        broke(when, text);
    }
}

/* ---- after a life ---- */

static bool resolve(const struct life *life, unsigned o)
{
    struct owner *owner = &shared->owners[o];
    unsigned count = atomic_load(&owner->count), made = 0, kept = 0;
    for (unsigned i = 0; i < count; i++) {
        struct intent before = owner->intents[i];
        before.version = owner->model[before.place][before.slot];
        bool is_new = store_has(life, o, &owner->intents[i], NULL), is_old = store_has(life, o, &before, NULL);
        if (!is_new && !is_old) {
            tell_difference(life, o, &owner->intents[i], "after a kill, neither old nor new");
            return false;
        }
        made += is_new && !is_old;
        kept += is_old && !is_new;
    }
    if (made > 0 && kept > 0) {
        broke("after a kill", "half of a write is there");
        return false;
    }
    for (unsigned i = 0; i < count && made > 0; i++) {
        owner->model[owner->intents[i].place][owner->intents[i].slot] = owner->intents[i].version;
    }
    atomic_store(&owner->count, 0);
    return true;
}

static void check_all(void)
{
    struct life life = { 0 };
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    if (!went_well(open_life(&life, false), "open")) {
        return;
    }
    for (unsigned o = 0; o < THREADS && resolve(&life, o); o++) {
        for (uint32_t p = 0; p < PLACES; p++) {
            for (uint32_t slot = 0; slot < SLOTS && !atomic_load(&shared->broken); slot++) {
                struct intent one = { p, slot, shared->owners[o].model[p][slot] };
                if (!store_has(&life, o, &one, NULL)) {
                    tell_difference(&life, o, &one, "after a life");
                }
            }
            check_scan(&life, o, p, NULL, shared->owners[o].model[p], "a scan after a life");
        }
    }
    if (!went_well(nacre_verify(life.store, &report), "verify")) {
        fprintf(stderr, "%s\n", report.damage ? report.damage : "");
    }
    nacre_free(report.damage);
    close_life(&life);
}

/* ---- writers ---- */

struct writer {
    struct life *life;
    unsigned index;
    uint64_t seed;
    struct owner *owner;
    char value[VALUE_MOST + 64];
};

static void intend(struct writer *w, uint32_t place, uint32_t slot, uint32_t version)
{
    unsigned count = atomic_load_explicit(&w->owner->count, memory_order_relaxed);
    w->owner->intents[count] = (struct intent){ place, slot, version };
    atomic_store_explicit(&w->owner->count, count + 1, memory_order_release);
}

static void happened(struct writer *w, int status, const char *what)
{
    unsigned count = atomic_load_explicit(&w->owner->count, memory_order_relaxed);
    if (status == NACRE_BUSY) {
        atomic_fetch_add(&shared->busy, 1);
    } else if (went_well(status, what)) {
        for (unsigned i = 0; i < count; i++) {
            struct intent one = w->owner->intents[i];
            w->owner->model[one.place][one.slot] = one.version;
        }
    } else {
        return; /* the intent stays for who looks into it */
    }
    atomic_store_explicit(&w->owner->count, 0, memory_order_release);
    atomic_fetch_add_explicit(&shared->operations, count ? count : 1, memory_order_relaxed);
}

static uint32_t next_version(struct writer *w)
{
    return ++w->owner->versions;
}

static nacre_slice fresh_value(struct writer *w, uint32_t place, uint32_t slot, uint32_t version)
{
    return value_of(w->index, place, slot, version, w->value);
}

static void write_one(struct writer *w)
{
    char key[64];
    uint32_t place = pick(&w->seed, PLACES), slot = pick(&w->seed, SLOTS), version = next_version(w);
    nacre_slice k = key_of(w->index, place, slot, key);
    nacre_collection *c = w->life->places[place];
    if (pick(&w->seed, 8) == 0) {
        intend(w, place, slot, 0);
        happened(w, nacre_delete(c, k, NULL), "delete");
    } else if (place == SUMS) {
        uint64_t more = 1 + pick(&w->seed, 9);
        intend(w, place, slot, w->owner->model[place][slot] + (uint32_t)more);
        happened(w, nacre_merge(c, k, (nacre_slice){ &more, sizeof more }, NULL), "merge");
    } else if (place == POINTS) {
        float vector[DIMENSION];
        vector_of(slot, version, vector);
        intend(w, place, slot, version);
        happened(w, nacre_put_vector(c, k, vector, fresh_value(w, place, slot, version), NULL), "put_vector");
    } else {
        intend(w, place, slot, version);
        happened(w, nacre_put(c, k, fresh_value(w, place, slot, version), NULL), "put");
    }
}

static void write_batch(struct writer *w)
{
    nacre_batch *batch = NULL;
    char key[64];
    int status = nacre_batch_create(&batch);
    uint32_t slot = pick(&w->seed, SLOTS - 24);
    for (uint32_t i = 0; i < 8 && status == NACRE_OK; i++) {
        uint32_t place = i % 2 ? WORDS : PLAIN, at = slot + 3 * i;
        uint32_t version = pick(&w->seed, 6) ? next_version(w) : 0;
        nacre_slice k = key_of(w->index, place, at, key);
        intend(w, place, at, version);
        status = version ? nacre_batch_put(batch, w->life->places[place], k, fresh_value(w, place, at, version))
                         : nacre_batch_delete(batch, w->life->places[place], k);
    }
    happened(w, status == NACRE_OK ? nacre_write(w->life->store, batch, NULL) : status, "batch");
    nacre_batch_free(batch);
}

static void delete_some(struct writer *w)
{
    char begin[64], end[64];
    uint32_t places[] = { PLAIN, POINTS, SUMS }, place = places[pick(&w->seed, 3)];
    uint32_t from = pick(&w->seed, SLOTS - 40), until = from + 1 + pick(&w->seed, 30);
    for (uint32_t i = from; i < until; i++) {
        intend(w, place, i, 0);
    }
    happened(w,
             nacre_delete_range(w->life->places[place], key_of(w->index, place, from, begin),
                                key_of(w->index, place, until, end), NULL),
             "delete_range");
}

/* Moves between two keys; nobody else writes them, so that it never conflicts. */
static void transact(struct writer *w)
{
    nacre_txn *txn = NULL;
    char key[64];
    uint32_t slot = pick(&w->seed, SLOTS - 10);
    if (!went_well(nacre_txn_begin(w->life->store, NULL, &txn), "txn_begin")) {
        return;
    }
    int status = NACRE_OK;
    for (uint32_t i = 0; i < 3 && status == NACRE_OK; i++) {
        uint32_t place = i == 2 ? WORDS : PLAIN, at = slot + 3 * i, version = next_version(w);
        nacre_slice k = key_of(w->index, place, at, key);
        nacre_value value;
        status = nacre_txn_get(txn, w->life->places[place], k, &value);
        if (!is_version(w->index, place, at, w->owner->model[place][at], status, value.slice)) {
            tell_difference(w->life, w->index, &(struct intent){ place, at, w->owner->model[place][at] },
                            "in a transaction");
        }
        nacre_value_release(&value);
        intend(w, place, at, version);
        status = nacre_txn_put(txn, w->life->places[place], k, fresh_value(w, place, at, version));
    }
    status = status == NACRE_OK && pick(&w->seed, 8) ? nacre_txn_commit(txn, NULL) : NACRE_BUSY;
    happened(w, status, "txn");
    if (status != NACRE_OK) {
        nacre_txn_abort(txn);
    }
}

static void ingest(struct writer *w)
{
    nacre_segment_writer *writer = NULL;
    char key[64];
    uint32_t from = pick(&w->seed, SLOTS - INTENTS * 2);
    int status = nacre_segment_writer_create(w->life->places[PLAIN], NULL, &writer);
    for (uint32_t i = 0; i < INTENTS && status == NACRE_OK; i++) {
        uint32_t slot = from + 2 * i, version = next_version(w);
        intend(w, PLAIN, slot, version);
        status =
            nacre_segment_writer_put(writer, key_of(w->index, PLAIN, slot, key), fresh_value(w, PLAIN, slot, version));
    }
    happened(w, status == NACRE_OK ? nacre_ingest(w->life->places[PLAIN], &writer, 1) : status, "ingest");
    nacre_segment_writer_free(writer);
}

/* ---- readers beside them ---- */

static void search_words(struct writer *w)
{
    char pattern[64];
    uint64_t count = 0, expected = 0;
    uint32_t digit = pick(&w->seed, 10);
    int size = snprintf(pattern, sizeof pattern, "^t%u/(coral|dune|[ab].*t)/[0-9]*%u$", w->index, digit);
    if (!went_well(nacre_regex_count(w->life->places[WORDS], (nacre_slice){ pattern, (size_t)size }, NULL, &count),
                   "regex_count")) {
        return;
    }
    for (uint32_t i = digit; i < SLOTS; i += 10) {
        expected += w->owner->model[WORDS][i] != 0 && i % 7 >= 1 && i % 7 <= 3; /* basalt, coral, dune */
    }
    if (count != expected) {
        snprintf(pattern, sizeof pattern, "%" PRIu64 " matches, %" PRIu64 " expected", count, expected);
        broke("a search by regular expression", pattern);
    }
    atomic_fetch_add(&shared->searches, 1);
}

static double distance(const float *a, const float *b)
{
    double sum = 0;
    for (unsigned i = 0; i < DIMENSION; i++) {
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    return sum;
}

static void search_points(struct writer *w)
{
    float query[DIMENSION], vector[DIMENSION];
    char prefix[8], text[160];
    double nearest = INFINITY;
    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    nacre_neighbors found;
    vector_of(SLOTS, pick(&w->seed, 100000), query);
    options.exact = true;
    options.key_prefix = (nacre_slice){ prefix, (size_t)snprintf(prefix, sizeof prefix, "t%u/", w->index) };
    if (!went_well(nacre_nearest(w->life->places[POINTS], query, 3, &options, &found), "nearest")) {
        return;
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (w->owner->model[POINTS][i]) {
            vector_of(i, w->owner->model[POINTS][i], vector);
            nearest = fmin(nearest, distance(query, vector));
        }
    }
    double got = found.count ? (double)found.items[0].distance : INFINITY;
    bool same = isinf(nearest) ? isinf(got) : fabs(got - nearest) < 1e-4 || fabs(got * got - nearest) < 1e-4;
    if (!same) {
        snprintf(text, sizeof text, "%g found, %g expected", got, nearest);
        broke("a search for the nearest", text);
    }
    nacre_neighbors_release(&found);
    atomic_fetch_add(&shared->searches, 1);
}

/* A snapshot keeps what it saw while more is written. */
static void look_back(struct writer *w)
{
    static _Thread_local uint32_t model[SLOTS];
    nacre_snapshot *snapshot = NULL;
    uint32_t place = pick(&w->seed, PLACES);
    memcpy(model, w->owner->model[place], sizeof model);
    if (!went_well(nacre_snapshot_create(w->life->store, &snapshot), "snapshot")) {
        return;
    }
    for (unsigned i = 0; i < 200 && !atomic_load(&shared->stop); i++) {
        write_one(w);
    }
    check_scan(w->life, w->index, place, snapshot, model, "a snapshot");
    nacre_snapshot_release(snapshot);
    atomic_fetch_add(&shared->snapshots, 1);
}

static void *write_on(void *context)
{
    struct writer *w = context;
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        uint32_t what = pick(&w->seed, 1000);
        if (what < 800) {
            write_one(w);
        } else if (what < 900) {
            write_batch(w);
        } else if (what < 930) {
            delete_some(w);
        } else if (what < 975) {
            transact(w);
        } else if (what < 985) {
            search_words(w);
        } else if (what < 995) {
            search_points(w);
        } else if (what < 998) {
            ingest(w);
        } else {
            look_back(w);
        }
    }
    return NULL;
}

/* ---- upkeep beside them ---- */

static void remove_tree(const char *path)
{
    char inner[600];
    DIR *open = opendir(path);
    for (struct dirent *entry; open && (entry = readdir(open));) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            if (unlink(inner) != 0) {
                remove_tree(inner);
            }
        }
    }
    if (open) {
        closedir(open);
        (void)rmdir(path);
    }
}

static void checkpoint(const struct life *life)
{
    char path[300];
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    nacre_store *copy = NULL;
    snprintf(path, sizeof path, "%s/checkpoint", directory);
    remove_tree(path);
    options.read_only = true;
    if (went_well(nacre_checkpoint(life->store, path), "checkpoint") &&
        went_well(nacre_open(path, &options, &copy), "its opening")) {
        went_well(nacre_verify(copy, &report), "verify of a checkpoint");
        nacre_free(report.damage);
        went_well(nacre_close(copy), "close of a checkpoint");
        atomic_fetch_add(&shared->checkpoints, 1);
    }
}

static void back_up(const struct life *life)
{
    char path[300];
    uint64_t id = 0;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    snprintf(path, sizeof path, "%s/backups", directory);
    if (went_well(nacre_backup(life->store, path, NULL, &id), "backup") &&
        went_well(nacre_backup_verify(path, id, NULL, &report), "verify of a backup") &&
        went_well(nacre_backup_keep(path, 2, NULL), "backup_keep")) {
        atomic_fetch_add(&shared->backups, 1);
    }
    nacre_free(report.damage);
}

static void tune(const struct life *life, uint64_t *seed)
{
    static const char *const settings[][2] = {
        { "segment_bytes", "262144" },
        { "segment_bytes", "1048576" },
        { "level0_runs", "2" },
        { "level_base_bytes", "1048576" },
        { "block_bytes", "1024" },
        { "compression_top", "1" },
        { "compression_top", "0" },
        { "async_index_build", "1" },
        { "async_index_build", "0" },
        { "file_handles", "32" },
        { "file_handles", "default" },
        { "learned_index", "2" },
        { "value_garbage_percent", "10" },
        { "tier_runs", "2" },
        { "segment_map", "0" },
        { "segment_map", "1" },
        { "log_map", "0" },
        { "log_map", "1" },
        { "disk_reserve_bytes", "1048576" },
        { "seal_bytes", "524288" },
        { "seal_bytes", "default" },
    };
    const char *const *one = settings[pick(seed, sizeof settings / sizeof settings[0])];
    went_well(nacre_tune(life->store, one[0], one[1]), one[0]);
}

static uint64_t figure(const char *json, const char *name)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(json, quoted);
    return at ? strtoull(at + strlen(quoted), NULL, 10) : 0;
}

static void look_at_figures(const struct life *life)
{
    char *json = NULL;
    if (!went_well(nacre_stats(life->store, &json), "stats")) {
        return;
    }
    uint64_t memory = figure(json, "memory_bytes"), handles = figure(json, "file_handles");
    nacre_free(json);
    if (memory > atomic_load(&shared->memory_most)) {
        atomic_store(&shared->memory_most, memory);
    }
    if (handles > atomic_load(&shared->handles_most)) {
        atomic_store(&shared->handles_most, handles);
    }
    if (memory > BUDGET + ON_TOP) {
        char text[100];
        snprintf(text, sizeof text, "%" PRIu64 " bytes of a budget of %" PRIu64 " and %" PRIu64, memory, BUDGET,
                 ON_TOP);
        broke("memory", text);
    }
}

static void keep_up(const struct life *life, uint64_t seed)
{
    while (!atomic_load(&shared->stop)) {
        uint32_t what = pick(&seed, 100);
        nacre_collection *c = life->places[pick(&seed, PLACES)];
        if (what < 3) {
            checkpoint(life);
        } else if (what < 5) {
            back_up(life);
        } else if (what < 15) {
            tune(life, &seed);
        } else if (what < 25) {
            went_well(nacre_seal(c), "seal");
        } else if (what < 32) {
            went_well(nacre_flush(c), "flush");
        } else if (what < 35) {
            went_well(nacre_compact(c, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 }), "compact");
        } else if (what < 38) {
            went_well(nacre_build_indexes(c), "build_indexes");
        } else {
            look_at_figures(life);
        }
        usleep(20000);
    }
}

static void live(uint64_t seed)
{
    struct life life = { 0 };
    pthread_t threads[THREADS];
    static struct writer writers[THREADS];
    if (!went_well(open_life(&life, false), "open")) {
        return;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i].life = &life;
        writers[i].index = i;
        writers[i].seed = mix(seed + i + 1);
        writers[i].owner = &shared->owners[i];
        pthread_create(&threads[i], NULL, write_on, &writers[i]);
    }
    keep_up(&life, mix(seed));
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (!atomic_load(&shared->broken)) {
        close_life(&life);
    }
}

/* In a process of its own: whatever it sees is whole. */
static void follow(void)
{
    struct life life = { 0 };
    int status = open_life(&life, true);
    if (status != NACRE_OK) {
        if (status != NACRE_NOT_FOUND && status != NACRE_BUSY) {
            went_well(status, "open for reading"); /* else the writer has not made it yet, or was ahead */
        }
        return;
    }
    while (!atomic_load(&shared->stop)) {
        status = nacre_refresh(life.store);
        if (status != NACRE_OK && status != NACRE_BUSY && !went_well(status, "refresh")) {
            break;
        }
        nacre_cursor *cursor = NULL;
        if (went_well(nacre_scan(life.places[PLAIN], NULL, &cursor), "a reader's scan")) {
            for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
                unsigned version = 0, owner = 0, place = 0, slot = 0;
                nacre_slice value = nacre_cursor_value(cursor);
                char begin[64] = "";
                memcpy(begin, value.data, value.size < 63 ? value.size : 63);
                if (sscanf(begin + 1, "%u %u %u %u", &version, &owner, &place, &slot) != 4 ||
                    !is_version(owner, place, slot, version, NACRE_OK, value)) {
                    broke("a reader", begin);
                }
            }
            went_well(nacre_cursor_status(cursor), "a reader's scan");
            nacre_cursor_close(cursor);
        }
        atomic_fetch_add(&shared->refreshes, 1);
        usleep(50000);
    }
    if (!atomic_load(&shared->broken)) {
        close_life(&life);
    }
}

/* ---- lives ---- */

static pid_t begin_process(void (*main_of)(uint64_t), uint64_t seed)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        main_of(seed);
        fflush(NULL);
        _exit(atomic_load(&shared->broken) ? 1 : 0);
    }
    return pid;
}

static void follow_main(uint64_t seed)
{
    (void)seed;
    follow();
}

static void check_main(uint64_t seed)
{
    (void)seed;
    check_all();
}

/* Ended well, or killed by us. */
static void wait_for(pid_t pid, bool killed, const char *what)
{
    int status = 0;
    char text[80];
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status) && !(killed && WTERMSIG(status) == SIGKILL)) {
        snprintf(text, sizeof text, "ended by signal %d", WTERMSIG(status));
        broke(what, text);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && !atomic_load(&shared->broken)) {
        broke(what, "ended with an error");
    }
}

static void one_life(uint64_t seed, double seconds)
{
    bool kills = pick(&seed, 3) != 0;
    atomic_store(&shared->stop, false);
    pid_t writer = begin_process(live, seed), reader = begin_process(follow_main, seed);
    for (double waited = 0; waited < seconds && !atomic_load(&shared->broken); waited += 0.05) {
        usleep(50000);
    }
    if (kills && !atomic_load(&shared->broken)) {
        kill(writer, SIGKILL);
        atomic_fetch_add(&shared->kills, 1);
    }
    atomic_store(&shared->stop, true);
    wait_for(writer, kills, "the writer");
    wait_for(reader, false, "the reader");
    if (!atomic_load(&shared->broken)) {
        wait_for(begin_process(check_main, seed), false, "the check");
    }
    atomic_fetch_add(&shared->lives, 1);
}

static void tell(double seconds)
{
    printf("%6.0f s  %" PRIu64 " lives (%" PRIu64 " killed), %" PRIu64 " writes (%" PRIu64 " busy or undone), %" PRIu64
           " searches, %" PRIu64 " snapshots, %" PRIu64 " checkpoints, %" PRIu64 " backups, %" PRIu64
           " refreshes; memory at most %.1f MiB, %" PRIu64 " handles\n",
           seconds, shared->lives, shared->kills, shared->operations, shared->busy, shared->searches, shared->snapshots,
           shared->checkpoints, shared->backups, shared->refreshes, (double)shared->memory_most / 1048576,
           shared->handles_most);
    fflush(stdout);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: soak DIRECTORY SECONDS [SEED]\n");
        return 2;
    }
    directory = argv[1];
    double seconds = atof(argv[2]), began = now();
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return 2;
    }
    printf("soak: %s for %.0f seconds, seed %" PRIu64 "\n", directory, seconds, seed);
    for (uint64_t life = 0; now() - began < seconds && !atomic_load(&shared->broken); life++) {
        double left = seconds - (now() - began), length = 2 + (double)(mix(seed + life) % 80) / 10;
        one_life(mix(seed + 1000 * life), length < left ? length : left);
        tell(now() - began);
    }
    printf(atomic_load(&shared->broken) ? "soak: broken, seed %" PRIu64 "\n" : "soak: all well, seed %" PRIu64 "\n",
           seed);
    return atomic_load(&shared->broken) ? 1 : 0;
}
