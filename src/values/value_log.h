/* The value log of a store: large values, each written once, into numbered files beside log and segments. What is in log records,
   memtables and segments is a pointer (value_pointer.h). Values of writes and values that merges move go to files of their own (streams),
   as the latter live longer.

   A file is *active* while values are appended to it, then *sealed*: synced, cut to its length, never changed again. Who keeps pointers
   into a file holds a reference to it; a file that is not active and has no reference is removed. */
#ifndef NACRE_VALUES_VALUE_LOG_H
#define NACRE_VALUES_VALUE_LOG_H
#include "base/entry.h"
#include "values/value_pointer.h"

struct value_log;
struct value_file; /* counted */

#define VALUE_FILE_NAME "%016llx.val" /* of the file's id */

enum value_stream {
    VALUE_STREAM_WRITES, /* of users */
    VALUE_STREAM_MERGES, /* what merges write anew */
    VALUE_STREAMS
};

struct value_log_options {
    const nacre_os *os;
    const char *directory; /* <store>/values, exists or (read_only) is absent; copied */
    const nacre_logger *logger;
    uint64_t file_bytes; /* of a file; a larger value gets a file of its own */
    bool map;            /* values are read where they are; false: into memory */
    bool read_only;
    uint64_t (*next_id)(void *context); /* greater than all before it; unused when read_only */
    /* A file became unused, is full, or a new one is to be made ready: call value_log_prepare and value_log_remove_unused soon. Never
       blocks; called under any lock. */
    void (*wake)(void *context);
    /* Whether an unused file may be removed just now (false: somebody copies files, or still reads this one). Asked under a lock; must not block.
       *noticed is kept with the file, 0 at first. NULL: always. */
    bool (*may_remove)(void *context, uint64_t *noticed);
    void *context;
};

/* Registers the files that are there; opens none. Nothing is removed before value_log_start. */
int value_log_open(const struct value_log_options *, struct value_log **);
/* Recovery is over and all that is needed is referenced: files without a reference may be removed from here on, and those that a crash
   left unsealed are cut to their length and sealed. */
int value_log_start(struct value_log *);
/* Cuts the active files to their length; syncs nothing. No reference may be left but those that die with the caller. NULL is fine. */
void value_log_close(struct value_log *);

/* Appends one value and gives the caller a reference to the file it is in. Any thread; no lock is held while it is written. When it returns
   the value can be read, and is as durable as the page cache: value_log_sync makes it survive a loss of power. After a failure nothing
   points to what was written, and the log goes on in another file.
   NACRE_NO_SPACE, NACRE_IO, NACRE_NO_MEMORY, NACRE_LIMIT. */
int value_log_append(struct value_log *, enum value_stream, uint32_t collection, nacre_slice key, nacre_slice value,
                     struct value_pointer *, struct value_file **);
/* All values whose append has returned are durable, as are their files' names. One sync of a file serves all callers. A sync that failed is never tried again on its
   file: every later call fails (NACRE_IO) until value_log_recover. Any thread; slow. */
int value_log_sync(struct value_log *);
bool value_log_has_failed(const struct value_log *); /* a sync failed, and value_log_recover was not called since */
/* After a failed sync: files with values that are not known to be durable are written anew under their names, from what can still be
   read of them; pointers stay as they are. NACRE_CORRUPT where a value cannot be read back. No appends meanwhile. */
int value_log_recover(struct value_log *);

/* Makes the next file ready and seals what is full. Any thread, no lock held; slow. Cheap when there is nothing to do. */
int value_log_prepare(struct value_log *);
/* The active files get no more values: with value_log_prepare, all that was appended before is in sealed files. */
void value_log_rotate(struct value_log *);
/* The same of those active files alone of whose records at least `percent` are garbage as far as segments know (value_usage.h): what only memtables
   point to counts as such. Whether there was one. */
bool value_log_rotate_garbage(struct value_log *, unsigned percent);
/* Removes files that are unused; only after the manifest that no longer needs them is durable (who lets go of a reference sees to that).
   Any thread, one at a time. */
int value_log_remove_unused(struct value_log *);
/* Of a read_only log: unused files are closed, so that their space comes back when the writer has removed them. They are found again when they are
   wanted. One thread at a time with value_file_hold. */
void value_log_forget_unused(struct value_log *);

