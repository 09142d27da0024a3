/* The power fails at every call of the file layer, again and again on the same store, with writes, seals and merges between the
   crashes. After each: what was acknowledged at level disk is there, every batch is whole or absent, and what is there is a prefix of what
   was written. NACRE_TEST_SCALE tries more cuts. */
#include "support/model_txn.h"
#include "support/os_memory.h"
#include "support/store_fixture.h"

#define BATCHES_MOST 400

struct life {
    nacre_os *os;
    nacre_options options;
    nacre_store *store;
    nacre_collection *collections[MODEL_COLLECTIONS];
    uint64_t seed;
    uint32_t next_value;
    struct model states[BATCHES_MOST + 1]; /* after each batch that was tried; [0] is what the life began with */
    unsigned tried, durable;               /* states[durable..tried] are what may be found after the crash */
};

static int open_store(struct life *l)
{
    static const char *const tuning[] = { "seal_bytes",       "8192",  "segment_bytes",  "16384",
                                          "level_base_bytes", "65536", "level0_runs",    "2",
                                          "block_bytes",      "512",   "log_file_bytes", "65536",
                                          "value_file_bytes", "16384" };
    int status = nacre_open("/store", &l->options, &l->store);
    for (unsigned i = 0; i < sizeof tuning / sizeof tuning[0] && status == NACRE_OK; i += 2) {
        status = nacre_tune(l->store, tuning[i], tuning[i + 1]);
    }
    if (status == NACRE_OK) {
        status = model_open(&l->states[0], l->store, l->collections);
    }
    return status;
}

static void close_store(struct life *l)
{
    for (unsigned c = 0; c < MODEL_COLLECTIONS; c++) {
        nacre_collection_close(l->collections[c]);
        l->collections[c] = NULL;
    }
    (void)nacre_close(l->store); /* the power may be gone */
    l->store = NULL;
}

