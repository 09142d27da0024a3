/* Value files record by record: for verification, dumps, statistics, and for finding where a file that a crash left open ends.

   An append takes its place before it writes, so between records there may be holes: places that were taken and never (or not wholly) written.
   Behind a hole the next record is looked for at each multiple of 8: its header has a checksum that is seeded with its place.

   One thread per call. Locks: lock, for instants. */
#include "base/memory.h"
#include "base/status.h"
#include "values/value_internal.h"
#include <stdio.h>

#define WINDOW_BYTES ((size_t)1 << 20)

/* A file whose headers are looked at in the order of their places. */
struct walk {
    const nacre_os *os;
    nacre_file *handle;
    uint8_t *window; /* WINDOW_BYTES */
    uint64_t window_at, window_end;
    uint64_t id, limit; /* nothing at or behind `limit` is looked at */
};

/* The bytes at [offset, offset + size) within the limit, size at most WINDOW_BYTES; NULL: *status says why, or they are not there. */
static const uint8_t *look(struct walk *walk, uint64_t offset, size_t size, int *status)
{
    *status = NACRE_OK;
    if (offset + size > walk->limit) {
        return NULL;
    }
    if (offset < walk->window_at || offset + size > walk->window_end) {
        size_t got = 0;
        *status = walk->os->read(walk->handle, offset, walk->window, WINDOW_BYTES, &got);
        if (*status != NACRE_OK) {
            return NULL;
        }
        walk->window_at = offset;
        walk->window_end = offset + got;
    }
    return offset + size <= walk->window_end ? walk->window + (offset - walk->window_at) : NULL;
}

/* The first record at or after *offset that fits; false at the end. *unclean: something that is no record lies before it. */
static bool next_header(struct walk *walk, uint64_t *offset, struct value_record_header *header, bool *unclean,
                        int *status)
{
    static const uint8_t zeros[VALUE_RECORD_HEADER_BYTES];
    const uint8_t *bytes;
    for (; (bytes = look(walk, *offset, VALUE_RECORD_HEADER_BYTES, status)) != NULL; *offset += VALUE_ALIGNMENT) {
        if (memcmp(bytes, zeros, sizeof zeros) == 0) {
            continue;
        }
        if (value_record_decode(bytes, walk->id, *offset, header) &&
            *offset + value_record_bytes(header->key_size, header->value_size) <= walk->limit) {
            return true;
        }
        *unclean = true;
    }
    return false;
}

/* The handle stays the caller's. */
static int begin(struct walk *walk, const nacre_os *os, nacre_file *handle, uint64_t id, uint64_t limit)
{
    uint64_t size = 0;
    *walk = (struct walk){ .os = os, .handle = handle, .id = id, .window = memory_alloc(WINDOW_BYTES) };
    int status = walk->window ? os->size(handle, &size) : NACRE_NO_MEMORY;
    walk->limit = limit && limit < size ? limit : size;
    return status;
}

int value_file_find_end(struct value_log *log, uint64_t id, uint64_t *end, bool *certain)
{
    char path[OS_PATH_MAX];
    nacre_file *handle = NULL;
    struct walk walk;
    struct value_record_header header;
    bool unclean = false;
    uint64_t offset = VALUE_HEADER_BYTES;
    *end = offset;
    int status = value_file_path(log, id, path);
    if (status != NACRE_OK || (status = log->os->open(log->os->context, path, NACRE_FILE_READ, &handle)) != NACRE_OK) {
        return status;
    }
    status = begin(&walk, log->os, handle, id, 0);
    while (status == NACRE_OK && next_header(&walk, &offset, &header, &unclean, &status)) {
        offset += value_record_bytes(header.key_size, header.value_size);
        *end = offset;
        unclean = false;
    }
    *certain = !unclean;
    memory_free(walk.window);
    log->os->close(handle);
    return status;
}

/* ---- scanning ---- */

struct scan {
    struct walk walk;
    const char *path;
    struct buffer body; /* key and value */
    value_visitor *visit;
    void *context;
    struct value_file_report *report;
};

