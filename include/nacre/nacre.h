/* nacre: an embedded storage engine. SPDX-License-Identifier: Apache-2.0

   One directory is a store. A store holds named collections; a collection maps keys to values, in the order of the
   keys' bytes. This header is the contract: what is written here holds, and what is not written here is not promised.

   CAVEATS
    a. A store belongs to one process. After fork() the child must not use a store, collection, snapshot, cursor or
       value of its parent: calls in the child that return a code notice it and return NACRE_INVALID. The child may
       open a store of its own, this one with `read_only`, or this one for writing once the parent has closed it.
    b. One process may have a store open for writing, from any number of threads; opening it once more for writing, in
       this process or another, is NACRE_LOCKED. Any number of processes, that one too, may have it open with `read_only`,
       which shows it as it was at that moment, until nacre_refresh. What such a reader shows keeps files of the store
       from being removed; they go when it refreshes, closes or dies.
    c. Do not put a store on a network file system: locks, maps and syncs are not to be trusted there.
    d. Do not copy the directory of a store that is open: nacre_checkpoint makes a copy that opens.
    e. Snapshots, cursors and values that are held keep memory and files from being given back: hold them shortly.
       nacre_stats says how many are held.
    f. Expiry goes by the machine's wall clock: setting it back makes entries that expired, and are not yet merged
       away, visible again.
    g. Writes of level NACRE_MEMORY are gone with the process, also after nacre_close, unless nacre_flush or nacre_sync
       came before. Writes of level NACRE_OS may be gone when the machine loses power.

   CONVENTIONS
    1. Handles are opaque and distinct. Each call that makes one is matched by one that closes or releases it, and each
       of those takes NULL as a no-op. Handles of a store (collections, snapshots, cursors, values) go before the store
       does. Batches belong to the caller and may outlive it, but not be written then.
    2. Keys, values, prefixes and bounds are slices: any bytes, by pointer and length. Keys have 1 to NACRE_KEY_MAX
       bytes, in a collection of kind NACRE_STRINGS 1 to NACRE_STRING_KEY_MAX; the empty key is NACRE_INVALID, a longer
       one is NACRE_LIMIT. Values have 0 to NACRE_VALUE_MAX bytes; an empty value is a value. Data given to a call is
       copied where it is kept: it may be reused when the call returns.
    3. Keys are ordered as memcmp orders them, a key before those that it is a prefix of. Ranges are [begin, end):
       begin is in, end is out; an empty begin means from the first key, an empty end means to the last.
    4. A call that can fail returns int: NACRE_OK (0), or one of the negative codes of NACRE_STATUS_TABLE. Every call
       may return NACRE_INVALID (NULL where something is needed, an option out of its range, a store used in a forked
       child) and NACRE_NO_MEMORY; the lists after `Returns:` name what else to expect. A failed call has changed
       nothing, unless it says so; a write that gave NACRE_IO while it was made durable may turn out to be there after
       nacre_resume or the next open, as a whole or not at all. Where a call fails, the place for the handle it would have made holds NULL.
    5. NACRE_NOT_FOUND from nacre_get is an answer: it writes no log line, allocates nothing and leaves no detail. For
       all other failures nacre_last_error has the detail: what, which file and offset, expected and found, what to do.
    6. Options are structs whose first field is struct_size. Make them with their _INIT macro and then set fields. Zero
       means the default; NULL options mean all defaults. An options struct from a newer header is accepted as long as
       the fields that this library does not know are zero, else it is NACRE_UNSUPPORTED.
    7. Threads: `any` = any thread, at any time, also at the same time. `one at a time` = any thread, but never two at
       once with the same handle. A handle must not be closed or released while another thread still uses it.
    8. Nothing is printed, and the process is never ended, because of what a user or a disk did. Log lines go to the
       logger that was given, if one was.
    9. Durability of an acknowledged write (a call that returned NACRE_OK): NACRE_MEMORY survives nothing; NACRE_OS
       survives the death of the process; NACRE_DISK survives the loss of power. After a crash the store opens without
       any flag, with every write that its level promises; each write and each batch is there as a whole or not at all
       (at level memory a batch over several collections may survive in those that were flushed).
   10. Expired entries are gone from every call at once, from all snapshots and cursors too, whether or not
       their bytes are still on the disk.
   11. A write that finds too many sealed memtables waiting for the disk, or the log at its limit, waits up to its
       timeout and then is NACRE_BUSY, with the reason as detail; nothing of it has been written. It may be tried again.
   12. Names of collections have 1 to NACRE_NAME_MAX bytes of UTF-8 without control characters and '/'. */
#ifndef NACRE_H
#define NACRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NACRE_VERSION_MAJOR 0
#define NACRE_VERSION_MINOR 1
#define NACRE_VERSION_PATCH 0

#if defined(__GNUC__)
#define NACRE_API __attribute__((visibility("default")))
#else
#define NACRE_API
#endif

/* ---- Words ---- */

/* Limits. What is over one is NACRE_LIMIT. */
#define NACRE_KEY_MAX        65535u              /* bytes; of a key, but in collections of kind NACRE_STRINGS */
#define NACRE_STRING_KEY_MAX 1048576u            /* bytes; of a key of a collection of kind NACRE_STRINGS */
#define NACRE_VALUE_MAX      4294967295u         /* bytes */
#define NACRE_DIMENSION_MAX  65535u              /* floats in a vector */
#define NACRE_NAME_MAX       255u                /* bytes in a collection's name */
#define NACRE_BATCH_MAX      (UINT64_C(1) << 31) /* bytes of one encoded batch */
#define NACRE_NEAREST_MAX    1000000u            /* neighbours that one search may ask for */

/* The status codes: name, value, text. Codes are added at the end and never change. */
#define NACRE_STATUS_TABLE(X) \
    X(OK, 0, "the call succeeded") \
    X(NOT_FOUND, -1, "there is no such key, collection or store") \
    X(EXISTS, -2, "it exists already") \
    X(INVALID, -3, "an argument is not valid") \
    X(LIMIT, -4, "an argument is over a limit of the engine") \
    X(BUSY, -5, "the store cannot take the write now; try again later") \
    X(LOCKED, -6, "another process has the store open for writing") \
    X(CONFLICT, -7, "another transaction changed what this one relies on") \
    X(READ_ONLY, -8, "the store takes no writes now") \
    X(IO, -9, "the file system reported an error") \
    X(NO_SPACE, -10, "the disk is full") \
    X(CORRUPT, -11, "data on disk is damaged") \
    X(UNSUPPORTED, -12, "this build cannot do that") \
    X(NO_MEMORY, -13, "memory could not be allocated") \
    X(CANCELLED, -14, "the call was cancelled") \
    X(TIMEOUT, -15, "the call took longer than its timeout") \
    X(HANDLES_OPEN, -16, "the store still has open handles") \
    X(SNAPSHOT_TOO_OLD, -17, "the snapshot was given up because of its age") \
    X(FENCED, -18, "a newer writer has taken the store over")

typedef enum nacre_status {
#define NACRE_STATUS_ENUM(name, value, text) NACRE_##name = value,
    NACRE_STATUS_TABLE(NACRE_STATUS_ENUM)
#undef NACRE_STATUS_ENUM
} nacre_status;

/* Bytes by pointer and length; data may be NULL where size is 0. */
typedef struct nacre_slice {
    const void *data;
    size_t size;
} nacre_slice;

/* What an acknowledged write survives: NACRE_MEMORY nothing, NACRE_OS the death of the process, NACRE_DISK the loss of
   power. */
typedef enum nacre_durability { NACRE_DURABILITY_DEFAULT = 0, NACRE_MEMORY, NACRE_OS, NACRE_DISK } nacre_durability;

/* What a collection can do. NACRE_ORDERED: all but searching. NACRE_STRINGS: its keys are searched by regular expressions too, and may be
   longer. NACRE_VECTORS: each key has a vector of floats too, and the nearest to a given one are found. */
typedef enum nacre_kind { NACRE_ORDERED = 1, NACRE_STRINGS, NACRE_VECTORS } nacre_kind;
/* Distances, smaller = nearer. NACRE_L2: the square of the Euclidean distance. NACRE_COSINE: 1 - the cosine of the angle.
   NACRE_DOT: minus the inner product. */
typedef enum nacre_metric { NACRE_L2 = 1, NACRE_COSINE, NACRE_DOT } nacre_metric;

/* See nacre_store_state. */
typedef enum nacre_state { NACRE_STATE_OK = 0, NACRE_STATE_READ_ONLY, NACRE_STATE_FAILED } nacre_state;

/* Handles. */
typedef struct nacre_store nacre_store;
typedef struct nacre_collection nacre_collection;
typedef struct nacre_batch nacre_batch;
typedef struct nacre_segment_writer nacre_segment_writer;
typedef struct nacre_snapshot nacre_snapshot;
typedef struct nacre_cursor nacre_cursor;
typedef struct nacre_txn nacre_txn;

/* ---- Status and version ---- */

/* The name of a status code, as "NACRE_CORRUPT".
   status: any number; one that is no code gives "NACRE_?".
   Returns: the name; never NULL.
   Ownership: the text is constant.
   Threads: any. */
NACRE_API const char *nacre_status_name(int status);

/* What a status code means, in a sentence.
   status: any number; one that is no code says so.
   Returns: the sentence; never NULL.
   Ownership: the text is constant.
   Threads: any. */
NACRE_API const char *nacre_status_text(int status);

/* The detail of the calling thread's last failed call: what, which file and offset, expected and found, what to do.
   Returns: the text, at most 1023 bytes; "" before the first failure; never NULL. Calls that succeed do not clear it.
   Ownership: the thread's own memory, good until its next failing call.
   Threads: any; each has its own. */
NACRE_API const char *nacre_last_error(void);

/* The version of the library that runs, as "0.1.0".
   Returns: the text; never NULL.
   Ownership: the text is constant.
   Threads: any. */
NACRE_API const char *nacre_version(void);

/* ---- What a store stands on ---- */

typedef enum nacre_log_level {
    NACRE_LOG_ERROR = 1,
    NACRE_LOG_WARNING,
    NACRE_LOG_INFO,
    NACRE_LOG_DEBUG
} nacre_log_level;

/* Where log lines go. write() gets a line's event name ("flush", "recovery", ...) and its fields as one JSON object;
   it is called from any thread, also at the same time and within calls of the library: it must be quick, and must not
   call the library. */
