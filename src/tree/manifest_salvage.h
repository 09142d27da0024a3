/* What can be told of a store from a damaged manifest. */
#ifndef NACRE_TREE_MANIFEST_SALVAGE_H
#define NACRE_TREE_MANIFEST_SALVAGE_H
#include "tree/manifest.h"

struct manifest_salvaged {
    struct manifest_state state; /* what the edits that could be read come to */
    bool whole;                  /* none is missing, as far as the file tells: it is the store's */
    bool any;                    /* some edit could be read */
    char detail[1024];           /* what is wrong; "" = nothing */
    uint64_t *gone;              /* segments that an edit took away, and none that could be read put back */
    size_t gone_count, gone_capacity;
};

/* Reads CURRENT and the manifest; where that fails, the newest manifest file that is there, edit by edit, over what is damaged. Changes nothing.
   Collections whose names are lost are called salvaged-<id> and have kind 0. NACRE_NO_MEMORY, NACRE_UNSUPPORTED (a newer version wrote it). */
int manifest_salvage(const nacre_os *, const char *store_path, struct manifest_salvaged *);
/* The same of one that reads as whole, but is not: only edit by edit. The calling thread's detail says what is wrong. */
int manifest_salvage_edits(const nacre_os *, const char *store_path, struct manifest_salvaged *);
void manifest_salvaged_free(struct manifest_salvaged *);
/* Adds a collection that nothing is known of but its id; NULL: no memory. */
struct manifest_collection *manifest_salvage_collection(struct manifest_state *, uint32_t id);
#endif
