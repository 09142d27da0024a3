/* Reading damaged segment files (wreck.h). Nothing is believed but what a checksum proves; where the table of sections is damaged, each of its
   entries is proven by the section that it speaks of. One thread; no locks. */
#include "segment/wreck.h"
#include "base/memory.h"
#include "base/status.h"
#include "segment/block_sum.h"
#include "segment/codec.h"
#include "segment/container_format.h"

#define READ_BYTES           ((size_t)1 << 20)
#define SECTOR_BYTES         ((size_t)4096)
#define MENDED_SECTIONS_MOST 16u /* more than kinds have */
#define MEND_BYTES_MOST      ((size_t)2048)

/* ---- the bytes ---- */

static size_t read_some(const nacre_os *os, nacre_file *file, uint64_t at, uint8_t *to, size_t size)
{
    size_t done = 0, got = 1;
    while (done < size && got > 0 && os->read(file, at + done, to + done, size - done, &got) == NACRE_OK) {
        done += got;
    }
    return done;
}

/* Where a large read fails, by sectors: those that cannot be read stay zeros. */
static void read_all(struct wreck *w, const nacre_os *os, nacre_file *file)
{
    for (size_t at = 0; at < w->size; at += READ_BYTES) {
        size_t size = w->size - at < READ_BYTES ? w->size - at : READ_BYTES;
        if (read_some(os, file, at, w->bytes + at, size) == size) {
            continue;
        }
        memset(w->bytes + at, 0, size);
        for (size_t in = 0; in < size; in += SECTOR_BYTES) {
            size_t part = size - in < SECTOR_BYTES ? size - in : SECTOR_BYTES;
            if (read_some(os, file, at + in, w->bytes + at + in, part) != part) {
                memset(w->bytes + at + in, 0, part);
                w->unreadable += part;
            }
        }
    }
}

static int load(struct wreck *w, const nacre_os *os)
{
    nacre_file *file = NULL;
    uint64_t size = 0;
    int status = os->open(os->context, w->path, NACRE_FILE_READ, &file);
    if (status != NACRE_OK) {
        return status;
    }
    status = os->size(file, &size);
    if (status == NACRE_OK && size > CONTAINER_BYTES_MAX) {
        size = CONTAINER_BYTES_MAX; /* no segment is longer: the rest is none of it */
    }
    w->size = (size_t)size;
    if (status == NACRE_OK) {
        w->bytes = memory_map(w->size + WRECK_SLACK);
        status = w->bytes ? NACRE_OK : NACRE_NO_MEMORY;
    }
    if (status == NACRE_OK) {
        read_all(w, os, file);
    }
    (void)os->close(file); /* only read: nothing can be lost */
    return status;
}

/* ---- the sections ---- */

