/* Making values durable, and what happens when that fails.

   A sync that failed is not tried again on its file: the system calls its pages clean then, and the next sync would succeed for nothing. The
   log refuses all appends and syncs until value_log_recover has written the files in question anew, from what can still be read of them, and put the
   copies in their places: pointers into them stay true.

   Any thread. Locks: prepare_lock (recover, start), then sync_lock, then lock. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "values/value_internal.h"
#include <stdio.h>

int value_log_report_failure(struct value_log *log)
{
    char text[sizeof log->failure_text];
    pthread_mutex_lock(&log->lock);
    memcpy(text, log->failure_text, sizeof text);
    pthread_mutex_unlock(&log->lock);
    return fail(NACRE_IO, "the value log takes nothing before a resume: a sync failed: %s", text);
}

static void note_failure(struct value_file *file)
{
    struct value_log *log = file->log;
    char text[sizeof log->failure_text * 2];
    pthread_mutex_lock(&log->lock);
    file->failed = true;
    value_file_retire(file);
    (void)snprintf(log->failure_text, sizeof log->failure_text, "%s", fail_detail());
    pthread_mutex_unlock(&log->lock);
    log_line(log->logger, NACRE_LOG_ERROR, "value_sync_failed", "\"file\":\"%016llx\",\"detail\":\"%s\"",
             (unsigned long long)file->id, log_escape(fail_detail(), text, sizeof text));
    /* Release: pairs with the acquires of appends and syncs. */
    atomic_store_explicit(&log->failed, true, memory_order_release);
    value_log_wake(log);
}

bool value_log_has_failed(const struct value_log *log)
{
    return atomic_load_explicit(&log->failed, memory_order_acquire);
}

static void count_sync(struct value_log *log, uint64_t ns)
{
    atomic_fetch_add_explicit(&log->syncs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&log->sync_ns_total, ns, memory_order_relaxed);
    if (ns > atomic_load_explicit(&log->sync_ns_max, memory_order_relaxed)) { /* sync_lock: no other writer */
        atomic_store_explicit(&log->sync_ns_max, ns, memory_order_relaxed);
    }
}

int value_file_sync(struct value_file *file)
{
    struct value_log *log = file->log;
    pthread_mutex_lock(&log->lock);
    uint64_t target = file->written;
    bool needed = target != file->synced, failed = file->failed;
    pthread_mutex_unlock(&log->lock);
    if (failed) {
        return value_log_report_failure(log);
    }
    if (!needed) {
        return NACRE_OK;
    }
    int status = value_file_load(file);
    if (status != NACRE_OK) {
        return status;
    }
    uint64_t start = clock_monotonic_ns();
    status = log->os->sync(atomic_load_explicit(&file->handle, memory_order_acquire));
    if (status != NACRE_OK) {
        note_failure(file);
        return status;
    }
    count_sync(log, clock_monotonic_ns() - start);
    pthread_mutex_lock(&log->lock);
    file->synced = target;
    pthread_mutex_unlock(&log->lock);
    return NACRE_OK;
}

/* A file with bytes that are not durable and that this round has not seen, in use; NULL when there is none. sync_lock held. */
static struct value_file *next_unsynced(struct value_log *log)
{
    pthread_mutex_lock(&log->lock);
    struct value_file *file = log->open_files;
    while (file && (file->written == file->synced || file->sync_round == log->sync_round)) {
        file = file->next_open;
    }
    if (file) {
        file->sync_round = log->sync_round;
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&log->lock);
    return file;
}

int value_log_sync(struct value_log *log)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&log->sync_lock);
    log->sync_round++;
    if (atomic_load_explicit(&log->failed, memory_order_acquire)) {
        status = value_log_report_failure(log);
    }
    for (struct value_file *file; status == NACRE_OK && (file = next_unsynced(log)) != NULL;) {
        status = value_file_sync(file);
        value_file_unref(file);
    }
    pthread_mutex_unlock(&log->sync_lock);
    return status;
}

/* ---- after a failure ---- */

struct rewriting {
    const nacre_os *os;
    nacre_file *target;
    uint64_t bytes;
};

static int rewrite_record(void *context, const struct value_record *record, const char *damage)
{
    struct rewriting *rewriting = context;
    uint8_t header[VALUE_RECORD_HEADER_BYTES];
    struct value_pointer pointer;
    const struct value_pointer *old = &record->pointer;
    if (damage) {
        return fail(NACRE_CORRUPT, "%s", damage);
    }
    uint64_t offset = old->offset - record->key.size - VALUE_RECORD_HEADER_BYTES;
    value_record_encode(header, old->file, offset, record->collection, record->key, record->value, &pointer);
    const nacre_os *os = rewriting->os;
    int status = os->write(rewriting->target, offset, header, sizeof header);
    if (status == NACRE_OK) {
        status = os->write(rewriting->target, offset + sizeof header, record->key.data, record->key.size);
    }
    if (status == NACRE_OK && record->value.size > 0) {
        status = os->write(rewriting->target, old->offset, record->value.data, record->value.size);
    }
    rewriting->bytes += record->record_bytes;
    return status;
}

