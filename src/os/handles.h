/* A bound on open file handles: a file layer over another one. Files that are only read can be closed behind their reader's back, the least
   used first, and are opened again by their path when they are read next; so a store of any number of files needs few handles, and
   finding none left (NACRE_LIMIT of the layer below) is mended by closing some. */
#ifndef NACRE_OS_HANDLES_H
#define NACRE_OS_HANDLES_H
#include "os/os.h"

#define OS_HANDLES_LEAST 32u

struct os_handles;
/* `below` lives longer. */
int os_handles_create(const nacre_os *below, struct os_handles **);
void os_handles_free(struct os_handles *); /* every file is closed; takes NULL */
/* From then on; what is open over it is closed by the next opening. 0: no bound but the system's. Any thread. */
void os_handles_set_most(struct os_handles *, uint64_t most);
/* The file layers to use. What is opened through the second for reading alone may be closed and opened again: it must be found under its path, with the
   same bytes, until it is closed. */
const nacre_os *os_handles_layer(const struct os_handles *);
const nacre_os *os_handles_reopening_layer(const struct os_handles *);

struct os_handle_counts {
    uint64_t open;     /* now */
    uint64_t most;     /* of the bound; 0 = none */
    uint64_t reopened; /* files that had been closed for room */
};
void os_handles_count(const struct os_handles *, struct os_handle_counts *);
#endif
