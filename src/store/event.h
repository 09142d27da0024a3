/* What happens in a store, told: a line to the logger, an event to the program's hook, a time to the statistics. Called where it happened, by the
   thread that did it, with none of the store's locks held. Cheap where nobody listens. */
#ifndef NACRE_STORE_EVENT_H
#define NACRE_STORE_EVENT_H
#include "store/store.h"

void event_sealed(const nacre_collection *, uint64_t bytes, uint64_t entries);
void event_work_done(const nacre_collection *, const struct tree_work_done *);      /* a flush, a merge, an index */
void event_tree_done(void *store, void *collection, const struct tree_work_done *); /* tree_env.done */
void event_stall(nacre_store *, enum stall_reason, bool begins, uint64_t ns);
void event_recovered(nacre_store *);
void event_state(nacre_store *, nacre_state, int cause, const char *reason);
/* fail_detail says what. */
void event_failed(nacre_store *, const nacre_collection *, const char *task, int status, unsigned failures);
void event_housekeeping_failed(nacre_store *, int status);
/* The engine gave a tuning parameter another value by itself. */
void event_tuned(nacre_store *, const char *name, uint64_t value, const char *why);
/* A phase of an opening is over: a line to the logger. Returns the time, for the next one. */
uint64_t event_phase(const nacre_store *, const char *phase, uint64_t began_ns);
#endif
