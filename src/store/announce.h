/* Statistics for other processes: a store that is open for writing tells its own to whoever asks, and does nothing while nobody does.

   In the store's directory lies WATCH, a page that asker and teller map: the asker counts `asked` up and wakes the teller, a thread that sleeps on it;
   the teller writes the JSON of nacre_stats into STATS, by a rename, and sets `answered` to what it has seen. Both files go when the store is closed,
   and mean nothing after a crash: the next opening makes its own. Neither is part of the store. */
#ifndef NACRE_STORE_ANNOUNCE_H
#define NACRE_STORE_ANNOUNCE_H
#include "os/os.h"

struct nacre_store;
struct announcer;
#define ANNOUNCE_LEAST_NS (UINT64_C(200) * 1000 * 1000) /* from one STATS to the next */

/* NULL, with the detail, where it cannot: the store goes without. */
struct announcer *announcer_start(struct nacre_store *);
void announcer_stop(struct announcer *); /* NULL is fine */
/* NACRE_NOT_FOUND: nobody has the store open for writing; NACRE_TIMEOUT: nobody answered. json: memory_free. */
int announcer_ask(const nacre_os *, const char *store_path, uint32_t timeout_ms, char **json);
#endif