/* The file with that id, with one more reference; NACRE_CORRUPT where there is none ("value file ... is missing"). */
int value_file_hold(struct value_log *, uint64_t id, struct value_file **);
void value_file_ref(struct value_file *);   /* the caller has a reference */
void value_file_unref(struct value_file *); /* NULL is fine; never blocks */
uint64_t value_file_id(const struct value_file *);

/* The value behind a pointer. The caller's view, or any other holder, keeps the file referenced meanwhile; the bytes stay as long as it does
   and, where they were read into memory, until *pin is released (zeroed: nothing to release). Bounds and checksum are checked: NACRE_CORRUPT with file,
   offset, expected and found. Any thread, no lock. */
int value_log_read(struct value_log *, const struct value_pointer *, nacre_slice *value, struct pin *);
/* The same for readers, as blocks of segments are read: the value of `key`, whose checksum may be left out where this opening has checked it before. */
int value_log_get(struct value_log *, const struct value_pointer *, nacre_slice key, nacre_slice *value, struct pin *);

/* What a walk over values, in whatever order, has read ahead; zero at first. One thread at a time. */
struct value_ahead {
    uint64_t file;
    uint64_t begin, end; /* of the last value */
    uint64_t edge;       /* the walk's direction is read up to here */
    uint32_t window;     /* bytes; 0: no run of values that lie behind one another was seen */
    bool down;
};
/* To be called before each value of a walk is read: where values are met in the order they lie in, those that come next are read ahead, more and more of
   them. A hint. The file is kept as for a read. */
void value_log_read_ahead(struct value_log *, struct value_ahead *, const struct value_pointer *);
/* For replay: whether the value is there as far as that is in doubt. Of sealed files only the bounds are looked at (they were durable when
   they were sealed), of others the value itself. NACRE_CORRUPT as above; other codes: it could not be told. */
int value_log_check(struct value_log *, const struct value_pointer *);

/* For verification: whether a record of that key, its header good, is where the pointer leads. The value itself is for value_file_scan to check.
   NACRE_CORRUPT. */
int value_log_verify(struct value_log *, const struct value_pointer *, nacre_slice key);

/* ---- files, for checkpoints, backups, verification, statistics, garbage collection ---- */

struct value_file_info {
    uint64_t id;
    uint64_t bytes;      /* of the file up to its last value, whose append may still be running in an active one */
    uint64_t settled;    /* up to here none is */
    uint32_t references; /* without the visit's own */
    bool active;
};
/* All files, ascending by id, each referenced during its visit. A visitor's error ends it and is returned. */
int value_log_each_file(struct value_log *,
                        int (*visit)(void *context, struct value_file *, const struct value_file_info *),
                        void *context);

struct value_record {
    uint32_t collection;
    nacre_slice key, value;
    struct value_pointer pointer;
    uint64_t record_bytes; /* of the file that it takes */
};
/* Called for each record in order; `damage` is NULL, or says what is wrong with it (then value may be what is left, or empty). */
typedef int value_visitor(void *context, const struct value_record *, const char *damage);
struct value_file_report {
    uint64_t id, bytes; /* bytes: the file's size */
    uint64_t records, value_bytes;
    uint64_t holes, hole_bytes; /* places that hold no record: of appends that failed or never came to an end */
    uint64_t damaged;           /* records with a good header and a bad value */
    uint64_t end;               /* behind the last record */
    bool sealed, header_damaged;
    char damage[320]; /* of the first damaged record, or of the header; "" = none */
};
/* One file, record by record, each checked, up to `limit` (0 = all of it): for verification, dumps and salvage. visit may be NULL. A bad header is
   told in the report; errors are those of reading, and of the visitor. */
int value_file_scan(const nacre_os *, const char *path, uint64_t limit, value_visitor *visit, void *context,
                    struct value_file_report *);

/* A number that differs where the first `bytes` of two files differ, made of their records' headers, each of which has the checksum of its value; values are not
   read. 0: it cannot be told, as there are places without a record. */
int value_file_identity(const nacre_os *, const char *path, uint64_t id, uint64_t bytes, uint64_t *identity);

struct value_log_stats {
    uint64_t files, bytes;            /* as of now */
    uint64_t appends, appended_bytes; /* bytes: of records, in this opening */
    uint64_t reads, read_bytes;
    uint64_t syncs, sync_ns_total, sync_ns_max;
    uint64_t removed; /* files */
    uint64_t heap_bytes, mapped_bytes;
};
void value_log_get_stats(const struct value_log *, struct value_log_stats *);
#endif