/* All that was appended, into an empty file; durable. */
static int copy_records(struct value_file *file, const char *path, nacre_file *target)
{
    struct value_log *log = file->log;
    struct rewriting rewriting = { log->os, target, 0 };
    struct value_file_report report;
    uint8_t header[VALUE_HEADER_BYTES];
    value_header_encode(&(struct value_header){ file->id, file->made_bytes }, header);
    int status = log->os->truncate(target, file->settled);
    if (status == NACRE_OK) {
        status = log->os->write(target, 0, header, sizeof header);
    }
    if (status == NACRE_OK) {
        status = value_file_scan(log->os, path, file->settled, rewrite_record, &rewriting, &report);
    }
    if (status == NACRE_OK && rewriting.bytes != file->written) {
        status = fail(NACRE_CORRUPT, "%s: %llu bytes of values were written, %llu can be read back", path,
                      (unsigned long long)file->written, (unsigned long long)rewriting.bytes);
    }
    return status == NACRE_OK ? log->os->sync(target) : status;
}

/* The copy takes the place of what readers use; they may use the old handle and map still. */
static void put_in_place(struct value_file *file, struct value_file *old, nacre_file *target)
{
    struct value_log *log = file->log;
    void *map = NULL;
    if (log->options.map && log->os->map(target, file->settled, false, &map) != NACRE_OK) {
        map = NULL; /* read by calls instead */
    }
    pthread_mutex_lock(&log->lock);
    *old = (struct value_file){ .log = log, .map_bytes = file->map_bytes, .superseded = file->superseded };
    atomic_store_explicit(&old->map, atomic_exchange_explicit(&file->map, map, memory_order_acq_rel),
                          memory_order_relaxed);
    atomic_store_explicit(&old->handle, atomic_exchange_explicit(&file->handle, target, memory_order_acq_rel),
                          memory_order_relaxed);
    file->map_bytes = file->settled;
    file->superseded = old;
    file->synced = file->written;
    file->failed = false;
    pthread_mutex_unlock(&log->lock);
}

/* No append into it runs. sync_lock held. */
static int rewrite(struct value_file *file)
{
    struct value_log *log = file->log;
    const nacre_os *os = log->os;
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE;
    char path[OS_PATH_MAX], aside[OS_PATH_MAX];
    nacre_file *target = NULL;
    struct value_file *old = memory_zalloc(sizeof *old);
    if (!old) {
        return NACRE_NO_MEMORY;
    }
    int status = value_file_path(log, file->id, path);
    if (status == NACRE_OK) {
        status = os_path(aside, log->directory, VALUE_FILE_NAME ".tmp", (unsigned long long)file->id);
    }
    if (status == NACRE_OK && (status = os->open(os->context, aside, flags, &target)) == NACRE_OK) {
        status = copy_records(file, path, target);
        if (status == NACRE_OK) {
            status = os->rename(os->context, aside, path);
        }
        if (status == NACRE_OK) {
            status = os->sync_directory(os->context, log->directory);
        }
        if (status == NACRE_OK) {
            put_in_place(file, old, target);
            return NACRE_OK;
        }
        os->close(target);
        (void)os->remove(os->context, aside); /* else the next try, or opening, writes over it */
    }
    memory_free(old);
    return status;
}

/* A failed file without running appends, in use; waits for these. */
static struct value_file *next_failed(struct value_log *log)
{
    for (;;) {
        bool running = false;
        pthread_mutex_lock(&log->lock);
        struct value_file *file = log->open_files;
        while (file && (!file->failed || file->writers > 0)) {
            running |= file->failed;
            file = file->next_open;
        }
        if (file) {
            atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
        }
        pthread_mutex_unlock(&log->lock);
        if (file || !running) {
            return file;
        }
        clock_sleep_ns(200000);
    }
}

int value_log_recover(struct value_log *log)
{
    int status = NACRE_OK;
    pthread_mutex_lock(&log->prepare_lock);
    pthread_mutex_lock(&log->sync_lock);
    for (struct value_file *file; status == NACRE_OK && (file = next_failed(log)) != NULL;) {
        status = rewrite(file);
        value_file_unref(file);
    }
    if (status == NACRE_OK) {
        atomic_store_explicit(&log->failed, false, memory_order_release);
    }
    pthread_mutex_unlock(&log->sync_lock);
    pthread_mutex_unlock(&log->prepare_lock);
    return status == NACRE_OK ? value_log_prepare(log) : fail_context(status, "values could not be written anew");
}