static void note_damage(struct scan *scan, const char *text)
{
    if (scan->report->damage[0] == 0) {
        (void)snprintf(scan->report->damage, sizeof scan->report->damage, "%s", text);
    }
}

/* The id is the header's, or that in the file's name. */
static int read_header(struct scan *scan, uint64_t size)
{
    struct value_header header;
    uint8_t bytes[VALUE_HEADER_BYTES] = { 0 };
    size_t got = 0;
    const char *slash = strrchr(scan->path, '/'), *name = slash ? slash + 1 : scan->path;
    unsigned long long named = 0;
    if (sscanf(name, "%16llx.val", &named) != 1) {
        named = 0;
    }
    int status = scan->walk.os->read(scan->walk.handle, 0, bytes, sizeof bytes, &got);
    if (status != NACRE_OK) {
        return status;
    }
    status = value_header_decode(bytes, scan->path, &header);
    if (status == NACRE_UNSUPPORTED) {
        return status;
    }
    scan->report->id = status == NACRE_OK ? header.id : named;
    scan->report->sealed = status == NACRE_OK && size < header.made_bytes;
    if (status == NACRE_OK && named && header.id != named) {
        status = fail(NACRE_CORRUPT, "%s: offset 16: id: expected %016llx, found %016llx", scan->path, named,
                      (unsigned long long)header.id);
    }
    if (status != NACRE_OK) {
        note_damage(scan, fail_detail());
        scan->report->header_damaged = true;
    }
    return NACRE_OK;
}

static int visit_record(struct scan *scan, uint64_t offset, const struct value_record_header *header)
{
    struct walk *walk = &scan->walk;
    size_t body = (size_t)header->key_size + header->value_size;
    buffer_clear(&scan->body);
    int status = buffer_reserve(&scan->body, body);
    if (status == NACRE_OK) {
        status = os_read_exact(walk->os, walk->handle, offset + VALUE_RECORD_HEADER_BYTES, scan->body.data, body,
                               scan->path);
    }
    if (status != NACRE_OK) {
        return status;
    }
    struct value_record record = {
        .collection = header->collection,
        .key = slice_of(scan->body.data, header->key_size),
        .value = slice_of(scan->body.data + header->key_size, header->value_size),
        .record_bytes = value_record_bytes(header->key_size, header->value_size),
        .pointer = { walk->id, (uint32_t)(offset + VALUE_RECORD_HEADER_BYTES + header->key_size), header->value_size,
                     header->checksum },
    };
    uint64_t found = value_checksum(walk->id, record.pointer.offset, record.value);
    bool key_is_good = value_record_key_is_good(header, walk->id, offset, record.key);
    char damage[320];
    if (found != header->checksum) {
        (void)snprintf(damage, sizeof damage, "%.200s: offset %u: checksum of a value: expected %016llx, found %016llx",
                       scan->path, record.pointer.offset, (unsigned long long)header->checksum,
                       (unsigned long long)found);
    } else if (!key_is_good) {
        (void)snprintf(damage, sizeof damage, "%.200s: offset %llu: the checksum of a record's key is wrong",
                       scan->path, (unsigned long long)offset);
    }
    bool bad = found != header->checksum || !key_is_good;
    if (bad) {
        note_damage(scan, damage);
    }
    scan->report->damaged += bad;
    scan->report->records++;
    scan->report->value_bytes += header->value_size;
    return scan->visit ? scan->visit(scan->context, &record, bad ? damage : NULL) : NACRE_OK;
}

static int scan_records(struct scan *scan)
{
    struct value_file_report *report = scan->report;
    struct value_record_header header;
    uint64_t offset = VALUE_HEADER_BYTES;
    bool unclean = false;
    int status = NACRE_OK;
    report->end = offset;
    while (status == NACRE_OK && next_header(&scan->walk, &offset, &header, &unclean, &status)) {
        report->holes += offset > report->end;
        report->hole_bytes += offset - report->end;
        status = visit_record(scan, offset, &header);
        offset += value_record_bytes(header.key_size, header.value_size);
        report->end = offset;
        unclean = false;
    }
    if (status == NACRE_OK && unclean) {
        report->holes++;
        report->hole_bytes += scan->walk.limit - report->end;
    }
    return status;
}

