/* Manifests that are not the open store's: verification, dumps, copies for checkpoints. */
#include "base/log.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_format.h"

int manifest_verify(const nacre_os *os, const char *store_path, struct manifest_state *state)
{
    struct manifest_state mine;
    struct manifest_read read;
    int status = manifest_load(os, store_path, &mine, &read);
    if (status == NACRE_OK && state) {
        *state = mine;
    } else if (status == NACRE_OK) {
        manifest_state_free(&mine);
    }
    return status;
}

int manifest_write_copy(const nacre_os *os, const char *store_path, const struct manifest_state *state)
{
    char directory[OS_PATH_MAX];
    nacre_file *file = NULL;
    uint64_t bytes = 0;
    int status = os_path(directory, store_path, "manifest");
    if (status == NACRE_OK) {
        status = os->make_directory(os->context, directory);
        status = status == NACRE_EXISTS ? NACRE_OK : status;
    }
    if (status == NACRE_OK) {
        status = manifest_write_generation(os, store_path, 1, state, &file, &bytes);
    }
    if (status == NACRE_OK) {
        status = os->close(file);
    }
    uint64_t length = state->clean_log_end ? bytes : 0;
    return status == NACRE_OK
               ? manifest_current_write(os, store_path, &(struct manifest_current){ .generation = 1, .length = length })
               : status;
}

/* ---- dumps: one JSON object per edit ---- */

static int dump_key(struct buffer *out, const char *name, const struct buffer *key)
{
    static const char digits[] = "0123456789abcdef";
    int status = buffer_append_format(out, ",\"%s\":\"", name);
    for (size_t i = 0; i < key->size && status == NACRE_OK; i++) {
        const char pair[2] = { digits[key->data[i] >> 4], digits[key->data[i] & 15] };
        status = buffer_append(out, pair, sizeof pair);
    }
    return status == NACRE_OK ? buffer_append_u8(out, '"') : status;
}

static int dump_place(struct buffer *out, const struct manifest_piece *piece)
{
    int status =
        buffer_append_format(out, "{\"segment\":\"%016llx\",\"level\":%u,\"run\":%llu",
                             (unsigned long long)piece->properties.id, piece->level, (unsigned long long)piece->run);
    if (status == NACRE_OK && piece->has_begin) {
        status = dump_key(out, "begin", &piece->begin);
    }
    return status == NACRE_OK && piece->has_end ? dump_key(out, "end", &piece->end) : status;
}

static int dump_added(struct buffer *out, const struct manifest_piece *piece)
{
    const struct segment_properties *p = &piece->properties;
    int status = dump_place(out, piece);
    if (status == NACRE_OK) {
        status = buffer_append_format(
            out,
            ",\"bytes\":%llu,\"checksum\":\"%016llx\",\"entries\":%llu,\"deletes\":%llu,\"range_deletes\":%llu,"
            "\"merges\":%llu,"
            "\"least_sequence\":%llu,\"greatest_sequence\":%llu,\"shadowed\":%llu,\"hiding\":%llu",
            (unsigned long long)p->bytes, (unsigned long long)p->checksum, (unsigned long long)p->entries,
            (unsigned long long)p->deletes, (unsigned long long)p->range_deletes, (unsigned long long)p->merges,
            (unsigned long long)p->least_sequence, (unsigned long long)p->greatest_sequence,
            (unsigned long long)piece->shadowed, (unsigned long long)piece->hiding);
    }
    if (status == NACRE_OK) {
        status = dump_key(out, "smallest", &p->smallest);
    }
    if (status == NACRE_OK) {
        status = dump_key(out, "greatest", &p->greatest);
    }
    if (status == NACRE_OK && p->given_sequence) {
        status = buffer_append_format(out, ",\"given_sequence\":%llu", (unsigned long long)p->given_sequence);
    }
    return status == NACRE_OK ? buffer_append_format(out, ",\"greatest_open\":%s}", p->greatest_open ? "true" : "false")
                              : status;
}

static int dump_pieces(struct buffer *out, const char *name, const struct manifest_piece *pieces, size_t count,
                       bool added)
{
    if (count == 0) {
        return NACRE_OK;
    }
    int status = buffer_append_format(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = i ? buffer_append_u8(out, ',') : NACRE_OK;
        if (status == NACRE_OK && added) {
            status = dump_added(out, &pieces[i]);
        } else if (status == NACRE_OK) {
            status = dump_place(out, &pieces[i]);
            status = status == NACRE_OK ? buffer_append_u8(out, '}') : status;
        }
    }
    return status == NACRE_OK ? buffer_append_u8(out, ']') : status;
}

