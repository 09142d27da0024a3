/* Random histories over collections with all options at once (rich_model.h), of stores that are moved again and again: reopened, killed, cut off power, salvaged in place and into copies, with and without
   a manifest, checkpointed, backed up and restored, by the writer and by a reader. Nothing is damaged but what the move says: so after each, and once the store has been let alone, it answers as before,
   and takes writes as before. The seed is printed with a failure; NACRE_TEST_SEED runs that one alone, NACRE_TEST_SCALE makes more of them. */
#include "base/clock.h"
#include "support/model.h"
#include "support/os_memory.h"
#include "support/rich_model.h"
#include "support/store_fixture.h"

#define MOVES     5
#define SNAPSHOTS 3
#define TAIL      3 /* writes that a power cut may take */

struct history {
    struct rich rich;
    uint64_t seed;
    nacre_os *os;
    nacre_options options;
    char path[32];
    unsigned paths, backups; /* made so far */
    char trace[800];
    nacre_snapshot *snapshots[SNAPSHOTS];
    struct rich_model *kept[SNAPSHOTS];
    char *report;
};

static void complain(struct history *h, const char *what)
{
    fprintf(stderr, "seed %llu,%s: %s\n", (unsigned long long)h->seed, h->trace, what);
    if (h->report) {
        fprintf(stderr, "the last salvage: %.3000s\n", h->report);
    }
    fail();
}

static void note(struct history *h, const char *what)
{
    size_t used = strlen(h->trace);
    snprintf(h->trace + used, sizeof h->trace - used, " %s", what);
}

static void must(struct history *h, int status, const char *call)
{
    if (status != NACRE_OK) {
        char words[1200];
        snprintf(words, sizeof words, "%s gave %s: %s", call, nacre_status_name(status), nacre_last_error());
        complain(h, words);
    }
}
#define MUST(call) must(h, (call), #call)

static uint64_t draw(struct history *h, uint64_t below)
{
    return rich_random(&h->rich, below);
}

static nacre_collection *any_collection(struct history *h)
{
    return h->rich.collections[draw(h, RICH_COLLECTIONS)];
}

/* ---- comparing ---- */

static void compare(struct history *h)
{
    const char *wrong = rich_compare(&h->rich, &h->rich.now, NULL);
    for (unsigned i = 0; i < SNAPSHOTS && !wrong; i++) {
        wrong = h->snapshots[i] ? rich_compare(&h->rich, h->kept[i], h->snapshots[i]) : NULL;
    }
    if (wrong) {
        complain(h, wrong);
    }
}

static uint64_t sum_of(const char *json, const char *name)
{
    uint64_t sum = 0;
    for (const char *at = json; (at = strstr(at, name)); at += strlen(name)) {
        sum += strtoull(at + strlen(name), NULL, 10);
    }
    return sum;
}

/* Until nothing is at work, or waits to be. */
static void wait_until_idle(struct history *h)
{
    for (unsigned quiet = 0, round = 0; quiet < 2; round++) {
        char *json;
        MUST(nacre_stats(h->rich.store, &json));
        quiet = sum_of(json, "\"queued\":") + sum_of(json, "\"running\":") == 0 ? quiet + 1 : 0;
        nacre_free(json);
        if (round > 20000) {
            complain(h, "background work does not end");
        }
        clock_sleep_ns(200000);
    }
}

static void settle(struct history *h)
{
    const nacre_slice all = { NULL, 0 };
    if (draw(h, 3) == 0) {
        for (unsigned c = 0; c < RICH_COLLECTIONS; c++) {
            MUST(nacre_compact(h->rich.collections[c], all, all));
        }
    }
    wait_until_idle(h);
    compare(h);
}

/* ---- a store ---- */

static void open_store(struct history *h, bool create)
{
    MUST(nacre_open(h->path, &h->options, &h->rich.store));
    MUST(rich_open(&h->rich, create));
}

static void release_snapshot(struct history *h, unsigned i)
{
    nacre_snapshot_release(h->snapshots[i]);
    h->snapshots[i] = NULL;
}

