/* Whole manifest files and CURRENT: writing, reading, telling a torn tail from damage (bytes: manifest_format.h).

   Every commit is synced before the next one is written behind it, so only the last edit can be torn. A tail that does not check is taken for
   torn only if nothing behind it checks and it shows what an interrupted write leaves: the file ends inside the edit, or a
   whole 512-byte sector of it was never written (zeros). All else is damage. After a clean close CURRENT knows the exact length, and no
   tail is excused. */
#include "base/clock.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "tree/manifest_format.h"
#include <stdio.h>
#include <stdlib.h>

#define SECTOR_BYTES  512u
#define LOAD_ATTEMPTS 4

/* ---- header and frames ---- */

int manifest_header_encode(struct buffer *out, const struct manifest_header *header)
{
    uint8_t bytes[MANIFEST_HEADER_BYTES] = { 0 };
    memcpy(bytes, MANIFEST_MAGIC, 8);
    store_u32(bytes + 8, MANIFEST_FORMAT);
    store_u64(bytes + 16, header->generation);
    store_u64(bytes + 24, header->snapshot_end);
    store_u64(bytes + 32, hash_bytes(bytes, 32));
    return buffer_append(out, bytes, sizeof bytes);
}

int manifest_header_decode(nacre_slice file, const char *path, struct manifest_header *header)
{
    const uint8_t *bytes = file.data;
    if (file.size < MANIFEST_HEADER_BYTES) {
        return fail(NACRE_CORRUPT, "%s: offset 0: a header of %u bytes expected, the file has %zu", path,
                    MANIFEST_HEADER_BYTES, file.size);
    }
    if (memcmp(bytes, MANIFEST_MAGIC, 8) != 0) {
        return fail(NACRE_CORRUPT, "%s: offset 0: not a manifest", path);
    }
    if (load_u64(bytes + 32) != hash_bytes(bytes, 32)) {
        return fail(NACRE_CORRUPT, "%s: offset 32: checksum of the header: %016llx expected, %016llx found", path,
                    (unsigned long long)hash_bytes(bytes, 32), (unsigned long long)load_u64(bytes + 32));
    }
    if (load_u32(bytes + 8) != MANIFEST_FORMAT) {
        return fail(NACRE_UNSUPPORTED, "%s: format %u, this version reads %u", path, load_u32(bytes + 8),
                    MANIFEST_FORMAT);
    }
    header->generation = load_u64(bytes + 16);
    header->snapshot_end = load_u64(bytes + 24);
    return NACRE_OK;
}

static uint64_t frame_seed(uint64_t generation, uint64_t offset)
{
    return (generation << 32 | generation >> 32) ^ offset;
}

int manifest_frame_append(struct buffer *out, uint64_t generation, uint64_t offset, nacre_slice edit)
{
    uint64_t seed = frame_seed(generation, offset);
    if (edit.size > MANIFEST_FILE_MAX / 2) {
        return fail(NACRE_LIMIT, "a manifest edit of %zu bytes", edit.size);
    }
    uint32_t length = (uint32_t)edit.size;
    int status = buffer_append_u32(out, length);
    if (status == NACRE_OK) {
        status = buffer_append_u32(out, (uint32_t)hash_seeded(&length, sizeof length, seed));
    }
    if (status == NACRE_OK) {
        status = buffer_append_u64(out, hash_seeded(edit.data, edit.size, seed));
    }
    return status == NACRE_OK ? buffer_append(out, edit.data, edit.size) : status;
}

/* The length that the frame at bytes[at], which is at `offset` of the file, claims, if its check is right. */
static bool frame_length(nacre_slice bytes, uint64_t generation, uint64_t at, uint64_t offset, uint32_t *length)
{
    if (bytes.size < at || bytes.size - at < MANIFEST_FRAME_BYTES) {
        return false;
    }
    const uint8_t *frame = (const uint8_t *)bytes.data + at;
    *length = load_u32(frame);
    return load_u32(frame + 4) == (uint32_t)hash_seeded(length, sizeof *length, frame_seed(generation, offset));
}

