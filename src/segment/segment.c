/* Segments: opening, counting, their side files, verification.
     section PROP of the segment: properties.c;
     section RDEL: varint count, then per range delete begin, end (varint length, bytes), varint sequence;
     section SEGM of the side file: 8 bytes id and 8 bytes checksum of the segment it was made for.
   Invariants:
   1. All fields but `index`, `references` and `obsolete` are set before others read the segment and never change.
   2. a segment holds each value file that its entries point to, from before its kind's reader is made until after that is closed.
   3. `index` is published (release) after the kind has taken the side file; those it replaced stay in its chain until the segment closes.
   Any thread; segment_build_index by one at a time. No locks. */
#include "segment/segment.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_cache.h"
#include "values/value_format.h"
#include "values/value_usage.h"
#include <inttypes.h>

int segment_path(const struct segment_env *env, uint64_t id, bool index, char out[OS_PATH_MAX])
{
    return os_path(out, env->directory, "%016" PRIx64 ".%s", id, index ? "idx" : "seg");
}

static int temporary_path(const struct segment_env *env, uint64_t id, char out[OS_PATH_MAX])
{
    return os_path(out, env->directory, "%016" PRIx64 ".idx.tmp", id);
}

static int remove_if_there(const nacre_os *os, const char *path)
{
    int status = os->remove(os->context, path);
    return status == NACRE_NOT_FOUND ? NACRE_OK : status;
}

int segment_remove_files(const struct segment_env *env, uint64_t id)
{
    char path[OS_PATH_MAX];
    int status = temporary_path(env, id, path);
    if (status == NACRE_OK)
        status = remove_if_there(env->os, path);
    if (status == NACRE_OK)
        status = segment_path(env, id, true, path);
    if (status == NACRE_OK)
        status = remove_if_there(env->os, path);
    if (status == NACRE_OK)
        status = segment_path(env, id, false, path);
    status = status == NACRE_OK ? remove_if_there(env->os, path) : status;
    if (status == NACRE_OK)
        gone_list_remove(env->gone, id);
    return status;
}

/* ---- opening ---- */

static int read_properties(struct segment *s)
{
    nacre_slice section;
    int status = container_section(s->container, "PROP", &section);
    if (status != NACRE_OK)
        return status;
    struct reader in = reader_of(section);
    status = segment_properties_decode(&in, &s->properties);
    if (status == NACRE_OK && in.at != in.end)
        status = fail(NACRE_CORRUPT, "%zu bytes behind them", (size_t)(in.end - in.at));
    if (status == NACRE_OK && s->properties.given_sequence)
        status = fail(NACRE_CORRUPT, "a given sequence, which only a manifest has");
    if (status != NACRE_OK)
        return fail_context(status, "%s: section PROP", s->container->path);
    s->properties.id = s->container->id;
    s->properties.bytes = s->container->bytes;
    s->properties.checksum = s->container->checksum;
    return NACRE_OK;
}

static void let_go_of_values(struct segment *s)
{
    for (size_t i = 0; s->value_files && i < s->properties.values.count; i++) {
        if (s->value_files[i]) {
            /* Before the reference goes: who compares the two counts never takes it for somebody else's. */
            atomic_fetch_sub_explicit(&value_file_usage(s->value_files[i])->segments, 1, memory_order_acq_rel);
            value_file_unref(s->value_files[i]);
        }
    }
    memory_free(s->value_files);
}

/* Invariant 2. */
static int hold_values(struct segment *s)
{
    const struct value_shares *values = &s->properties.values;
    if (values->count == 0 || !s->env->values)
        return NACRE_OK;
    s->value_files = memory_zalloc(values->count * sizeof(struct value_file *));
    if (!s->value_files)
        return NACRE_NO_MEMORY;
    for (size_t i = 0; i < values->count; i++) {
        int status = value_file_hold(s->env->values, values->list[i].file, &s->value_files[i]);
        if (status != NACRE_OK)
            return fail_context(status, "%s", s->container->path);
        atomic_fetch_add_explicit(&value_file_usage(s->value_files[i])->segments, 1, memory_order_acq_rel);
    }
    return NACRE_OK;
}