typedef struct nacre_logger {
    size_t struct_size;
    void *context;
    nacre_log_level level; /* lines above this level are not made */
    void (*write)(void *context, nacre_log_level level, const char *event, const char *fields_json);
} nacre_logger;

/* The file layer. Every function returns NACRE_OK or a negative code (NACRE_IO, NACRE_NO_SPACE, NACRE_NOT_FOUND,
   NACRE_EXISTS, NACRE_LOCKED, NACRE_NO_MEMORY) and may be called from any thread. */
typedef struct nacre_file nacre_file; /* defined by the layer */
#define NACRE_FILE_READ      1u
#define NACRE_FILE_WRITE     2u
#define NACRE_FILE_CREATE    4u /* make it when missing */
#define NACRE_FILE_EXCLUSIVE 8u /* with CREATE: NACRE_EXISTS when it is there */
typedef struct nacre_os {
    size_t struct_size;
    void *context;
    /* NACRE_LIMIT from this one, from lock, list and sync_directory: there is no handle left. The store closes some that it can do without and tries again. */
    int (*open)(void *context, const char *path, uint32_t flags, nacre_file **file);
    int (*close)(nacre_file *file);
    /* got < size only at the end of the file */
    int (*read)(nacre_file *file, uint64_t offset, void *bytes, size_t size, size_t *got);
    int (*write)(nacre_file *file, uint64_t offset, const void *bytes, size_t size); /* all or an error */
    int (*sync)(nacre_file *file);                                         /* contents and length are durable */
    int (*write_behind)(nacre_file *file, uint64_t offset, uint64_t size); /* start writing back; no promise */
    int (*allocate)(nacre_file *file, uint64_t size);                      /* later writes below size find space */
    int (*truncate)(nacre_file *file, uint64_t size);
    int (*size)(nacre_file *file, uint64_t *size);
    int (*map)(nacre_file *file, uint64_t size, bool writable, void **address); /* shared, from offset 0 */
    int (*populate)(void *address, uint64_t size, bool writable);               /* fault the pages in; no promise */
    int (*unmap)(void *address, uint64_t size);
    int (*rename)(void *context, const char *from, const char *to); /* replaces `to` */
    int (*link)(void *context, const char *from, const char *to);   /* NACRE_UNSUPPORTED where it cannot */
    int (*remove)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path); /* NACRE_EXISTS when it is there */
    int (*remove_directory)(void *context, const char *path);
    int (*sync_directory)(void *context, const char *path); /* its names are durable */
    int (*list)(void *context, const char *path, void (*visit)(void *visitor, const char *name), void *visitor);
    int (*lock)(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size);
    int (*space)(void *context, const char *path, uint64_t *free_bytes);
    /* Both NULL, or left out by struct_size: readers in other processes hold nothing (see nacre_options.read_only).
       A pin is a shared lock on one byte of a file, which need not exist: it changes nothing of the file, ends with the handle or the
       process, and hinders nobody. pin: sets it, or takes it away. pinned: *first = the first byte in [begin, end) that another
       handle pins, in this process or another; end where none is. */
    int (*pin)(nacre_file *file, uint64_t offset, bool held);
    int (*pinned)(nacre_file *file, uint64_t begin, uint64_t end, uint64_t *first);
    /* NULL, or left out by struct_size: nothing is read ahead. Pages of a map are wanted soon: start reading them, and do not wait; no promise. */
    int (*read_ahead)(void *address, uint64_t size);
} nacre_os;

/* ---- What a store calls ---- */

/* Where a merge operator or a compaction filter puts the bytes that it makes. */
typedef struct nacre_output nacre_output;

/* Adds bytes to an output.
   Returns: NACRE_LIMIT (over NACRE_VALUE_MAX in all).
   Ownership: the bytes are copied.
   Threads: one at a time; only within the call that was given the output. */
NACRE_API int nacre_output_append(nacre_output *output, nacre_slice bytes);

/* How operands of nacre_merge become a value. Both functions are called from any thread, also at the same time and within calls of the
   library: they must give the same answer for the same arguments, and must not call the library (but for nacre_output_append). What they
   return other than NACRE_OK is the error of the read that needed them; nothing is lost by it.
   name     as collections name it (nacre_collection_options.merge_operator)
   merge    makes the value of a key: base is what it had before the first operand, NULL for nothing; operands are in the order they were
            written
   combine  makes one operand of two neighbours, so that merging it gives what merging both would; NULL where that is not possible */
typedef struct nacre_merge_operator {
    const char *name;
    void *context;
    int (*merge)(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                 nacre_output *value);
    int (*combine)(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand);
} nacre_merge_operator;

typedef enum nacre_filter_decision {
    NACRE_FILTER_KEEP = 0,
    NACRE_FILTER_REMOVE,
    NACRE_FILTER_CHANGE
} nacre_filter_decision;

/* What merges in the background, and nacre_compact, do with entries: keep them, remove them, or give them another value (put into `changed`; the time to
   live stays). Called with the newest version of a key among those that are merged (which newer ones may hide already), its value, and the level (0 and up)
   that it goes to; never by flushes; never for an entry that a live snapshot sees, nor for one that operands of nacre_merge lie on which are not merged into it
   yet. So a snapshot never sees an entry change, and a cursor sees what it saw when it was made; a removed key stays removed, also from segments that lie
   deeper. Called any number of times per entry, from any thread, also at the same time; what it did may be undone by a crash or a snapshot and asked
   again. An operand written while the merge runs is merged into what the filter left. Must not call the library (but for nacre_output_append).
   name  as collections name it (nacre_collection_options.compaction_filter) */
typedef struct nacre_compaction_filter {
    const char *name;
    void *context;
    nacre_filter_decision (*filter)(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                    nacre_output *changed);
} nacre_compaction_filter;

typedef enum nacre_event_type {
    NACRE_EVENT_RECOVERY = 1, /* the log was replayed */
    NACRE_EVENT_SEAL,         /* a memtable was sealed */
    NACRE_EVENT_FLUSH,        /* it is in segments */
    NACRE_EVENT_MERGE,        /* a unit of merging is done */
    NACRE_EVENT_INDEX,        /* an index was built */
    NACRE_EVENT_STALL,        /* writers are slowed down or held from now on, or no longer */
    NACRE_EVENT_STATE,        /* the store's state changed */
    NACRE_EVENT_ERROR,        /* a task in the background failed */
    NACRE_EVENT_TUNE          /* the engine changed one of its own settings */
} nacre_event_type;

/* Something that happened. The texts are good during the call.
   collection   NULL: it is of the whole store
   reason       in words; "" where there is nothing to say. MERGE: "merge", "move" (without rewriting) or "drop" (unread); INDEX: "quick" or
                "full"; STALL: why; STATE and ERROR: the detail; TUNE: which setting, to what, and why
   status       STALL: NACRE_BUSY where it begins, NACRE_OK where it ends; STATE: the cause, NACRE_OK where the store is writable again;
                ERROR: what went wrong; RECOVERY: NACRE_CORRUPT where a salvaging open passed over damage
   bytes_in, bytes_out, entries  of what was read, what was written, and how many came out; RECOVERY: bytes and records of the log;
                ERROR: entries is the number of failures in a row
   duration_us  how long it took; STALL: how long it lasted, at its end */
typedef struct nacre_event {
    size_t struct_size;
    nacre_event_type type;
    const char *collection;
    const char *reason;
    int status;
    uint64_t bytes_in, bytes_out, entries;
    uint64_t duration_us;
} nacre_event;

/* What a program plugs into a store. Copied by nacre_open, but for what the contexts point to: that must live until nacre_close.
   on_event  called from any thread, also at the same time and within calls of the library: it must be quick, and must not call the
             library. None of the store's locks is held, but a flush or a merge waits for its return. NULL: no events */
typedef struct nacre_hooks {
    size_t struct_size;
    const nacre_merge_operator *merge_operators;
    size_t merge_operator_count;
    const nacre_compaction_filter *compaction_filters;
    size_t compaction_filter_count;
    void (*on_event)(void *context, const nacre_event *event);
    void *event_context;
} nacre_hooks;
#define NACRE_HOOKS_INIT \
    { \
        sizeof(nacre_hooks), NULL, 0, NULL, 0, NULL, NULL \
    }

/* ---- Stores ---- */

/* How to open a store.
   error_if_missing  NACRE_NOT_FOUND where there is no store, instead of making one
   error_if_exists   NACRE_EXISTS where there is one; excludes error_if_missing
   read_only         for looking alone, also beside a writer: changes neither a name nor a byte, needs no right to
                     write, shows the store as it is now and after each nacre_refresh as it is then. The log is kept in
                     memory, as far as the writer has not put it into segments
   salvage           where the log is damaged in the middle: keep the damaged file as *.corrupt, go on with what is
                     good, and report it through the logger. Without it such damage is NACRE_CORRUPT
   durability        of writes that do not say; default NACRE_DISK
   memory_budget     bytes for memtables, caches, filters and buffers; default 512 MiB, least 16 MiB
   log_limit         bytes of log after which collections are flushed, however small; bounds the time of an open
                     after a crash; default 1 GiB, least 4 MiB
   background_threads  for flushes, merges and indexes; 1 to 256, default 2
   write_timeout_ms  how long a write waits for room before it is NACRE_BUSY; default 10 000
   logger, os        NULL: no log lines, this machine's files. The logger struct is copied, os must live until
   nacre_close. Budgets below their least are raised to it.
   hooks             merge operators, compaction filters and events of the program; NULL: none. Copied as nacre_hooks says */
typedef struct nacre_options {
    size_t struct_size;
    bool error_if_missing, error_if_exists, read_only, salvage;
    nacre_durability durability;
    uint64_t memory_budget; /* bytes */
    uint64_t log_limit;     /* bytes */
    uint32_t background_threads;
    uint32_t write_timeout_ms;
    const nacre_logger *logger;
    const nacre_os *os;
    const nacre_hooks *hooks;
} nacre_options;
#define NACRE_OPTIONS_INIT \
    { \
        sizeof(nacre_options), false, false, false, false, NACRE_DURABILITY_DEFAULT, 0, 0, 0, 0, NULL, NULL, NULL \
    }

