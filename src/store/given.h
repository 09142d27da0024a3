/* The file GIVEN of a store: which sequence was given to which segment of a bulk load. The manifest has that too, and only it counts; the file is for whoever has lost
   the manifest (salvage.h), as the segments themselves say 1. What it has of a segment is durable before the manifest names that. Segments that are gone
   stay in it until it is written anew.

   header | records: 32 bytes each, with a checksum of their own, so that damage to one costs that one. */
#ifndef NACRE_STORE_GIVEN_H
#define NACRE_STORE_GIVEN_H
#include "tree/manifest.h"
#include <pthread.h>

struct given_record {
    uint64_t segment, sequence;
    uint32_t collection;
};

/* Of a store that is open for writing. */
struct given {
    const nacre_os *os;
    const char *store_path;
    struct manifest *manifest; /* names what has to be in it when it is written anew */
    pthread_mutex_t lock;
    uint64_t bytes; /* of the file, all of them good; 0: it is to be written anew */
    uint64_t most;  /* from so many bytes on, too */
};
void given_init(struct given *);
void given_destroy(struct given *);
/* At an opening for writing: it has what the state has, or will have before it is added to; a failure only means that. */
void given_open(struct given *, const nacre_os *, const char *store_path, struct manifest *,
                const struct manifest_state *);
/* The file is there, and what given_note adds is one write and one sync. Any thread. */
int given_make_ready(struct given *);
/* Durable on return. On failure the file may or may not have the records; it is written anew before it is added to. Any thread. */
int given_note(struct given *, const struct given_record *, size_t count);

/* What a file says, whatever is damaged. *whole: it is there, and no damage was found in it. NACRE_NO_MEMORY. */
struct given_list {
    struct given_record *records; /* by segment; memory_alloc'd */
    size_t count;
    bool whole;
};
int given_read(const nacre_os *, const char *store_path, struct given_list *);
uint64_t given_find(const struct given_list *, uint64_t segment); /* 0: nothing */
#endif
