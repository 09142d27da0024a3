/* The file GIVEN (given.h).
     header, 32 bytes: `nacreGIV`, u32 format 1, 12 bytes zero, XXH3 of bytes 0 to 23;
     records, 32 bytes each: u64 segment, u64 sequence, u32 collection, u32 zero, XXH3 of bytes 0 to 23 with the record's offset as seed.
   Invariants:
   1. bytes behind `bytes` are of an append that failed: the file is then written anew, aside, before anything is added.
   2. a record is durable before a manifest edit names its segment.
   Any thread. Locks: given.lock > the manifest's. */
#include "store/given.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include <stdlib.h>

#define GIVEN_NAME         "GIVEN"
#define GIVEN_MAGIC        "nacreGIV"
#define GIVEN_FORMAT       1u
#define GIVEN_RECORD_BYTES ((size_t)32)
#define GIVEN_SUM_AT       24u
#define GIVEN_BYTES_MAX    (UINT64_C(1) << 30)
#define GIVEN_BYTES_LITTLE UINT64_C(65536) /* is not worth writing anew for what is gone */

void given_init(struct given *g)
{
    pthread_mutex_init(&g->lock, NULL);
}

void given_destroy(struct given *g)
{
    pthread_mutex_destroy(&g->lock);
}

/* ---- bytes ---- */

static int append_header(struct buffer *out)
{
    uint8_t bytes[GIVEN_RECORD_BYTES] = { 0 };
    memcpy(bytes, GIVEN_MAGIC, 8);
    store_u32(bytes + 8, GIVEN_FORMAT);
    store_u64(bytes + GIVEN_SUM_AT, hash_bytes(bytes, GIVEN_SUM_AT));
    return buffer_append(out, bytes, sizeof bytes);
}

/* `offset`: in the file. */
static int append_record(struct buffer *out, uint64_t offset, const struct given_record *record)
{
    uint8_t bytes[GIVEN_RECORD_BYTES] = { 0 };
    store_u64(bytes, record->segment);
    store_u64(bytes + 8, record->sequence);
    store_u32(bytes + 16, record->collection);
    store_u64(bytes + GIVEN_SUM_AT, hash_seeded(bytes, GIVEN_SUM_AT, offset));
    return buffer_append(out, bytes, sizeof bytes);
}

static bool header_is_good(const uint8_t *bytes)
{
    return memcmp(bytes, GIVEN_MAGIC, 8) == 0 && load_u32(bytes + 8) == GIVEN_FORMAT &&
           load_u64(bytes + GIVEN_SUM_AT) == hash_bytes(bytes, GIVEN_SUM_AT);
}

static bool take_record(const uint8_t *bytes, uint64_t offset, struct given_record *record)
{
    *record = (struct given_record){ load_u64(bytes), load_u64(bytes + 8), load_u32(bytes + 16) };
    return load_u64(bytes + GIVEN_SUM_AT) == hash_seeded(bytes, GIVEN_SUM_AT, offset) && record->sequence != 0;
}

/* A segment that was tried again has several: the last one has the greatest sequence. */
static int compare_records(const void *a, const void *b)
{
    const struct given_record *left = a, *right = b;
    if (left->segment != right->segment) {
        return left->segment < right->segment ? -1 : 1;
    }
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

int given_read(const nacre_os *os, const char *store_path, struct given_list *list)
{
    char path[OS_PATH_MAX];
    struct buffer file = { 0 };
    *list = (struct given_list){ 0 };
    int status = os_path(path, store_path, GIVEN_NAME);
    if (status == NACRE_OK) {
        status = os_read_file(os, path, GIVEN_BYTES_MAX, &file);
    }
    list->records =
        status == NACRE_OK ? memory_alloc((file.size / GIVEN_RECORD_BYTES + 1) * sizeof *list->records) : NULL;
    if (list->records) {
        list->whole =
            file.size >= GIVEN_RECORD_BYTES && file.size % GIVEN_RECORD_BYTES == 0 && header_is_good(file.data);
        for (size_t at = GIVEN_RECORD_BYTES; at + GIVEN_RECORD_BYTES <= file.size; at += GIVEN_RECORD_BYTES) {
            bool good = take_record(file.data + at, at, &list->records[list->count]);
            list->count += good;
            list->whole = list->whole && good;
        }
        qsort(list->records, list->count, sizeof *list->records, compare_records);
    } else if (status == NACRE_OK) {
        status = NACRE_NO_MEMORY;
    }
    buffer_free(&file);
    return status == NACRE_NO_MEMORY ? status : NACRE_OK;
}

uint64_t given_find(const struct given_list *list, uint64_t segment)
{
    size_t low = 0, high = list->count; /* the first record of a greater segment */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->records[middle].segment <= segment) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && list->records[low - 1].segment == segment ? list->records[low - 1].sequence : 0;
}