/* Opens the store in a directory, and makes it where there is none. Recovers by itself after a crash.
   path: the directory; its parent must exist. A directory that holds other things is refused.
   options: NULL for the defaults.
   store: gets the handle.
   Returns: NACRE_NOT_FOUND (error_if_missing or read_only, and no store), NACRE_EXISTS (error_if_exists),
   NACRE_INVALID (not a store and not empty), NACRE_LOCKED (open for writing elsewhere; the detail names the holder),
   NACRE_BUSY (read_only, and the writer was ahead of every try), NACRE_UNSUPPORTED (written by a newer version),
   NACRE_CORRUPT, NACRE_IO, NACRE_NO_SPACE (not 64 KiB for the log; where there is that, but not room for two log files,
   the store is open in the state NACRE_STATE_READ_ONLY, and takes deletes).
   Ownership: nacre_close. options, the logger struct and path are copied; what logger->context and os point to must
   live until nacre_close.
   Threads: any. */
NACRE_API int nacre_open(const char *path, const nacre_options *options, nacre_store **store);

/* Closes a store. Work in the background is stopped at its next step, not finished; the next nacre_open carries on.
   Returns: NACRE_HANDLES_OPEN (the detail counts the collections, cursors, snapshots, values and segment writers
   that are still open;
   the store stays open and usable), NACRE_IO or NACRE_NO_SPACE (the last sync failed; the store is closed all the
   same).
   Ownership: unless NACRE_HANDLES_OPEN or NACRE_INVALID is returned, the handle is gone.
   Threads: one at a time, and no other call on the store may run. */
NACRE_API int nacre_close(nacre_store *store);

/* Brings a store that was opened with read_only to what its writer, in this process or another, has done by now: all commits up to some point,
   each as a whole, those of level NACRE_OS and NACRE_DISK also when they are not in segments yet. Without news it costs a few microseconds.
   Writes of level NACRE_MEMORY are seen when they are in segments, an ingest as a whole when it is; what is committed while an ingest is taken in
   may be seen before it. A commit may be seen a moment before its call returns.
   Cursors, snapshots and values that are held keep showing what they showed. A handle of a collection that was dropped is NACRE_NOT_FOUND
   from then on; collections that were made can be opened. Does nothing on a store that is open for writing.
   Returns: NACRE_BUSY (the writer was ahead of every try: the store shows what it showed; try again), NACRE_CORRUPT, NACRE_IO,
   NACRE_UNSUPPORTED (a newer version has written it). After a failure the store shows what it showed.
   Ownership: nothing changes hands.
   Threads: any; reads go on meanwhile. */
NACRE_API int nacre_refresh(nacre_store *store);

/* ---- Collections ---- */

/* How to make a collection. Kept with it.
   kind                 0 = NACRE_ORDERED
   dimension, metric    vectors: 1 to NACRE_DIMENSION_MAX floats, and one of the three; else 0
   default_ttl_ms       of puts and merges that do not say; 0 = never expires
   value_log_threshold  values of so many bytes and more are written once, to value files; 0 = 4096; UINT64_MAX = none
   merge_operator       see nacre_merge; NULL = none. Not of kinds with vectors, whose entries all have one
   compaction_filter    see nacre_compaction_filter; NULL = none. Openings that do not bring it filter nothing */
typedef struct nacre_collection_options {
    size_t struct_size;
    nacre_kind kind;
    uint32_t dimension;
    nacre_metric metric;
    uint64_t default_ttl_ms;
    uint64_t value_log_threshold;
    const char *merge_operator;
    const char *compaction_filter;
} nacre_collection_options;
#define NACRE_COLLECTION_OPTIONS_INIT \
    { \
        sizeof(nacre_collection_options), NACRE_ORDERED, 0, (nacre_metric)0, 0, 0, NULL, NULL \
    }

/* One collection, as nacre_collection_list tells it. */
typedef struct nacre_collection_info {
    const char *name;
    nacre_kind kind;
    uint64_t default_ttl_ms;
    uint32_t dimension;            /* vectors; else 0 */
    nacre_metric metric;           /* vectors; else 0 */
    uint64_t value_log_threshold;  /* 0 = none goes there */
    const char *merge_operator;    /* NULL = none */
    const char *compaction_filter; /* NULL = none */
} nacre_collection_info;

/* Makes a collection and opens it.
   name: see convention 12. options: NULL for an ordered collection whose entries never expire. Collections of vectors
   need their dimension and metric.
   collection: gets the handle.
   Returns: NACRE_EXISTS, NACRE_LIMIT (name too long, or too many dimensions), NACRE_UNSUPPORTED (a kind or an option that this version does
   not have), NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nacre_collection_close.
   Threads: any.
   Durability: on the disk when it returns, whatever the store's level. */
NACRE_API int nacre_collection_create(nacre_store *store, const char *name, const nacre_collection_options *options,
                                      nacre_collection **collection);

/* Opens a collection that exists.
   Returns: NACRE_NOT_FOUND, NACRE_LIMIT (name too long), NACRE_UNSUPPORTED (it names a merge operator that the program has not given in
   nacre_options.hooks; its entries stay as they are).
   Ownership: nacre_collection_close, once for each nacre_collection_open.
   Threads: any. */
NACRE_API int nacre_collection_open(nacre_store *store, const char *name, nacre_collection **collection);

/* Closes a handle of a collection; the collection stays.
   Ownership: the handle is gone. Cursors and values that came from it stay good.
   Threads: one at a time. */
NACRE_API void nacre_collection_close(nacre_collection *collection);

/* Removes a collection with all that is in it. Space comes back as readers let go.
   Returns: NACRE_NOT_FOUND, NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: handles of it must still be closed; calls on them return NACRE_NOT_FOUND. Cursors already open see what
   they saw.
   Threads: any.
   Durability: on the disk when it returns. */
NACRE_API int nacre_collection_drop(nacre_store *store, const char *name);

/* Removes all entries of a collection: one record, whatever their number.
   Returns: NACRE_NOT_FOUND (dropped), NACRE_BUSY, NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nothing changes hands.
   Threads: any.
   Durability: the store's level. */
NACRE_API int nacre_collection_clear(nacre_collection *collection);

/* Lists the collections.
   list: gets an array of *count elements, names included, in one piece of memory; NULL or empty when there are none.
   Returns: NACRE_OK.
   Ownership: nacre_free(*list) frees the names too.
   Threads: any. */
NACRE_API int nacre_collection_list(nacre_store *store, nacre_collection_info **list, size_t *count);

/* ---- Writing ---- */

/* durability: NACRE_DURABILITY_DEFAULT = the store's. */
typedef struct nacre_write_options {
    size_t struct_size;
    nacre_durability durability;
    uint64_t ttl_ms;     /* 0 = the collection's default; UINT64_MAX = never expires */
    uint32_t timeout_ms; /* 0 = the store's write_timeout_ms */
} nacre_write_options;
#define NACRE_WRITE_OPTIONS_INIT \
    { \
        sizeof(nacre_write_options), NACRE_DURABILITY_DEFAULT, 0, 0 \
    }

/* Stores a value under a key, in place of what was there.
   key: 1 to NACRE_KEY_MAX bytes (NACRE_STRING_KEY_MAX in a strings collection). value: 0 to NACRE_VALUE_MAX bytes, and
   with the longest key of its collection under NACRE_BATCH_MAX.
   options: NULL for the store's durability and timeout and the collection's time to live.
   Returns: NACRE_LIMIT (key or value too long), NACRE_INVALID (the collection holds vectors: nacre_put_vector),
   NACRE_NOT_FOUND (the collection was dropped), NACRE_BUSY, NACRE_READ_ONLY (the detail says why), NACRE_IO,
   NACRE_NO_SPACE.
   Ownership: key and value are copied.
   Threads: any.
   Durability: options->durability, else the store's. At NACRE_DISK, writers that wait at the same time share one sync.
   */
NACRE_API int nacre_put(nacre_collection *collection, nacre_slice key, nacre_slice value,
                        const nacre_write_options *options);

/* Stores a vector and a value under a key of a collection of vectors, in place of what was there.
   key: 1 to NACRE_KEY_MAX bytes. vector: as many floats as the collection has dimensions, all finite, not all zero where
   the metric is cosine. value: 0 to NACRE_VALUE_MAX bytes, and with vector and key under NACRE_BATCH_MAX.
   options: as for nacre_put.
   Returns: NACRE_INVALID (a vector that cannot be taken; nothing is logged), NACRE_UNSUPPORTED (the collection holds no
   vectors), NACRE_LIMIT (key or value too long), NACRE_NOT_FOUND (the collection was dropped), NACRE_BUSY,
   NACRE_READ_ONLY (the detail says why), NACRE_IO, NACRE_NO_SPACE.
   Ownership: key, vector and value are copied.
   Threads: any.
   Durability: options->durability, else the store's. Searches find it from the moment the call returns. */
NACRE_API int nacre_put_vector(nacre_collection *collection, nacre_slice key, const float *vector, nacre_slice value,
                               const nacre_write_options *options);

/* Changes the value of a key by the collection's merge operator, without reading it first: as if, at this moment, the caller had read the value, merged
   the operand into it and put the result, with this write's time to live; but no other write can come between. Done when the key is read, flushed
   or merged. Operators that come with the engine:
     append            the value, then the operands; append:SEP the same with the bytes SEP between any two of them
     add64             sum of little-endian int64, wrapping around; no value counts as 0
     min, max          the least, or greatest, of value and operands, in the order of keys
     json_merge_patch  the value, a JSON text, with the operands as patches of RFC 7386
   The program brings others by nacre_hooks.
   key: as for nacre_put. operand: 0 to NACRE_VALUE_MAX bytes, and with the longest key of its collection under NACRE_BATCH_MAX. Whether the operator can
   take it is found out when the key is read: then nacre_get, or the cursor, has the operator's error, until the key is put or deleted.
   options: as for nacre_put.
   Returns: NACRE_UNSUPPORTED (the collection was made without a merge operator), NACRE_LIMIT (key or operand too long), NACRE_NOT_FOUND (the collection
   was dropped), NACRE_BUSY, NACRE_READ_ONLY (the detail says why), NACRE_IO, NACRE_NO_SPACE.
   Ownership: key and operand are copied.
   Threads: any.
   Durability: options->durability, else the store's. */
NACRE_API int nacre_merge(nacre_collection *collection, nacre_slice key, nacre_slice operand,
                          const nacre_write_options *options);

/* Removes a key. A key that is not there is removed all the same: NACRE_OK.
   Returns: NACRE_LIMIT (key too long), NACRE_NOT_FOUND (the collection was dropped), NACRE_BUSY, NACRE_READ_ONLY,
   NACRE_IO, NACRE_NO_SPACE.
   Ownership: the key is copied.
   Threads: any.
   Durability: options->durability, else the store's. */
