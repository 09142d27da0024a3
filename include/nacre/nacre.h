/* nacre: an embedded storage engine. SPDX-License-Identifier: Apache-2.0 */
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

/* Limits. */
#define NACRE_KEY_MAX 65535u              /* bytes */
#define NACRE_VALUE_MAX 4294967295u       /* bytes */
#define NACRE_NAME_MAX 255u               /* bytes in a collection's name */
#define NACRE_BATCH_MAX (UINT64_C(1) << 31) /* bytes of one encoded batch */

/* name, value, text: codes are append-only. */
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

typedef struct nacre_slice {
    const void *data;
    size_t size;
} nacre_slice;

typedef enum nacre_durability { NACRE_DURABILITY_DEFAULT = 0, NACRE_MEMORY, NACRE_OS, NACRE_DISK } nacre_durability;
typedef enum nacre_kind { NACRE_ORDERED = 1, NACRE_STRINGS, NACRE_VECTORS } nacre_kind;
typedef enum nacre_metric { NACRE_L2 = 1, NACRE_COSINE, NACRE_DOT } nacre_metric;
typedef enum nacre_state { NACRE_STATE_OK = 0, NACRE_STATE_READ_ONLY, NACRE_STATE_FAILED } nacre_state;

typedef struct nacre_store nacre_store;
typedef struct nacre_collection nacre_collection;
typedef struct nacre_batch nacre_batch;
typedef struct nacre_snapshot nacre_snapshot;
typedef struct nacre_cursor nacre_cursor;

NACRE_API const char *nacre_status_name(int status);
NACRE_API const char *nacre_status_text(int status);
NACRE_API const char *nacre_last_error(void);
NACRE_API const char *nacre_version(void);

typedef enum nacre_log_level { NACRE_LOG_ERROR = 1, NACRE_LOG_WARNING, NACRE_LOG_INFO, NACRE_LOG_DEBUG } nacre_log_level;

/* A structured line: an event name ("flush", "recovery", ...) and its fields as one JSON object. */
typedef struct nacre_logger {
    size_t struct_size;
    void *context;
    nacre_log_level level; /* lines above this level are not made */
    void (*write)(void *context, nacre_log_level level, const char *event, const char *fields_json);
} nacre_logger;

/* The file layer. Every function returns NACRE_OK or a negative code (NACRE_IO, NACRE_NO_SPACE, NACRE_NOT_FOUND,
   NACRE_EXISTS, NACRE_LOCKED, NACRE_NO_MEMORY) and may be called from any thread. */
typedef struct nacre_file nacre_file; /* defined by the layer */
#define NACRE_FILE_READ 1u
#define NACRE_FILE_WRITE 2u
#define NACRE_FILE_CREATE 4u    /* make it when missing */
#define NACRE_FILE_EXCLUSIVE 8u /* with CREATE: NACRE_EXISTS when it is there */
typedef struct nacre_os {
    size_t struct_size;
    void *context;
    int (*open)(void *context, const char *path, uint32_t flags, nacre_file **file);
    int (*close)(nacre_file *file);
    int (*read)(nacre_file *file, uint64_t offset, void *bytes, size_t size, size_t *got); /* got < size only at the end */
    int (*write)(nacre_file *file, uint64_t offset, const void *bytes, size_t size);       /* all or an error */
    int (*sync)(nacre_file *file);                                        /* contents and length are durable */
    int (*write_behind)(nacre_file *file, uint64_t offset, uint64_t size); /* start writing back; no promise */
    int (*allocate)(nacre_file *file, uint64_t size);                     /* later writes below size find space */
    int (*truncate)(nacre_file *file, uint64_t size);
    int (*size)(nacre_file *file, uint64_t *size);
    int (*map)(nacre_file *file, uint64_t size, bool writable, void **address); /* shared, from offset 0 */
    int (*populate)(void *address, uint64_t size, bool writable);         /* fault the pages in; no promise */
    int (*unmap)(void *address, uint64_t size);
    int (*rename)(void *context, const char *from, const char *to);       /* replaces `to` */
    int (*link)(void *context, const char *from, const char *to);         /* NACRE_UNSUPPORTED where it cannot */
    int (*remove)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path);               /* NACRE_EXISTS when it is there */
    int (*remove_directory)(void *context, const char *path);
    int (*sync_directory)(void *context, const char *path);               /* its names are durable */
    int (*list)(void *context, const char *path, void (*visit)(void *visitor, const char *name), void *visitor);
    int (*lock)(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size);
    int (*space)(void *context, const char *path, uint64_t *free_bytes);
} nacre_os;

