/* Transactions over the collections of a model: each step is held against what the transaction has to see, the commit against what it may rely on. */
#ifndef TESTS_MODEL_TXN_H
#define TESTS_MODEL_TXN_H
#include "support/model.h"

struct model_txn {
    nacre_txn *txn; /* NULL: none is open */
    bool serializable;
    struct model began, now; /* what it saw when it began; that with its own writes */
    bool wrote[MODEL_COLLECTIONS][MODEL_KEYS], read[MODEL_COLLECTIONS][MODEL_KEYS];
    uint64_t savepoint; /* 0: none */
    struct model saved;
    bool saved_wrote[MODEL_COLLECTIONS][MODEL_KEYS];
};

int model_txn_begin(struct model_txn *, const struct model *, nacre_store *, uint64_t *seed);
/* A random get, put, delete, scan, savepoint, or way back to it. The first failure; *wrong, where it is not NULL afterwards, says what differs. */
int model_txn_step(struct model_txn *, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                   uint32_t *next_value, const char **wrong);
/* Commits, and applies the writes to the model unless it was a conflict; *wrong says when a change was missed, or when there was none. Whatever comes of it, it
   is closed. */
int model_txn_commit(struct model_txn *, struct model *, const nacre_write_options *, const char **wrong);
void model_txn_abort(struct model_txn *);
/* All of that at once. A failure before the commit leaves the model as it is. */
int model_random_txn(struct model *, nacre_store *, nacre_collection *collections[MODEL_COLLECTIONS], uint64_t *seed,
                     uint32_t *next_value, const nacre_write_options *, const char **wrong);
#endif