NACRE_API int nacre_delete(nacre_collection *collection, nacre_slice key, const nacre_write_options *options);

/* Removes all keys in [begin, end): one record, whatever their number.
   begin: empty = from the first key. end: empty = to the last. begin >= end, where end is given, is NACRE_INVALID.
   Returns: NACRE_LIMIT (a bound too long), NACRE_NOT_FOUND (the collection was dropped), NACRE_BUSY, NACRE_READ_ONLY,
   NACRE_IO, NACRE_NO_SPACE.
   Ownership: the bounds are copied.
   Threads: any.
   Durability: options->durability, else the store's. */
NACRE_API int nacre_delete_range(nacre_collection *collection, nacre_slice begin, nacre_slice end,
                                 const nacre_write_options *options);

/* Removes all keys that begin with a prefix: one record, whatever their number.
   prefix: 0 to NACRE_KEY_MAX bytes (NACRE_STRING_KEY_MAX in a strings collection); the empty prefix is that of all keys.
   Returns: NACRE_LIMIT (prefix too long), NACRE_NOT_FOUND (the collection was dropped), NACRE_BUSY, NACRE_READ_ONLY,
   NACRE_IO, NACRE_NO_SPACE.
   Ownership: the prefix is copied.
   Threads: any.
   Durability: options->durability, else the store's. */
NACRE_API int nacre_delete_prefix(nacre_collection *collection, nacre_slice prefix, const nacre_write_options *options);

/* Makes an empty batch: writes to any collections of one store that nacre_write does at once.
   Returns: NACRE_OK.
   Ownership: nacre_batch_free.
   Threads: any. */
NACRE_API int nacre_batch_create(nacre_batch **batch);

/* Frees a batch, written or not.
   Ownership: the handle is gone.
   Threads: one at a time. */
NACRE_API void nacre_batch_free(nacre_batch *batch);

/* Empties a batch and keeps its memory for the next one.
   Ownership: nothing changes hands.
   Threads: one at a time. */
NACRE_API void nacre_batch_clear(nacre_batch *batch);

/* How many operations are in a batch.
   Returns: the number.
   Ownership: nothing changes hands.
   Threads: one at a time. */
NACRE_API size_t nacre_batch_count(const nacre_batch *batch);

/* How large a batch is, encoded.
   Returns: bytes, at most NACRE_BATCH_MAX.
   Ownership: nothing changes hands.
   Threads: one at a time. */
NACRE_API size_t nacre_batch_bytes(const nacre_batch *batch);

/* Adds a put to a batch. Within a batch, later operations win over earlier ones on the same key.
   Returns: NACRE_LIMIT (key or value too long, or the batch over NACRE_BATCH_MAX), NACRE_NOT_FOUND (the collection was
   dropped), NACRE_INVALID (a collection of another store than those before, or one that holds vectors).
   Ownership: key and value are copied. The collection must stay open until the batch is written or cleared.
   Threads: one at a time. */
NACRE_API int nacre_batch_put(nacre_batch *batch, nacre_collection *collection, nacre_slice key, nacre_slice value);

/* Adds a put with a vector: see nacre_put_vector.
   Returns: NACRE_INVALID (a vector that cannot be taken, or a collection of another store than those before),
   NACRE_UNSUPPORTED (the collection holds no vectors), NACRE_LIMIT (key or value too long, or the batch over
   NACRE_BATCH_MAX), NACRE_NOT_FOUND (the collection was dropped).
   Ownership: key, vector and value are copied. The collection must stay open until the batch is written or cleared.
   Threads: one at a time. */
NACRE_API int nacre_batch_put_vector(nacre_batch *batch, nacre_collection *collection, nacre_slice key,
                                     const float *vector, nacre_slice value);

/* Adds a merge to a batch: see nacre_merge. Its moment is that of nacre_write; earlier operations of the batch on the key count before it.
   Returns: NACRE_UNSUPPORTED (the collection was made without a merge operator), NACRE_LIMIT (key or operand too long, or the batch over NACRE_BATCH_MAX),
   NACRE_NOT_FOUND (the collection was dropped), NACRE_INVALID (a collection of another store than those before).
   Ownership: key and operand are copied. The collection must stay open until the batch is written or cleared.
   Threads: one at a time. */
NACRE_API int nacre_batch_merge(nacre_batch *batch, nacre_collection *collection, nacre_slice key, nacre_slice operand);

/* Adds the removal of a key to a batch.
   Returns: NACRE_LIMIT (key too long, or the batch over NACRE_BATCH_MAX), NACRE_NOT_FOUND (the collection was
   dropped), NACRE_INVALID (a collection of another store than those before).
   Ownership: the key is copied. The collection must stay open until the batch is written or cleared.
   Threads: one at a time. */
NACRE_API int nacre_batch_delete(nacre_batch *batch, nacre_collection *collection, nacre_slice key);

/* Adds the removal of all keys in [begin, end) to a batch; bounds as for nacre_delete_range.
   Returns: NACRE_LIMIT (a bound too long, or the batch over NACRE_BATCH_MAX), NACRE_NOT_FOUND (the collection was
   dropped), NACRE_INVALID (a collection of another store than those before).
   Ownership: the bounds are copied. The collection must stay open until the batch is written or cleared.
   Threads: one at a time. */
NACRE_API int nacre_batch_delete_range(nacre_batch *batch, nacre_collection *collection, nacre_slice begin,
                                       nacre_slice end);

/* Writes a batch: all of it becomes visible at one instant, and survives as a whole or not at all. Later operations
   win over earlier ones on the same key. An empty batch is NACRE_OK.
   batch: as it was filled; it stays filled, for nacre_batch_clear. options: the time to live is that of all its puts and merges.
   Returns: NACRE_NOT_FOUND (one of its collections was dropped), NACRE_INVALID (filled for another store), NACRE_BUSY,
   NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: the batch stays the caller's.
   Threads: any; the batch by one at a time.
   Durability: options->durability, else the store's. */
NACRE_API int nacre_write(nacre_store *store, nacre_batch *batch, const nacre_write_options *options);

/* ttl_ms: of the writer's puts, from the put on; 0 = the collection's default; UINT64_MAX = they never expire. */
typedef struct nacre_segment_writer_options {
    size_t struct_size;
    uint64_t ttl_ms;
} nacre_segment_writer_options;
#define NACRE_SEGMENT_WRITER_OPTIONS_INIT \
    { \
        sizeof(nacre_segment_writer_options), 0 \
    }

/* Makes a writer of sorted puts, for a bulk load: they go straight into files of the store's own form, past log and
   memory, and no read sees them before nacre_ingest. Several times as fast as batches.
   options: NULL for all defaults. writer: gets the handle.
   Returns: NACRE_NOT_FOUND (the collection was dropped), NACRE_READ_ONLY.
   Ownership: nacre_segment_writer_free, before nacre_close. The collection may be closed before.
   Threads: any. */
NACRE_API int nacre_segment_writer_create(nacre_collection *collection, const nacre_segment_writer_options *options,
                                          nacre_segment_writer **writer);

/* Adds a put. Keys ascend: each is greater than the one before.
   key, value: as for nacre_put.
   Returns: NACRE_INVALID (a key that is not greater than the last, the detail names both; a collection that holds vectors;
   a writer that was ingested), NACRE_LIMIT (key or value too long), NACRE_NOT_FOUND (the collection was dropped): nothing of it is written,
   and the writer is as before. NACRE_IO, NACRE_NO_SPACE, NACRE_NO_MEMORY: what was written may be lost; every later call
   on the writer, and its ingest, then returns the same.
   Ownership: key and value are copied.
   Threads: one at a time per writer; writers are independent, so that several threads may each fill one.
   Durability: none before nacre_ingest. */
NACRE_API int nacre_segment_writer_put(nacre_segment_writer *writer, nacre_slice key, nacre_slice value);

/* Adds a put with a vector: see nacre_put_vector.
   Returns: as nacre_segment_writer_put; NACRE_INVALID also for a vector that cannot be taken, NACRE_UNSUPPORTED (the
   collection holds no vectors).
   Ownership: key, vector and value are copied.
   Threads: one at a time per writer.
   Durability: none before nacre_ingest. */
NACRE_API int nacre_segment_writer_put_vector(nacre_segment_writer *writer, nacre_slice key, const float *vector,
                                              nacre_slice value);

/* Frees a writer, and removes what it wrote and nacre_ingest did not take.
   Ownership: the handle is gone. NULL is allowed.
   Threads: one at a time. */
NACRE_API void nacre_segment_writer_free(nacre_segment_writer *writer);

/* Takes in all puts of some writers as one atomic write: they become visible at one instant, after everything that was
   written before and before everything that is written after. Keys that exist are overwritten; snapshots and
   cursors from before see nothing of it.
   writers: count of them, all of this collection, in any order; their ranges of keys must not overlap. Empty ones are
   allowed, as is a count of 0.
   Returns: NACRE_INVALID (writers that overlap, the detail names keys; one given twice, of another collection, or
   ingested before), NACRE_NOT_FOUND (the collection was dropped), NACRE_BUSY, NACRE_READ_ONLY (the detail says why), NACRE_IO, NACRE_NO_SPACE,
   NACRE_NO_MEMORY. After a failure nothing of it is visible, the writers hold what they held, and it may be tried
   again; where the disk failed, the next opening may find it done.
   Ownership: the writers stay the caller's; after NACRE_OK they are empty, and only to be freed.
   Threads: any; each writer in one call at a time. Other writes go on; those that come during its last step, some
   milliseconds, return when it is done.
   Durability: NACRE_DISK, with everything that was written before, at whatever level. Indexes of vectors are built
   behind: nacre_build_indexes waits. */
NACRE_API int nacre_ingest(nacre_collection *collection, nacre_segment_writer *const *writers, size_t count);

/* Makes everything that was acknowledged so far, at whatever level and by whatever thread, survive the loss of power.
   Returns: NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nothing changes hands.
   Threads: any.
   Durability: NACRE_DISK for all writes that returned before this call began. */
NACRE_API int nacre_sync(nacre_store *store);

/* ---- Reading ---- */

/* A value that was read: slice is its bytes, pin is the library's. */
typedef struct nacre_value {
    nacre_slice slice;
    void *pin;
} nacre_value;

/* snapshot: NULL = now. */
typedef struct nacre_read_options {
    size_t struct_size;
    nacre_snapshot *snapshot;
} nacre_read_options;
#define NACRE_READ_OPTIONS_INIT \
    { \
        sizeof(nacre_read_options), NULL \
    }

