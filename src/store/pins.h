/* What readers in other processes (or other openings in this one) still need of a store's files.

   The file READERS, which the writer makes at open and which stays empty, carries their pins: shared locks on single bytes. A lock leaves
   no trace, needs no right to write, and goes with the process that held it. The number of the byte says what is pinned:

     PIN_READING   the manifest and the log are being read: nothing at all may go, but for log files over what log_limit allows
     n             somebody uses the state that manifest_position n names: what a later edit has removed stays

   So the writer may remove what the edit n took out when no byte of [0, n) is pinned. It only asks, and never waits. */
#ifndef NACRE_STORE_PINS_H
#define NACRE_STORE_PINS_H
#include "os/os.h"
#include <stdatomic.h>

#define PINS_FILE   "READERS"
#define PIN_READING UINT64_C(0)

struct pins {
    const nacre_os *os;
    nacre_file *file; /* NULL: there are none */
};
/* For the writer: makes the file where it is missing. A file layer without pins gives NACRE_OK and no file. */
int pins_make(struct pins *, const nacre_os *, const char *store_path);
/* The first pinned byte below `end`; `end` where none is. 0 when it cannot be told: then nothing goes. */
uint64_t pins_first(const struct pins *, uint64_t end);

/* For a reader: no file, or one that cannot be opened, is no failure, but then nothing is pinned. */
void pins_open(struct pins *, const nacre_os *, const char *store_path);
void pins_close(struct pins *);
int pins_set(const struct pins *, uint64_t byte, bool held); /* NACRE_OK also without a file */

/* A pin that several views share; counted. The last reference takes it away. */
struct reader_pin {
    atomic_uint references;
    const struct pins *pins;
    uint64_t position;
};
int reader_pin_create(const struct pins *, uint64_t position, struct reader_pin **);
void reader_pin_ref(struct reader_pin *);
void reader_pin_unref(struct reader_pin *); /* NULL is fine */
#endif
