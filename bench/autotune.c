/* A load that shifts, with the fixed defaults and with the autotuner in turn, in stores of their own: puts of random keys in bulk, random gets over
   compressed data that is larger than the block cache, gets and puts mixed, scans, and gets again. Prints what each phase did per second of processor time of the whole
   process, its merges included, medians of rounds; merges of one store are paused while the other is at work. Usage: bench_autotune DIRECTORY [rounds [name=value ...]]; the directory is new and stays; parameters are set in both. */
#include "median.h"
#include <nacre/nacre.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_MOST = 15, KEYS = 200000, VALUE_BYTES = 150, BUDGET_MIB = 32, SCAN_KEYS = 200, PHASES = 5 };

static const char *const phases[PHASES] = { "bulk puts", "gets", "mixed", "scans", "gets again" };

struct arm {
    nacre_store *store;
    nacre_collection *collection;
    uint64_t seed;
    double rates[PHASES][ROUNDS_MOST], seconds[ROUNDS_MOST];
};

static void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        fprintf(stderr, "%s: %s\n", what, nacre_last_error());
        exit(1);
    }
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t draw(struct arm *arm)
{
    arm->seed ^= arm->seed << 13;
    arm->seed ^= arm->seed >> 7;
    arm->seed ^= arm->seed << 17;
    return arm->seed;
}

/* Keys are spread over the whole range whatever order they come in. */
static nacre_slice key_of(uint64_t i, char key[24])
{
    snprintf(key, 24, "%016llx", (unsigned long long)(i * UINT64_C(0x9e3779b97f4a7c15)));
    return (nacre_slice){ key, 16 };
}

static void put_one(struct arm *arm, uint64_t i)
{
    char key[24], value[VALUE_BYTES];
    for (unsigned at = 0; at < VALUE_BYTES; at += 10) { /* halves when compressed, about */
        snprintf(value + at, (size_t)VALUE_BYTES - at < 11 ? (size_t)VALUE_BYTES - at : 11, "%04x------",
                 (unsigned)(draw(arm) & 0xffff));
    }
    must(nacre_put(arm->collection, key_of(i, key), (nacre_slice){ value, sizeof value }, NULL), "put");
}

static void get_one(struct arm *arm)
{
    char key[24];
    nacre_value value;
    must(nacre_get(arm->collection, key_of(draw(arm) % KEYS, key), NULL, &value), "get");
    nacre_value_release(&value);
}

static void scan_some(struct arm *arm)
{
    char key[24];
    nacre_cursor *cursor;
    must(nacre_scan(arm->collection, NULL, &cursor), "scan");
    nacre_cursor_seek(cursor, key_of(draw(arm) % KEYS, key));
    for (unsigned i = 0; i < SCAN_KEYS && nacre_cursor_valid(cursor); i++) {
        nacre_cursor_next(cursor);
    }
    nacre_cursor_close(cursor);
}

/* Of the same work in both arms. */
static uint64_t run_phase(struct arm *arm, unsigned phase)
{
    uint64_t count = phase == 0 ? 2 * KEYS : phase == 1 || phase == 4 ? 2 * KEYS : phase == 2 ? KEYS : 2000;
    for (uint64_t i = 0; i < count; i++) {
        switch (phase) {
        case 0:
            put_one(arm, i < KEYS ? i : draw(arm) % KEYS);
            break;
        case 2:
            if (i % 4 == 0) {
                put_one(arm, draw(arm) % KEYS);
                break;
            }
            get_one(arm);
            break;
        case 3:
            scan_some(arm);
            break;
        default:
            get_one(arm);
        }
    }
    return phase == 3 ? count * SCAN_KEYS : count;
}

static void set(nacre_store *store, const char *assignment)
{
    char name[64];
    const char *equals = strchr(assignment, '=');
    if (!equals || (size_t)(equals - assignment) >= sizeof name) {
        fprintf(stderr, "%s: not name=value\n", assignment);
        exit(2);
    }
    memcpy(name, assignment, (size_t)(equals - assignment));
    name[equals - assignment] = 0;
    must(nacre_tune(store, name, equals + 1), assignment);
}

static void open_arm(struct arm *arm, const char *directory, bool tuned, unsigned round, int count, char **assignments)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    char path[512];
    snprintf(path, sizeof path, "%s/%s%u", directory, tuned ? "tuned" : "fixed", round);
    options.durability = NACRE_OS;
    options.error_if_exists = true;
    options.memory_budget = (uint64_t)BUDGET_MIB << 20;
    must(nacre_open(path, &options, &arm->store), "open");
    must(nacre_set_autotune(arm->store, tuned), "set_autotune");
    must(nacre_tune(arm->store, NACRE_TUNING_COMPRESSION_TOP, "2"), "tune");
    must(nacre_tune(arm->store, NACRE_TUNING_COMPRESSION_MIDDLE, "2"), "tune");
    for (int i = 0; i < count; i++) {
        set(arm->store, assignments[i]);
    }
    must(nacre_collection_create(arm->store, "bench", NULL, &arm->collection), "create");
    must(nacre_pause_compaction(arm->store, 600000), "pause");
    arm->seed = 88172645463325252u + round;
}

static void close_arm(struct arm *arm, bool show)
{
    char *json;
    must(nacre_stats(arm->store, &json), "stats");
    char *at = strstr(json, "\"autotune\":"), *end = at ? strstr(at, "]}") : NULL;
    if (show && at && end) {
        for (char *c = at; c < end + 2; c++) { /* a decision a line */
            putchar(*c);
            if (*c == '}') {
                putchar('\n');
            }
        }
        putchar('\n');
    }
    nacre_free(json);
    nacre_collection_close(arm->collection);
    must(nacre_close(arm->store), "close");
}

/* Phase by phase in both, so that what else the machine does meets both alike. */
static void run_round(struct arm arms[2], unsigned round)
{
    for (unsigned phase = 0; phase < PHASES; phase++) {
        for (unsigned i = 0; i < 2; i++) {
            struct arm *arm = &arms[(i + round + phase) % 2];
            must(nacre_resume_compaction(arm->store), "resume");
            double start = seconds_now();
            uint64_t done = run_phase(arm, phase);
            must(nacre_pause_compaction(arm->store, 600000), "pause");
            double took = seconds_now() - start;
            arm->rates[phase][round] = (double)done / took;
            arm->seconds[round] += took;
        }
    }
}

int main(int argc, char **argv)
{
    static struct arm arms[2];
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 3;
    if (argc < 2 || rounds == 0 || rounds > ROUNDS_MOST) {
        fprintf(stderr, "usage: bench_autotune DIRECTORY [rounds, up to %d [name=value ...]]\n", ROUNDS_MOST);
        return 2;
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < 2; i++) {
            open_arm(&arms[i], argv[1], i == 1, round, argc > 3 ? argc - 3 : 0, argv + 3);
        }
        run_round(arms, round);
        close_arm(&arms[0], false);
        close_arm(&arms[1], round == 0);
    }
    for (unsigned phase = 0; phase < PHASES; phase++) {
        double fixed = median(arms[0].rates[phase], rounds), tuned = median(arms[1].rates[phase], rounds);
        printf("%-12s fixed %9.0f per s  tuned %9.0f per s  %+6.1f %%\n", phases[phase], fixed, tuned,
               100 * (tuned - fixed) / fixed);
    }
    double fixed = median(arms[0].seconds, rounds), tuned = median(arms[1].seconds, rounds);
    printf("%-12s fixed %9.2f s      tuned %9.2f s      %+6.1f %% time\n", "all", fixed, tuned,
           100 * (tuned - fixed) / fixed);
    return 0;
}