static int read_ranges(struct segment *s)
{
    if (!container_has_section(s->container, "RDEL"))
        return NACRE_OK;
    nacre_slice section;
    int status = container_section(s->container, "RDEL", &section);
    if (status != NACRE_OK)
        return status;
    struct reader in = reader_of(section);
    uint64_t count = reader_varint(&in);
    if (!in.ok || count != s->properties.range_deletes || count > section.size / 3)
        return fail(NACRE_CORRUPT, "%s: section RDEL: %" PRIu64 " range deletes expected, %" PRIu64 " found",
                    s->container->path, s->properties.range_deletes, count);
    struct range_delete *list = memory_alloc((size_t)count * sizeof *list + 1);
    if (!list)
        return NACRE_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        list[i].begin = reader_slice(&in);
        list[i].end = reader_slice(&in);
        list[i].sequence = reader_varint(&in);
    }
    if (!in.ok || in.at != in.end)
        status = fail(NACRE_CORRUPT, "%s: section RDEL: %zu bytes do not fit", s->container->path, section.size);
    if (status == NACRE_OK)
        status = range_set_create(list, (size_t)count, &s->ranges);
    memory_free(list);
    return status;
}

/* Opens a side file and checks that it speaks of this segment. */
static int open_index(const struct segment *s, const char *path, struct container **out)
{
    const struct segment_env *env = s->env;
    struct container *c = NULL;
    int status = container_open(env->os, path, CONTAINER_INDEX, s->properties.id, 0, env->map, &c);
    if (status != NACRE_OK)
        return status;
    c->logger = env->logger;
    nacre_slice section;
    status = container_section(c, "SEGM", &section);
    if (status == NACRE_OK &&
        (section.size != 16 || c->kind != s->kind->code || load_u64(section.data) != s->properties.id ||
         load_u64((const uint8_t *)section.data + 8) != s->properties.checksum))
        status = fail(NACRE_CORRUPT,
                      "%s: section SEGM: a side file of segment %016" PRIx64 ", checksum %016" PRIx64
                      " expected, another found",
                      path, s->properties.id, s->properties.checksum);
    if (status != NACRE_OK) {
        container_close(c);
        return status;
    }
    *out = c;
    return NACRE_OK;
}

static int take_index(struct segment *s, struct container *c)
{
    int status = s->kind->attach_index(s->reader, c);
    if (status != NACRE_OK) {
        container_close(c);
        return status;
    }
    c->older = atomic_load_explicit(&s->index, memory_order_relaxed); /* one builds at a time */
    atomic_store_explicit(&s->index, c,
                          memory_order_release); /* pairs with the loads in segment_index_bytes, segment_verify */
    return NACRE_OK;
}

/* A bad or missing side file only costs time. */
static void try_index(struct segment *s)
{
    char path[OS_PATH_MAX];
    struct container *c = NULL;
    if (s->env->ignore_indexes)
        return;
    int status = segment_path(s->env, s->properties.id, true, path);
    if (status == NACRE_OK && !os_exists(s->env->os, path))
        return;
    if (status == NACRE_OK)
        status = open_index(s, path, &c);
    if (status == NACRE_OK)
        status = take_index(s, c);
    if (status == NACRE_OK) {
        s->properties.index_bytes = c->bytes;
        return;
    }
    char text[1024];
    log_line(s->env->logger, NACRE_LOG_WARNING, "index_ignored", "\"status\":%d,\"detail\":\"%s\"", status,
             log_escape(fail_detail(), text, sizeof text));
}

void segment_take_index(struct segment *s)
{
    char path[OS_PATH_MAX];
    struct container *c = NULL;
    if (segment_has_index(s) || segment_path(s->env, s->properties.id, true, path) != NACRE_OK ||
        !os_exists(s->env->os, path) || open_index(s, path, &c) != NACRE_OK) {
        return;
    }
    const struct container *had = atomic_load_explicit(&s->index, memory_order_relaxed); /* one thread makes them */
    if (had && had->checksum == c->checksum && had->bytes == c->bytes) {
        container_close(c);
    } else {
        (void)take_index(s, c);
    }
}

