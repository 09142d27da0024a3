/* Makes commits visible in the order of their sequences, each as a whole.

   A commit takes a ticket under commit_lock, applies its entries, marks the ticket applied, waits for its durability, and calls
   publish_advance; whoever gets there first moves the visible sequence over every ticket that is applied and durable, for the others too.
   Invariants:
   1. tickets are taken in the order of sequences (commit_lock).
   2. visible = last sequence of a ticket whose predecessors and itself are applied and durable as each asked for.
   3. a slot is used again only when its former ticket is published (tickets in flight <= PUBLISH_SLOTS). */
#ifndef NACRE_STORE_PUBLISH_H
#define NACRE_STORE_PUBLISH_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PUBLISH_SLOTS 1024u

struct publish_slot {
    _Atomic uint64_t applied;  /* ticket + 1 once applied */
    _Atomic uint64_t sequence; /* the ticket's last one; written under commit_lock before the ticket is known */
    _Atomic uint64_t durable;  /* log position that must be synced first; 0 = none */
};
struct publisher {
    _Alignas(64) uint64_t next_ticket;  /* commit_lock */
    _Alignas(64) _Atomic uint64_t head; /* tickets before it are published */
    _Atomic uint64_t visible;
    _Alignas(64) _Atomic uint32_t generation; /* futex: changes when visible moved while someone waits */
    _Atomic uint32_t waiters;
    struct publish_slot slots[PUBLISH_SLOTS];
};

void publish_init(struct publisher *, uint64_t visible);
bool publish_full(const struct publisher *); /* commit_lock held */
uint64_t publish_take(struct publisher *, uint64_t last_sequence,
                      uint64_t durable); /* commit_lock held; not when full */
void publish_applied(struct publisher *, uint64_t ticket);
/* Moves visible as far as it goes; `synced` = what is durable of the log now. */
void publish_advance(struct publisher *, uint64_t synced);
/* Returns when visible >= sequence, or *give_up became true (then false). */
bool publish_wait(struct publisher *, uint64_t sequence, const _Atomic bool *give_up);
void publish_raise(struct publisher *, uint64_t sequence); /* recovery: all up to it is applied */
void publish_wake(struct publisher *);                     /* give_up changed */
static inline uint64_t publish_visible(const struct publisher *p)
{
    return atomic_load_explicit(&p->visible, memory_order_acquire); /* pairs with the release in publish_advance */
}
#endif