static void close_store(struct history *h)
{
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        release_snapshot(h, i);
    }
    rich_close(&h->rich);
    MUST(nacre_close(h->rich.store));
}

static void new_path(struct history *h, char out[32])
{
    snprintf(out, 32, "/store%u", ++h->paths);
}

/* Leaves the store as a process leaves it that is killed now: what was written is there, nothing is closed. */
static void kill_store(struct history *h)
{
    nacre_os *copy = os_memory_create();
    os_memory_copy_tree(copy, h->os);
    close_store(h);
    os_memory_free(h->os);
    h->os = copy;
    h->options.os = copy;
}

static void close_or_kill(struct history *h)
{
    bool closed = draw(h, 2) != 0;
    note(h, closed ? "closed" : "killed");
    if (closed) {
        close_store(h);
    } else {
        kill_store(h);
    }
}

static void move_clock(struct history *h)
{
    static const uint64_t steps[] = { 1, 1000, 5000, 45000, 130000, 4000000 };
    rich_clock_move(steps[draw(h, sizeof steps / sizeof steps[0])]);
}

static void take_snapshot(struct history *h)
{
    unsigned i = (unsigned)draw(h, SNAPSHOTS);
    release_snapshot(h, i);
    if (draw(h, 3)) {
        MUST(nacre_snapshot_create(h->rich.store, &h->snapshots[i]));
        *h->kept[i] = h->rich.now;
    }
}

static void compact_some(struct history *h)
{
    char begin[2] = { (char)('a' + (char)draw(h, 4)), 0 }, end[2] = { (char)(begin[0] + 1), 0 };
    bool all = draw(h, 2) == 0;
    MUST(nacre_compact(any_collection(h), text(all ? "" : begin), text(all ? "" : end)));
}

static void step(struct history *h)
{
    unsigned what = (unsigned)draw(h, 100);
    if (what < 66) {
        MUST(rich_write(&h->rich));
    } else if (what < 72) {
        move_clock(h);
    } else if (what < 80) {
        MUST(nacre_seal(any_collection(h)));
    } else if (what < 87) {
        MUST(nacre_flush(any_collection(h)));
    } else if (what < 90) {
        compact_some(h);
    } else if (what < 95) {
        take_snapshot(h);
    } else if (what < 97) {
        MUST(nacre_reclaim(h->rich.store));
    } else {
        compare(h);
    }
}

/* ---- moves ---- */

static void move_power(struct history *h)
{
    struct rich_model *before = malloc(TAIL * sizeof *before);
    uint64_t seed = h->rich.seed;
    unsigned count = (unsigned)draw(h, TAIL + 1);
    bool at_memory = h->rich.at_memory;
    h->rich.at_memory = false;
    MUST(nacre_sync(h->rich.store));
    for (unsigned i = 0; i < count; i++) {
        before[i] = h->rich.now;
        MUST(rich_write_one(&h->rich));
    }
    h->rich.at_memory = at_memory;
    kill_store(h);
    os_memory_restart(h->os, seed);
    open_store(h, false);
    const char *wrong = rich_compare(&h->rich, &h->rich.now, NULL);
    while (wrong && count > 0) {
        h->rich.now = before[--count];
        wrong = rich_compare(&h->rich, &h->rich.now, NULL);
    }
    free(before);
    if (wrong) {
        complain(h, wrong);
    }
}

static void move_salvage(struct history *h)
{
    close_or_kill(h);
    nacre_free(h->report);
    h->report = NULL;
    MUST(nacre_salvage(h->path, &h->options, &h->report));
    open_store(h, false);
}

struct removing {
    struct history *h;
    const char *directory;
    uint64_t kept; /* bytes of each file; 0: none */
};

static void shorten(void *context, const char *name)
{
    struct removing *r = context;
    char path[96];
    snprintf(path, sizeof path, "%s/%s", r->directory, name);
    if (r->kept) {
        os_memory_resize(r->h->os, path, r->kept);
    } else {
        must(r->h, r->h->os->remove(r->h->os->context, path), "remove");
    }
}

