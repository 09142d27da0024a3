/* What the benchmark asks of an engine: one table of functions per engine. An adapter does what a competent user of that engine would do and nothing
   more; it ends the program with die() when the engine reports an error, so that no failed call is ever counted as a fast one. */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const void *data;
    size_t size;
};

struct entry {
    struct slice key, value;
};

/* What an acknowledged write survives: the death of the process, or the loss of power. */
enum level { LEVEL_OS, LEVEL_DISK };

struct engine_config {
    const char *directory; /* is there, and empty at the first open */
    enum level level;
    uint64_t cache_bytes;
    uint64_t write_buffer_bytes; /* of each */
    unsigned write_buffers;
    unsigned background_threads;
};

/* A store may be used by many threads, each through a session of its own. What get() and a cursor give stays valid until release(), or until the
   cursor moves. A cursor sees the store as it was when it was opened, where the engine has snapshots. */
struct engine {
    const char *name;
    bool variant; /* of another: takes part in "values", elsewhere only where it is named */
    void (*version)(char *text, size_t size);

    void *(*open)(const struct engine_config *config);
    void (*close)(void *store);
    void (*flush)(void *store);   /* all that was written is in data files, durable */
    void (*compact)(void *store); /* merge everything; NULL where the engine has no such thing */
    void (*seal)(void *store);    /* set the memtable aside, do not wait; NULL where the engine has no such thing */

    void *(*session_open)(void *store);
    void (*session_close)(void *session);
    void (*put)(void *session, struct slice key, struct slice value);
    void (*remove)(void *session, struct slice key);
    void (*write_batch)(void *session, const struct entry *entries, size_t count); /* atomic */
    /* Bulk load, past the log and the write buffers; NULL where the engine has no such thing. Keys ascend; all is visible and durable at the end. */
    void *(*bulk_begin)(void *store, const char *directory); /* what it writes on the way may lie there */
    void (*bulk_put)(void *bulk, struct slice key, struct slice value);
    void (*bulk_end)(void *bulk);
    bool (*get)(void *session, struct slice key, struct slice *value); /* false: not found, nothing to release */
    void (*release)(void *session);                                    /* of the last value found */

    void *(*cursor_open)(void *session);
    void (*cursor_close)(void *cursor);
    /* Each gives the entry it stands on, or returns false at the end. */
    bool (*seek)(void *cursor, struct slice key, struct entry *entry);
    bool (*first)(void *cursor, struct entry *entry);
    bool (*last)(void *cursor, struct entry *entry);
    bool (*next)(void *cursor, struct entry *entry);
    bool (*prev)(void *cursor, struct entry *entry);
};

/* The engines of this build, nacre first; ends with NULL. */
extern const struct engine *const engines[];
const struct engine *engine_find(const char *name);

extern const struct engine engine_nacre_inline, engine_rocksdb_blobs; /* variants */
extern const struct engine engine_nacre, engine_rocksdb, engine_leveldb, engine_lmdb, engine_wiredtiger;

#endif
