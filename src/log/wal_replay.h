/* What the parts of reading the log back share (wal_replay.c, wal_load.c, wal_scan.c, wal_cut.c, wal_salvage.c, wal_dump.c). One thread. */
#ifndef NACRE_LOG_WAL_REPLAY_H
#define NACRE_LOG_WAL_REPLAY_H
#include "log/wal_directory.h"
#include "log/wal_format.h"

struct replay_file {
    uint32_t number;
    nacre_file *handle;
    const uint8_t *bytes; /* mapped, or `read` */
    uint8_t *read;        /* owned */
    uint64_t there;       /* bytes of it that can be looked at */
    bool mapped, writable, copied;
    bool header_good;
    uint64_t size;            /* bytes that are there, at most WAL_FILE_BYTES_MAX */
    struct wal_header header; /* number alone when the header is bad */
    char header_damage[256];
};

struct replay {
    const nacre_os *os;
    const char *directory;
    const nacre_logger *logger;
    struct replay_file *files; /* those at or after `from`, ascending */
    size_t count;
    wal_position durable; /* all before is known to have been durable: any bad place before it is damage */
    wal_position end;     /* nothing at or behind it is looked at; UINT64_MAX = no such place */
    struct wal_replay_report *report;
    uint8_t *chunk; /* of a scan */
};

/* wal_load.c */
int replay_load(struct replay *, uint32_t first_number, bool writable);
int replay_load_one(struct replay *, const char *path, uint32_t number, bool writable, struct replay_file *);
/* Makes bytes[0, end) readable, or up to the end of the file. */
int replay_need(struct replay *, struct replay_file *, uint64_t end);
void replay_unload_one(struct replay *, struct replay_file *);
void replay_unload(struct replay *);
const char *replay_name(const struct replay_file *, char out[32]);

/* wal_scan.c: what record headers behind a bad place say, without believing anything else. */
struct scan_result {
    wal_position durable; /* the furthest that a good header says was durable */
    uint64_t records;     /* good headers */
    uint64_t
        content_end; /* offset behind the last of them, or behind the last byte that is not zero in a file never used before */
};
/* Looks at [offset, end of the file); stops early once durable > enough. */
int replay_scan(struct replay *, const struct replay_file *, uint64_t offset, wal_position enough,
                struct scan_result *);
/* The next wholly good record at or after `offset`, for salvage; false when there is none. All of the file was read. */
bool replay_next_good(const struct replay_file *, uint64_t offset, uint64_t *found);

/* wal_cut.c: ends the log at `offset` of files[index] (0: before that file) for good: what is behind can never be read as records again.
   `ended`: an end record stands before that offset already. */
int replay_cut(struct replay *, size_t index, uint64_t offset, bool ended);
int replay_end(struct replay *, struct replay_file *,
               uint64_t offset); /* an end record, nothing behind it; not synced */

/* wal_salvage.c. What is changed is durable when wal_replay returns. */
int replay_keep_copy(struct replay *, struct replay_file *); /* as <name>.corrupt; durable */
int replay_cover(struct replay *, struct replay_file *, uint64_t offset,
                 uint64_t found);                                            /* a filler over [offset, found) */
int replay_relink(struct replay *, struct replay_file *, uint32_t previous); /* a header that names the file before */
#endif