/* Gets the value of a key, without a lock that a writer holds.
   options: NULL for the newest version. value: gets the bytes; after any failure it is empty and needs no release.
   Returns: NACRE_NOT_FOUND (no such key now, or expired; also: the collection was dropped), NACRE_LIMIT (key too
   long), NACRE_CORRUPT, NACRE_IO, and what the collection's merge operator gives where it fails: the operands stay as they are.
   Ownership: nacre_value_release. Small values are copies, large ones may lie in place in a file of the store.
   Threads: any. */
NACRE_API int nacre_get(nacre_collection *collection, nacre_slice key, const nacre_read_options *options,
                        nacre_value *value);

/* Releases a value. Its slice is empty afterwards; releasing it again is a no-op.
   value: as nacre_get or nacre_multi_get filled it, or NULL.
   Ownership: the bytes are gone. To be called before nacre_close.
   Threads: one at a time; any thread may release what another got. */
NACRE_API void nacre_value_release(nacre_value *value);

/* Gets the values of several keys, all at one point.
   keys, values, statuses: arrays of `count` elements; keys may be in any order and repeat. statuses[i]: NACRE_OK,
   NACRE_NOT_FOUND or what else happened to keys[i].
   Returns: NACRE_OK also where keys were not found; NACRE_LIMIT or NACRE_INVALID for a key that is not valid (the
   arrays are not touched then); else the worst of the statuses: NACRE_CORRUPT, NACRE_IO.
   Ownership: nacre_value_release for each value; those not found are empty and need none.
   Threads: any. */
NACRE_API int nacre_multi_get(nacre_collection *collection, const nacre_slice *keys, size_t count,
                              const nacre_read_options *options, nacre_value *values, int *statuses);

/* Holds on to this point of the store: reads with the snapshot see all collections as they are now, whatever is
   written later. Does not hold back expiry.
   Returns: NACRE_OK.
   Ownership: nacre_snapshot_release. What it shows is kept on the disk until then.
   Threads: any; a snapshot may be used by any number of threads at once. */
NACRE_API int nacre_snapshot_create(nacre_store *store, nacre_snapshot **snapshot);

/* Lets go of a snapshot. Cursors that were made with it stay good.
   Ownership: the handle is gone.
   Threads: one at a time, and no read with it may be starting. */
NACRE_API void nacre_snapshot_release(nacre_snapshot *snapshot);

/* What a cursor goes over: the keys that lie in [begin, end) and begin with prefix.
   snapshot   NULL = the point of the nacre_scan
   reverse    from the greatest key down
   keys_only  values are not read, nor are value files looked at; nacre_cursor_value gives nothing
   limit      entries after which the cursor is at its end; 0 = none */
typedef struct nacre_scan_options {
    size_t struct_size;
    nacre_snapshot *snapshot;
    nacre_slice begin, end; /* empty = open */
    nacre_slice prefix;
    bool reverse, keys_only;
    uint64_t limit;
} nacre_scan_options;
#define NACRE_SCAN_OPTIONS_INIT \
    { \
        sizeof(nacre_scan_options), NULL, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, false, false, 0 \
    }

/* Makes a cursor over the keys in a range, and puts it on the first of them. It sees the store at one point: that of
   the snapshot given, else that of this call; writes, seals and merges meanwhile do not move what it sees.
   options: NULL for all keys, upwards.
   Returns: NACRE_OK also where no key lies in the range (the cursor is then at its end); NACRE_NOT_FOUND (the
   collection was dropped), NACRE_LIMIT (a bound too long), NACRE_CORRUPT, NACRE_IO. A merge operator that fails on the first key, or a value file that
   cannot be read there, is the cursor's error (nacre_cursor_status).
   Ownership: nacre_cursor_close. The snapshot may be released before.
   Threads: any; the cursor then belongs to one at a time. */
NACRE_API int nacre_scan(nacre_collection *collection, const nacre_scan_options *options, nacre_cursor **cursor);

/* Whether the cursor stands on an entry.
   Returns: false at either end of the range, past the limit, after an error (see nacre_cursor_status), and for NULL.
   Ownership: nothing changes hands.
   Threads: one at a time. */
NACRE_API bool nacre_cursor_valid(const nacre_cursor *cursor);

/* Moves to the next entry in the direction of the scan; past the last one the cursor is not valid. Does nothing where
   it is not.
   Ownership: the key and value got before are gone.
   Threads: one at a time. */
NACRE_API void nacre_cursor_next(nacre_cursor *cursor);

/* Moves against the direction of the scan; before the first entry the cursor is not valid. Does nothing where it is
   not.
   Ownership: the key and value got before are gone.
   Threads: one at a time. */
NACRE_API void nacre_cursor_prev(nacre_cursor *cursor);

/* Moves to the first entry at or beyond a key in the direction of the scan: forwards the least key >= it, in reverse
   the greatest key <= it; always within the range. Begins to count the limit anew.
   key: 0 to NACRE_KEY_MAX bytes (NACRE_STRING_KEY_MAX in a strings collection).
   Ownership: the key is not kept. The key and value got before are gone.
   Threads: one at a time. */
NACRE_API void nacre_cursor_seek(nacre_cursor *cursor, nacre_slice key);

/* Moves to the first entry in the direction of the scan: in reverse, that is the greatest key. Begins to count the
   limit anew.
   Ownership: the key and value got before are gone.
   Threads: one at a time. */
NACRE_API void nacre_cursor_first(nacre_cursor *cursor);

/* Moves to the last entry of the range in the direction of the scan: in reverse, that is the least key. Begins to
   count the limit anew.
   Ownership: the key and value got before are gone.
   Threads: one at a time. */
NACRE_API void nacre_cursor_last(nacre_cursor *cursor);

/* The key of the entry the cursor stands on.
   Returns: the bytes; empty where the cursor is not valid, but for one that stands where a merge operator failed, or where the value cannot be read from
   its value file: the key is told, so that the cursor can be moved past it by nacre_cursor_seek.
   Ownership: the cursor's, good until it moves or is closed.
   Threads: one at a time. */
NACRE_API nacre_slice nacre_cursor_key(const nacre_cursor *cursor);

/* The value of the entry the cursor stands on.
   Returns: the bytes; empty where the cursor is not valid, or was made with keys_only. A value in a value file was read and checked when the cursor came
   to stand on the entry: where that fails, the cursor is not valid and nacre_cursor_status says why.
   Ownership: the cursor's, good until it moves or is closed.
   Threads: one at a time. */
NACRE_API nacre_slice nacre_cursor_value(const nacre_cursor *cursor);

/* Why a cursor is not valid: an error stays in it until it is moved by seek, first or last.
   Returns: NACRE_OK (it stands on an entry, or it came to an end), NACRE_CORRUPT, NACRE_IO, NACRE_NO_MEMORY; what the
   collection's merge operator gave where it could not make a value; of a cursor over matches also NACRE_CANCELLED, NACRE_TIMEOUT.
   Ownership: nothing changes hands.
   Threads: one at a time. */
NACRE_API int nacre_cursor_status(const nacre_cursor *cursor);

/* Closes a cursor.
   Ownership: the handle is gone, and so are the key and value got from it. To be called before nacre_close.
   Threads: one at a time. */
NACRE_API void nacre_cursor_close(nacre_cursor *cursor);

/* ---- Transactions ---- */

/* What a transaction promises. Both read one point of the store, that of the nacre_txn_begin, and add the transaction's own writes; in both
   the first to commit wins: a key that it writes, and that somebody else changed after it began, is a conflict, whether it read the key or not.
   NACRE_SERIALIZABLE          so is a change to anything that it read: a key, found or not, or a range of keys that a cursor went over.
                               Transactions that committed did what they would have done one after the other
   NACRE_SNAPSHOT_ISOLATION    what is only read is not looked at: two transactions that each read what the other writes may both commit
                               (write skew) */
typedef enum nacre_isolation { NACRE_SERIALIZABLE = 0, NACRE_SNAPSHOT_ISOLATION } nacre_isolation;

typedef struct nacre_txn_options {
    size_t struct_size;
    nacre_isolation isolation;
} nacre_txn_options;
#define NACRE_TXN_OPTIONS_INIT \
    { \
        sizeof(nacre_txn_options), NACRE_SERIALIZABLE \
    }

/* Begins a transaction over any collections of a store. It is optimistic: it holds no lock, keeps nobody waiting, and is held against what others
   committed when it commits. What it writes is its own until then. Nothing of it is on the disk before the commit.
   options: NULL for serializable.
   Returns: NACRE_OK.
   Ownership: ends with nacre_txn_commit that gives NACRE_OK, or nacre_txn_abort; to be done before nacre_close. Until then it holds a
   snapshot; all of a store's transactions together may have an eighth of its memory_budget for what they read and wrote.
   Threads: any; the transaction, with its cursors, then belongs to one at a time. */
NACRE_API int nacre_txn_begin(nacre_store *store, const nacre_txn_options *options, nacre_txn **txn);

/* Gets the value of a key: the transaction's own newest write, else what was there when it began.
   value: as for nacre_get.
   Returns: NACRE_NOT_FOUND (no such key, or deleted in the transaction), NACRE_LIMIT (key too long; or the transaction over its share of memory: nothing was
   read, and it goes on), NACRE_INVALID (a collection of another store), NACRE_CORRUPT, NACRE_IO.
   Ownership: nacre_value_release. The value may outlive the transaction.
   Threads: one at a time. */
NACRE_API int nacre_txn_get(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_value *value);

/* Gets a vector and its value: as nacre_get_vector and nacre_txn_get.
   vector: gets as many floats as the collection has dimensions. value: NULL where it is not wanted.
   Returns: as nacre_txn_get; NACRE_UNSUPPORTED (the collection holds no vectors).
   Ownership: nacre_value_release.
   Threads: one at a time. */
NACRE_API int nacre_txn_get_vector(nacre_txn *txn, nacre_collection *collection, nacre_slice key, float *vector,
                                   nacre_value *value);

/* Stores a value under a key when the transaction commits.
   key, value: as for nacre_put. The time to live is given to nacre_txn_commit.
   Returns: NACRE_LIMIT (key or value too long; the transaction over NACRE_BATCH_MAX, or over its share of memory: nothing was written, and it goes on),
   NACRE_INVALID (a collection of another store, or one that holds vectors), NACRE_NOT_FOUND (the collection was dropped), NACRE_CONFLICT (a commit
   gave that: it can only be aborted).
   Ownership: key and value are copied.
   Threads: one at a time.
   Durability: that of the commit. */
