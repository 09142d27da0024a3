/* Who keeps what from being freed: cursors, snapshots, transactions and the like put themselves on a list while they live, so that statistics can say
   what pins old versions, and for how long. Any thread. One lock per shard, held for instants; only work.lock may be taken under it. */
#ifndef NACRE_STORE_HOLDER_H
#define NACRE_STORE_HOLDER_H
#include <pthread.h>
#include <stdint.h>

struct view;
struct nacre_collection;
struct nacre_store;

enum holder_kind { HOLDER_SNAPSHOT, HOLDER_CURSOR, HOLDER_TRANSACTION, HOLDER_KINDS };
struct holder { /* lives in what holds; its fields do not change while it is on the list */
    struct holder *previous, *next;
    enum holder_kind kind;
    unsigned shard;
    uint64_t sequence, since_ms;               /* clock_coarse_ms */
    const struct nacre_collection *collection; /* NULL: of the whole store */
    struct view *view;                         /* held as long as the holder is on the list; NULL: none */
};

#define HOLDER_SHARDS 8u
struct holders {
    struct {
        _Alignas(64) pthread_mutex_t lock;
        struct holder *first;
        uint64_t counts[HOLDER_KINDS];
    } shards[HOLDER_SHARDS];
};
void holders_init(struct holders *);
void holders_destroy(struct holders *);
void holder_add(struct holders *,
                struct holder *); /* kind, sequence, collection and view are set; the rest is done here */
void holder_remove(struct holders *, struct holder *);

/* For statistics: the oldest ones. */
#define HOLDERS_SHOWN 16u
struct holder_look {
    enum holder_kind kind;
    uint64_t sequence, age_ms;
    const struct nacre_collection *collection;
    struct view *view; /* one reference, for the caller to give back; or NULL */
};
struct holders_look {
    uint64_t counts[HOLDER_KINDS];
    struct holder_look oldest[HOLDERS_SHOWN]; /* the oldest first */
    unsigned shown;
};
void holders_look(struct nacre_store *, struct holders_look *); /* zero at first */
const char *holder_kind_name(enum holder_kind);
#endif
