/* What single files of a store say, as JSON lines. Needs no open store and changes nothing. Any thread. */
#include "store/dump.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/batch_format.h"
#include "store/store.h"
#include <stdlib.h>

struct lines {
    void (*line)(void *context, const char *json);
    void *context;
    struct buffer text;
};

int dump_append_bytes(struct buffer *text, nacre_slice bytes, size_t most)
{
    const unsigned char *at = bytes.data;
    size_t size = bytes.size < most ? bytes.size : most;
    int status = NACRE_OK;
    for (size_t i = 0; i < size && status == NACRE_OK; i++) {
        bool plain = at[i] >= 0x20 && at[i] < 0x7f && at[i] != '"' && at[i] != '\\';
        status = plain ? buffer_append_u8(text, at[i]) : buffer_append_format(text, "\\u%04x", at[i]);
    }
    return status == NACRE_OK && size < bytes.size ? buffer_append_format(text, "...") : status;
}

static int append_op(struct buffer *text, const struct batch_op *op)
{
    static const char *const names[] = { "", "put", "delete", "delete_range", "merge" };
    int status =
        buffer_append_format(text, "{\"op\":\"%s\",\"collection\":%u,\"key\":\"", names[op->code], op->collection);
    if (status == NACRE_OK) {
        status = dump_append_bytes(text, op->key, 256);
    }
    if (status == NACRE_OK && op->code == BATCH_DELETE_RANGE) {
        status = buffer_append_format(text, "\",\"end\":\"");
        status = status == NACRE_OK ? dump_append_bytes(text, op->value, 256) : status;
    }
    if (status == NACRE_OK) {
        status = buffer_append_u8(text, '"');
    }
    if (status == NACRE_OK && op->expiry_ms) {
        status = buffer_append_format(text, ",\"expiry_ms\":%llu", (unsigned long long)op->expiry_ms);
    }
    if (status == NACRE_OK && op->vector.size) {
        status = buffer_append_format(text, ",\"dimension\":%zu", op->vector.size / sizeof(float));
    }
    if (status == NACRE_OK && op->pointer) {
        status = buffer_append_format(text, ",\"pointer\":true");
    }
    bool has_value = op->code == BATCH_PUT || op->code == BATCH_MERGE;
    return status == NACRE_OK ? buffer_append_format(text, ",\"value_bytes\":%zu}", has_value ? op->value.size : 0)
                              : status;
}

static int dump_record(void *context, wal_position begin, wal_position end, uint64_t sequence, nacre_slice payload)
{
    struct lines *lines = context;
    struct buffer *text = &lines->text;
    struct reader reader = reader_of(payload);
    struct batch_op op;
    buffer_clear(text);
    int status = buffer_append_format(
        text, "{\"file\":%u,\"offset\":%u,\"end\":%u,\"sequence\":%llu,\"bytes\":%zu,\"ops\":[", WAL_FILE(begin),
        WAL_OFFSET(begin), WAL_OFFSET(end), (unsigned long long)sequence, payload.size);
    for (bool first = true; status == NACRE_OK && batch_decode(&reader, &op); first = false) {
        status = first ? NACRE_OK : buffer_append_u8(text, ',');
        status = status == NACRE_OK ? append_op(text, &op) : status;
    }
    if (status == NACRE_OK) {
        status =
            buffer_append_format(text, "]%s}", reader.ok ? "" : ",\"error\":\"the rest of the batch cannot be read\"");
    }
    if (status == NACRE_OK) {
        lines->line(lines->context, (const char *)text->data);
    }
    return status;
}

static int dump_log(const nacre_os *os, const char *path, struct lines *lines)
{
    struct wal_replay_report report = { 0 };
    int status = wal_dump_file(os, path, dump_record, lines, &report);
    if (status != NACRE_OK) {
        return status;
    }
    char damage[2 * sizeof report.damage];
    buffer_clear(&lines->text);
    status = buffer_append_format(
        &lines->text,
        "{\"records\":%llu,\"bytes\":%llu,\"torn_bytes\":%llu,\"damaged_regions\":%llu,\"damage\":\"%s\"}",
        (unsigned long long)report.records, (unsigned long long)report.bytes, (unsigned long long)report.torn_bytes,
        (unsigned long long)report.damaged_regions, log_escape(report.damage, damage, sizeof damage));
    if (status == NACRE_OK) {
        lines->line(lines->context, (const char *)lines->text.data);
    }
    return status == NACRE_OK && report.damaged_regions ? fail(NACRE_CORRUPT, "%s: %s", path, report.damage) : status;
}