NACRE_API int nacre_txn_put(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_slice value);

/* Stores a vector and a value under a key when the transaction commits: see nacre_put_vector.
   Returns: as nacre_txn_put; NACRE_INVALID (a vector that cannot be taken), NACRE_UNSUPPORTED (the collection holds no vectors).
   Ownership: key, vector and value are copied.
   Threads: one at a time.
   Durability: that of the commit. Searches find it from then on; in the transaction only nacre_txn_get_vector, nacre_txn_get and cursors do. */
NACRE_API int nacre_txn_put_vector(nacre_txn *txn, nacre_collection *collection, nacre_slice key, const float *vector,
                                   nacre_slice value);

/* Removes a key when the transaction commits.
   Returns: as nacre_txn_put. A key that is not there is removed all the same, and counts as written.
   Ownership: the key is copied.
   Threads: one at a time.
   Durability: that of the commit. */
NACRE_API int nacre_txn_delete(nacre_txn *txn, nacre_collection *collection, nacre_slice key);

/* Changes the value of a key by the collection's merge operator when the transaction commits: see nacre_merge. The transaction's own reads see it merged
   at once. It counts as any write: of two transactions that merge into the same key at the same time, the second to commit is refused, although the operands
   might not mind; who does not want that uses nacre_merge or a batch.
   key, operand: as for nacre_merge.
   Returns: as nacre_txn_put; NACRE_UNSUPPORTED (the collection was made without a merge operator).
   Ownership: key and operand are copied.
   Threads: one at a time.
   Durability: that of the commit. */
NACRE_API int nacre_txn_merge(nacre_txn *txn, nacre_collection *collection, nacre_slice key, nacre_slice operand);

/* Makes a cursor over the keys in a range, as nacre_scan does: it sees what was there when the transaction began, with the transaction's own writes up
   to this call; later ones it does not see. In a serializable transaction everything between the keys that it stood on is read, and a key that
   somebody else puts there is a conflict; so are the ends of the range where it came there. What its limit cut off is not read.
   options: snapshot must be NULL.
   Returns: as nacre_scan; NACRE_INVALID (a snapshot is given, or a collection of another store), NACRE_LIMIT (the transaction over its share of memory,
   also as the cursor's status when it is moved).
   Ownership: nacre_cursor_close. It may outlive the transaction, and then reads for nobody.
   Threads: one at a time, together with its transaction. */
NACRE_API int nacre_txn_scan(nacre_txn *txn, nacre_collection *collection, const nacre_scan_options *options,
                             nacre_cursor **cursor);

/* Marks where the transaction's writes stand.
   savepoint: gets a name that is good for this transaction alone.
   Returns: NACRE_LIMIT (the transaction over its share of memory).
   Ownership: goes with the transaction.
   Threads: one at a time. */
NACRE_API int nacre_txn_savepoint(nacre_txn *txn, uint64_t *savepoint);

/* Takes all writes back that came after a savepoint, and the savepoints after it. The savepoint itself stays. What was read counts on.
   Returns: NACRE_INVALID (no such savepoint, or one that was taken back).
   Ownership: nothing changes hands. Cursors see what they saw.
   Threads: one at a time. */
NACRE_API int nacre_txn_rollback_to(nacre_txn *txn, uint64_t savepoint);

/* Makes all writes of a transaction visible at one instant, as nacre_write does with a batch, unless something that it relies on was changed by somebody else
   since it began: by a transaction, a put, a delete, a merge, a batch, a range delete, a cleared collection, or a file that was added. Expiry is no change.
   A transaction that wrote nothing is not held against anything.
   options: durability, time to live of all its puts, and timeout; NULL for the defaults.
   Returns: NACRE_OK, and the handle is gone. Else the transaction stays until nacre_txn_abort: NACRE_CONFLICT (see nacre_txn_conflict; it can only be
   aborted, and done again), NACRE_BUSY (may be tried again), NACRE_NOT_FOUND (a collection that it read or wrote was dropped), NACRE_READ_ONLY,
   NACRE_NO_SPACE, NACRE_IO (if the writes turn out to be there, a second commit is NACRE_CONFLICT), NACRE_CORRUPT.
   Ownership: on NACRE_OK the handle is gone; cursors stay.
   Threads: one at a time.
   Durability: options->durability, else the store's. */
NACRE_API int nacre_txn_commit(nacre_txn *txn, const nacre_write_options *options);

/* Which key a commit failed for, after NACRE_CONFLICT: one of them, where there are several.
   collection: gets its name. key: gets the key that was changed; of a range delete over a range that was read, the first key of both.
   Returns: NACRE_NOT_FOUND (no conflict was met).
   Ownership: both live as long as the transaction.
   Threads: one at a time. */
NACRE_API int nacre_txn_conflict(const nacre_txn *txn, const char **collection, nacre_slice *key);

/* Ends a transaction and forgets its writes.
   Ownership: the handle is gone; cursors stay.
   Threads: one at a time. */
NACRE_API void nacre_txn_abort(nacre_txn *txn);

/* ---- Searching ---- */

/* Stops a search from another thread. */
typedef struct nacre_cancel nacre_cancel;

/* Makes a cancel flag, not set. One may be given to any number of calls at once.
   Returns: NACRE_OK.
   Ownership: nacre_cancel_free.
   Threads: any. */
NACRE_API int nacre_cancel_create(nacre_cancel **cancel);

/* Sets the flag: calls that were given it end soon with NACRE_CANCELLED, later ones at once. May be called in a signal
   handler.
   cancel: NULL is a no-op.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API void nacre_cancel_request(nacre_cancel *cancel);

/* Takes the request back, so that the flag may be used again.
   cancel: NULL is a no-op.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API void nacre_cancel_reset(nacre_cancel *cancel);

/* Frees a cancel flag.
   Ownership: the handle is gone. No call that was given it may still run.
   Threads: one at a time. */
NACRE_API void nacre_cancel_free(nacre_cancel *cancel);

/* How to search by a regular expression.
   snapshot     NULL = the point of the call
   ignore_case  as (?i) before the pattern
   begin, end   only keys in [begin, end); empty = open
   limit        matches after which a cursor is at its end, or a count stops; 0 = none
   parallelism  threads that a count may use, this one included, where it pays; 0 = as many as there are processors
   timeout_ms   how long the call, or all moves of a cursor together (not the time between them), may take; 0 = no limit
   cancel       NULL, or a flag that must live as long as the call, or the cursor
   bytes        keys and pattern are bytes (Latin-1: each byte is a character), not UTF-8
   reverse      a cursor goes from the greatest match down
   keys_only    values are not read; nacre_cursor_value gives nothing */
typedef struct nacre_regex_options {
    size_t struct_size;
    nacre_snapshot *snapshot;
    bool ignore_case;
    nacre_slice begin, end;
    uint64_t limit;
    uint32_t parallelism;
    uint32_t timeout_ms;
    const nacre_cancel *cancel;
    bool bytes;
    bool reverse, keys_only;
} nacre_regex_options;
#define NACRE_REGEX_OPTIONS_INIT \
    { \
        sizeof(nacre_regex_options), NULL, false, { NULL, 0 }, { NULL, 0 }, 0, 0, 0, NULL, false, false, false \
    }

/* Makes a cursor over the keys that a regular expression matches, in order, and puts it on the first. It moves as that of
   nacre_scan does. A key matches when the expression matches anywhere in it. The syntax is that of RE2 and Go; keys are
   UTF-8, and a byte that is not counts as U+FFFD. Time is linear in the keys read, whatever the pattern.
   pattern: 0 to 65 536 bytes; the empty one matches every key.
   options: NULL for the defaults.
   Returns: NACRE_OK also where nothing matches; NACRE_INVALID (the pattern; the detail has position and reason),
   NACRE_LIMIT (pattern or program too large), NACRE_UNSUPPORTED (the collection is of a kind without regular
   expressions), NACRE_NOT_FOUND (dropped), NACRE_CANCELLED, NACRE_TIMEOUT, NACRE_CORRUPT, NACRE_IO. The cursor's status
   may be each of the last four.
   Ownership: nacre_cursor_close. The snapshot may be released before.
   Threads: any; the cursor then belongs to one at a time. */
NACRE_API int nacre_regex_scan(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                               nacre_cursor **cursor);

/* Counts the keys that a regular expression matches, exactly, without building them where it can.
   count: gets the number, at most options->limit where that is not 0.
   Returns: as nacre_regex_scan.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_regex_count(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                                uint64_t *count);

/* Counts, and says how: the literals found in the pattern, the query over n-grams, and for each memtable and segment the
   strategy, candidates, blocks and bytes read.
   json: gets a JSON object.
   Returns: as nacre_regex_scan.
   Ownership: nacre_free(*json).
   Threads: any. */
NACRE_API int nacre_regex_explain(nacre_collection *collection, nacre_slice pattern, const nacre_regex_options *options,
                                  char **json);

/* Whether a regular expression can be used.
   options: ignore_case and bytes count; NULL for the defaults.
   position: gets the byte of the pattern where it went wrong, else 0; may be NULL.
   Returns: NACRE_INVALID (the detail has position and reason), NACRE_LIMIT.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_regex_check(nacre_slice pattern, const nacre_regex_options *options, size_t *position);

/* Where a regular expression matches in a text: of the matches that begin first the longest. For showing what a search found; each
   call compiles the pattern anew. Time is linear in the text, times the pattern at worst.
   options: ignore_case and bytes count; NULL for the defaults.
   text: need not be a key, and may be empty.
   from: the byte where the search begins, a character's first, at most text.size. ^ and \b see what is before it.
   begin, size: get the bytes of the match, which may be empty; 0 where there is none.
   Returns: NACRE_NOT_FOUND (an answer, as from nacre_get), NACRE_INVALID (the pattern; the detail has position and reason; or
   from is beyond the text), NACRE_LIMIT.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_regex_find(nacre_slice pattern, const nacre_regex_options *options, nacre_slice text, size_t from,
                               size_t *begin, size_t *size);

/* How to search for nearest neighbours. All filters that are given must hold.
   snapshot        NULL = the point of the call
   exact           the k nearest, proven, instead of most of them
   recall          which part of the k nearest to find, on average: over 0 and up to 1; 0 = 0.95. What an index does for it
                   was measured on the collection's own vectors when it was built. 1 is the same as exact
   key_prefix      only keys that begin with it
   begin, end      only keys in [begin, end); empty = open
   key_regex       only keys that the expression matches (see nacre_regex_scan); empty = all
   filter          only entries that it says true to; called with key and value any number of times, in no order, of older
                   versions of an entry too, from the calling thread; it must not call nacre on the same store. NULL = all
   timeout_ms      how long the call may take; 0 = no limit
   cancel          NULL, or a flag that must live as long as the call */