/* One bit that flipped is found by trying: with 64 bits of checksum no other change of so few bytes passes for it. Only in the copy in memory. */
static bool mend(uint8_t *bytes, size_t size, uint64_t seed, uint64_t checksum)
{
    for (size_t i = 0; size <= MEND_BYTES_MOST && i < 8 * size; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        if (hash_seeded(bytes, size, seed) == checksum) {
            return true;
        }
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    return false;
}

static bool read_entry(const struct wreck *w, uint64_t at, uint64_t limit, struct wreck_section *s)
{
    const uint8_t *entry = w->bytes + at;
    for (int i = 0; i < 4; i++) {
        bool letter = (entry[i] >= 'A' && entry[i] <= 'Z') || (entry[i] >= '0' && entry[i] <= '9');
        if (!letter) {
            return false;
        }
    }
    memcpy(s->name, entry, 4);
    s->offset = load_u64(entry + 8);
    s->size = load_u64(entry + 16);
    if (s->offset < CONTAINER_HEADER_BYTES || s->offset % CONTAINER_ALIGNMENT || s->offset > limit ||
        s->size > limit - s->offset) {
        return false;
    }
    s->checksum = load_u64(entry + 24);
    s->proven = hash_bytes(w->bytes + s->offset, (size_t)s->size) == s->checksum;
    return true;
}

static void take_table(struct wreck *w, uint64_t offset, uint32_t count)
{
    w->table_proven = true;
    w->parts_end = offset;
    for (uint32_t i = 0; i < count; i++) {
        struct wreck_section *s = &w->sections[w->section_count];
        if (read_entry(w, offset + i * CONTAINER_ENTRY_BYTES, offset, s)) {
            s->proven = s->proven || mend(w->bytes + s->offset, (size_t)s->size, 0, s->checksum);
            w->parts_end = s->offset < w->parts_end ? s->offset : w->parts_end;
            w->section_count++;
        }
    }
}

static uint64_t table_place(const struct wreck *w, uint32_t count)
{
    uint64_t bytes = (uint64_t)count * CONTAINER_ENTRY_BYTES;
    uint64_t padded = (bytes + CONTAINER_ALIGNMENT - 1) / CONTAINER_ALIGNMENT * CONTAINER_ALIGNMENT;
    uint64_t end = w->size - CONTAINER_FOOTER_BYTES;
    return end >= CONTAINER_HEADER_BYTES + padded ? end - padded : 0;
}

/* The table whose checksum is known; `damaged`: but for one bit. */
static bool find_table(struct wreck *w, uint64_t checksum, bool damaged)
{
    for (uint32_t count = 1; count <= CONTAINER_SECTIONS_MAX; count++) {
        uint64_t at = table_place(w, count);
        size_t size = (size_t)count * CONTAINER_ENTRY_BYTES;
        if (at && (damaged ? count <= MENDED_SECTIONS_MOST && mend(w->bytes + at, size, w->id, checksum)
                           : hash_seeded(w->bytes + at, size, w->id) == checksum)) {
            take_table(w, at, count);
            return true;
        }
    }
    return false;
}

/* Entry by entry, where the table as a whole is not what it was. */
static void probe_table(struct wreck *w)
{
    uint64_t end = w->size - CONTAINER_FOOTER_BYTES, at = table_place(w, CONTAINER_SECTIONS_MAX);
    at = at ? at : CONTAINER_HEADER_BYTES;
    at = (at + CONTAINER_ENTRY_BYTES - 1) / CONTAINER_ENTRY_BYTES * CONTAINER_ENTRY_BYTES;
    for (; at + CONTAINER_ENTRY_BYTES <= end && w->section_count < WRECK_SECTIONS_MAX; at += CONTAINER_ENTRY_BYTES) {
        struct wreck_section *s = &w->sections[w->section_count];
        if (read_entry(w, at, at, s) && s->proven) {
            w->section_count++;
        }
    }
}

static void find_sections(struct wreck *w, const struct segment_properties *known)
{
    if (w->size < CONTAINER_HEADER_BYTES + CONTAINER_FOOTER_BYTES) {
        return;
    }
    const uint8_t *footer = w->bytes + w->size - CONTAINER_FOOTER_BYTES;
    bool whole = load_u64(footer + 56) == hash_bytes(footer, 56) && load_u64(footer + 24) == w->id;
    if (whole) {
        w->kind = w->kind ? w->kind : load_u32(footer + 40);
    }
    uint64_t said = whole ? load_u64(footer + 16) : 0, told = known ? known->checksum : 0;
    bool found = (told && find_table(w, told, false)) || (said && find_table(w, said, false)) ||
                 (told && find_table(w, told, true)) || (said && said != told && find_table(w, said, true));
    if (!found) {
        probe_table(w);
    }
}

const struct wreck_section *wreck_section(const struct wreck *w, const char name[4])
{
    for (size_t i = 0; i < w->section_count; i++) {
        if (memcmp(w->sections[i].name, name, 4) == 0) {
            return &w->sections[i];
        }
    }
    return NULL;
}

/* Its own words come first: those of the manifest may be lost. */
static int read_properties(struct wreck *w, const struct segment_properties *known)
{
    const struct wreck_section *s = wreck_section(w, "PROP");
    int status = NACRE_CORRUPT;
    if (s && s->proven) {
        struct reader in = reader_of(slice_of(wreck_bytes_of(w, s), (size_t)s->size));
        status = segment_properties_decode(&in, &w->properties);
    }
    if (status != NACRE_OK && known) {
        status = segment_properties_copy(known, &w->properties);
        if (status == NACRE_OK && known->given_sequence) { /* the file has another one */
            w->properties.least_sequence = w->properties.greatest_sequence = SEQUENCE_SETTLED;
        }
    }
    w->has_properties = status == NACRE_OK;
    return status == NACRE_NO_MEMORY ? status : NACRE_OK;
}

static void note_ranges(struct wreck *w)
{
    const struct wreck_section *s = wreck_section(w, "RDEL");
    if (!s || !s->proven) {
        return;
    }
    struct reader in = reader_of(slice_of(wreck_bytes_of(w, s), (size_t)s->size));
    for (uint64_t left = reader_varint(&in); left > 0 && in.ok; left--) {
        (void)reader_slice(&in);
        (void)reader_slice(&in);
        uint64_t sequence = reader_varint(&in);
        w->least_range = w->least_range == 0 || sequence < w->least_range ? sequence : w->least_range;
        w->greatest_range = sequence > w->greatest_range ? sequence : w->greatest_range;
    }
}

int wreck_open(const nacre_os *os, const char *path, uint64_t id, const struct segment_properties *known,
               uint32_t dimension, struct wreck **out)
{
    *out = NULL;
    struct wreck *w = memory_zalloc(sizeof *w);
    if (!w) {
        return NACRE_NO_MEMORY;
    }
    w->id = id;
    w->dimension = dimension;
    w->decompressor = decompressor_create();
    int status = w->decompressor ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK && strlen(path) >= sizeof w->path) {
        status = fail(NACRE_LIMIT, "a path of %zu bytes", strlen(path));
    }
    if (status == NACRE_OK) {
        memcpy(w->path, path, strlen(path) + 1);
        status = load(w, os);
    }
    if (status == NACRE_OK) {
        w->parts_end = w->size;
        bool whole = w->size >= CONTAINER_HEADER_BYTES && load_u64(w->bytes + 56) == hash_bytes(w->bytes, 56);
        w->kind = whole ? load_u32(w->bytes + 24) : 0;
        find_sections(w, known);
        note_ranges(w);
        status = read_properties(w, known);
    }
    if (status != NACRE_OK) {
        wreck_close(w);
        return status;
    }
    *out = w;
    return NACRE_OK;
}

