/* Which segments, or ranges of them, are not to be read any more, as later segments say it (section COLL, words.h): for whoever has lost the manifest. A
   segment says it of those that it was merged from, in the range that it was made for, and of all that by then were cut or waited for their removal. */
#ifndef NACRE_SEGMENT_REPLACED_H
#define NACRE_SEGMENT_REPLACED_H
#include "base/buffer.h"

struct replaced {
    uint64_t id;            /* of the segment that is not to be read */
    nacre_slice begin, end; /* in [begin, end); empty: from the first key, to the end of all */
    bool
        by_own; /* what was there is in the segment that says so, as far as anything is left of it; else it is somewhere else */
};

/* Adds so many segments with one range. */
int replaced_encode(bool by_own, nacre_slice begin, nacre_slice end, const uint64_t *ids, size_t count,
                    struct buffer *out);
/* Goes over what replaced_encode has written, any number of calls of it. */
struct replaced_reader {
    struct reader in;
    struct replaced at;
    uint64_t left; /* ids of the group */
};
struct replaced_reader replaced_reader_of(nacre_slice groups);
bool replaced_next(struct replaced_reader *, struct replaced *); /* false: no more, or damage */

/* Segments that nobody is to read any more and whose files may be there yet. Any thread. */
struct gone_list;
int gone_list_create(struct gone_list **);
void gone_list_free(struct gone_list *);
/* Where there is no memory for it the segment is not noted: it is a help for salvage alone. list: NULL: nothing is done; so below. */
void gone_list_add(struct gone_list *, uint64_t id, uint64_t collection);
void gone_list_remove(struct gone_list *, uint64_t id); /* its files are removed */
/* Those of the collection, in one group of all keys. */
int gone_list_encode(struct gone_list *, uint64_t collection, struct buffer *out);
#endif