typedef struct nacre_nearest_options {
    size_t struct_size;
    nacre_snapshot *snapshot;
    bool exact;
    float recall;
    nacre_slice key_prefix, begin, end;
    nacre_slice key_regex;
    bool (*filter)(void *context, nacre_slice key, nacre_slice value);
    void *filter_context;
    uint32_t timeout_ms;
    const nacre_cancel *cancel;
} nacre_nearest_options;
#define NACRE_NEAREST_OPTIONS_INIT \
    { \
        sizeof(nacre_nearest_options), NULL, false, 0, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, NULL, NULL, \
            0, NULL \
    }

/* One of the entries found. */
typedef struct nacre_neighbor {
    nacre_slice key;
    float distance; /* computed on the full vectors; what lies beyond a float's range is FLT_MAX or -FLT_MAX */
    nacre_slice value;
} nacre_neighbor;

/* What a search found: ascending by distance, then key.
   exact     nothing nearer can have been missed
   examined  vectors whose distance was computed or estimated */
typedef struct nacre_neighbors {
    nacre_neighbor *items;
    size_t count;
    bool exact;
    uint64_t examined;
    void *pin;
} nacre_neighbors;

/* Finds the k entries whose vectors are nearest to a query: the newest versions, wherever they lie. Fewer than k come only
   where fewer than k qualify.
   query: as many floats as the collection has dimensions, finite, not all zero where the metric is cosine. k: 1 to
   NACRE_NEAREST_MAX. options: NULL for the defaults.
   Returns: NACRE_OK also where nothing is found; NACRE_INVALID, NACRE_LIMIT (k, or the expression), NACRE_UNSUPPORTED (the
   collection holds no vectors), NACRE_NOT_FOUND (dropped), NACRE_CANCELLED, NACRE_TIMEOUT, NACRE_CORRUPT, NACRE_IO.
   Ownership: on NACRE_OK nacre_neighbors_release; keys and values live until then.
   Threads: any. */
NACRE_API int nacre_nearest(nacre_collection *collection, const float *query, size_t k,
                            const nacre_nearest_options *options, nacre_neighbors *neighbors);

/* Lets the neighbours go.
   neighbors: NULL and zeroed are no-ops; zeroed afterwards.
   Ownership: keys and values are gone. To be called before nacre_close.
   Threads: one at a time per struct. */
NACRE_API void nacre_neighbors_release(nacre_neighbors *neighbors);

/* How a search would be answered, and what it reads: it is run, and told layer by layer.
   json: gets the text.
   Returns: as nacre_nearest.
   Ownership: nacre_free.
   Threads: any. */
NACRE_API int nacre_nearest_explain(nacre_collection *collection, const float *query, size_t k,
                                    const nacre_nearest_options *options, char **json);

/* Reads the vector of a key, and its value.
   vector: gets as many floats as the collection has dimensions. value: NULL, or gets the value, as nacre_get gives it.
   Returns: NACRE_NOT_FOUND, NACRE_UNSUPPORTED (the collection holds no vectors), NACRE_CORRUPT, NACRE_IO.
   Ownership: nacre_value_release.
   Threads: any. */
NACRE_API int nacre_get_vector(nacre_collection *collection, nacre_slice key, const nacre_read_options *options,
                               float *vector, nacre_value *value);

/* ---- Keeping house ---- */

/* Seals what a collection holds in memory: it goes to a file in the background. Returns at once, whatever its size.
   Returns: NACRE_NOT_FOUND (dropped), NACRE_READ_ONLY, NACRE_IO.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_seal(nacre_collection *collection);

/* Seals what a collection holds in memory and waits until it is in files, on the disk.
   Returns: NACRE_NOT_FOUND (dropped), NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_flush(nacre_collection *collection);

/* Flushes, then merges all files with keys in [begin, end) into the deepest level, and waits. Deleted and expired
   entries that no snapshot needs are gone from the disk afterwards. Space is given back as it goes. Never needed: it
   also happens by itself as far as it pays.
   begin, end: both empty = everything. begin >= end, where end is given, is NACRE_INVALID.
   Returns: NACRE_NOT_FOUND (dropped), NACRE_LIMIT (a bound too long), NACRE_READ_ONLY, NACRE_CORRUPT, NACRE_IO,
   NACRE_NO_SPACE, NACRE_CANCELLED (the store is being closed).
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_compact(nacre_collection *collection, nacre_slice begin, nacre_slice end);

/* Stops merges that run by themselves and waits until none runs. Pauses nest: as many resumes are needed. Merges of vectors, which may build an
   index for minutes, are given up and done again after the pause. Indexes of what is there are built on.
   timeout_ms: how long to wait for those that run.
   Returns: NACRE_TIMEOUT (some still run; the pause is not held), NACRE_READ_ONLY.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_pause_compaction(nacre_store *store, uint32_t timeout_ms);

/* Takes back one pause.
   Returns: NACRE_INVALID (there is none), NACRE_READ_ONLY.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_resume_compaction(nacre_store *store);

/* Builds the indexes (filters, graphs and the like, in files beside the data) that are missing or damaged, and waits, also
   for those that are being built already; for collections of vectors after the merges that are due. What is flushed after
   the call began is not waited for. Answers are the same without indexes, only slower.
   Returns: NACRE_NOT_FOUND (dropped), NACRE_READ_ONLY, NACRE_CORRUPT (of the data), NACRE_IO, NACRE_NO_SPACE.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_build_indexes(nacre_collection *collection);

/* Whether indexes are built after their data is in place (true), or together with it (false). Kept like a tuning
   parameter.
   Returns: NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_set_async_index_build(nacre_store *store, bool enabled);

/* Removes log files that nothing needs any more. Also happens by itself.
   Returns: NACRE_READ_ONLY, NACRE_IO.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_prune_log(nacre_store *store);

/* Frees memory and removes files that no reader holds any more. Never takes away what one does. Also happens by
   itself.
   Returns: NACRE_IO.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_reclaim(nacre_store *store);

/* Makes a store writable again that went read-only, after the cause (a full disk, a failing disk) is gone.
   Returns: NACRE_OK also where the store is writable already; NACRE_READ_ONLY (opened with read_only, or failed for
   good: close it and open it again), NACRE_NO_SPACE or NACRE_IO (the cause is still there).
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_resume(nacre_store *store);

/* Whether the store takes writes.
   reason: gets why not, cut to reason_size bytes with its NUL; "" where it does. May be NULL.
   Returns: NACRE_STATE_OK; NACRE_STATE_READ_ONLY (reads work, nacre_resume may help); NACRE_STATE_FAILED (reads work,
   only closing and opening helps).
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API nacre_state nacre_store_state(nacre_store *store, char *reason, size_t reason_size);

/* Copies the store at one point to a directory that then opens as a store, while reads and writes go on. Files are
   linked where the file system can, else copied.
   path: a directory that does not exist yet; on the same file system for links.
   Returns: NACRE_EXISTS, NACRE_IO, NACRE_NO_SPACE; of a store opened read-only also NACRE_BUSY, where a writer took files
   away meanwhile. After a failure the directory is gone, or, where the disk would not even have that, is not a store.
   Ownership: the path is copied.
   Threads: any.
   Durability: the copy is on the disk when it returns, with every write acknowledged before the call; of a store opened
   read-only, with what that opening shows. */
NACRE_API int nacre_checkpoint(nacre_store *store, const char *path);

/* What nacre_verify found. */
typedef struct nacre_verify_report {
    size_t struct_size;
    uint64_t files, bytes, entries, damaged;
    char *damage; /* one line each: file, offset, expected, found; nacre_free */
} nacre_verify_report;
#define NACRE_VERIFY_REPORT_INIT \
    { \
        sizeof(nacre_verify_report), 0, 0, 0, 0, NULL \
    }

/* Reads every file of the store and checks it. Changes nothing.
   report: made with NACRE_VERIFY_REPORT_INIT; gets the counts, and the damage in words.
   Returns: NACRE_CORRUPT (damage was found; the report is filled), NACRE_IO.
   Ownership: nacre_free(report->damage), which is NULL where nothing was found.
   Threads: any. */
NACRE_API int nacre_verify(nacre_store *store, nacre_verify_report *report);

/* The same for a store that is not open here, also one that damage keeps from opening: each segment, value file and log file that is
   missing or damaged is named, and all others are checked. Works beside a writer. Without CURRENT or manifest nothing tells what should be there.
   path: the store's directory. options: os, logger, hooks and budgets count; NULL for defaults.
   report: as for nacre_verify.
   Returns: NACRE_CORRUPT (damage was found; the report is filled, but where CURRENT or the manifest is damaged: then `damaged` is 0 and
   nacre_last_error tells), NACRE_NOT_FOUND (no store), NACRE_INVALID (not a store), NACRE_BUSY, NACRE_UNSUPPORTED, NACRE_IO.
   Ownership: nacre_free(report->damage), which is NULL where nothing was found.
   Threads: any. */
NACRE_API int nacre_verify_path(const char *path, const nacre_options *options, nacre_verify_report *report);

/* Repairs the log of a store that is not open: a log file damaged in the middle is set aside as *.corrupt, the records
   before and behind the damage are kept, and the store opens afterwards. Damaged segments are reported and stay as
   they are; a damaged manifest still fails the call.
   path: the store's directory. options: os and logger count; NULL for defaults.
   report_json: gets one JSON object on what was found, kept and lost; may be NULL.
   Returns: NACRE_NOT_FOUND (no store), NACRE_LOCKED, NACRE_UNSUPPORTED, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nacre_free(*report_json).
   Threads: any. */
NACRE_API int nacre_salvage(const char *path, const nacre_options *options, char **report_json);

