/* Reads that fold long lists of operands ask for these to be folded in the background, so that reads stay flat where nothing else would merge them: a key with thousands of
   operands that is read often, and not written.

   What such reads fold is added up. When they have taken as much as folding in the background is worth, the key at hand, most likely the one that costs most,
   is noted for a worker. So what is done for reads costs no more than the reads did, whatever they ask and whatever keeps operands from being folded. */
#ifndef NACRE_STORE_FOLD_HINT_H
#define NACRE_STORE_FOLD_HINT_H
#include "base/buffer.h"
#include <stdatomic.h>

#define FOLD_LONG \
    UINT32_C(64) /* operands of one read from which on it counts: folding fewer takes about as long as finding them */

struct nacre_collection;

struct fold_hint {
    _Atomic uint64_t folded; /* operands, by reads since the last request */
    _Atomic int state;       /* who may touch the key */
    struct buffer key;
    uint64_t spent; /* by the reads whose request found memtables not worth a flush yet; the worker's */
};
void fold_hint_free(struct fold_hint *);
/* A read has folded so many operands of the key, more than FOLD_LONG. Any thread, also inside a read section. */
void fold_hint_note(struct nacre_collection *, nacre_slice key, uint32_t operands);
/* Does what was asked for, if anything was. Of a worker. */
int fold_hint_run(struct nacre_collection *);
#endif
