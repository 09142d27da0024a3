/* Following a log that another process writes: hands out its records as they come, from a position on, and waits for none. One thread at a
   time per tail. */
#ifndef NACRE_LOG_WAL_TAIL_H
#define NACRE_LOG_WAL_TAIL_H
#include "log/wal.h"

struct wal_tail;

enum wal_tail_end {
    WAL_TAIL_WAITS, /* all that is there was handed out */
    WAL_TAIL_GONE, /* the file was pruned, or used again: what stood here is in segments; the manifest says from where on to read */
    WAL_TAIL_DOUBT, /* something is in the way that only a replay can judge */
};

int wal_tail_create(const nacre_os *, const char *directory, struct wal_tail **);
/* The next read lists the directory, however short ago that was done: a writer may have begun anew. */
void wal_tail_look_again(struct wal_tail *);
void wal_tail_free(struct wal_tail *);
/* Stands the tail before the record at `position`; offset 0: before the first one of that file or a later one. `ended`: behind the end record
   of that file. */
void wal_tail_place(struct wal_tail *, wal_position, bool ended);
wal_position wal_tail_position(const struct wal_tail *);
/* Hands out the whole records that are there, in order, as far as `until`. A record that is half there is not. *end says why it went no further.
   The visitor's error is returned, and the tail then stands before that record. Payloads are good during the visit. */
int wal_tail_read(struct wal_tail *, wal_position until, wal_visitor *visit, void *context, enum wal_tail_end *end);
#endif