static void segment_close(struct segment *s)
{
    struct container *index = atomic_load_explicit(&s->index, memory_order_acquire);
    if (s->reader)
        s->kind->close(s->reader);
    while (index) {
        struct container *older = index->older;
        container_close(index);
        index = older;
    }
    let_go_of_values(s);
    range_set_free(s->ranges);
    segment_properties_free(&s->properties);
    container_close(s->container);
    memory_free(s);
}

int segment_open(struct segment_env *env, const struct kind *kind, uint64_t id, uint64_t expected_bytes,
                 struct segment **out)
{
    *out = NULL;
    char path[OS_PATH_MAX];
    int status = segment_path(env, id, false, path);
    if (status != NACRE_OK)
        return status;
    struct segment *s = memory_zalloc(sizeof *s);
    if (!s)
        return NACRE_NO_MEMORY;
    s->kind = kind;
    s->env = env;
    atomic_init(&s->index, NULL);
    atomic_init(&s->references, 1);
    atomic_init(&s->obsolete, false);
    status = container_open(env->os, path, CONTAINER_SEGMENT, id, expected_bytes, env->map, &s->container);
    if (status == NACRE_OK) {
        s->container->logger = env->logger;
        if (s->container->kind != kind->code)
            status = fail(NACRE_CORRUPT, "%s: kind %u (%s) expected, %u found", path, kind->code, kind->name,
                          s->container->kind);
    }
    if (status == NACRE_OK)
        status = read_properties(s);
    if (status == NACRE_OK)
        status = read_ranges(s);
    if (status == NACRE_OK)
        status = hold_values(s);
    if (status == NACRE_OK)
        status = kind->open(s->container, env->cache, &s->reader);
    if (status != NACRE_OK) {
        segment_close(s);
        return status == NACRE_NOT_FOUND && os_exists(env->os, path) ? NACRE_CORRUPT
                                                                     : status; /* a section that must be there is not */
    }
    try_index(s);
    *out = s;
    return NACRE_OK;
}

int segment_sync(const struct segment *s)
{
    const struct container *index = atomic_load_explicit(&s->index, memory_order_acquire);
    int status = container_sync(s->env->os, s->container->path);
    return status == NACRE_OK && index ? container_sync(s->env->os, index->path) : status;
}

int segment_give_sequence(struct segment *s, uint64_t sequence)
{
    struct segment_properties *p = &s->properties;
    bool settled =
        p->given_sequence || (p->least_sequence == SEQUENCE_SETTLED && p->greatest_sequence == SEQUENCE_SETTLED);
    if (!settled || p->entries == 0 || p->deletes || p->range_deletes || p->merges || p->values.count || sequence == 0)
        return fail(NACRE_CORRUPT, "%s: a segment of settled puts expected, to give them sequence %" PRIu64,
                    s->container->path, sequence);
    s->kind->give_sequence(s->reader, sequence);
    p->given_sequence = p->least_sequence = p->greatest_sequence = sequence;
    return NACRE_OK;
}

/* ---- counting ---- */

void segment_ref(struct segment *s)
{
    atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed); /* the caller holds one already */
}

void segment_mark_obsolete(struct segment *s)
{
    gone_list_add(s->env->gone, s->properties.id, s->properties.collection);
    atomic_store_explicit(&s->obsolete, true,
                          memory_order_relaxed); /* seen by the last unref through the count's release and acquire */
}