static int one_step(struct life *l, nacre_batch *batch)
{
    unsigned what = (unsigned)(model_random(&l->seed) % 100);
    nacre_collection *collection = l->collections[model_random(&l->seed) % MODEL_COLLECTIONS];
    if (what < 4) {
        return nacre_flush(collection);
    }
    if (what < 7) {
        return nacre_seal(collection);
    }
    if (what < 8) {
        return nacre_compact(collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    }
    if (what < 13) {
        l->states[l->tried + 1] = l->states[l->tried];
        l->tried++;
        int status = model_random_ingest(&l->states[l->tried], l->collections, &l->seed, &l->next_value);
        l->durable = status == NACRE_OK ? l->tried : l->durable;
        return status;
    }
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.durability = model_random(&l->seed) % 3 ? NACRE_DISK : NACRE_OS;
    nacre_batch_clear(batch);
    l->states[l->tried + 1] = l->states[l->tried];
    l->tried++;
    int status;
    if (what < 40) {
        const char *wrong;
        status = model_random_txn(&l->states[l->tried], l->store, l->collections, &l->seed, &l->next_value, &options,
                                  &wrong);
        if (wrong) {
            fprintf(stderr, "%s\n", wrong);
            fail();
        }
    } else {
        model_random_batch(&l->states[l->tried], batch, l->collections, &l->seed, &l->next_value);
        status = nacre_write(l->store, batch, &options);
    }
    /* A transaction that wrote nothing made nothing durable. */
    bool wrote = what >= 40 || memcmp(&l->states[l->tried], &l->states[l->tried - 1], sizeof l->states[0]) != 0;
    if (status == NACRE_OK && options.durability == NACRE_DISK && wrote) {
        l->durable = l->tried;
    }
    return status;
}

/* Runs until the power fails or the batches are used up. */
static void live(struct life *l, unsigned batches)
{
    nacre_batch *batch;
    assert_ok(nacre_batch_create(&batch));
    int status = open_store(l);
    while (status == NACRE_OK && l->tried < batches) {
        status = one_step(l, batch);
    }
    nacre_batch_free(batch);
    close_store(l);
}

/* Of each state what differs: a state that is nearly the right one tells more than one that is far from it. */
static void complain(char *complaints, size_t size, unsigned state, const char *wrong)
{
    size_t used = strlen(complaints);
    if (wrong) {
        snprintf(complaints + used, size - used, "  %u: %s\n", state, wrong);
    }
}

/* Opens what is left and finds which of the states it is; that is where the next life begins. */
static void recover(struct life *l, uint64_t cut, uint64_t seed)
{
    int status = open_store(l);
    if (status != NACRE_OK) {
        fprintf(stderr, "cut at call %llu, seed %llu: open gave %s: %s\n", (unsigned long long)cut,
                (unsigned long long)seed, nacre_status_name(status), nacre_last_error());
        fail();
    }
    char complaints[4096] = "";
    const char *wrong = "";
    unsigned state = l->tried + 1;
    while (wrong && state-- > l->durable) {
        wrong = model_compare(&l->states[state], l->collections, NULL);
        complain(complaints, sizeof complaints, state, wrong);
    }
    if (wrong) {
        fprintf(stderr, "cut at call %llu, seed %llu: none of the states %u to %u\n%s", (unsigned long long)cut,
                (unsigned long long)seed, l->durable, l->tried, complaints);
        fail();
    }
    struct model found = l->states[state];
    close_store(l);
    l->states[0] = found;
    l->tried = l->durable = 0;
}

static struct life *new_life(uint64_t seed)
{
    struct life *l = calloc(1, sizeof *l);
    l->os = os_memory_create();
    l->options = (nacre_options)NACRE_OPTIONS_INIT;
    l->options.os = l->os;
    l->options.memory_budget = 32 << 20;
    l->options.log_limit = 4 << 20;
    l->seed = seed;
    l->states[0].merges = seed % 2;
    l->options.hooks = &model_hooks;
    l->states[0].kinds[1] = NACRE_STRINGS;
    l->states[0].kinds[2] = NACRE_VECTORS;
    l->states[0].value_log_threshold = seed % 2 ? 16 : 0;
    return l;
}

static void end_life(struct life *l)
{
    os_memory_free(l->os);
    free(l);
}

static unsigned scale(void)
{
    const char *text = getenv("NACRE_TEST_SCALE");
    return text ? (unsigned)atoi(text) : 1;
}

static void cut_at_any_call(uint64_t seed)
{
    struct life *l = new_life(seed);
    live(l, 120);
    assert_int_equal(l->tried, 120); /* with the power on all goes well */
    uint64_t calls = os_memory_calls(l->os);
    end_life(l);
    uint64_t stride = calls / (120 * scale()) + 1;
    for (uint64_t cut = 1; cut < calls; cut += stride) {
        l = new_life(seed);
        os_memory_cut_at(l->os, cut);
        live(l, 120);
        os_memory_restart(l->os, cut);
        recover(l, cut, cut);
        end_life(l);
    }
}

static void a_power_cut_at_any_call_keeps_what_was_acknowledged(void **state)
{
    (void)state;
    cut_at_any_call(4712);
}

static void a_power_cut_at_any_call_keeps_what_was_acknowledged_in_the_value_log(void **state)
{
    (void)state;
    cut_at_any_call(4711);
}

static void repeated_power_cuts_lose_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6 * scale(); seed++) {
        struct life *l = new_life(seed * 31337);
        for (unsigned crash = 0; crash < 15; crash++) {
            uint64_t chance = seed * 1000 + crash * 77 + 1;
            uint64_t cut = os_memory_calls(l->os) + 1 + model_random(&chance) % 700;
            os_memory_cut_at(l->os, cut);
            live(l, 150);
            os_memory_restart(l->os, chance);
            /* Half of the time the power fails during the recovery as well. */
            if (crash % 2) {
                os_memory_cut_at(l->os, os_memory_calls(l->os) + 1 + model_random(&chance) % 60);
                (void)open_store(l);
                close_store(l);
                os_memory_restart(l->os, chance + 1);
            }
            recover(l, cut, chance);
        }
        end_life(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_at_any_call_keeps_what_was_acknowledged),
        cmocka_unit_test(a_power_cut_at_any_call_keeps_what_was_acknowledged_in_the_value_log),
        cmocka_unit_test(repeated_power_cuts_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
