/* What a segment says of the collection that it is of, and of its place among the collection's writes, beside what its entries say: section COLL. The manifest has all
   of it too; here it is for whoever has lost that. */
#ifndef NACRE_SEGMENT_WORDS_H
#define NACRE_SEGMENT_WORDS_H
#include "base/buffer.h"

struct segment;
struct container;

struct segment_words {
    bool bulk;      /* a bulk load: all entries are settled, and get their sequence when they are taken in */
    uint64_t reach; /* all writes of the collection up to this sequence are in segments; 0: it says nothing of that */
    uint64_t default_ttl_ms, value_log_threshold;
    nacre_slice name, merge_operator, compaction_filter; /* empty: there is none */
    nacre_slice replaced; /* replaced.h; empty: nothing is, or it is of a version that does not say it */
    nacre_slice from,
        to; /* the reach is that of the keys [from, to) alone; empty: open. The others of a flush's segments may not be there */
};

int segment_words_encode(const struct segment_words *, struct buffer *out);
/* Slices point into `section`. False: these are none. Bytes behind them are of a newer version. */
bool segment_words_decode(nacre_slice section, struct segment_words *);
/* Those of an open segment, as long as it is open. False: it is of an older version, or they are damaged. */
bool segment_words_of(struct container *, struct segment_words *);
bool segment_words_are_of_all(const struct segment_words *); /* keys */
/* The reach of an open segment, whose flush is done; of one without words, its greatest sequence. */
uint64_t segment_reach(const struct segment *);
#endif