bool manifest_frame_at(nacre_slice bytes, uint64_t generation, uint64_t at, uint64_t offset, nacre_slice *edit)
{
    uint32_t length;
    if (!frame_length(bytes, generation, at, offset, &length) || bytes.size - at - MANIFEST_FRAME_BYTES < length) {
        return false;
    }
    const uint8_t *frame = (const uint8_t *)bytes.data + at;
    *edit = slice_of(frame + MANIFEST_FRAME_BYTES, length);
    return load_u64(frame + 8) == hash_seeded(edit->data, edit->size, frame_seed(generation, offset));
}

bool manifest_frame_read(nacre_slice file, uint64_t generation, uint64_t offset, nacre_slice *edit)
{
    return manifest_frame_at(file, generation, offset, offset, edit);
}

/* ---- reading a file ---- */

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static bool has_unwritten_sector(nacre_slice file, uint64_t offset)
{
    const uint8_t *bytes = file.data;
    while (offset < file.size) {
        uint64_t end = (offset / SECTOR_BYTES + 1) * SECTOR_BYTES;
        end = end < file.size ? end : file.size;
        if (is_zero(bytes + offset, (size_t)(end - offset))) {
            return true;
        }
        offset = end;
    }
    return false;
}

static bool is_torn(nacre_slice file, uint64_t generation, uint64_t offset)
{
    uint32_t length;
    nacre_slice edit;
    for (uint64_t at = offset + 1; at < file.size; at++) {
        if (manifest_frame_read(file, generation, at, &edit)) {
            return false;
        }
    }
    bool whole_length = frame_length(file, generation, offset, offset, &length);
    return file.size - offset < MANIFEST_FRAME_BYTES ||
           (whole_length && file.size - offset - MANIFEST_FRAME_BYTES < length) || has_unwritten_sector(file, offset);
}

int manifest_apply_edit(nacre_slice bytes, struct manifest_state *state)
{
    struct manifest_decoded decoded;
    struct manifest_change change;
    int status = manifest_edit_decode(bytes, &decoded);
    if (status == NACRE_OK) {
        status = manifest_change_prepare(state, &decoded.edit, &change);
    }
    if (status == NACRE_OK) {
        manifest_change_apply(state, &decoded.edit, &change);
    }
    manifest_decoded_free(&decoded);
    return status == NACRE_NOT_FOUND || status == NACRE_EXISTS ? NACRE_CORRUPT : status;
}

static int parse_edits(nacre_slice file, const char *path, struct manifest_state *state, struct manifest_read *read)
{
    nacre_slice edit;
    int status = NACRE_OK;
    read->good = MANIFEST_HEADER_BYTES;
    while (status == NACRE_OK && read->good < file.size &&
           manifest_frame_read(file, read->generation, read->good, &edit)) {
        status = manifest_apply_edit(edit, state);
        if (status == NACRE_OK) {
            read->good += MANIFEST_FRAME_BYTES + edit.size;
        }
    }
    return status == NACRE_OK ? status : fail_context(status, "%s: offset %llu", path, (unsigned long long)read->good);
}

int manifest_parse(nacre_slice file, const char *path, uint64_t expected_length, struct manifest_state *state,
                   struct manifest_read *read)
{
    struct manifest_header header;
    memset(state, 0, sizeof *state);
    memset(read, 0, sizeof *read);
    int status = manifest_header_decode(file, path, &header);
    if (status != NACRE_OK) {
        return status;
    }
    read->generation = header.generation;
    read->snapshot_end = header.snapshot_end;
    status = parse_edits(file, path, state, read);
    if (status != NACRE_OK) {
        manifest_state_free(state);
        return status;
    }
    read->torn = read->good < file.size;
    if (expected_length && (file.size != expected_length || read->torn)) {
        status = fail(NACRE_CORRUPT, "%s: offset %llu: the store was closed with %llu bytes here, %llu of %zu are good",
                      path, (unsigned long long)read->good, (unsigned long long)expected_length,
                      (unsigned long long)read->good, file.size);
    } else if (read->good < header.snapshot_end || (read->torn && !is_torn(file, header.generation, read->good))) {
        status = fail(NACRE_CORRUPT,
                      "%s: offset %llu: checksum of an edit is wrong, and it is not one that a power cut has torn",
                      path, (unsigned long long)read->good);
    }
    if (status != NACRE_OK) {
        manifest_state_free(state);
    }
    return status;
}