int value_file_scan(const nacre_os *os, const char *path, uint64_t limit, value_visitor *visit, void *context,
                    struct value_file_report *report)
{
    nacre_file *handle = NULL;
    *report = (struct value_file_report){ 0 };
    struct scan scan = { .path = path, .visit = visit, .context = context, .report = report };
    int status = os->open(os->context, path, NACRE_FILE_READ, &handle);
    if (status != NACRE_OK) {
        return status;
    }
    status = begin(&scan.walk, os, handle, 0, limit);
    if (status == NACRE_OK && (status = os->size(handle, &report->bytes)) == NACRE_OK) {
        status = read_header(&scan, report->bytes);
    }
    if (status == NACRE_OK) {
        scan.walk.id = report->id;
        status = scan_records(&scan);
    }
    buffer_free(&scan.body);
    memory_free(scan.walk.window);
    os->close(handle);
    return status;
}

/* ---- all files ---- */

void value_file_say(const struct value_file *file, struct value_file_info *info)
{
    *info = (struct value_file_info){ .id = file->id,
                                      .bytes = atomic_load_explicit(&file->end, memory_order_acquire),
                                      .settled = file->settled,
                                      .references = atomic_load_explicit(&file->references, memory_order_acquire),
                                      .active = !value_file_is_sealed(file) };
}

/* The first file with an id above `after`, in use. */
static struct value_file *file_after(struct value_log *log, uint64_t after, struct value_file_info *info)
{
    struct value_file *found = NULL;
    size_t low = 0;
    pthread_mutex_lock(&log->lock);
    for (size_t high = log->file_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (log->files[middle]->id <= after) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (size_t i = low; i < log->file_count && !found; i++) {
        struct value_file *file = log->files[i];
        if (file == log->spare) {
            continue;
        }
        found = file;
        value_file_say(file, info);
        atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&log->lock);
    return found;
}

int value_log_each_file(struct value_log *log,
                        int (*visit)(void *context, struct value_file *, const struct value_file_info *), void *context)
{
    struct value_file_info info = { 0 };
    int status = NACRE_OK;
    for (struct value_file *file; status == NACRE_OK && (file = file_after(log, info.id, &info)) != NULL;) {
        status = visit(context, file, &info);
        value_file_unref(file);
    }
    return status;
}

void value_log_get_stats(const struct value_log *given, struct value_log_stats *stats)
{
    struct value_log *log = (struct value_log *)(uintptr_t)given; /* for the lock alone */
    *stats = (struct value_log_stats){
        .appends = atomic_load_explicit(&log->appends, memory_order_relaxed),
        .appended_bytes = atomic_load_explicit(&log->appended_bytes, memory_order_relaxed),
        .reads = atomic_load_explicit(&log->reads, memory_order_relaxed),
        .read_bytes = atomic_load_explicit(&log->read_bytes, memory_order_relaxed),
        .syncs = atomic_load_explicit(&log->syncs, memory_order_relaxed),
        .sync_ns_total = atomic_load_explicit(&log->sync_ns_total, memory_order_relaxed),
        .sync_ns_max = atomic_load_explicit(&log->sync_ns_max, memory_order_relaxed),
        .removed = atomic_load_explicit(&log->removed, memory_order_relaxed),
    };
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->file_count; i++) {
        for (struct value_file *file = log->files[i]; file; file = file->superseded) {
            /* Acquire: pairs with the release that comes after map_bytes is set. */
            stats->mapped_bytes += atomic_load_explicit(&file->map, memory_order_acquire) ? file->map_bytes : 0;
        }
    }
    stats->heap_bytes = sizeof *log + log->file_capacity * sizeof(struct value_file *) + value_table_bytes(&log->table);
    for (size_t i = 0; i < log->file_count; i++) {
        stats->heap_bytes += sizeof *log->files[i] + value_checked_bytes(log->files[i]);
        if (log->files[i] != log->spare) {
            stats->files++;
            stats->bytes += atomic_load_explicit(&log->files[i]->end, memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&log->lock);
}
