/* Lists of value files with what points into them (see value_shares.h). Invariants:
   1. files ascend, each is there once, and each has at least one pointer;
   2. the sums are those of the list and do not overflow: lists read from a disk are checked.
   One thread at a time; no locks. */
#include "segment/value_shares.h"
#include "base/memory.h"
#include "base/status.h"

#define SHARE_BYTES_LEAST 3u /* of one that is encoded */

static int reserve(struct value_shares *s, size_t capacity)
{
    struct value_share *list = memory_realloc(s->list, capacity * sizeof *list + 1);
    if (!list) {
        return NACRE_NO_MEMORY;
    }
    s->list = list;
    s->capacity = capacity;
    return NACRE_OK;
}

/* The place of the first file >= `file`. */
static size_t find(const struct value_shares *s, uint64_t file)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->list[middle].file < file) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int value_shares_add(struct value_shares *s, uint64_t file, uint64_t bytes)
{
    if (s->last >= s->count || s->list[s->last].file != file) {
        size_t at = find(s, file);
        if (at == s->count || s->list[at].file != file) {
            if (s->count == s->capacity) {
                int status = reserve(s, s->capacity ? 2 * s->capacity : 8);
                if (status != NACRE_OK) {
                    return status;
                }
            }
            memmove(s->list + at + 1, s->list + at, (s->count - at) * sizeof *s->list);
            s->list[at] = (struct value_share){ .file = file };
            s->count++;
        }
        s->last = at;
    }
    s->list[s->last].pointers++;
    s->list[s->last].bytes += bytes;
    s->pointers++;
    s->bytes += bytes;
    return NACRE_OK;
}

int value_shares_copy(const struct value_shares *s, struct value_shares *copy)
{
    *copy = (struct value_shares){ 0 };
    if (s->count == 0) {
        return NACRE_OK;
    }
    int status = reserve(copy, s->count);
    if (status == NACRE_OK) {
        memcpy(copy->list, s->list, s->count * sizeof *s->list);
        copy->count = s->count;
        copy->pointers = s->pointers;
        copy->bytes = s->bytes;
    }
    return status;
}

void value_shares_free(struct value_shares *s)
{
    memory_free(s->list);
    *s = (struct value_shares){ 0 };
}

bool value_shares_equal(const struct value_shares *a, const struct value_shares *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->list[i].file != b->list[i].file || a->list[i].pointers != b->list[i].pointers ||
            a->list[i].bytes != b->list[i].bytes) {
            return false;
        }
    }
    return true;
}

int value_shares_encode(const struct value_shares *s, struct buffer *out)
{
    int status = NACRE_OK;
    for (size_t i = 0; i < s->count && status == NACRE_OK; i++) {
        status = buffer_append_varint(out, s->list[i].file);
        if (status == NACRE_OK) {
            status = buffer_append_varint(out, s->list[i].pointers);
        }
        if (status == NACRE_OK) {
            status = buffer_append_varint(out, s->list[i].bytes);
        }
    }
    return status;
}

int value_shares_decode(struct reader *in, uint64_t count, struct value_shares *s)
{
    if (count == 0) {
        return NACRE_OK;
    }
    if (count > (uint64_t)(in->end - in->at) / SHARE_BYTES_LEAST) {
        return fail(NACRE_CORRUPT, "%llu value files do not fit into %zu bytes", (unsigned long long)count,
                    (size_t)(in->end - in->at));
    }
    int status = reserve(s, (size_t)count);
    bool sound = status == NACRE_OK;
    for (uint64_t i = 0; sound && i < count; i++) {
        struct value_share share = { .file = reader_varint(in) };
        share.pointers = reader_varint(in);
        share.bytes = reader_varint(in);
        sound = in->ok && share.pointers > 0 && (i == 0 || share.file > s->list[i - 1].file) &&
                !__builtin_add_overflow(s->pointers, share.pointers, &s->pointers) &&
                !__builtin_add_overflow(s->bytes, share.bytes, &s->bytes);
        s->list[s->count++] = share;
    }
    if (status == NACRE_OK && !sound) {
        status = fail(NACRE_CORRUPT, "the list of %llu value files is not in order", (unsigned long long)count);
    }
    if (status != NACRE_OK) {
        value_shares_free(s);
    }
    return status;
}
