/* The operands of one key on their way to its value, taken from the newest to the oldest.

   Where the operator can combine, what is held stays about as large as the value that comes of it: operands are gathered in a window, combined in pairs when
   that is full, and the results kept so that each is at least twice as large as the one taken after it. So each byte is copied a logarithmic number of times, and
   a chain of any length takes time about linear in its bytes. One thread at a time; zero-initialise, free with fold_free. */
#ifndef NACRE_MERGE_FOLD_H
#define NACRE_MERGE_FOLD_H
#include "base/entry.h"
#include "merge/operators.h"

/* One operand, or some neighbours combined: with the sequence and the expiry of the newest of them, and the clock of the oldest. */
struct fold_item {
    uint64_t sequence, expiry_ms;
    size_t at, size; /* of its value as an entry: clock and bytes */
};
struct merge_fold {
    const nacre_merge_operator *operator; /* NULL: operands are only held */
    struct fold_item *items;              /* the newest first */
    size_t count, capacity;
    /* The rest is private. */
    size_t stacked; /* of the items, whose bytes lie in `stack`; those of the others in `window` */
    struct buffer stack, window, spare;
    struct nacre_output output;
    bool combine_failed; /* once: from then on operands are only held */
};

/* Forgets all operands, keeps the memory. */
void fold_begin(struct merge_fold *, const nacre_merge_operator *);
void fold_free(struct merge_fold *);
/* Whether the next older version had expired when the oldest operand so far was written: then that found nothing. */
bool fold_hides(const struct merge_fold *, const struct entry *);
/* Takes the next older operand, which is not hidden. NACRE_CORRUPT (bytes that are no operand), NACRE_NO_MEMORY. */
int fold_add(struct merge_fold *, const struct entry *operand);
/* The value that all operands make of `base` (NULL: nothing), in memory of the fold until its next call. What the operator gives; the operands stay. */
int fold_value(struct merge_fold *, nacre_slice key, const nacre_slice *base, nacre_slice *value);
/* Combines all operands into one, where that is possible. */
int fold_settle(struct merge_fold *, nacre_slice key);
/* Item i as an entry, in memory of the fold. */
struct entry fold_entry(const struct merge_fold *, nacre_slice key, size_t i);
#endif