void segment_unref(struct segment *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
        return;
    struct segment_env *env = s->env;
    uint64_t id = s->properties.id;
    bool obsolete = atomic_load_explicit(&s->obsolete, memory_order_relaxed);
    segment_close(s);
    if (!obsolete)
        return;
    block_cache_drop_file(env->cache, id);
    if (env->reap) {
        env->reap(env->reap_context, id);
    } else if (segment_remove_files(env, id) != NACRE_OK) {
        char text[1024];
        log_line(env->logger, NACRE_LOG_WARNING, "segment_not_removed", "\"id\":%" PRIu64 ",\"detail\":\"%s\"", id,
                 log_escape(fail_detail(), text, sizeof text));
    }
}

/* ---- the side file ---- */

bool segment_has_index(const struct segment *s)
{
    if (s->kind->index_is_good) {
        return s->kind->index_is_good(s->reader);
    }
    return atomic_load_explicit(&s->index, memory_order_acquire) != NULL;
}

bool segment_index_is_sound(const struct segment *s)
{
    struct container *index =
        atomic_load_explicit(&s->index, memory_order_acquire); /* what is replaced stays: `older` */
    return segment_has_index(s) && (!index || container_verify(index) == NACRE_OK);
}

uint64_t segment_index_bytes(const struct segment *s)
{
    const struct container *index = atomic_load_explicit(&s->index, memory_order_acquire);
    return index ? index->bytes : 0;
}

uint64_t segment_memory(const struct segment *s)
{
    uint64_t bytes = sizeof *s + s->kind->memory(s->reader) + container_memory(s->container);
    for (const struct container *c = atomic_load_explicit(&s->index, memory_order_acquire); c; c = c->older)
        bytes += container_memory(c);
    return bytes;
}

int segment_write_identity(struct container_writer *index, const struct segment_properties *p)
{
    uint8_t identity[16];
    store_u64(identity, p->id);
    store_u64(identity + 8, p->checksum);
    return container_write_section(index, "SEGM", slice_of(identity, sizeof identity));
}

int segment_writer(const struct segment_env *env, const char *path, enum container_role role, uint64_t id,
                   uint32_t kind, struct container_writer **w)
{
    size_t bytes = env->buffer_bytes ? env->buffer_bytes : WRITER_BUFFER_BYTES;
    return container_writer_create_with(env->os, path, role, id, kind, bytes, w);
}

static int write_index(struct segment *s, const struct index_job *job, const char *path)
{
    struct container_writer *w = NULL;
    uint64_t bytes, checksum;
    int status = remove_if_there(s->env->os, path); /* what a crash has left */
    if (status == NACRE_OK)
        status = segment_writer(s->env, path, CONTAINER_INDEX, s->properties.id, s->kind->code, &w);
    if (status != NACRE_OK)
        return status;
    status = s->kind->build_index(s->reader, job, w);
    if (status == NACRE_OK)
        status = segment_write_identity(w, &s->properties);
    if (status == NACRE_OK)
        status = container_writer_finish(w, &bytes, &checksum);
    if (status != NACRE_OK)
        container_writer_abandon(w);
    return status;
}

/* The directory is not synced: a side file that a power cut takes away, or leaves half there, is found out and made again. */
int segment_build_index(struct segment *s, const struct index_job *job)
{
    char path[OS_PATH_MAX], temporary[OS_PATH_MAX];
    struct container *c = NULL;
    int status = segment_path(s->env, s->properties.id, true, path);
    if (status == NACRE_OK)
        status = temporary_path(s->env, s->properties.id, temporary);
    if (status == NACRE_OK)
        status = write_index(s, job, temporary);
    if (status == NACRE_OK)
        status = s->env->os->rename(s->env->os->context, temporary, path);
    if (status == NACRE_OK)
        status = open_index(s, path, &c);
    return status == NACRE_OK ? take_index(s, c) : status;
}

/* ---- verification ---- */

static int disagree(const struct segment *s, const char *what, uint64_t expected, uint64_t found)
{
    if (expected == found)
        return NACRE_OK;
    return fail(NACRE_CORRUPT, "%s: section PROP: %s: %" PRIu64 " expected, %" PRIu64 " found", s->container->path,
                what, expected, found);
}