/* ---- writing; lock held ---- */

/* Those of the state's segments, once each but for pieces that lie apart. */
static int append_named(struct buffer *out, const struct manifest_state *state)
{
    int status = NACRE_OK;
    uint64_t last = 0;
    for (size_t i = 0; i < state->collection_count; i++) {
        const struct manifest_collection *c = &state->collections[i];
        for (size_t j = 0; j < c->piece_count && status == NACRE_OK; j++) {
            const struct segment_properties *p = &c->pieces[j].properties;
            if (p->given_sequence && p->id != last) {
                status = append_record(out, out->size, &(struct given_record){ p->id, p->given_sequence, c->id });
                last = p->id;
            }
        }
    }
    return status;
}

static int write_anew(struct given *g, const struct given_record *records, size_t count)
{
    struct manifest_state state = { 0 };
    struct buffer file = { 0 };
    int status = manifest_copy_state(g->manifest, &state);
    if (status == NACRE_OK) {
        status = append_header(&file);
    }
    if (status == NACRE_OK) {
        status = append_named(&file, &state);
    }
    uint64_t most = 4 * file.size;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = append_record(&file, file.size, &records[i]);
    }
    g->bytes = 0;
    if (status == NACRE_OK) {
        status = os_replace_file(g->os, g->store_path, GIVEN_NAME, buffer_slice(&file));
    }
    if (status == NACRE_OK) {
        g->bytes = file.size;
        g->most = most > GIVEN_BYTES_LITTLE ? most : GIVEN_BYTES_LITTLE;
    }
    buffer_free(&file);
    manifest_state_free(&state);
    return status;
}

static int append(struct given *g, const struct given_record *records, size_t count)
{
    char path[OS_PATH_MAX];
    struct buffer added = { 0 };
    nacre_file *file = NULL;
    uint64_t at = g->bytes;
    int status = os_path(path, g->store_path, GIVEN_NAME);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = append_record(&added, at + added.size, &records[i]);
    }
    if (status == NACRE_OK) {
        status = g->os->open(g->os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE, &file);
    }
    if (status == NACRE_OK) {
        g->bytes = 0; /* invariant 1 */
        status = g->os->write(file, at, added.data, added.size);
        if (status == NACRE_OK) {
            status = g->os->sync(file);
        }
        int closed = g->os->close(file);
        status = status == NACRE_OK ? closed : status;
    }
    if (status == NACRE_OK) {
        g->bytes = at + added.size;
    } else if (status == NACRE_NOT_FOUND) {
        g->bytes = 0;
    }
    buffer_free(&added);
    return status;
}

/* ---- calls ---- */

static bool has_all(const struct given_list *list, const struct manifest_state *state, size_t *named)
{
    bool all = list->whole;
    *named = 0;
    for (size_t i = 0; i < state->collection_count; i++) {
        for (size_t j = 0; j < state->collections[i].piece_count; j++) {
            const struct segment_properties *p = &state->collections[i].pieces[j].properties;
            *named += p->given_sequence != 0;
            all = all && (p->given_sequence == 0 || given_find(list, p->id) == p->given_sequence);
        }
    }
    return all;
}

void given_open(struct given *g, const nacre_os *os, const char *store_path, struct manifest *manifest,
                const struct manifest_state *state)
{
    struct given_list list;
    size_t named = 0;
    g->os = os;
    g->store_path = store_path;
    g->manifest = manifest;
    if (given_read(os, store_path, &list) == NACRE_OK && has_all(&list, state, &named)) {
        g->bytes = (list.count + 1) * GIVEN_RECORD_BYTES;
        g->most = 4 * (named + 1) * GIVEN_RECORD_BYTES;
        g->most = g->most > GIVEN_BYTES_LITTLE ? g->most : GIVEN_BYTES_LITTLE;
    } else if (named > 0) {
        (void)given_make_ready(g); /* as after any failure: before something is added */
    }
    memory_free(list.records);
}

int given_make_ready(struct given *g)
{
    pthread_mutex_lock(&g->lock);
    int status = g->bytes == 0 || g->bytes > g->most ? write_anew(g, NULL, 0) : NACRE_OK;
    pthread_mutex_unlock(&g->lock);
    return status;
}

int given_note(struct given *g, const struct given_record *records, size_t count)
{
    pthread_mutex_lock(&g->lock);
    int status = g->bytes ? append(g, records, count) : NACRE_NOT_FOUND;
    if (status == NACRE_NOT_FOUND) {
        status = write_anew(g, records, count);
    }
    pthread_mutex_unlock(&g->lock);
    return status;
}