void wreck_close(struct wreck *w)
{
    if (!w) {
        return;
    }
    memory_unmap(w->bytes, w->size + WRECK_SLACK);
    segment_properties_free(&w->properties);
    decompressor_free(w->decompressor);
    memory_free(w);
}

/* ---- blocks ---- */

bool wreck_block_at(const struct wreck *w, uint64_t offset, uint64_t origin, uint64_t limit,
                    const struct block_shape *shape, uint32_t *size)
{
    uint32_t least_size = shape->least_size;
    if (offset > limit || limit - offset < least_size || limit > w->size) {
        return false;
    }
    const uint8_t *bytes = w->bytes + offset;
    *size = load_u32(bytes + 8);
    return *size >= least_size && *size <= limit - offset && shape->fits(bytes, *size) &&
           load_u64(bytes) == hash_bytes(bytes + 8, *size - 8) + block_checksum_mix(w->id, offset - origin);
}

int wreck_find_blocks(const struct wreck *w, uint64_t offset, uint64_t origin, uint64_t limit,
                      const struct block_shape *shape, struct wreck_blocks *found)
{
    *found = (struct wreck_blocks){ 0 };
    for (uint64_t at = (offset + 7) / 8 * 8; at + shape->least_size <= limit;) {
        uint32_t size = 0;
        if (!wreck_block_at(w, at, origin, limit, shape, &size)) {
            at += 8;
            continue;
        }
        int status = memory_grow((void **)&found->blocks, &found->capacity, found->count + 1, sizeof *found->blocks);
        if (status != NACRE_OK) {
            return status;
        }
        found->blocks[found->count++] = (struct wreck_block){ at, size };
        found->digest = block_digest_add(found->digest, load_u64(w->bytes + at));
        at += ((uint64_t)size + 7) / 8 * 8;
    }
    return NACRE_OK;
}