/* Copies everything that can be read from a damaged store into a new one, and tells what could not. Works without CURRENT,
   over a damaged or missing manifest, missing or damaged segments, value files and log files. Changes nothing of the damaged
   store, which no other program may have open for writing.
   path: the damaged store's directory. to: a directory that does not exist yet. options: os, logger, hooks and budgets
   count; NULL for defaults.
   report_json: gets one JSON object; may be NULL. `damage` lists what is lost: file, offset, bytes, and the keys, or the
   range of keys, `from` and `to` included; `may_be_stale` the keys of the copy that may show an older value, or be back
   though they were deleted, as something newer of them may have been lost. Keys are bytes, as \u00NN where they are not
   printable ASCII. Collections whose names are lost are called salvaged-N.
   Returns: NACRE_NOT_FOUND (nothing of a store there), NACRE_EXISTS (to), NACRE_INVALID (a merge operator is needed that
   options.hooks lacks), NACRE_UNSUPPORTED, NACRE_IO, NACRE_NO_SPACE. Damage is no failure. After a failure the directory
   is gone, or is not a store.
   Ownership: nacre_free(*report_json).
   Threads: any.
   Durability: the new store is on the disk when it returns. */
NACRE_API int nacre_salvage_copy(const char *path, const char *to, const nacre_options *options, char **report_json);

/* How to make a backup.
   verify           read all of it again at the end, also what former backups had copied
   without_indexes  leave out files that only make searches faster; the restored store makes them again */
typedef struct nacre_backup_options {
    size_t struct_size;
    bool verify, without_indexes;
} nacre_backup_options;
#define NACRE_BACKUP_OPTIONS_INIT \
    { \
        sizeof(nacre_backup_options), false, false \
    }

/* Copies the store at one point into a directory of backups, while reads and writes go on. Files that are in the
   directory already, from a backup before, are not copied again. Each copied segment is checked, block by block, and each
   value that is copied.
   directory: made where there is none (its parent must exist); may be on another disk; of one store or of several.
   options: NULL for the defaults. id: gets the backup's number, from 1 on, greater than any that
   a backup there ever had; may be NULL.
   Returns: NACRE_LOCKED (another backup or removal is at work there), NACRE_INVALID (the directory is a store),
   NACRE_CORRUPT (a file of the store is damaged: none was made), NACRE_IO, NACRE_NO_SPACE; of a store opened read-only
   also NACRE_BUSY, where a writer took files away meanwhile. After a failure the backups of before are as they were.
   Ownership: the path is copied.
   Threads: any.
   Durability: the backup is on the disk when it returns, with every write acknowledged before the call; of a store
   opened read-only, with what that opening shows. */
NACRE_API int nacre_backup(nacre_store *store, const char *directory, const nacre_backup_options *options,
                           uint64_t *id);

/* Lists the backups in a directory, the oldest first.
   directory: one without backups, or none at all, gives an empty list. options: os counts; NULL for defaults.
   json: gets {"backups":[...]}, an object for each: id, created_ms (wall clock), sequence (of the newest write in it),
   collections, files, bytes (of all its files), copied_bytes (of those that no backup before had); or id and damage.
   Returns: NACRE_IO.
   Ownership: nacre_free(*json).
   Threads: any. */
NACRE_API int nacre_backup_list(const char *directory, const nacre_options *options, char **json);

/* Reads every file of a backup and checks it. Changes nothing.
   id: of the backup; 0 for the newest. options: os counts; NULL for defaults.
   report: made with NACRE_VERIFY_REPORT_INIT; gets the counts (no entries), and the damage in words.
   Returns: NACRE_NOT_FOUND, NACRE_CORRUPT (damage was found; the report is filled), NACRE_IO.
   Ownership: nacre_free(report->damage), which is NULL where nothing was found.
   Threads: any. */
NACRE_API int nacre_backup_verify(const char *directory, uint64_t id, const nacre_options *options,
                                  nacre_verify_report *report);

/* Removes a backup, and the files that no other one needs.
   id: of the backup. options: os counts; NULL for defaults.
   Returns: NACRE_NOT_FOUND, NACRE_LOCKED, NACRE_IO.
   Ownership: the path is copied.
   Threads: any.
   Durability: the backup is gone for good when it returns. */
NACRE_API int nacre_backup_remove(const char *directory, uint64_t id, const nacre_options *options);

/* Removes all but the newest backups, and the files that those do not need.
   count: how many stay. options: os counts; NULL for defaults.
   Returns: NACRE_NOT_FOUND (there is none), NACRE_LOCKED, NACRE_IO.
   Ownership: the path is copied.
   Threads: any.
   Durability: they are gone for good when it returns. */
NACRE_API int nacre_backup_keep(const char *directory, uint64_t count, const nacre_options *options);

/* Makes a store of a backup. Every byte is checked on its way.
   id: of the backup; 0 for the newest. path: a directory that does not exist yet. options: os counts; NULL for defaults.
   Returns: NACRE_NOT_FOUND (no such backup), NACRE_EXISTS, NACRE_CORRUPT (the detail names the file and the place),
   NACRE_IO, NACRE_NO_SPACE. After a failure the directory is gone, or is not a store.
   Ownership: the paths are copied.
   Threads: any.
   Durability: the store is on the disk when it returns. */
NACRE_API int nacre_restore(const char *directory, uint64_t id, const char *path, const nacre_options *options);

/* The names of the tuning parameters, for nacre_tune. nacre_tuning and docs/tuning.md say what each is. */
#define NACRE_TUNING_SEAL_BYTES            "seal_bytes"
#define NACRE_TUNING_VECTOR_SCAN_US        "vector_scan_us"
#define NACRE_TUNING_LOG_FILE_BYTES        "log_file_bytes"
#define NACRE_TUNING_LOG_MAP               "log_map"
#define NACRE_TUNING_LOG_RECYCLE           "log_recycle"
#define NACRE_TUNING_VALUE_FILE_BYTES      "value_file_bytes"
#define NACRE_TUNING_SEGMENT_MAP           "segment_map"
#define NACRE_TUNING_FILE_HANDLES          "file_handles"
#define NACRE_TUNING_DISK_RESERVE_BYTES    "disk_reserve_bytes"
#define NACRE_TUNING_CACHE_BYTES           "cache_bytes"
#define NACRE_TUNING_SEGMENT_BYTES         "segment_bytes"
#define NACRE_TUNING_LEVEL_BASE_BYTES      "level_base_bytes"
#define NACRE_TUNING_LEVEL_RATIO           "level_ratio"
#define NACRE_TUNING_LEVEL0_RUNS           "level0_runs"
#define NACRE_TUNING_TOMBSTONE_PERCENT     "tombstone_percent"
#define NACRE_TUNING_VALUE_GARBAGE_PERCENT "value_garbage_percent"
#define NACRE_TUNING_TIER_RUNS             "tier_runs"
#define NACRE_TUNING_RUNS_MOST             "runs_most"
#define NACRE_TUNING_RUN_SEGMENT_BYTES     "run_segment_bytes"
#define NACRE_TUNING_BLOCK_BYTES           "block_bytes"
#define NACRE_TUNING_COMPRESSION_TOP       "compression_top"
#define NACRE_TUNING_COMPRESSION_MIDDLE    "compression_middle"
#define NACRE_TUNING_COMPRESSION_BOTTOM    "compression_bottom"
#define NACRE_TUNING_LEARNED_INDEX         "learned_index"
#define NACRE_TUNING_ASYNC_INDEX_BUILD     "async_index_build"
#define NACRE_TUNING_AUTOTUNE              "autotune"
#define NACRE_TUNING_STATISTICS            "statistics"

/* Sets a tuning parameter of the engine and keeps it with the store. Never needed: unset, the engine chooses.
   name: one of those that nacre_tuning lists, NACRE_TUNING_*. value: a decimal number in the parameter's range, or "default".
   Returns: NACRE_INVALID (no such parameter, or not in its range), NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: both are copied.
   Threads: any. */
NACRE_API int nacre_tune(nacre_store *store, const char *name, const char *value);

/* Whether the engine moves memory between memtables and cache, and the effort of merges, by what it measures. Never what
   was set, nor over the memory budget. What it decided is in nacre_stats under "autotune". Kept like a tuning parameter;
   off, the values are the defaults again.
   Returns: NACRE_READ_ONLY, NACRE_IO, NACRE_NO_SPACE.
   Ownership: nothing changes hands.
   Threads: any. */
NACRE_API int nacre_set_autotune(nacre_store *store, bool enabled);

/* All tuning parameters: name, unit, value, default, range, whether it was set, what the autotuner has chosen instead (0:
   nothing), text, and what tells that it is wrong.
   json: gets a JSON text.
   Returns: NACRE_OK.
   Ownership: nacre_free(*json).
   Threads: any. */
NACRE_API int nacre_tuning(nacre_store *store, char **json);

/* Everything that the engine counts, as one JSON object.
   Returns: NACRE_OK.
   Ownership: nacre_free(*json).
   Threads: any. */
NACRE_API int nacre_stats(nacre_store *store, char **json);

/* The statistics of the process that has a store open for writing, this one or another, as that process tells them, with its id in `process`.
   Opens nothing and reads no data: the store's directory is all that the two share. Where a process asks often it is answered 5 times a second
   at most.
   path: the store's directory, on this machine and writable. options: os counts; NULL for the defaults. timeout_ms: how long to wait for an
   answer; 0: 1000.
   json: gets the text that nacre_stats would give there.
   Returns: NACRE_NOT_FOUND (no process has the store open for writing), NACRE_TIMEOUT (nobody answered: it crashed, or is very busy),
   NACRE_READ_ONLY (no right to ask), NACRE_IO.
   Ownership: nacre_free(*json).
   Threads: any. */
NACRE_API int nacre_writer_stats(const char *path, const nacre_options *options, uint32_t timeout_ms, char **json);

/* The same figures in the text format of Prometheus.
   Returns: NACRE_OK.
   Ownership: nacre_free(*text).
   Threads: any. */
NACRE_API int nacre_metrics(nacre_store *store, char **text);
/* What a file of a store says, line by line, each a JSON object. Reads that one file and changes nothing.
   kind: "log", "manifest", "segment" or "values". path: the file. options: os counts; NULL for defaults.
   line: called for each line, with `context`; the text is good during the call.
   Returns: NACRE_NOT_FOUND (no file), NACRE_INVALID (no such kind), NACRE_CORRUPT (after the lines before the damage; of a log
   and of values also after those behind it. A record that several threads are just writing may look like damage), NACRE_IO.
   Ownership: nothing changes hands.
   Threads: any; `line` is called in this one. */
NACRE_API int nacre_dump(const char *kind, const char *path, const nacre_options *options,
                         void (*line)(void *context, const char *json), void *context);

/* Frees what a call gave with nacre_free named as its release.
   memory: may be NULL.
   Ownership: the memory is gone.
   Threads: any. */
NACRE_API void nacre_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