int segment_note_value(struct value_shares *values, const struct entry *e)
{
    struct value_pointer pointer;
    if (e->type != ENTRY_POINTER)
        return NACRE_OK;
    if (!value_pointer_decode(e->value, &pointer))
        return fail(NACRE_CORRUPT, "an entry that points into the value log has %zu bytes instead of %u", e->value.size,
                    VALUE_POINTER_BYTES);
    return value_shares_add(values, pointer.file, value_record_bytes(e->key.size, pointer.size));
}

static int verify_values(const struct segment *s, const struct value_shares *found)
{
    const struct value_shares *expected = &s->properties.values;
    int status = disagree(s, "value files", expected->count, found->count);
    if (status == NACRE_OK)
        status = disagree(s, "entries in the value log", expected->pointers, found->pointers);
    if (status == NACRE_OK)
        status = disagree(s, "bytes in the value log", expected->bytes, found->bytes);
    if (status == NACRE_OK && !value_shares_equal(expected, found))
        status = fail(NACRE_CORRUPT, "%s: section PROP: its list of value files does not agree with its entries",
                      s->container->path);
    return status;
}

static int verify_properties(struct segment *s)
{
    const struct segment_properties *p = &s->properties;
    struct cursor *cursor = NULL;
    struct value_shares values = { 0 };
    int status = s->kind->cursor_create(s->reader, &cursor);
    if (status != NACRE_OK)
        return status;
    uint64_t entries = 0, deletes = 0, merges = 0, bytes = 0, expiring = 0;
    bool inside = true;
    for (cursor_first(cursor); cursor->valid && status == NACRE_OK; cursor_next(cursor)) {
        const struct entry *e = &cursor->entry;
        status = segment_note_value(&values, e);
        entries++;
        deletes += e->type == ENTRY_DELETE;
        merges += e->type == ENTRY_MERGE;
        expiring += e->expiry_ms != 0;
        bytes += e->key.size + e->value.size;
        inside = inside && e->sequence >= p->least_sequence && e->sequence <= p->greatest_sequence &&
                 slice_compare(e->key, buffer_slice(&p->smallest)) >= 0 &&
                 (p->greatest_open || slice_compare(e->key, buffer_slice(&p->greatest)) <= 0) &&
                 (e->expiry_ms ? e->expiry_ms >= p->earliest_expiry_ms && e->expiry_ms <= p->latest_expiry_ms
                               : p->latest_expiry_ms == UINT64_MAX);
    }
    status = status == NACRE_OK ? cursor->status : fail_context(status, "%s", s->container->path);
    cursor_close(cursor);
    if (status == NACRE_OK)
        status = verify_values(s, &values);
    value_shares_free(&values);
    if (status == NACRE_OK)
        status = disagree(s, "entries", p->entries, entries);
    if (status == NACRE_OK)
        status = disagree(s, "deletes", p->deletes, deletes);
    if (status == NACRE_OK)
        status = disagree(s, "operands of merges", p->merges, merges);
    if (status == NACRE_OK)
        status = disagree(s, "expiring entries", p->expiring, expiring);
    if (status == NACRE_OK)
        status = disagree(s, "bytes of keys and values", p->key_value_bytes, bytes);
    return status == NACRE_OK ? disagree(s, "entries inside its bounds", 1, inside) : status;
}

/* A side file that is there but was found bad and is not in use. */
static int verify_idle_index(struct segment *s)
{
    char path[OS_PATH_MAX];
    struct container *c = NULL;
    int status = segment_path(s->env, s->properties.id, true, path);
    if (status != NACRE_OK || s->env->ignore_indexes || segment_has_index(s) || !os_exists(s->env->os, path))
        return status;
    status = open_index(s, path, &c);
    if (status == NACRE_OK)
        status = container_verify(c);
    container_close(c);
    return status;
}

int segment_verify(struct segment *s, uint64_t *entries)
{
    int status = s->kind->verify(s->reader, entries);
    if (status == NACRE_OK)
        status = verify_properties(s);
    return status == NACRE_OK ? verify_idle_index(s) : status;
}
