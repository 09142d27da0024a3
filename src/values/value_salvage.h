/* Value files as they are, whatever is damaged in them: for salvage. A value is proven by the checksum of the pointer to it; the heads of its file and of its record
   need not be whole, and are made anew in copies of such files. One thread. */
#ifndef NACRE_VALUES_VALUE_SALVAGE_H
#define NACRE_VALUES_VALUE_SALVAGE_H
#include "os/os.h"
#include "values/value_log.h"

/* Values of one directory. Zeroed, but for the first three. */
struct value_source {
    const nacre_os *os;
    const char *directory;
    bool writes; /* heads of records are made anew */
    nacre_file *handle;
    uint64_t id, size; /* of the file that is open */
    bool changed;      /* it has to be synced */
    struct buffer bytes;
};
/* The value behind a pointer, until the next call. NACRE_CORRUPT: the file lacks it, or is missing; the detail names no path. All other failures are those of the file
   layer, and of memory: they say nothing of the value. */
int value_source_read(struct value_source *, const struct value_pointer *, nacre_slice *value);
/* The same of the value of `key`, of which it is seen to that its record has a good head. */
int value_source_mend(struct value_source *, const struct value_pointer *, uint32_t collection, nacre_slice key);
/* Closes the file that is open; what was changed is durable then. The source can be read on. */
int value_source_rest(struct value_source *);
void value_source_close(struct value_source *);

/* Sees to it that a file has a good header, which says that it is sealed where it has to be made anew. damage: what was wrong, "" = nothing. */
int value_file_mend(const nacre_os *, const char *path, uint64_t id, char damage[320]);
#endif
