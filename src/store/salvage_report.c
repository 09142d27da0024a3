/* The report of a salvage copy (salvage.h), as JSON. Keys are printable ASCII as it is, all else as \u00NN. */
#include "store/salvage.h"
#include "base/status.h"
#include "store/dump.h"
#include <stdio.h>

static int append_name(struct buffer *text, const char *name, nacre_slice bytes)
{
    int status = buffer_append_format(text, ",\"%s\":\"", name);
    if (status == NACRE_OK) {
        status = dump_append_bytes(text, bytes, SIZE_MAX);
    }
    return status == NACRE_OK ? buffer_append_u8(text, '"') : status;
}

static int append_lost(struct buffer *text, const struct lost_part *lost)
{
    int status = append_name(text, "lost", slice_text(lost->what));
    if (status == NACRE_OK && lost->offset) {
        status = buffer_append_format(text, ",\"offset\":%llu", (unsigned long long)lost->offset);
    }
    if (status == NACRE_OK && lost->size) {
        status = buffer_append_format(text, ",\"bytes\":%llu", (unsigned long long)lost->size);
    }
    if (status == NACRE_OK && lost->is_key) {
        return append_name(text, "key", lost->after);
    }
    if (status == NACRE_OK && lost->has_after) {
        status = append_name(text, "from", lost->after);
    }
    return status == NACRE_OK && lost->has_before ? append_name(text, "to", lost->before) : status;
}

int salvage_report_damage(struct salvage *s, const char *file, const struct manifest_collection *c,
                          const struct lost_part *lost, const char *detail)
{
    struct buffer *text = &s->damage;
    int status = buffer_append_format(text, "%s{\"file\":\"%s\"", s->damaged_places++ ? "," : "", file);
    if (status == NACRE_OK && c) {
        status = append_name(text, "collection", slice_text(c->name));
    }
    if (status == NACRE_OK && lost) {
        status = append_lost(text, lost);
    }
    if (status == NACRE_OK && detail) {
        status = append_name(text, "detail", slice_text(detail));
    }
    return status == NACRE_OK ? buffer_append_u8(text, '}') : status;
}

int salvage_report_stale(struct salvage *s, const char *collection, nacre_slice key)
{
    struct buffer *text = &s->stale;
    int status = buffer_append_format(text, "%s{\"collection\":\"", s->stale_keys++ ? "," : "");
    if (status == NACRE_OK) {
        status = dump_append_bytes(text, slice_text(collection), SIZE_MAX);
    }
    if (status == NACRE_OK) {
        status = buffer_append_u8(text, '"');
    }
    if (status == NACRE_OK) {
        status = append_name(text, "key", key);
    }
    return status == NACRE_OK ? buffer_append_u8(text, '}') : status;
}

static uint64_t count_segments(const struct salvage *s, enum salvaged_how how)
{
    uint64_t count = 0;
    for (size_t i = 0; i < s->segment_count; i++) {
        count += s->segments[i].how == how;
    }
    return count;
}

static int append_manifest(const struct salvage *s, struct buffer *text)
{
    const char *state = s->manifest.whole ? "whole" : s->manifest.any ? "damaged" : "lost";
    int status = buffer_append_format(text, "{\"manifest\":{\"state\":\"%s\"", state);
    if (status == NACRE_OK && s->manifest.detail[0]) {
        status = append_name(text, "detail", slice_text(s->manifest.detail));
    }
    if (status == NACRE_OK && !s->manifest.whole) {
        status = append_name(
            text, "means",
            slice_text("which segments are live was told by the segments themselves: keys that only the last merges "
                       "deleted may be back; collections named salvaged-N lost their names"));
    }
    return status == NACRE_OK ? buffer_append_u8(text, '}') : status;
}

static int append_collections(const struct salvage *s, struct buffer *text)
{
    const struct manifest_state *state = &s->manifest.state;
    int status = buffer_append_format(text, ",\"collections\":[");
    for (size_t i = 0; i < state->collection_count && status == NACRE_OK; i++) {
        const struct manifest_collection *c = &state->collections[i];
        const struct kind *kind = store_kind(c->kind);
        status = buffer_append_format(text, "%s{\"id\":%u,\"kind\":\"%s\"", i ? "," : "", c->id,
                                      kind ? kind->name : "unknown");
        if (status == NACRE_OK) {
            status = append_name(text, "name", slice_text(c->name));
        }
        if (status == NACRE_OK) {
            status = buffer_append_u8(text, '}');
        }
    }
    return status == NACRE_OK ? buffer_append_u8(text, ']') : status;
}

static int append_figures(const struct salvage *s, struct buffer *text)
{
    int status = buffer_append_format(
        text,
        ",\"segments\":{\"sound\":%llu,\"rebuilt\":%llu,\"unreadable\":%llu,\"missing\":%llu,\"left_out\":%llu},"
        "\"value_files\":%llu,"
        "\"log\":{\"records\":%llu,\"bytes\":%llu,\"torn_bytes\":%llu,\"damaged_places\":%llu,\"unknown_operations\":%"
        "llu,"
        "\"lost_values\":%llu",
        (unsigned long long)count_segments(s, SALVAGED_SOUND), (unsigned long long)count_segments(s, SALVAGED_REBUILT),
        (unsigned long long)count_segments(s, SALVAGED_NOTHING),
        (unsigned long long)count_segments(s, SALVAGED_MISSING),
        (unsigned long long)count_segments(s, SALVAGED_LEFT_OUT), (unsigned long long)s->value_files,
        (unsigned long long)s->log.records, (unsigned long long)s->log.bytes, (unsigned long long)s->log.torn_bytes,
        (unsigned long long)s->log_damages, (unsigned long long)s->unknown_ops, (unsigned long long)s->lost_in_log);
    if (status == NACRE_OK && s->log_detail[0]) {
        status = append_name(text, "detail", slice_text(s->log_detail));
    }
    return status == NACRE_OK ? buffer_append_format(text, "},\"entries\":%llu", (unsigned long long)s->entries)
                              : status;
}

int salvage_report_json(struct salvage *s, char **json)
{
    struct buffer text = { 0 };
    int status = append_manifest(s, &text);
    if (status == NACRE_OK) {
        status = append_collections(s, &text);
    }
    if (status == NACRE_OK) {
        status = append_figures(s, &text);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, ",\"damaged\":%llu,\"damage\":[", (unsigned long long)s->damaged_places);
    }
    if (status == NACRE_OK) {
        status = buffer_append(&text, s->damage.data, s->damage.size);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "],\"stale\":%llu,\"may_be_stale\":[", (unsigned long long)s->stale_keys);
    }
    if (status == NACRE_OK) {
        status = buffer_append(&text, s->stale.data, s->stale.size);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "]}");
    }
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data;
    return NACRE_OK;
}