/* ---- CURRENT ---- */

#define CURRENT_FORMAT        "nacre manifest 1\ngeneration %016llx\nlength %016llx\n"
#define CURRENT_GENERATION_AT 28u /* where its digits stand */
#define CURRENT_LENGTH_AT     52u
#define CURRENT_BYTES_MAX     256u

static int current_text(const struct manifest_current *current, struct buffer *text)
{
    buffer_clear(text);
    int status = buffer_append_format(text, CURRENT_FORMAT, (unsigned long long)current->generation,
                                      (unsigned long long)current->length);
    uint64_t check = status == NACRE_OK ? hash_bytes(text->data, text->size) : 0;
    return status == NACRE_OK ? buffer_append_format(text, "check %016llx\n", (unsigned long long)check) : status;
}

int manifest_current_write(const nacre_os *os, const char *store_path, const struct manifest_current *current)
{
    struct buffer text = { 0 };
    int status = current_text(current, &text);
    if (status == NACRE_OK) {
        status = os_replace_file(os, store_path, "CURRENT", buffer_slice(&text));
    }
    buffer_free(&text);
    return status;
}

/* A sound text of another format: its last line is the checksum of the lines before, the first names the format. */
static bool is_other_format(const char *text, size_t size)
{
    static const char first[] = "nacre manifest ", last[] = "check ";
    const size_t tail = sizeof last - 1 + 16 + 1;
    if (size < sizeof first + tail || memcmp(text, first, sizeof first - 1) != 0 ||
        memcmp(text + size - tail, last, sizeof last - 1) != 0) {
        return false;
    }
    return strtoull(text + size - 17, NULL, 16) == hash_bytes(text, size - tail) &&
           strncmp(text, CURRENT_FORMAT, sizeof first + 1) != 0;
}

int manifest_current_read(const nacre_os *os, const char *store_path, struct manifest_current *current)
{
    char path[OS_PATH_MAX];
    struct buffer found = { 0 }, again = { 0 };
    int status = os_path(path, store_path, "CURRENT");
    if (status == NACRE_OK) {
        status = os_read_file(os, path, CURRENT_BYTES_MAX, &found);
    }
    if (status == NACRE_OK) {
        status = buffer_append_u8(&found, 0);
    }
    if (status == NACRE_OK) {
        bool long_enough = found.size > CURRENT_LENGTH_AT;
        current->generation = long_enough ? strtoull((const char *)found.data + CURRENT_GENERATION_AT, NULL, 16) : 0;
        current->length = long_enough ? strtoull((const char *)found.data + CURRENT_LENGTH_AT, NULL, 16) : 0;
        status = current_text(current, &again);
    }
    /* What it says must make exactly the same text again, checksum and all. */
    bool same = status == NACRE_OK && slice_equal(buffer_slice(&again), slice_of(found.data, found.size - 1));
    if (status == NACRE_OK && !same && is_other_format((const char *)found.data, found.size - 1)) {
        status = fail(NACRE_UNSUPPORTED, "%s: '%.*s', this version reads 'nacre manifest 1'", path,
                      (int)strcspn((const char *)found.data, "\n"), (const char *)found.data);
    } else if (status == NACRE_OK && !same) {
        status =
            fail(NACRE_CORRUPT, "%s: offset 0: generation, length and their checksum expected, other text found", path);
    }
    buffer_free(&found);
    buffer_free(&again);
    return status;
}

int manifest_file_path(const char *store_path, uint64_t generation, char out[OS_PATH_MAX])
{
    return os_path(out, store_path, "manifest/%016llx", (unsigned long long)generation);
}

/* ---- reading what CURRENT names ---- */