typedef struct nacre_options {
    size_t struct_size;
    bool error_if_missing, error_if_exists, read_only, salvage;
    nacre_durability durability; /* default NACRE_DISK */
    uint64_t memory_budget;      /* bytes; default 512 MiB, least 16 MiB */
    uint64_t log_limit;          /* bytes; default 1 GiB, least 4 MiB */
    uint32_t background_threads; /* default 2 */
    uint32_t write_timeout_ms;   /* default 10 000 */
    const nacre_logger *logger;
    const nacre_os *os;
} nacre_options;
#define NACRE_OPTIONS_INIT { sizeof(nacre_options), false, false, false, false, NACRE_DURABILITY_DEFAULT, 0, 0, 0, 0, NULL, NULL }

NACRE_API int nacre_open(const char *path, const nacre_options *options, nacre_store **store);
NACRE_API int nacre_close(nacre_store *store);

typedef struct nacre_collection_options {
    size_t struct_size;
    nacre_kind kind;
    uint32_t dimension;           /* vectors only, else 0 */
    nacre_metric metric;          /* vectors only, else 0 */
    uint64_t default_ttl_ms;      /* 0 = never expires */
    uint64_t value_log_threshold; /* 0 or UINT64_MAX: values stay in segments; others are NACRE_UNSUPPORTED in this version */
    const char *merge_operator;   /* NULL; others are NACRE_UNSUPPORTED in this version */
} nacre_collection_options;
#define NACRE_COLLECTION_OPTIONS_INIT { sizeof(nacre_collection_options), NACRE_ORDERED, 0, (nacre_metric)0, 0, 0, NULL }

typedef struct nacre_collection_info {
    const char *name;
    nacre_kind kind;
    uint64_t default_ttl_ms;
} nacre_collection_info;

NACRE_API int nacre_collection_create(nacre_store *store, const char *name, const nacre_collection_options *options, nacre_collection **collection);
NACRE_API int nacre_collection_open(nacre_store *store, const char *name, nacre_collection **collection);
NACRE_API void nacre_collection_close(nacre_collection *collection);
NACRE_API int nacre_collection_drop(nacre_store *store, const char *name);
NACRE_API int nacre_collection_clear(nacre_collection *collection);
NACRE_API int nacre_collection_list(nacre_store *store, nacre_collection_info **list, size_t *count); /* nacre_free(list) */

typedef struct nacre_write_options {
    size_t struct_size;
    nacre_durability durability;
    uint64_t ttl_ms;     /* 0 = the collection's default; UINT64_MAX = never expires */
    uint32_t timeout_ms; /* 0 = the store's write_timeout_ms */
} nacre_write_options;
#define NACRE_WRITE_OPTIONS_INIT { sizeof(nacre_write_options), NACRE_DURABILITY_DEFAULT, 0, 0 }

NACRE_API int nacre_put(nacre_collection *collection, nacre_slice key, nacre_slice value, const nacre_write_options *options);
NACRE_API int nacre_delete(nacre_collection *collection, nacre_slice key, const nacre_write_options *options);
NACRE_API int nacre_delete_range(nacre_collection *collection, nacre_slice begin, nacre_slice end, const nacre_write_options *options);
NACRE_API int nacre_delete_prefix(nacre_collection *collection, nacre_slice prefix, const nacre_write_options *options);

NACRE_API int nacre_batch_create(nacre_batch **batch);
NACRE_API void nacre_batch_free(nacre_batch *batch);
NACRE_API void nacre_batch_clear(nacre_batch *batch);
NACRE_API size_t nacre_batch_count(const nacre_batch *batch);
NACRE_API size_t nacre_batch_bytes(const nacre_batch *batch);
NACRE_API int nacre_batch_put(nacre_batch *batch, nacre_collection *collection, nacre_slice key, nacre_slice value);
NACRE_API int nacre_batch_delete(nacre_batch *batch, nacre_collection *collection, nacre_slice key);
NACRE_API int nacre_batch_delete_range(nacre_batch *batch, nacre_collection *collection, nacre_slice begin, nacre_slice end);
NACRE_API int nacre_write(nacre_store *store, nacre_batch *batch, const nacre_write_options *options);
NACRE_API int nacre_sync(nacre_store *store);

