/* See store_fixture.h. */
#include "store_fixture.h"
#include "base/clock.h"
#include "gate.h"
#include "os_memory.h"
#include <ftw.h>
#include <unistd.h>

void assert_status(int got, int want, const char *call, const char *file, int line)
{
    if (got != want) {
        fprintf(stderr, "%s:%d: %s gave %s, not %s: %s\n", file, line, call, nacre_status_name(got),
                nacre_status_name(want), nacre_last_error());
        fail();
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static int setup(void **state, nacre_kind kind, bool in_memory)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->options = (nacre_options)NACRE_OPTIONS_INIT;
    f->options.durability = NACRE_OS;
    f->options.write_timeout_ms =
        120000; /* no test fails because the disk is slow: each sync may take 50 ms beside others */
    f->kind = kind;
    f->dimension = kind == NACRE_VECTORS ? FIXTURE_DIMENSION : 0;
    f->metric = kind == NACRE_VECTORS ? NACRE_L2 : (nacre_metric)0;
    strncpy(f->path, in_memory ? "/store" : "/tmp/nacre-test-XXXXXX", sizeof f->path - 1);
    if (in_memory) {
        f->memory = os_memory_create();
        f->options.os = gate_over(f->memory);
    } else if (!mkdtemp(f->path)) {
        return -1;
    }
    fixture_open(f);
    *state = f;
    return 0;
}

int fixture_setup(void **state)
{
    return setup(state, NACRE_ORDERED, false);
}

int fixture_setup_strings(void **state)
{
    return setup(state, NACRE_STRINGS, false);
}

int fixture_setup_strings_in_memory(void **state)
{
    return setup(state, NACRE_STRINGS, true);
}

int fixture_setup_vectors(void **state)
{
    return setup(state, NACRE_VECTORS, false);
}

void fixture_open(struct fixture *f)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.kind = f->kind;
    options.dimension = f->dimension;
    options.metric = f->metric;
    assert_ok(nacre_open(f->path, &f->options, &f->store));
    int status = nacre_collection_open(f->store, "test", &f->collection);
    if (status == NACRE_NOT_FOUND) {
        status = nacre_collection_create(f->store, "test", &options, &f->collection);
    }
    assert_ok(status);
}

void fixture_close(struct fixture *f)
{
    nacre_collection_close(f->collection);
    f->collection = NULL;
    assert_ok(nacre_close(f->store));
    f->store = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    if (f->memory) {
        gate_open();
    }
    if (f->store) {
        nacre_collection_close(f->collection);
        nacre_close(f->store);
    }
    if (f->memory) {
        os_memory_free(f->memory);
    } else {
        nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    free(f);
    return 0;
}

nacre_slice text(const char *s)
{
    return (nacre_slice){ s, strlen(s) };
}

void put(struct fixture *f, const char *key, const char *value)
{
    assert_ok(nacre_put(f->collection, text(key), text(value), NULL));
}

void delete_key(struct fixture *f, const char *key)
{
    assert_ok(nacre_delete(f->collection, text(key), NULL));
}

const char *get(struct fixture *f, const char *key)
{
    static char out[4096];
    nacre_value value;
    int status = nacre_get(f->collection, text(key), NULL, &value);
    if (status == NACRE_NOT_FOUND) {
        return "<none>";
    }
    assert_ok(status);
    snprintf(out, sizeof out, "%.*s", (int)value.slice.size, (const char *)value.slice.data);
    nacre_value_release(&value);
    return out;
}

const char *scan(struct fixture *f, const nacre_scan_options *options)
{
    static char out[65536];
    size_t used = 0;
    nacre_cursor *cursor;
    out[0] = 0;
    assert_ok(nacre_scan(f->collection, options, &cursor));
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%.*s=%.*s", used ? " " : "", (int)key.size,
                                 (const char *)key.data, (int)value.size, (const char *)value.data);
        assert_true(used < sizeof out);
    }
    assert_ok(nacre_cursor_status(cursor));
    nacre_cursor_close(cursor);
    return out;
}

uint64_t stat_of(nacre_store *store, const char *name)
{
    char *json, quoted[80];
    assert_ok(nacre_stats(store, &json));
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *at = strstr(json, quoted);
    assert_non_null(at);
    uint64_t value = strtoull(at + strlen(quoted), NULL, 10);
    nacre_free(json);
    return value;
}

void wait_for_stat(nacre_store *store, const char *name, uint64_t value)
{
    for (unsigned i = 0; stat_of(store, name) != value; i++) {
        if (i == 20000) {
            fprintf(stderr, "%s is %llu, not %llu\n", name, (unsigned long long)stat_of(store, name),
                    (unsigned long long)value);
            fail();
        }
        clock_sleep_ns(1000000);
    }
}