void wreck_blocks_free(struct wreck_blocks *found)
{
    memory_free(found->blocks);
    *found = (struct wreck_blocks){ 0 };
}

/* ---- sequences ---- */

/* The place of a section that no table tells, by the digest in it. */
static const uint8_t *find_by_digest(const struct wreck *w, size_t digest_at, uint64_t digest)
{
    for (uint64_t at = CONTAINER_HEADER_BYTES; digest && at + digest_at + 8 <= w->size; at += CONTAINER_ALIGNMENT) {
        if (load_u64(w->bytes + at + digest_at) == digest) {
            return w->bytes + at;
        }
    }
    return NULL;
}

/* Where the section is, if it can be told. */
static const uint8_t *find_section(const struct wreck *w, const char name[4], size_t digest_at, uint64_t digest)
{
    const struct wreck_section *s = wreck_section(w, name);
    if (s) {
        return s->size >= digest_at + 8 ? wreck_bytes_of(w, s) : NULL;
    }
    return w->table_proven ? NULL : find_by_digest(w, digest_at, digest);
}

bool wreck_is_complete(const struct wreck *w, const char section[4], size_t digest_at, uint64_t digest)
{
    const struct wreck_section *s = wreck_section(w, section);
    const uint8_t *place = find_section(w, section, digest_at, digest);
    bool trusted = digest != 0 || (s && s->proven); /* zeros are what damage leaves */
    return place && trusted && load_u64(place + digest_at) == digest;
}

bool wreck_base_sequence(const struct wreck *w, const char section[4], size_t base_at, size_t digest_at,
                         const struct wreck_sequences *read, uint64_t *base)
{
    const struct wreck_section *s = wreck_section(w, section);
    const struct segment_properties *p = &w->properties;
    const uint8_t *place = find_section(w, section, digest_at, read->digest);
    uint64_t said = place ? load_u64(place + base_at) : 0;
    if (place && (!s || s->proven)) {
        *base = said; /* proven by its checksum, or, where nothing tells of that, by the digest */
        return true;
    }
    if (!w->has_properties) {
        *base = place ? said : 1 - (uint64_t)read->least;
        return false;
    }
    uint64_t low = p->least_sequence - (uint64_t)read->least, high = p->greatest_sequence - (uint64_t)read->greatest;
    bool all = read->entries == p->entries;
    bool ranges = p->range_deletes > 0, told = w->greatest_range > 0;
    if (low == high || (all && (!ranges || (told && p->greatest_sequence > w->greatest_range)))) {
        *base = high;
        return true;
    }
    if (all && told && p->least_sequence < w->least_range) {
        *base = low;
        return true;
    }
    *base = place && said >= low && said <= high ? said : high;
    return false;
}

/* ---- what is missing ---- */

static int note_missing(const struct wreck_walk *walk, uint64_t offset, bool has_before, nacre_slice before)
{
    struct lost_part lost = { .offset = walk->end,
                              .size = offset - walk->end,
                              .what = walk->what,
                              .has_after = walk->any,
                              .after = buffer_slice(&walk->key),
                              .has_before = has_before,
                              .before = before };
    return walk->sink->lost(walk->sink->context, &lost);
}

int wreck_note_gap(const struct wreck_walk *walk, uint64_t offset, nacre_slice first)
{
    return offset == walk->end ? NACRE_OK : note_missing(walk, offset, true, first);
}

int wreck_note_tail(const struct wreck_walk *walk, const struct wreck_sequences *read, bool complete, uint64_t end)
{
    const struct segment_properties *p = &walk->wreck->properties;
    bool told = walk->wreck->has_properties;
    if (complete || (told && read->entries >= p->entries)) {
        return NACRE_OK;
    }
    return note_missing(walk, end > walk->end ? end : walk->end, told && !p->greatest_open, buffer_slice(&p->greatest));
}
