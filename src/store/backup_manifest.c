/* The bytes of backups/<id, 16 hex digits>. All numbers little-endian.

     header, 48 bytes             body
       0  8  "nacreBAK"             varint created (ms of the wall clock), newest sequence, collections, copied bytes, number of files
       8  4  format version         for each file: slice name, varint size, 8 + 8 bytes of its XXH3-128 (low, high), varint id and checksum of a
       12 4  zero                   container (0 and 0 for other files), and for each MiB of it 4 bytes: the low half of that piece's XXH3
       16 8  id of the backup
       24 8  bytes of the body
       32 8  XXH3 of the body
       40 8  XXH3 of bytes 0..39
   Pure functions, and one that reads. */
#include "store/backup_manifest.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/layout.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKUP_MAGIC        "nacreBAK"
#define BACKUP_FORMAT       1u
#define BACKUP_HEADER_BYTES 48u
#define BACKUP_BYTES_MAX    (UINT64_C(1) << 30)
#define FILE_BYTES_LEAST    21u /* of a file in the body */

static void free_file(struct backup_file *file)
{
    memory_free(file->name);
    memory_free(file->pieces);
}

void backup_free(struct backup *b)
{
    for (size_t i = 0; i < b->file_count; i++) {
        free_file(&b->files[i]);
    }
    memory_free(b->files);
    *b = (struct backup){ 0 };
}

int backup_add_file(struct backup *b, const struct backup_file *file)
{
    struct backup_file owned = *file;
    if (b->file_count == b->file_capacity) {
        size_t capacity = b->file_capacity ? 2 * b->file_capacity : 64;
        struct backup_file *more = memory_realloc(b->files, capacity * sizeof *more);
        if (!more) {
            free_file(&owned);
            return NACRE_NO_MEMORY;
        }
        b->files = more;
        b->file_capacity = capacity;
    }
    b->files[b->file_count++] = owned;
    return NACRE_OK;
}

uint64_t backup_bytes(const struct backup *b)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < b->file_count; i++) {
        bytes += b->files[i].size;
    }
    return bytes;
}

void content_name(const struct backup_file *file, char out[CONTENT_NAME_BYTES])
{
    (void)snprintf(out, CONTENT_NAME_BYTES, "%016" PRIx64 "%016" PRIx64 "-%" PRIx64, file->sum.high, file->sum.low,
                   file->size);
}

/* ---- writing ---- */

static int encode_file(const struct backup_file *file, struct buffer *out)
{
    int status = buffer_append_slice(out, slice_text(file->name));
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, file->size);
    }
    if (status == NACRE_OK) {
        status = buffer_append_u64(out, file->sum.low);
    }
    if (status == NACRE_OK) {
        status = buffer_append_u64(out, file->sum.high);
    }
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, file->id);
    }
    if (status == NACRE_OK) {
        status = buffer_append_varint(out, file->checksum);
    }
    return status == NACRE_OK ? buffer_append(out, file->pieces, 4 * file->piece_count) : status;
}

static int encode_body(const struct backup *b, struct buffer *body)
{
    const uint64_t numbers[] = { b->created_ms, b->sequence, b->collections, b->copied_bytes, b->file_count };
    int status = NACRE_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == NACRE_OK; i++) {
        status = buffer_append_varint(body, numbers[i]);
    }
    for (size_t i = 0; i < b->file_count && status == NACRE_OK; i++) {
        status = encode_file(&b->files[i], body);
    }
    return status;
}

int backup_encode(const struct backup *b, struct buffer *out)
{
    uint8_t header[BACKUP_HEADER_BYTES] = BACKUP_MAGIC;
    struct buffer body = { 0 };
    int status = encode_body(b, &body);
    if (status == NACRE_OK) {
        store_u32(header + 8, BACKUP_FORMAT);
        store_u64(header + 16, b->id);
        store_u64(header + 24, body.size);
        store_u64(header + 32, hash_bytes(body.data, body.size));
        store_u64(header + 40, hash_bytes(header, 40));
        status = buffer_append(out, header, sizeof header);
    }
    if (status == NACRE_OK) {
        status = buffer_append(out, body.data, body.size);
    }
    buffer_free(&body);
    return status;
}

/* ---- reading ---- */

static int check_header(const uint8_t *bytes, size_t size, const char *path, uint64_t id)
{
    if (size < BACKUP_HEADER_BYTES || memcmp(bytes, BACKUP_MAGIC, 8) != 0) {
        return fail(NACRE_CORRUPT, "%s: offset 0: the header of a backup expected, other bytes found", path);
    }
    uint64_t found = hash_bytes(bytes, 40);
    if (load_u64(bytes + 40) != found) {
        return fail(NACRE_CORRUPT,
                    "%s: offset 40: checksum of the header: %016" PRIx64 " expected, %016" PRIx64 " found", path,
                    load_u64(bytes + 40), found);
    }
    if (load_u32(bytes + 8) != BACKUP_FORMAT) {
        return fail(NACRE_UNSUPPORTED, "%s: format %u, this version reads %u", path, load_u32(bytes + 8),
                    BACKUP_FORMAT);
    }
    if (load_u64(bytes + 16) != id || load_u64(bytes + 24) != size - BACKUP_HEADER_BYTES) {
        return fail(NACRE_CORRUPT,
                    "%s: backup %" PRIu64 " with a body of %zu bytes expected, %" PRIu64 " with %" PRIu64 " found",
                    path, id, size - BACKUP_HEADER_BYTES, load_u64(bytes + 16), load_u64(bytes + 24));
    }
    found = hash_bytes(bytes + BACKUP_HEADER_BYTES, size - BACKUP_HEADER_BYTES);
    return load_u64(bytes + 32) == found
               ? NACRE_OK
               : fail(NACRE_CORRUPT,
                      "%s: offset %u: checksum of the body: %016" PRIx64 " expected, %016" PRIx64 " found", path,
                      BACKUP_HEADER_BYTES, load_u64(bytes + 32), found);
}