/* All of it, or where it is, or the second half of what it says. */
static void lose_manifest(struct history *h)
{
    char path[64];
    unsigned how = (unsigned)draw(h, 3);
    struct removing r = { h, path, how == 2 ? 200 + draw(h, 3000) : 0 };
    note(h, how == 0 ? "manifest" : how == 1 ? "CURRENT" : "half-manifest");
    if (how < 2) {
        snprintf(path, sizeof path, "%s/CURRENT", h->path);
        MUST(h->os->remove(h->os->context, path));
    }
    if (how != 1) {
        snprintf(path, sizeof path, "%s/manifest", h->path);
        MUST(h->os->list(h->os->context, path, shorten, &r));
    }
}

static void move_copy(struct history *h, bool blind)
{
    char to[32];
    if (blind) {
        for (unsigned c = 0; c < RICH_COLLECTIONS; c++) {
            MUST(rich_put_last(&h->rich, c));
            MUST(nacre_flush(h->rich.collections[c]));
        }
        for (uint64_t n = draw(h, 10); n > 0; n--) {
            MUST(rich_write(&h->rich));
        }
        if (h->rich.at_memory) {
            MUST(nacre_sync(h->rich.store));
        }
    }
    close_or_kill(h);
    if (blind) {
        lose_manifest(h);
    }
    if (draw(h, 2)) {
        move_clock(h);
    }
    new_path(h, to);
    nacre_free(h->report);
    h->report = NULL;
    MUST(nacre_salvage_copy(h->path, to, &h->options, &h->report));
    if (!blind && !strstr(h->report, "\"damage\":[]")) {
        complain(h, "a salvage copy of a sound store finds damage");
    }
    snprintf(h->path, sizeof h->path, "%s", to);
    open_store(h, false);
}

/* The writer, or an opening for reading beside it. */
static nacre_store *open_source(struct history *h)
{
    nacre_options options = h->options;
    nacre_store *reader = NULL;
    options.read_only = true;
    if (draw(h, 2)) {
        note(h, "by-reader");
        MUST(nacre_open(h->path, &options, &reader));
    }
    return reader;
}

static void leave_for(struct history *h, nacre_store *reader, const char *to)
{
    MUST(nacre_close(reader));
    close_store(h);
    snprintf(h->path, sizeof h->path, "%s", to);
    open_store(h, false);
}

static void move_checkpoint(struct history *h)
{
    char to[32];
    nacre_store *reader = open_source(h);
    new_path(h, to);
    MUST(nacre_checkpoint(reader ? reader : h->rich.store, to));
    leave_for(h, reader, to);
}

static void move_backup(struct history *h)
{
    char to[32];
    uint64_t id;
    nacre_backup_options options = NACRE_BACKUP_OPTIONS_INIT;
    options.verify = draw(h, 2) != 0;
    options.without_indexes = draw(h, 2) != 0;
    nacre_store *reader = open_source(h);
    MUST(nacre_backup(reader ? reader : h->rich.store, "/backups", &options, &id));
    new_path(h, to);
    MUST(nacre_restore("/backups", id, to, &h->options));
    leave_for(h, reader, to);
}

static void look_beside(struct history *h)
{
    struct rich beside = h->rich;
    nacre_options options = h->options;
    const char *wrong = NULL;
    options.read_only = true;
    MUST(nacre_open(h->path, &options, &beside.store));
    MUST(rich_open(&beside, false));
    for (unsigned round = 0; round < 4 && !wrong; round++) {
        struct rich_model seen = h->rich.now;
        wrong = rich_compare(&beside, &seen, NULL);
        for (unsigned n = 0; n < 20; n++) {
            step(h);
        }
        wrong = wrong ? wrong : rich_compare(&beside, &seen, NULL);
        if (h->rich.at_memory) {
            MUST(nacre_sync(h->rich.store));
        }
        MUST(nacre_refresh(beside.store));
    }
    if (wrong) {
        note(h, "(the reader)");
        complain(h, wrong);
    }
    rich_close(&beside);
    MUST(nacre_close(beside.store));
}

