/* Copying files (copy.h). One thread at a time per copier; no locks. */
#include "os/copy.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include <stdio.h>

int copier_create(const nacre_os *os, struct copier *c)
{
    *c = (struct copier){ .os = os, .bytes = memory_alloc(COPY_PIECE_BYTES) };
    return c->bytes ? NACRE_OK : NACRE_NO_MEMORY;
}

void copier_free(struct copier *c)
{
    memory_free(c->bytes);
    buffer_free(&c->pieces);
    *c = (struct copier){ 0 };
}

/* One piece: its own sum, the sum of all, and into the new file where there is one. */
static int take_piece(struct copier *c, XXH3_state_t *state, nacre_file *target, const uint8_t *bytes, size_t size)
{
    int status = target ? c->os->write(target, c->size, bytes, size) : NACRE_OK;
    if (status == NACRE_OK) {
        status = buffer_append_u32(&c->pieces, (uint32_t)hash_bytes(bytes, size));
    }
    if (status == NACRE_OK && target) {
        (void)c->os->write_behind(target, c->size, size); /* so that the sync at the end finds little to do */
        c->total += size;
    }
    (void)XXH3_128bits_update(state, bytes, size);
    c->size += size;
    return status;
}

static void begin_sum(struct copier *c, XXH3_state_t *state)
{
    buffer_clear(&c->pieces);
    c->size = 0;
    (void)XXH3_128bits_reset(state);
}

static void end_sum(struct copier *c, const XXH3_state_t *state)
{
    XXH128_hash_t sum = XXH3_128bits_digest(state);
    c->sum = (struct content_sum){ .low = sum.low64, .high = sum.high64 };
}

/* Reads a piece whole, but for the end of the file. */
static int read_piece(struct copier *c, nacre_file *source, uint64_t most, size_t *size)
{
    int status = NACRE_OK;
    uint64_t left = most - c->size;
    size_t want = left < COPY_PIECE_BYTES ? (size_t)left : COPY_PIECE_BYTES;
    *size = 0;
    while (status == NACRE_OK && *size < want) {
        size_t got = 0;
        status = c->os->read(source, c->size + *size, c->bytes + *size, want - *size, &got);
        *size += got;
        if (got == 0) {
            break;
        }
    }
    return status;
}

static int pass_all(struct copier *c, nacre_file *source, nacre_file *target, uint64_t most)
{
    XXH3_state_t state;
    size_t size = 0;
    begin_sum(c, &state);
    int status = read_piece(c, source, most, &size);
    while (status == NACRE_OK && size > 0) {
        status = take_piece(c, &state, target, c->bytes, size);
        if (status == NACRE_OK) {
            status = read_piece(c, source, most, &size);
        }
    }
    end_sum(c, &state);
    return status;
}

/* Ends a new file well, or takes it away; the detail stays that of the failure before. */
static int end_target(struct copier *c, nacre_file *target, const char *to, int status)
{
    if (status == NACRE_OK) {
        status = c->os->sync(target);
    }
    int closed = c->os->close(target);
    status = status == NACRE_OK ? closed : status;
    if (status != NACRE_OK) {
        char detail[1024];
        (void)snprintf(detail, sizeof detail, "%s", fail_detail());
        (void)c->os->remove(c->os->context, to);
        (void)fail(status, "%s", detail);
    }
    return status;
}

static int open_target(const nacre_os *os, const char *to, nacre_file **target)
{
    return os->open(os->context, to, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE,
                    target);
}

int copier_copy(struct copier *c, const char *from, const char *to, uint64_t most)
{
    nacre_file *source = NULL, *target = NULL;
    int status = c->os->open(c->os->context, from, NACRE_FILE_READ, &source);
    if (status != NACRE_OK) {
        return status;
    }
    status = open_target(c->os, to, &target);
    if (status == NACRE_OK) {
        status = pass_all(c, source, target, most);
        status = end_target(c, target, to, status);
    }
    (void)c->os->close(source); /* only read: nothing can be lost */
    return status;
}

int copier_read(struct copier *c, const char *path, uint64_t most)
{
    nacre_file *source = NULL;
    int status = c->os->open(c->os->context, path, NACRE_FILE_READ, &source);
    if (status == NACRE_OK) {
        status = pass_all(c, source, NULL, most);
        (void)c->os->close(source); /* only read: nothing can be lost */
    }
    return status;
}

int copier_write(struct copier *c, nacre_slice contents, const char *to)
{
    nacre_file *target = NULL;
    XXH3_state_t state;
    begin_sum(c, &state);
    int status = open_target(c->os, to, &target);
    if (status != NACRE_OK) {
        return status;
    }
    for (size_t at = 0; at < contents.size && status == NACRE_OK; at += COPY_PIECE_BYTES) {
        size_t size = contents.size - at < COPY_PIECE_BYTES ? contents.size - at : COPY_PIECE_BYTES;
        status = take_piece(c, &state, target, (const uint8_t *)contents.data + at, size);
    }
    end_sum(c, &state);
    return end_target(c, target, to, status);
}
