/* Telling statistics to other processes (see announce.h).

     WATCH = magic u32 | asked u32 | answered u32 | zeros up to WATCH_BYTES      in the machine's own byte order
     STATS = one JSON object

   Invariants:
   1. `answered` follows `asked`; once it has reached what an asker made of `asked`, STATS is newer than the question.
   2. a new opening makes a new WATCH and never shortens one: who has mapped an old one only waits in vain.
   Threads: one teller per store; askers from any process. Locks: those of nacre_stats, by the teller. */
#include "store/announce.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/thread.h"
#include "store/store.h"

#define WATCH_BYTES     4096u
#define WATCH_MAGIC     0x54415743u /* "CWAT" */
#define STATS_BYTES_MAX ((uint64_t)64 << 20)
#define LOOK_NS         10000000u

struct watch_page {
    _Atomic uint32_t magic, asked, answered;
};

struct announcer {
    nacre_store *store;
    struct watch_page *page;
    _Atomic bool stop;
    pthread_t thread;
};

/* ---- telling ---- */

/* Not synced: nobody wants it after a crash. */
static int write_stats(nacre_store *store, const char *json)
{
    char path[OS_PATH_MAX], aside[OS_PATH_MAX];
    const nacre_os *os = store->os;
    nacre_file *file = NULL;
    int status = os_path(path, store->path, "STATS");
    status = status == NACRE_OK ? os_path(aside, store->path, "STATS.tmp") : status;
    if (status == NACRE_OK) {
        status = os->open(os->context, aside, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file);
    }
    if (status != NACRE_OK) {
        return status;
    }
    status = os->truncate(file, 0);
    status = status == NACRE_OK ? os->write(file, 0, json, strlen(json)) : status;
    int closed = os->close(file);
    status = status == NACRE_OK ? closed : status;
    return status == NACRE_OK ? os->rename(os->context, aside, path) : status;
}

static int tell(nacre_store *store)
{
    char *json = NULL;
    int status = store_stats_json(store, &json);
    if (status == NACRE_OK) {
        status = write_stats(store, json);
    }
    memory_free(json);
    return status;
}

static bool stopped(struct announcer *a)
{
    return atomic_load_explicit(&a->stop, memory_order_acquire); /* pairs with announcer_stop */
}

static void *teller(void *context)
{
    struct announcer *a = context;
    struct watch_page *page = a->page;
    thread_work_behind();
    while (!stopped(a)) {
        uint32_t asked = atomic_load_explicit(&page->asked, memory_order_acquire);
        if (asked == atomic_load_explicit(&page->answered, memory_order_relaxed)) {
            futex_wait_shared(&page->asked, asked, NULL);
            continue;
        }
        uint64_t next = clock_monotonic_ns() + ANNOUNCE_LEAST_NS;
        if (tell(a->store) == NACRE_OK) { /* else who asks waits in vain, and looks by himself */
            atomic_store_explicit(&page->answered, asked, memory_order_release); /* pairs with await */
            futex_wake_shared(&page->answered, INT32_MAX);
        }
        while (!stopped(a) && clock_monotonic_ns() < next) {
            clock_sleep_ns(LOOK_NS);
        }
    }
    return NULL;
}