typedef struct nacre_value {
    nacre_slice slice;
    void *pin;
} nacre_value;

typedef struct nacre_read_options {
    size_t struct_size;
    nacre_snapshot *snapshot;
} nacre_read_options;
#define NACRE_READ_OPTIONS_INIT { sizeof(nacre_read_options), NULL }

NACRE_API int nacre_get(nacre_collection *collection, nacre_slice key, const nacre_read_options *options, nacre_value *value);
NACRE_API void nacre_value_release(nacre_value *value);
NACRE_API int nacre_multi_get(nacre_collection *collection, const nacre_slice *keys, size_t count, const nacre_read_options *options, nacre_value *values, int *statuses);

NACRE_API int nacre_snapshot_create(nacre_store *store, nacre_snapshot **snapshot);
NACRE_API void nacre_snapshot_release(nacre_snapshot *snapshot);

typedef struct nacre_scan_options {
    size_t struct_size;
    nacre_snapshot *snapshot;
    nacre_slice begin, end; /* [begin, end); empty = open */
    nacre_slice prefix;
    bool reverse, keys_only;
    uint64_t limit; /* 0 = none */
} nacre_scan_options;
#define NACRE_SCAN_OPTIONS_INIT { sizeof(nacre_scan_options), NULL, { NULL, 0 }, { NULL, 0 }, { NULL, 0 }, false, false, 0 }

NACRE_API int nacre_scan(nacre_collection *collection, const nacre_scan_options *options, nacre_cursor **cursor);
NACRE_API bool nacre_cursor_valid(const nacre_cursor *cursor);
NACRE_API void nacre_cursor_next(nacre_cursor *cursor);
NACRE_API void nacre_cursor_prev(nacre_cursor *cursor);
NACRE_API void nacre_cursor_seek(nacre_cursor *cursor, nacre_slice key);
NACRE_API void nacre_cursor_first(nacre_cursor *cursor);
NACRE_API void nacre_cursor_last(nacre_cursor *cursor);
NACRE_API nacre_slice nacre_cursor_key(const nacre_cursor *cursor);
NACRE_API nacre_slice nacre_cursor_value(const nacre_cursor *cursor);
NACRE_API int nacre_cursor_status(const nacre_cursor *cursor);
NACRE_API void nacre_cursor_close(nacre_cursor *cursor);

NACRE_API int nacre_seal(nacre_collection *collection);
NACRE_API int nacre_flush(nacre_collection *collection);
NACRE_API int nacre_compact(nacre_collection *collection, nacre_slice begin, nacre_slice end);
NACRE_API int nacre_pause_compaction(nacre_store *store, uint32_t timeout_ms);
NACRE_API int nacre_resume_compaction(nacre_store *store);
NACRE_API int nacre_build_indexes(nacre_collection *collection);
NACRE_API int nacre_set_async_index_build(nacre_store *store, bool enabled);
NACRE_API int nacre_prune_log(nacre_store *store);
NACRE_API int nacre_reclaim(nacre_store *store);
NACRE_API int nacre_resume(nacre_store *store);
NACRE_API nacre_state nacre_store_state(nacre_store *store, char *reason, size_t reason_size);
NACRE_API int nacre_checkpoint(nacre_store *store, const char *path);

typedef struct nacre_verify_report {
    size_t struct_size;
    uint64_t files, bytes, entries, damaged;
    char *damage; /* one line each: file, offset, expected, found; nacre_free */
} nacre_verify_report;
#define NACRE_VERIFY_REPORT_INIT { sizeof(nacre_verify_report), 0, 0, 0, 0, NULL }

NACRE_API int nacre_verify(nacre_store *store, nacre_verify_report *report);
NACRE_API int nacre_salvage(const char *path, const nacre_options *options, char **report_json); /* nacre_free */
NACRE_API int nacre_tune(nacre_store *store, const char *name, const char *value);
NACRE_API int nacre_tuning(nacre_store *store, char **json);
NACRE_API int nacre_stats(nacre_store *store, char **json);
NACRE_API int nacre_metrics(nacre_store *store, char **text);
/* What a file of a store says, as JSON lines: kind is "log", "manifest" or "segment". */
NACRE_API int nacre_dump(const char *kind, const char *path, const nacre_options *options, void (*line)(void *context, const char *json), void *context);
NACRE_API void nacre_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
