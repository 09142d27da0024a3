/* A model of stores with all options of collections at once: kinds, time to live, value log, merge operators, compaction filters. It runs on a clock of its own, which tests move.

   What a filter does, and when, is the store's affair: so a key has a list of states that it may be in, of which one is right. A key without filters has one. */
#ifndef TESTS_RICH_MODEL_H
#define TESTS_RICH_MODEL_H
#include <nacre/nacre.h>

#define RICH_COLLECTIONS 4
#define RICH_KEYS        65 /* the last one, which is greater, stays: see rich_put_last */
#define RICH_STATES      12
#define RICH_DIMENSION   6
#define RICH_VALUE_MAX   900

struct rich_bytes { /* never change, and live as long as the history */
    struct rich_bytes *next;
    uint32_t size;
    uint32_t vector; /* of collections of vectors: what it follows from */
    char bytes[];
};

struct rich_state {
    const struct rich_bytes *value; /* NULL: not there */
    uint64_t expiry_ms;             /* 0: never */
};

struct rich_key {
    struct rich_state states[RICH_STATES];
    unsigned count; /* 0: too many to be told apart */
};

struct rich_collection {
    nacre_collection_options options;
    struct rich_key keys[RICH_KEYS];
};

struct rich_model {
    struct rich_collection collections[RICH_COLLECTIONS];
};

/* What writes are made of. */
struct rich {
    struct rich_model now;
    struct rich_bytes *all;
    nacre_store *store;
    nacre_collection *collections[RICH_COLLECTIONS];
    uint64_t seed;
    uint32_t next_value;
    bool at_memory; /* some writes are of level memory */
};

extern const nacre_hooks rich_hooks;

void rich_clock_begin(void); /* takes the place of the machine's until rich_clock_end */
void rich_clock_end(void);
void rich_clock_move(uint64_t ms);

void rich_begin(struct rich *, uint64_t seed); /* draws the collections */
void rich_end(struct rich *);
uint64_t rich_random(struct rich *, uint64_t below);

/* Each gives the first failure. */
int rich_open(struct rich *, bool create); /* the collections of the store */
void rich_close(struct rich *);            /* the same */
int rich_write_one(struct rich *); /* one atomic write at random: a single one, a batch, a transaction, an ingest */
int rich_write(struct rich *);     /* the same, or a collection is cleared */
int rich_put_last(struct rich *,
                  unsigned collection); /* the greatest key, which no delete meets: its collection is never empty */

/* NULL, or what is wrong with the answers of the store (a static buffer). */
const char *rich_compare(struct rich *, const struct rich_model *, nacre_snapshot *);
const char *rich_compare_options(struct rich *);
#endif
