/* A picture: what files, and how much of them, make the store as it was at one point. Checkpoints and backups copy what a picture names.

   While it is held none of the files goes, however long the copying takes, and nothing else waits for it: segments that are merged away meanwhile
   are removed when it lets go of them, and the log is pruned up to the oldest file that it still needs. */
#ifndef NACRE_STORE_PICTURE_H
#define NACRE_STORE_PICTURE_H
#include "store/layout.h"
#include "store/store.h"
#include "store/value_list.h"

enum picture_part {
    PICTURE_LOG,
    PICTURE_SEGMENT,
    PICTURE_INDEX,  /* may be missing, and may be left out: it is made again */
    PICTURE_VALUES, /* a value file */
    PICTURE_TUNING
};

struct picture_file {
    enum picture_part part;
    char name[48];     /* beneath the store's directory */
    uint64_t most;     /* so many first bytes belong to it; UINT64_MAX: all */
    bool immutable;    /* it may be linked */
    uint64_t id;       /* segments and side files: of the segment; log files: the number; value files: the id */
    uint64_t bytes;    /* segments: the size, */
    uint64_t checksum; /* and identity (segment/container.h) that the manifest knows */
    const struct kind *kind;
};

struct picture {
    nacre_store *store;
    struct manifest_state state; /* what CURRENT and the manifest are to say */
    struct picture_file *files;  /* log first, then segments, each before its side file */
    size_t count, capacity;
    struct file_hold hold;
    uint64_t *segments; /* ascending ids, for the hold */
    struct value_list values;
    struct reader_pin *pin; /* of a read-only opening: keeps segments and value files; and what keeps the log: */
    struct pins reading;
    unsigned folders; /* that are needed (layout.h) */
};

/* Every write that was acknowledged before the call is in it; every batch is in it wholly, over all collections, or not at all.
   short_log: what is in memory is brought to segments first, where that can be, so that there is little log to copy. */
int picture_take(nacre_store *, bool short_log, struct picture *);
/* Files before `index` were copied, or `status` says why not that before it: what of the log is not needed any more may go. NACRE_BUSY when a writer in
   another process has taken a file away meanwhile, or may have: of the log it is asked as soon as that is copied, as nothing else can be taken. */
int picture_copied(struct picture *, size_t index, int status);
void picture_release(struct picture *);
#endif
