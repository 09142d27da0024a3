/* Ordered publication of commits (see publish.h). Lock-free: the head moves by compare-and-swap, so that a preempted
   thread never keeps the others' finished commits from being seen. */
#include "store/publish.h"
#include "base/futex.h"
#include <sched.h>

void publish_init(struct publisher *p, uint64_t visible)
{
    p->next_ticket = 0;
    atomic_init(&p->head, 0);
    atomic_init(&p->visible, visible);
    atomic_init(&p->generation, 0);
    atomic_init(&p->waiters, 0);
    for (unsigned i = 0; i < PUBLISH_SLOTS; i++) {
        atomic_init(&p->slots[i].applied, 0);
    }
}

bool publish_full(const struct publisher *p)
{
    /* Acquire: the publisher of the slot's former ticket is done with it. */
    return p->next_ticket - atomic_load_explicit(&p->head, memory_order_acquire) >= PUBLISH_SLOTS;
}

uint64_t publish_take(struct publisher *p, uint64_t last_sequence, uint64_t durable)
{
    uint64_t ticket = p->next_ticket++;
    struct publish_slot *slot = &p->slots[ticket % PUBLISH_SLOTS];
    /* Relaxed: published by publish_applied. */
    atomic_store_explicit(&slot->sequence, last_sequence, memory_order_relaxed);
    atomic_store_explicit(&slot->durable, durable, memory_order_relaxed);
    return ticket;
}

void publish_applied(struct publisher *p, uint64_t ticket)
{
    /* seq_cst: with the load of head in publish_advance this is a Dekker pair: of two neighbours that finish at once, at least one
       sees the other's work. Releases the applied entries and the slot's fields to the one who publishes them. */
    atomic_store_explicit(&p->slots[ticket % PUBLISH_SLOTS].applied, ticket + 1, memory_order_seq_cst);
}

static void raise_visible(struct publisher *p, uint64_t sequence)
{
    uint64_t seen = atomic_load_explicit(&p->visible, memory_order_relaxed);
    while (seen < sequence && !atomic_compare_exchange_weak_explicit(&p->visible, &seen, sequence, memory_order_seq_cst,
                                                                     memory_order_relaxed)) {}
}

void publish_raise(struct publisher *p, uint64_t sequence)
{
    raise_visible(p, sequence);
}

void publish_advance(struct publisher *p, uint64_t synced)
{
    bool moved = false;
    uint64_t head = atomic_load_explicit(&p->head, memory_order_seq_cst);
    for (;;) {
        struct publish_slot *slot = &p->slots[head % PUBLISH_SLOTS];
        if (atomic_load_explicit(&slot->applied, memory_order_seq_cst) != head + 1) {
            break;
        }
        /* The slot belongs to ticket `head` until the head moves on; when it did meanwhile, what is read here may be a later
           ticket's, and is thrown away with the failed swap. */
        uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
        if (atomic_load_explicit(&slot->durable, memory_order_relaxed) > synced) {
            break;
        }
        if (atomic_compare_exchange_strong_explicit(&p->head, &head, head + 1, memory_order_seq_cst,
                                                    memory_order_seq_cst)) {
            raise_visible(p, sequence);
            moved = true;
            head++;
        }
    }
    /* Pairs with the fence order in publish_wait: the waiter counts itself, then looks at visible. */
    if (moved && atomic_load_explicit(&p->waiters, memory_order_seq_cst) != 0) {
        publish_wake(p);
    }
}

void publish_wake(struct publisher *p)
{
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_seq_cst);
    futex_wake(&p->generation, INT32_MAX);
}

bool publish_wait(struct publisher *p, uint64_t sequence, const _Atomic bool *give_up)
{
    for (unsigned spin = 0; spin < 64; spin++) {
        if (publish_visible(p) >= sequence) {
            return true;
        }
        if (spin >= 32) {
            sched_yield();
        }
    }
    bool reached = false;
    atomic_fetch_add_explicit(&p->waiters, 1, memory_order_seq_cst);
    for (;;) {
        uint32_t generation = atomic_load_explicit(&p->generation, memory_order_seq_cst);
        if (atomic_load_explicit(&p->visible, memory_order_seq_cst) >= sequence) {
            reached = true;
            break;
        }
        if (atomic_load_explicit(give_up, memory_order_seq_cst)) {
            break;
        }
        futex_wait(&p->generation, generation);
    }
    atomic_fetch_sub_explicit(&p->waiters, 1, memory_order_relaxed);
    return reached;
}
