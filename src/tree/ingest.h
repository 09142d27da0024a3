/* Bulk load, as far as the tree goes: sorted entries become segments that no version knows, and all of them at once become part of one.

   A writer's entries are written as settled (base/entry.h). The sequence that they have is given to its segments when they are taken in:
   segment_give_sequence. So nothing is written twice, however long a writer was at work. */
#ifndef NACRE_TREE_INGEST_H
#define NACRE_TREE_INGEST_H
#include "tree/tree.h"
#include "tree/version_build.h"

/* Belongs to one thread at a time; any number of them work beside each other. */
struct tree_writer;
int tree_writer_create(struct tree *, struct tree_writer **);
/* Keys ascend: one that is not greater than the last is NACRE_INVALID, and nothing of it is kept. Any other failure is the writer's end: every
   later call gives it again. */
int tree_writer_add(struct tree_writer *, nacre_slice key, nacre_slice value, const void *vector, uint64_t expiry_ms);
uint64_t tree_writer_entries(const struct tree_writer *);
void tree_writer_free(struct tree_writer *); /* removes what was not taken in; takes NULL */

/* What one ingest takes in: all segments of some writers. Zeroed at first. */
struct tree_ingest {
    struct tree *tree;
    struct tree_writer **writers; /* those that hold anything, ascending */
    size_t writer_count;
    struct placed *list; /* their segments, ascending; references are the writers' */
    size_t count;
    uint64_t entries, bytes;
    struct marks *marks;
};
/* The writers' segments, synced, and what they supersede. All that takes time is done here, with no lock held. NACRE_INVALID where two writers
   overlap. The writers stay as they are until tree_ingest_end. */
int tree_ingest_prepare(struct tree *, struct tree_writer *const *writers, size_t count, struct tree_ingest *);
uint64_t tree_ingest_id(const struct tree_ingest *, size_t segment);
nacre_slice tree_ingest_smallest(const struct tree_ingest *, size_t segment);
nacre_slice tree_ingest_greatest(const struct tree_ingest *, size_t segment);
/* One edit of the manifest, and a version: every entry is there with this sequence, or none. What the tree has of their keys, and what is flushed
   into it before the call returns, is older: the caller lets nothing else be flushed. On success the writers are empty. On failure they are as
   before, and what the disk holds is decided by the next edit, or the next opening. */
int tree_ingest_install(struct tree_ingest *, uint64_t sequence);
void tree_ingest_end(struct tree_ingest *);
#endif
