/* The bytes of a manifest file. All numbers little-endian.

     header, 40 bytes            frame (16 bytes), then the edit
       0  8  "nacreMAN"            0  4  length of the edit
       8  4  format version        4  4  check of the length: low half of its XXH3
       12 4  zero                  8  8  XXH3 of the edit
       16 8  generation          both hashes are seeded with the generation and the frame's offset, so that neither stale bytes nor a
       24 8  snapshot end        frame at another place passes
       32 8  XXH3 of bytes 0..31

   The frames up to `snapshot end` bring an empty state to what the former generation ended with; they were durable before CURRENT named the file.
   An edit is a list of fields: varint tag, then what the tag says (docs/formats.md). A tag that is not known is a newer format. */
#ifndef NACRE_TREE_MANIFEST_FORMAT_H
#define NACRE_TREE_MANIFEST_FORMAT_H
#include "tree/manifest.h"

#define MANIFEST_MAGIC        "nacreMAN"
#define MANIFEST_FORMAT       1u
#define MANIFEST_HEADER_BYTES 40u
#define MANIFEST_FRAME_BYTES  16u
#define MANIFEST_FILE_MAX     (UINT64_C(1) << 30)
#define MANIFEST_LEVELS       8u

struct manifest_header {
    uint64_t generation, snapshot_end;
};

int manifest_header_encode(struct buffer *out, const struct manifest_header *);
int manifest_header_decode(nacre_slice file, const char *path, struct manifest_header *);

/* Appends frame and edit as they will stand at `offset` of the file. */
int manifest_frame_append(struct buffer *out, uint64_t generation, uint64_t offset, nacre_slice edit);
/* The edit whose frame is at `offset`; false when it does not check. */
bool manifest_frame_read(nacre_slice file, uint64_t generation, uint64_t offset, nacre_slice *edit);
/* The same of a part of a file: the frame is at bytes[at], and at `offset` of the file. */
bool manifest_frame_at(nacre_slice bytes, uint64_t generation, uint64_t at, uint64_t offset, nacre_slice *edit);

int manifest_edit_encode(const struct manifest_edit *, struct buffer *out);
/* An edit read back. Keys and names point into the bytes. */
struct manifest_decoded {
    struct manifest_edit edit;
    struct manifest_collection create;
    struct manifest_piece *remove, *add; /* owned; their keys are not */
    size_t remove_capacity, add_capacity;
    char name[NACRE_NAME_MAX + 1], merge_operator[NACRE_NAME_MAX + 1], compaction_filter[NACRE_NAME_MAX + 1];
};
int manifest_edit_decode(nacre_slice bytes,
                         struct manifest_decoded *); /* NACRE_CORRUPT, NACRE_UNSUPPORTED; free it also then */
void manifest_decoded_free(struct manifest_decoded *);

/* ---- states ---- */
struct manifest_change {              /* an edit made ready, so that applying it cannot fail */
    size_t slot;                      /* of the collection */
    struct manifest_collection fresh; /* create */
    struct manifest_piece *added;     /* copies; there is room for them in the collection */
    size_t added_count;
    bool *removed; /* by index in the collection; NULL: none */
    bool creates;
};
int manifest_change_prepare(struct manifest_state *, const struct manifest_edit *,
                            struct manifest_change *); /* NACRE_CORRUPT when it does not fit the state */
void manifest_change_apply(struct manifest_state *, const struct manifest_edit *, struct manifest_change *);
void manifest_change_discard(struct manifest_change *);
/* Calls `visit` with edits that bring an empty state to this one. */
int manifest_state_edits(const struct manifest_state *, int (*visit)(void *context, const struct manifest_edit *),
                         void *context);

/* ---- whole files ---- */
/* CURRENT: "nacre manifest 1\ngeneration <16 hex>\nlength <16 hex>\ncheck <16 hex>\n"; the check is the XXH3 of the lines before. */
struct manifest_current {
    uint64_t generation, length;
}; /* length 0: not closed cleanly */
int manifest_current_read(const nacre_os *, const char *store_path, struct manifest_current *);
int manifest_current_write(const nacre_os *, const char *store_path, const struct manifest_current *);
int manifest_file_path(const char *store_path, uint64_t generation, char out[OS_PATH_MAX]);
/* Reads a file's edits into the state; *good = where the valid part ends. `expected_length`: what CURRENT says, or 0. */
struct manifest_read {
    uint64_t generation, snapshot_end, good, torn;
};
int manifest_parse(nacre_slice file, const char *path, uint64_t expected_length, struct manifest_state *,
                   struct manifest_read *);
/* Applies one edit's bytes. */
int manifest_apply_edit(nacre_slice bytes, struct manifest_state *state);
/* The state that CURRENT names. Tries again when a writer moves on meanwhile. */
int manifest_load(const nacre_os *, const char *store_path, struct manifest_state *, struct manifest_read *);
/* A whole file for the state, synced, with its directory; *bytes = its length. */
int manifest_write_generation(const nacre_os *, const char *store_path, uint64_t generation,
                              const struct manifest_state *, nacre_file **file, uint64_t *bytes);
#endif