static bool is_sound_name(nacre_slice name)
{
    char text[256];
    size_t folder;
    if (name.size == 0 || name.size >= sizeof text || memchr(name.data, 0, name.size)) {
        return false;
    }
    memcpy(text, name.data, name.size);
    text[name.size] = 0;
    return layout_is_file(text, &folder);
}

static int decode_file(struct reader *in, struct backup *b)
{
    struct backup_file file = { 0 };
    nacre_slice name = reader_slice(in);
    file.size = reader_varint(in);
    file.sum.low = reader_u64(in);
    file.sum.high = reader_u64(in);
    file.id = reader_varint(in);
    file.checksum = reader_varint(in);
    uint64_t pieces = file.size / COPY_PIECE_BYTES + (file.size % COPY_PIECE_BYTES != 0);
    if (!in->ok || !is_sound_name(name) || pieces > (uint64_t)(in->end - in->at) / 4) {
        return NACRE_CORRUPT;
    }
    nacre_slice sums = reader_bytes(in, 4 * (size_t)pieces);
    file.piece_count = (size_t)pieces;
    file.name = memory_zalloc(name.size + 1);
    file.pieces = memory_alloc(sums.size + 1);
    if (!file.name || !file.pieces) {
        free_file(&file);
        return NACRE_NO_MEMORY;
    }
    memcpy(file.name, name.data, name.size);
    if (sums.size) {
        memcpy(file.pieces, sums.data, sums.size);
    }
    return backup_add_file(b, &file);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* Two files of one name would be written over each other. */
static int check_distinct(const struct backup *b)
{
    const char **names = memory_alloc((b->file_count + 1) * sizeof *names);
    bool distinct = true;
    if (!names) {
        return NACRE_NO_MEMORY;
    }
    for (size_t i = 0; i < b->file_count; i++) {
        names[i] = b->files[i].name;
    }
    qsort((void *)names, b->file_count, sizeof *names, compare_names);
    for (size_t i = 1; i < b->file_count; i++) {
        distinct = distinct && strcmp(names[i - 1], names[i]) != 0;
    }
    memory_free((void *)names);
    return distinct ? NACRE_OK : NACRE_CORRUPT;
}

static int decode_body(nacre_slice body, struct backup *b)
{
    struct reader in = reader_of(body);
    b->created_ms = reader_varint(&in);
    b->sequence = reader_varint(&in);
    b->collections = reader_varint(&in);
    b->copied_bytes = reader_varint(&in);
    uint64_t count = reader_varint(&in);
    int status = in.ok && count <= body.size / FILE_BYTES_LEAST ? NACRE_OK : NACRE_CORRUPT;
    for (uint64_t i = 0; i < count && status == NACRE_OK; i++) {
        status = decode_file(&in, b);
    }
    if (status == NACRE_OK && in.at != in.end) {
        status = NACRE_CORRUPT;
    }
    return status == NACRE_OK ? check_distinct(b) : status;
}

int backup_decode(nacre_slice bytes, const char *path, uint64_t id, struct backup *b)
{
    *b = (struct backup){ .id = id };
    int status = check_header(bytes.data, bytes.size, path, id);
    if (status != NACRE_OK) {
        return status;
    }
    nacre_slice body = slice_of((const uint8_t *)bytes.data + BACKUP_HEADER_BYTES, bytes.size - BACKUP_HEADER_BYTES);
    status = decode_body(body, b);
    if (status != NACRE_OK) {
        backup_free(b);
        return status == NACRE_CORRUPT ? fail(status, "%s: its files are not understood", path) : status;
    }
    return NACRE_OK;
}

int backup_read(const nacre_os *os, const char *directory, uint64_t id, struct backup *b)
{
    char path[OS_PATH_MAX];
    struct buffer bytes = { 0 };
    *b = (struct backup){ 0 };
    int status = os_path(path, directory, "backups/%016" PRIx64, id);
    if (status == NACRE_OK) {
        status = os_read_file(os, path, BACKUP_BYTES_MAX, &bytes);
    }
    if (status == NACRE_NOT_FOUND) {
        status = fail(NACRE_NOT_FOUND, "%s: there is no backup %" PRIu64, directory, id);
    }
    if (status == NACRE_OK) {
        status = backup_decode(slice_of(bytes.data ? (const void *)bytes.data : "", bytes.size), path, id, b);
    }
    buffer_free(&bytes);
    return status;
}