static void move(struct history *h)
{
    static const char *const names[] = { "reopen",     "power",      "salvage",    "copy",   "copy", "blind-copy",
                                         "blind-copy", "blind-copy", "checkpoint", "backup", "look" };
    unsigned what = (unsigned)draw(h, sizeof names / sizeof names[0]);
    note(h, names[what]);
    if (h->rich.at_memory) {
        MUST(nacre_sync(h->rich.store));
    }
    switch (what) {
    case 0:
        close_or_kill(h);
        open_store(h, false);
        break;
    case 1:
        move_power(h);
        break;
    case 2:
        move_salvage(h);
        break;
    case 8:
        move_checkpoint(h);
        break;
    case 9:
        move_backup(h);
        break;
    case 10:
        look_beside(h);
        break;
    default:
        move_copy(h, what >= 5);
    }
    compare(h);
    const char *wrong = rich_compare_options(&h->rich);
    if (wrong) {
        complain(h, wrong);
    }
}

/* ---- histories ---- */

static void tune(struct history *h)
{
    static const char *const tiny[] = { "seal_bytes",       "8192",  "segment_bytes",    "16384",
                                        "level_base_bytes", "65536", "level0_runs",      "2",
                                        "block_bytes",      "512",   "level_ratio",      "2",
                                        "log_file_bytes",   "65536", "value_file_bytes", "16384",
                                        "tier_runs",        "2" };
    static const char *const other[] = {
        "compression_top",   "1", "compression_bottom", "2", "segment_map",           "0",
        "log_map",           "0", "tombstone_percent",  "5", "value_garbage_percent", "5",
        "async_index_build", "1", "learned_index",      "1", "log_recycle",           "0"
    };
    bool small = draw(h, 4) != 0;
    for (size_t i = 0; i < sizeof tiny / sizeof tiny[0] && small; i += 2) {
        MUST(nacre_tune(h->rich.store, tiny[i], tiny[i + 1]));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i += 2) {
        if (draw(h, 3) == 0) {
            MUST(nacre_tune(h->rich.store, other[i], other[i + 1]));
        }
    }
}

static void run_history(uint64_t seed)
{
    struct history *h = calloc(1, sizeof *h);
    rich_clock_begin();
    rich_begin(&h->rich, seed);
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        h->kept[i] = malloc(sizeof *h->kept[i]);
    }
    h->seed = seed;
    h->os = os_memory_create();
    h->options = (nacre_options)NACRE_OPTIONS_INIT;
    h->options.os = h->os;
    h->options.hooks = &rich_hooks;
    h->options.durability = NACRE_OS;
    h->options.memory_budget = (uint64_t)(draw(h, 2) ? 16 : 64) << 20;
    h->options.log_limit = 4 << 20;
    h->options.background_threads = 1 + (uint32_t)draw(h, 2);
    new_path(h, h->path);
    open_store(h, true);
    tune(h);
    close_store(h);
    open_store(h, false);
    for (unsigned i = 0; i < MOVES; i++) {
        for (uint64_t n = 20 + draw(h, 150); n > 0; n--) {
            step(h);
        }
        compare(h);
        move(h);
        if (draw(h, 3)) {
            settle(h);
        }
    }
    settle(h);
    close_store(h);
    nacre_free(h->report);
    os_memory_free(h->os);
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        free(h->kept[i]);
    }
    rich_end(&h->rich);
    rich_clock_end();
    free(h);
}

static void stores_with_all_options_answer_alike_wherever_they_are_moved(void **state)
{
    const char *seed = getenv("NACRE_TEST_SEED"), *scale = getenv("NACRE_TEST_SCALE");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 1,
             count = seed ? 1 : 12 * (scale ? strtoull(scale, NULL, 10) : 1);
    (void)state;
    for (uint64_t s = first; s < first + count; s++) {
        run_history(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        stores_with_all_options_answer_alike_wherever_they_are_moved) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