/* The kind's code is in the container; its name and id in the path. */
static int dump_segment(const nacre_os *os, const char *path, struct lines *lines)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char directory[OS_PATH_MAX] = ".", *end = NULL;
    unsigned long long id = strtoull(name, &end, 16);
    if (end != name + 16 || strcmp(end, ".seg") != 0) {
        return fail(NACRE_INVALID, "%s: a segment's file is named by 16 hex digits and '.seg'", path);
    }
    if (slash && (size_t)(slash - path) < sizeof directory) {
        memcpy(directory, path, (size_t)(slash - path));
        directory[slash - path] = 0;
    }
    struct container *container = NULL;
    int status = container_open(os, path, CONTAINER_SEGMENT, id, 0, true, &container);
    if (status != NACRE_OK) {
        return status;
    }
    const struct kind *kind = store_kind(container->kind);
    uint32_t code = container->kind;
    container_close(container);
    if (!kind) {
        return fail(NACRE_UNSUPPORTED, "%s: a segment of kind %u, which this build does not have", path, code);
    }
    struct segment_env env = { .os = os, .directory = directory, .map = true };
    struct segment *segment = NULL;
    status = block_cache_create(1 << 20, &env.cache);
    if (status == NACRE_OK) {
        status = segment_open(&env, kind, id, 0, &segment);
    }
    if (status == NACRE_OK) {
        status = kind->dump(segment->reader, lines->line, lines->context);
        segment_unref(segment);
    }
    block_cache_free(env.cache);
    return status;
}

static int dump_value(void *context, const struct value_record *record, const char *damage)
{
    struct lines *lines = context;
    struct buffer *text = &lines->text;
    char escaped[700] = "";
    buffer_clear(text);
    int status = buffer_append_format(text, "{\"offset\":%llu,\"collection\":%u,\"key\":\"",
                                      (unsigned long long)record->pointer.offset, record->collection);
    if (status == NACRE_OK) {
        status = dump_append_bytes(text, record->key, 256);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(text, "\",\"value_bytes\":%zu,\"record_bytes\":%llu", record->value.size,
                                      (unsigned long long)record->record_bytes);
    }
    if (status == NACRE_OK && damage) {
        status = buffer_append_format(text, ",\"damage\":\"%s\"", log_escape(damage, escaped, sizeof escaped));
    }
    status = status == NACRE_OK ? buffer_append_format(text, "}") : status;
    if (status == NACRE_OK) {
        lines->line(lines->context, (const char *)text->data);
    }
    return status;
}

static int dump_values(const nacre_os *os, const char *path, struct lines *lines)
{
    struct value_file_report report;
    char escaped[2 * sizeof report.damage];
    int status = value_file_scan(os, path, 0, dump_value, lines, &report);
    if (status != NACRE_OK) {
        return status;
    }
    buffer_clear(&lines->text);
    status = buffer_append_format(
        &lines->text,
        "{\"file\":\"%016llx\",\"bytes\":%llu,\"end\":%llu,\"sealed\":%s,\"records\":%llu,\"value_bytes\":%llu,"
        "\"holes\":%llu,\"hole_bytes\":%llu,\"damaged\":%llu,\"damage\":\"%s\"}",
        (unsigned long long)report.id, (unsigned long long)report.bytes, (unsigned long long)report.end,
        report.sealed ? "true" : "false", (unsigned long long)report.records, (unsigned long long)report.value_bytes,
        (unsigned long long)report.holes, (unsigned long long)report.hole_bytes, (unsigned long long)report.damaged,
        log_escape(report.damage, escaped, sizeof escaped));
    if (status != NACRE_OK) {
        return status;
    }
    lines->line(lines->context, (const char *)lines->text.data);
    return report.damaged || report.header_damaged ? fail(NACRE_CORRUPT, "%s", report.damage) : NACRE_OK;
}

int store_dump(const nacre_os *os, const char *kind, const char *path, void (*line)(void *context, const char *json),
               void *context)
{
    struct lines lines = { .line = line, .context = context };
    int status;
    if (strcmp(kind, "log") == 0) {
        status = dump_log(os, path, &lines);
    } else if (strcmp(kind, "manifest") == 0) {
        status = manifest_dump_file(os, path, line, context);
    } else if (strcmp(kind, "segment") == 0) {
        status = dump_segment(os, path, &lines);
    } else if (strcmp(kind, "values") == 0) {
        status = dump_values(os, path, &lines);
    } else {
        status = fail(NACRE_INVALID, "'%s' is none of the kinds of file: log, manifest, segment, values", kind);
    }
    buffer_free(&lines.text);
    return status;
}

int store_salvage_report(nacre_store *store, char **json)
{
    struct buffer text = { 0 };
    const struct wal_replay_report *r = &store->recovery;
    nacre_verify_report verified = NACRE_VERIFY_REPORT_INIT;
    char damage[2 * sizeof r->damage];
    int status = store_verify(store, &verified);
    if (status != NACRE_OK && status != NACRE_CORRUPT) {
        return status;
    }
    status = buffer_append_format(
        &text,
        "{\"log\":{\"records\":%llu,\"bytes\":%llu,\"torn_bytes\":%llu,\"damaged_regions\":%llu,\"damage\":\"%s\"},",
        (unsigned long long)r->records, (unsigned long long)r->bytes, (unsigned long long)r->torn_bytes,
        (unsigned long long)r->damaged_regions, log_escape(r->damage, damage, sizeof damage));
    if (status == NACRE_OK) {
        status =
            buffer_append_format(&text, "\"segments\":{\"files\":%llu,\"entries\":%llu,\"damaged\":%llu,\"damage\":\"",
                                 (unsigned long long)verified.files, (unsigned long long)verified.entries,
                                 (unsigned long long)verified.damaged);
    }
    if (status == NACRE_OK && verified.damage) {
        status = dump_append_bytes(&text, slice_text(verified.damage), 65536);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "\"}}");
    }
    memory_free(verified.damage);
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}
