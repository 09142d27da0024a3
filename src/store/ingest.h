/* Bulk load, as far as the store goes: a user's writer, and where an ingest stands among commits. */
#ifndef NACRE_STORE_INGEST_H
#define NACRE_STORE_INGEST_H
#include "store/store.h"
#include "tree/ingest.h"

struct nacre_segment_writer {
    nacre_collection *collection;
    struct tree_writer *rows;
    uint64_t ttl_ms; /* as in nacre_segment_writer_options */
    bool expires;    /* the puts need a look at the clock */
    bool ingested;
};
int segment_writer_create(nacre_collection *, uint64_t ttl_ms, nacre_segment_writer **);
void segment_writer_free(nacre_segment_writer *); /* takes NULL */
/* The writers are of the collection, none of them twice, none ingested. */
int collection_ingest(nacre_collection *, nacre_segment_writer *const *writers, size_t count);
#endif