static int load_once(const nacre_os *os, const char *store_path, struct manifest_state *state,
                     struct manifest_read *read)
{
    char path[OS_PATH_MAX];
    struct manifest_current current;
    struct buffer file = { 0 };
    int status = manifest_current_read(os, store_path, &current);
    if (status == NACRE_OK) {
        status = manifest_file_path(store_path, current.generation, path);
    }
    if (status == NACRE_OK) {
        status = os_read_file(os, path, MANIFEST_FILE_MAX, &file);
        if (status == NACRE_NOT_FOUND) {
            status = fail(NACRE_CORRUPT, "%s: named by CURRENT, but not there", path);
        }
    }
    if (status == NACRE_OK) {
        status = manifest_parse(buffer_slice(&file), path, current.length, state, read);
    }
    if (status == NACRE_OK && read->generation != current.generation) {
        manifest_state_free(state);
        status = fail(NACRE_CORRUPT, "%s: offset 16: generation %llx expected, %llx found", path,
                      (unsigned long long)current.generation, (unsigned long long)read->generation);
    }
    buffer_free(&file);
    return status;
}

int manifest_load(const nacre_os *os, const char *store_path, struct manifest_state *state, struct manifest_read *read)
{
    int status = NACRE_OK;
    for (int attempt = 0; attempt < LOAD_ATTEMPTS; attempt++) {
        status = load_once(os, store_path, state, read);
        if (status != NACRE_CORRUPT) {
            break;
        }
        clock_sleep_ns(500000); /* read beside a writer: an edit half there, or a generation just replaced */
    }
    return status;
}

/* ---- writing a file ---- */

struct snapshot_writer {
    struct buffer *file, edit;
    uint64_t generation;
};

static int write_snapshot_edit(void *context, const struct manifest_edit *edit)
{
    struct snapshot_writer *writer = context;
    buffer_clear(&writer->edit);
    int status = manifest_edit_encode(edit, &writer->edit);
    return status == NACRE_OK ? manifest_frame_append(writer->file, writer->generation, writer->file->size,
                                                      buffer_slice(&writer->edit))
                              : status;
}

static int make_file(const struct manifest_state *state, uint64_t generation, struct buffer *bytes)
{
    struct buffer header = { 0 };
    struct snapshot_writer writer = { .file = bytes, .generation = generation };
    int status = manifest_header_encode(bytes, &(struct manifest_header){ .generation = generation });
    if (status == NACRE_OK) {
        status = manifest_state_edits(state, write_snapshot_edit, &writer);
    }
    if (status == NACRE_OK) {
        status = manifest_header_encode(
            &header, &(struct manifest_header){ .generation = generation, .snapshot_end = bytes->size });
    }
    if (status == NACRE_OK) {
        memcpy(bytes->data, header.data, MANIFEST_HEADER_BYTES);
    }
    buffer_free(&header);
    buffer_free(&writer.edit);
    return status;
}

static int open_new(const nacre_os *os, const char *path, nacre_file **file)
{
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE;
    int status = os->open(os->context, path, flags, file);
    if (status == NACRE_EXISTS) { /* CURRENT does not name it: left by a crash */
        status = os->remove(os->context, path);
        if (status == NACRE_OK) {
            status = os->open(os->context, path, flags, file);
        }
    }
    return status;
}

int manifest_write_generation(const nacre_os *os, const char *store_path, uint64_t generation,
                              const struct manifest_state *state, nacre_file **file, uint64_t *bytes)
{
    char path[OS_PATH_MAX], directory[OS_PATH_MAX];
    struct buffer contents = { 0 };
    *file = NULL;
    int status = manifest_file_path(store_path, generation, path);
    if (status == NACRE_OK) {
        status = os_path(directory, store_path, "manifest");
    }
    if (status == NACRE_OK) {
        status = make_file(state, generation, &contents);
    }
    if (status == NACRE_OK) {
        status = open_new(os, path, file);
    }
    if (status == NACRE_OK) {
        status = os->write(*file, 0, contents.data, contents.size);
    }
    if (status == NACRE_OK) {
        status = os->sync(*file);
    }
    if (status == NACRE_OK) {
        status = os->sync_directory(os->context, directory);
    }
    if (status != NACRE_OK && *file) {
        os->close(*file);
        *file = NULL;
        os->remove(os->context, path);
    }
    *bytes = contents.size;
    buffer_free(&contents);
    return status;
}

int manifest_copy_bytes(const struct manifest_state *state, struct buffer *file, struct buffer *current)
{
    int status = make_file(state, 1, file);
    struct manifest_current names = { .generation = 1, .length = state->clean_log_end ? file->size : 0 };
    return status == NACRE_OK ? current_text(&names, current) : status;
}
