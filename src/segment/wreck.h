/* A damaged segment file: all of its bytes that can be read, what is sure of its parts, and what others know of it. Kinds read from it what is whole
   (kind.h, salvage). */
#ifndef NACRE_SEGMENT_WRECK_H
#define NACRE_SEGMENT_WRECK_H
#include "segment/segment.h"

#define WRECK_SECTIONS_MAX 64u
#define WRECK_SLACK        64u /* zeros that may be read behind the bytes */

struct wreck_section {
    char name[4];
    uint64_t offset, size, checksum;
    bool proven; /* its checksum is right; else only its place is known */
};

struct wreck {
    char path[OS_PATH_MAX];
    uint64_t id;
    uint32_t kind;  /* 0: cannot be told */
    uint8_t *bytes; /* the whole file; what the disk would not read is zeros */
    size_t size;
    uint64_t unreadable; /* bytes of that */
    struct wreck_section sections[WRECK_SECTIONS_MAX];
    size_t section_count;
    bool table_proven;  /* these are all sections there are */
    uint64_t parts_end; /* where the kind's own parts end at the latest */
    bool has_properties;
    struct segment_properties properties; /* of its own PROP section, or of the manifest; owned */
    uint64_t least_range,
        greatest_range; /* sequences of its range deletes, 0 and 0: none; as far as RDEL can be read */
    uint32_t dimension; /* of collections of vectors, as far as others know; else 0 */
    struct decompressor *decompressor;
};

/* known: what the manifest says of the segment, or NULL. Fails only where the file cannot be opened or memory is short. */
int wreck_open(const nacre_os *, const char *path, uint64_t id, const struct segment_properties *known,
               uint32_t dimension, struct wreck **);
void wreck_close(struct wreck *);
/* NULL: there is none, or its place is not known. */
const struct wreck_section *wreck_section(const struct wreck *, const char name[4]);
static inline const uint8_t *wreck_bytes_of(const struct wreck *w, const struct wreck_section *s)
{
    return w->bytes + s->offset;
}

/* ---- finding blocks that begin with 8 bytes checksum and 4 bytes size, at multiples of 8 ---- */
struct wreck_block {
    uint64_t offset;
    uint32_t size;
};
struct wreck_blocks {
    struct wreck_block *blocks; /* ascending */
    size_t count, capacity;
    uint64_t digest; /* of their checksums, as in block_sum.h */
};
/* How a kind's blocks look from outside, so that not every place need be hashed. */
struct block_shape {
    uint32_t least_size; /* of a block; so many bytes are there when `fits` is asked */
    bool (*fits)(const uint8_t *bytes, uint32_t size);
};
/* A block at `offset`, whose checksum was mixed with its distance from `origin`, and that ends at or before `limit`. */
bool wreck_block_at(const struct wreck *, uint64_t offset, uint64_t origin, uint64_t limit, const struct block_shape *,
                    uint32_t *size);
/* All of them from `offset` on, wherever they lie. */
int wreck_find_blocks(const struct wreck *, uint64_t offset, uint64_t origin, uint64_t limit,
                      const struct block_shape *, struct wreck_blocks *);
void wreck_blocks_free(struct wreck_blocks *);

/* ---- the base sequence of a segment ---- */
struct wreck_sequences {
    int64_t least, greatest; /* of the entries that were read, from the base on */
    uint64_t entries;
    uint64_t digest; /* of the blocks that were found */
};
static inline void wreck_note_sequence(struct wreck_sequences *s, uint64_t distance)
{
    int64_t signed_distance = (int64_t)distance;
    if (s->entries++ == 0)
        s->least = s->greatest = signed_distance;
    s->least = signed_distance < s->least ? signed_distance : s->least;
    s->greatest = signed_distance > s->greatest ? signed_distance : s->greatest;
}
/* From the section of that name, which has it at `base_at` and the digest of the blocks at `digest_at`; where that is damaged, from what the properties say of
   the least and the greatest sequence. False: it is a guess. */
bool wreck_base_sequence(const struct wreck *, const char section[4], size_t base_at, size_t digest_at,
                         const struct wreck_sequences *, uint64_t *base);

/* Whether the section, which has the digest of all blocks at `digest_at`, says that these are all. */
bool wreck_is_complete(const struct wreck *, const char section[4], size_t digest_at, uint64_t digest);

/* ---- what a kind reports ---- */
struct lost_part {
    uint64_t offset, size; /* in the file; 0 and 0: not there at all */
    const char *what;
    bool is_key;                /* one key, in `after`: its value is lost */
    bool has_after, has_before; /* else keys from `after` up to and with `before` (no bound where it has none) */
    nacre_slice after, before;
};
struct salvage_sink {
    int (*entry)(void *context, const struct entry *); /* in internal order */
    int (*lost)(void *context, const struct lost_part *);
    int (*doubt)(void *context); /* before any entry: their sequences are a guess */
    void *context;
};
/* Where a kind has come to in the blocks of a wreck, and what it missed on its way. */
struct wreck_walk {
    const struct wreck *wreck;
    const struct salvage_sink *sink;
    const char *what;  /* blocks of what */
    uint64_t end;      /* behind the last block that was read */
    struct buffer key; /* the last key so far; owned */
    bool any;          /* there is one */
};
/* What should lie between the block before and the one at `offset`, which begins with the key `first`. */
int wreck_note_gap(const struct wreck_walk *, uint64_t offset, nacre_slice first);
/* What should lie behind the last block. Where nothing proves that these are all, something does. complete: all are there, by what the kind knows; end: of
   the part of the file where they lie. */
int wreck_note_tail(const struct wreck_walk *, const struct wreck_sequences *, bool complete, uint64_t end);
#endif
