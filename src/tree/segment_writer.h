/* A writer of sorted entries: what tree/ingest.h promises of it, and what an ingest takes. Private to src/tree. */
#ifndef NACRE_TREE_SEGMENT_WRITER_H
#define NACRE_TREE_SEGMENT_WRITER_H
#include "tree/ingest.h"
#include "tree/outputs.h"

struct tree_writer {
    struct tree *tree;
    struct build_options options;
    struct output_sizes sizes;
    struct segment_builder *builder; /* NULL: none begun */
    struct placed *made;             /* its segments, ascending, one reference each; level and run are the ingest's */
    size_t count, capacity, synced;  /* the first `synced` of them are on the disk */
    struct buffer first_key, last_key;
    uint64_t entries;
    uint64_t last_expiry_ms; /* of the segment being written: the greatest of those that expire */
    bool doubtful; /* an edit that named the segments failed: the disk may know them until the next good one */
    int failed;    /* NACRE_OK, or what every later call ends in */
    char *detail;  /* of that; may be NULL */
};
/* Ends the segment being written; the files are on the disk, but for the directory. */
int tree_writer_finish(struct tree_writer *);
/* The segments are a version's: the writer holds nothing any more. */
void tree_writer_release(struct tree_writer *);
#endif
