/* The manifest of an open store, for manifest.c and manifest_follow.c. */
#ifndef NACRE_TREE_MANIFEST_PRIVATE_H
#define NACRE_TREE_MANIFEST_PRIVATE_H
#include "tree/manifest_format.h"
#include <pthread.h>
#include <stdatomic.h>

struct manifest {
    const nacre_os *os;
    const nacre_logger *logger;
    char *store_path;
    bool read_only;
    pthread_mutex_t lock;
    struct manifest_state state;
    nacre_file *file; /* of the generation in force, when this opening wrote it; else NULL */
    uint64_t generation;
    uint64_t next_generation; /* never a number that was tried before */
    uint64_t bytes, snapshot_bytes;
    bool must_rotate;
    struct buffer edit, frame; /* kept for the next commit */
    _Atomic uint64_t opening;  /* copy of state.opening */
    _Atomic uint64_t position; /* generation << 32 | bytes, as of the last good commit */
    _Atomic uint64_t segment_counter;
};

static inline void manifest_note_position(struct manifest *m)
{
    /* Release: who finds the position finds what the commit did before. */
    atomic_store_explicit(&m->position, m->generation << 32 | m->bytes, memory_order_release);
}
#endif
