/* The lists of holders (see holder.h). Locks: a shard's, one at a time, and under it work.lock where a view goes. */
#include "store/holder.h"
#include "base/clock.h"
#include "store/store.h"

void holders_init(struct holders *holders)
{
    for (unsigned i = 0; i < HOLDER_SHARDS; i++) {
        pthread_mutex_init(&holders->shards[i].lock, NULL);
    }
}

void holders_destroy(struct holders *holders)
{
    for (unsigned i = 0; i < HOLDER_SHARDS; i++) {
        pthread_mutex_destroy(&holders->shards[i].lock);
    }
}

void holder_add(struct holders *holders, struct holder *holder)
{
    unsigned thread = stats_thread_shard ? stats_thread_shard : stats_choose_shard();
    holder->shard = thread % HOLDER_SHARDS;
    holder->since_ms = clock_coarse_ms();
    pthread_mutex_lock(&holders->shards[holder->shard].lock);
    struct holder **first = &holders->shards[holder->shard].first;
    holder->previous = NULL;
    holder->next = *first;
    if (*first) {
        (*first)->previous = holder;
    }
    *first = holder;
    holders->shards[holder->shard].counts[holder->kind]++;
    pthread_mutex_unlock(&holders->shards[holder->shard].lock);
}

void holder_remove(struct holders *holders, struct holder *holder)
{
    pthread_mutex_lock(&holders->shards[holder->shard].lock);
    if (holder->previous) {
        holder->previous->next = holder->next;
    } else {
        holders->shards[holder->shard].first = holder->next;
    }
    if (holder->next) {
        holder->next->previous = holder->previous;
    }
    holders->shards[holder->shard].counts[holder->kind]--;
    pthread_mutex_unlock(&holders->shards[holder->shard].lock);
}

/* Among the oldest ones, if it belongs there. What falls off at the end is in *dropped. The view's shard is locked, so that it is held. */
static void insert(struct holders_look *look, const struct holder *holder, uint64_t now, struct view **dropped)
{
    uint64_t age = now > holder->since_ms ? now - holder->since_ms : 0;
    unsigned at = look->shown;
    *dropped = NULL;
    while (at > 0 && look->oldest[at - 1].age_ms < age) {
        at--;
    }
    if (at == HOLDERS_SHOWN) {
        return;
    }
    if (look->shown == HOLDERS_SHOWN) {
        *dropped = look->oldest[--look->shown].view;
    }
    memmove(&look->oldest[at + 1], &look->oldest[at], (look->shown - at) * sizeof look->oldest[0]);
    look->shown++;
    if (holder->view) {
        atomic_fetch_add_explicit(&holder->view->references, 1, memory_order_relaxed); /* the holder has one */
    }
    look->oldest[at] = (struct holder_look){ holder->kind, holder->sequence, age, holder->collection, holder->view };
}

static void add(nacre_store *store, struct holders_look *look, const struct holder *holder, uint64_t now)
{
    struct view *dropped;
    insert(look, holder, now, &dropped);
    if (dropped) { /* its holder may have gone meanwhile: this may be the last reference, which never blocks */
        view_release(store, dropped);
    }
}

/* Most transactions have no more than a point (read_points.h). */
static void look_at_transactions(nacre_store *store, struct holders_look *look, uint64_t now)
{
    for (unsigned i = 0; i < READ_POINTS; i++) {
        const struct read_point *point = &store->read_points.points[i];
        uint64_t taken = atomic_load_explicit(&point->taken, memory_order_relaxed);
        if (taken != 0) {
            look->counts[HOLDER_TRANSACTION]++;
            add(store, look,
                &(struct holder){ .kind = HOLDER_TRANSACTION,
                                  .sequence = taken - 1,
                                  .since_ms = atomic_load_explicit(&point->since_ms, memory_order_relaxed) },
                now);
        }
    }
}

void holders_look(nacre_store *store, struct holders_look *look)
{
    struct holders *holders = &store->holders;
    uint64_t now = clock_coarse_ms();
    for (unsigned i = 0; i < HOLDER_SHARDS; i++) {
        pthread_mutex_lock(&holders->shards[i].lock);
        for (unsigned kind = 0; kind < HOLDER_KINDS; kind++) {
            look->counts[kind] += holders->shards[i].counts[kind];
        }
        for (const struct holder *h = holders->shards[i].first; h; h = h->next) {
            add(store, look, h, now);
        }
        pthread_mutex_unlock(&holders->shards[i].lock);
    }
    look_at_transactions(store, look, now);
}

const char *holder_kind_name(enum holder_kind kind)
{
    static const char *const names[HOLDER_KINDS] = { "snapshot", "cursor", "transaction" };
    return names[kind];
}
