/* Makes the signatures of blocks from keys in order; private to the side file's builder. */
#ifndef NACRE_STRINGS_SIGNATURE_BUILDER_H
#define NACRE_STRINGS_SIGNATURE_BUILDER_H
#include "base/buffer.h"
#include "strings/signature.h"

#define SIGNATURE_LANES 16u

/* A lane follows one measure of one class, in a byte that stays at 255 once it is there. */
struct signature_lanes {
    uint8_t lane[SIGNATURE_LANES] __attribute__((aligned(16)));
};
struct signature_builder {
    struct signature_lanes keep[256],
        more[256];               /* per byte: which lanes go on (255) or begin anew (0); which grow by one */
    struct signature_lanes best; /* greatest of the block so far */
    uint8_t lane_of[SIGNATURE_FEATURES_MAX]; /* of each feature; SIGNATURE_LANES: the size of keys */
    struct signature_lanes *depths;          /* [i]: of the first i bytes of the key */
    size_t depth_capacity;
    size_t longest; /* key of the block */
    uint32_t block; /* that is being gathered */
    bool any;       /* key came yet */
    struct buffer words;
};
void signature_builder_begin(struct signature_builder *);
/* As string_index_builder_add. NACRE_NO_MEMORY. */
int signature_builder_add(struct signature_builder *, nacre_slice key, size_t shared, uint32_t block);
/* All keys came: words for blocks [0, blocks) are appended. */
int signature_builder_make(struct signature_builder *, uint32_t blocks, struct buffer *out);
uint64_t signature_builder_memory(const struct signature_builder *);
void signature_builder_free(struct signature_builder *);
#endif