/* Invariant 2. */
static int make_page(const nacre_store *store, struct watch_page **page)
{
    char path[OS_PATH_MAX];
    const nacre_os *os = store->os;
    nacre_file *file = NULL;
    int status = os_path(path, store->path, "WATCH");
    if (status == NACRE_OK) {
        status = os->remove(os->context, path);
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    if (status == NACRE_OK) {
        status = os->open(os->context, path,
                          NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE, &file);
    }
    if (status != NACRE_OK) {
        return status;
    }
    status = os->allocate(file, WATCH_BYTES);
    status = status == NACRE_OK ? os->truncate(file, WATCH_BYTES) : status;
    status = status == NACRE_OK ? os->map(file, WATCH_BYTES, true, (void **)page) : status;
    (void)os->close(file); /* the map stays */
    return status;
}

struct announcer *announcer_start(nacre_store *store)
{
    struct announcer *a = memory_zalloc(sizeof *a);
    if (!a) {
        return NULL;
    }
    a->store = store;
    if (make_page(store, &a->page) != NACRE_OK) {
        memory_free(a);
        return NULL;
    }
    atomic_store_explicit(&a->page->magic, WATCH_MAGIC, memory_order_release);
    if (pthread_create(&a->thread, NULL, teller, a) != 0) {
        (void)fail(NACRE_NO_MEMORY, "the thread that tells statistics could not be started");
        (void)store->os->unmap(a->page, WATCH_BYTES);
        memory_free(a);
        return NULL;
    }
    return a;
}

void announcer_stop(struct announcer *a)
{
    if (!a) {
        return;
    }
    static const char *const files[] = { "WATCH", "STATS", "STATS.tmp" };
    const nacre_os *os = a->store->os;
    atomic_store_explicit(&a->stop, true, memory_order_release);
    atomic_fetch_add_explicit(&a->page->asked, 1, memory_order_seq_cst);
    futex_wake_shared(&a->page->asked, INT32_MAX);
    pthread_join(a->thread, NULL);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[OS_PATH_MAX];
        if (os_path(path, a->store->path, "%s", files[i]) == NACRE_OK) {
            (void)os->remove(os->context, path); /* what stays is no part of the store */
        }
    }
    (void)os->unmap(a->page, WATCH_BYTES);
    memory_free(a);
}

/* ---- asking ---- */

/* Until the teller has come to `mine`. */
static int await(struct watch_page *page, uint32_t mine, uint32_t timeout_ms, const char *store_path)
{
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
    for (;;) {
        uint32_t answered = atomic_load_explicit(&page->answered, memory_order_acquire); /* pairs with teller */
        if ((int32_t)(answered - mine) >= 0) {
            return NACRE_OK;
        }
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline) {
            return fail(NACRE_TIMEOUT,
                        "%s: nobody told the statistics within %u ms: no process has it open for writing, "
                        "or it is very busy",
                        store_path, timeout_ms);
        }
        struct timespec left = { .tv_sec = (time_t)((deadline - now) / 1000000000u),
                                 .tv_nsec = (long)((deadline - now) % 1000000000u) };
        futex_wait_shared(&page->answered, answered, &left);
    }
}

static int open_page(const nacre_os *os, const char *store_path, struct watch_page **page)
{
    char path[OS_PATH_MAX];
    nacre_file *file = NULL;
    int status = os_path(path, store_path, "WATCH");
    status = status == NACRE_OK ? os->open(os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &file) : status;
    if (status != NACRE_OK) {
        return status == NACRE_NOT_FOUND
                   ? fail(NACRE_NOT_FOUND, "%s: no process has the store open for writing", store_path)
                   : status;
    }
    status = os->map(file, WATCH_BYTES, true, (void **)page);
    (void)os->close(file); /* the map stays */
    if (status == NACRE_CORRUPT) {
        return fail(NACRE_NOT_FOUND, "%s: its file WATCH is being made", store_path);
    }
    if (status == NACRE_OK && atomic_load_explicit(&(*page)->magic, memory_order_acquire) != WATCH_MAGIC) {
        (void)os->unmap(*page, WATCH_BYTES);
        status = fail(NACRE_NOT_FOUND, "%s: its file WATCH is not what this version makes", store_path);
    }
    return status;
}

int announcer_ask(const nacre_os *os, const char *store_path, uint32_t timeout_ms, char **json)
{
    struct watch_page *page = NULL;
    struct buffer text = { 0 };
    char path[OS_PATH_MAX];
    int status = open_page(os, store_path, &page);
    if (status != NACRE_OK) {
        return status;
    }
    uint32_t mine = atomic_fetch_add_explicit(&page->asked, 1, memory_order_seq_cst) + 1;
    futex_wake_shared(&page->asked, INT32_MAX);
    status = await(page, mine, timeout_ms, store_path);
    (void)os->unmap(page, WATCH_BYTES);
    status = status == NACRE_OK ? os_path(path, store_path, "STATS") : status;
    status = status == NACRE_OK ? os_read_file(os, path, STATS_BYTES_MAX, &text) : status;
    if (status == NACRE_NOT_FOUND) {
        status = fail(NACRE_NOT_FOUND, "%s: the store was closed meanwhile", store_path);
    }
    if (status == NACRE_OK) {
        status = buffer_append_u8(&text, 0);
    }
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}