static int dump_number(struct buffer *out, int status, bool present, const char *name, uint64_t value)
{
    return status == NACRE_OK && present ? buffer_append_format(out, ",\"%s\":%llu", name, (unsigned long long)value)
                                         : status;
}

static int dump_name(struct buffer *out, int status, const char *what, const char *name)
{
    char escaped[6 * NACRE_NAME_MAX + 1];
    return status == NACRE_OK && name
               ? buffer_append_format(out, ",\"%s\":\"%s\"", what, log_escape(name, escaped, sizeof escaped))
               : status;
}

static int dump_create(struct buffer *out, const struct manifest_collection *c)
{
    int status = dump_name(out, NACRE_OK, "create", c->name);
    status = dump_number(out, status, true, "kind", c->kind);
    status = dump_number(out, status, true, "default_ttl_ms", c->default_ttl_ms);
    status = dump_number(out, status, c->dimension != 0, "dimension", c->dimension);
    status = dump_number(out, status, c->dimension != 0, "metric", c->metric);
    status = dump_name(out, status, "merge_operator", c->merge_operator);
    status = dump_name(out, status, "compaction_filter", c->compaction_filter);
    status = dump_number(out, status, c->value_log_threshold != 0, "value_log_threshold", c->value_log_threshold);
    status = dump_number(out, status, true, "log_position", c->log_position);
    return dump_number(out, status, true, "next_run", c->next_run);
}

static int dump_edit(struct buffer *out, uint64_t offset, const struct manifest_edit *edit)
{
    int status = buffer_append_format(out, "{\"offset\":%llu", (unsigned long long)offset);
    status = dump_number(out, status, edit->collection != 0, "collection", edit->collection);
    if (status == NACRE_OK && edit->create) {
        status = dump_create(out, edit->create);
    }
    if (status == NACRE_OK && edit->drop) {
        status = buffer_append_format(out, ",\"drop\":true");
    }
    if (status == NACRE_OK) {
        status = dump_pieces(out, "remove", edit->remove, edit->remove_count, false);
    }
    if (status == NACRE_OK) {
        status = dump_pieces(out, "add", edit->add, edit->add_count, true);
    }
    status = dump_number(out, status, edit->has_log_position, "log_position", edit->log_position);
    status = dump_number(out, status, edit->has_next_run, "next_run", edit->next_run);
    status = dump_number(out, status, edit->has_last_sequence, "last_sequence", edit->last_sequence);
    status = dump_number(out, status, edit->has_clean_log_end, "clean_log_end", edit->clean_log_end);
    status = dump_number(out, status, edit->has_opening, "opening", edit->opening);
    status = dump_number(out, status, edit->has_next_log_file, "next_log_file", edit->next_log_file);
    status = dump_number(out, status, edit->has_next_collection, "next_collection", edit->next_collection);
    return status == NACRE_OK ? buffer_append(out, "}", 2) : status;
}

static int dump_frame(nacre_slice bytes, uint64_t offset, struct buffer *text)
{
    struct manifest_decoded decoded;
    int status = manifest_edit_decode(bytes, &decoded);
    buffer_clear(text);
    if (status == NACRE_OK) {
        status = dump_edit(text, offset, &decoded.edit);
    }
    manifest_decoded_free(&decoded);
    return status;
}

int manifest_dump_file(const nacre_os *os, const char *path, void (*line)(void *context, const char *json),
                       void *context)
{
    struct buffer file = { 0 }, text = { 0 };
    struct manifest_header header;
    nacre_slice edit;
    uint64_t at = MANIFEST_HEADER_BYTES;
    int status = os_read_file(os, path, MANIFEST_FILE_MAX, &file);
    if (status == NACRE_OK) {
        status = manifest_header_decode(buffer_slice(&file), path, &header);
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "{\"generation\":%llu,\"snapshot_end\":%llu,\"bytes\":%zu}",
                                      (unsigned long long)header.generation, (unsigned long long)header.snapshot_end,
                                      file.size);
    }
    if (status == NACRE_OK) {
        line(context, (const char *)text.data);
    }
    while (status == NACRE_OK && at < file.size &&
           manifest_frame_read(buffer_slice(&file), header.generation, at, &edit)) {
        status = dump_frame(edit, at, &text);
        if (status == NACRE_OK) {
            line(context, (const char *)text.data);
            at += MANIFEST_FRAME_BYTES + edit.size;
        }
    }
    if (status == NACRE_OK && at < file.size) {
        status = fail(NACRE_CORRUPT, "an edit that does not check; %zu bytes follow", file.size - (size_t)at);
    }
    buffer_free(&file);
    buffer_free(&text);
    return status == NACRE_OK ? status : fail_context(status, "%s: offset %llu", path, (unsigned long long)at);
}
