/* Following the log of another process. Where a record is not whole, the tail waits: nothing is judged here, as the writer may be in the
   middle of it. Files are read by calls, never mapped: the writer may cut one.

   Invariants:
   1. A record is handed out when its header and its payload check, and only behind all before it. Headers are seeded with their position,
      so that bytes of a file's former life never pass.
   2. The file after A is, of those whose header names A as its predecessor, the one with the greatest number (wal_replay.c, 1). It is entered
      behind A's end record, or where its header says that A's tail was given up.
   3. A look without news costs two small reads; the directory is listed behind an end record, and else at most every LIST_AFTER_NS.

   One thread at a time; no locks. */
#include "log/wal_tail.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include "log/wal_directory.h"
#include "log/wal_format.h"

#define READ_LEAST    4096u
#define READ_MOST     (1u << 20)
#define LIST_AFTER_NS 20000000u

struct wal_tail {
    const nacre_os *os;
    char *directory;
    nacre_file *file; /* NULL: to be found */
    uint32_t number, offset;
    bool ended;
    uint64_t size; /* of the file */
    uint64_t listed_ns;
    /* What was read of it: bytes[0, there) stand at `begin`. */
    uint8_t *bytes;
    size_t capacity, there, ahead;
    uint64_t begin;
};

int wal_tail_create(const nacre_os *os, const char *directory, struct wal_tail **created)
{
    struct wal_tail *t = memory_zalloc(sizeof *t);
    char *copy = memory_strdup(directory);
    if (!t || !copy) {
        memory_free(t);
        memory_free(copy);
        return NACRE_NO_MEMORY;
    }
    t->os = os;
    t->directory = copy;
    *created = t;
    return NACRE_OK;
}

void wal_tail_look_again(struct wal_tail *t)
{
    t->listed_ns = 0;
}

static void leave_file(struct wal_tail *t)
{
    if (t->file) {
        (void)t->os->close(t->file); /* only read: nothing can be lost */
        t->file = NULL;
    }
    t->there = 0;
    t->begin = 0;
}

void wal_tail_free(struct wal_tail *t)
{
    if (t) {
        leave_file(t);
        memory_free(t->bytes);
        memory_free(t->directory);
        memory_free(t);
    }
}

void wal_tail_place(struct wal_tail *t, wal_position position, bool ended)
{
    leave_file(t);
    t->number = WAL_FILE(position) ? WAL_FILE(position) : 1; /* the first file of a log */
    t->offset = WAL_OFFSET(position) < WAL_HEADER_BYTES ? 0 : WAL_OFFSET(position);
    t->ended = ended && t->offset > 0;
    t->listed_ns = 0;
}

wal_position wal_tail_position(const struct wal_tail *t)
{
    return WAL_POSITION(t->number, t->offset);
}

/* ---- files ---- */

static int read_header(const struct wal_tail *t, nacre_file *file, uint32_t number, struct wal_header *header,
                       bool *good)
{
    uint8_t bytes[WAL_HEADER_BYTES] = { 0 };
    size_t got = 0;
    int status = t->os->read(file, 0, bytes, sizeof bytes, &got);
    *good = status == NACRE_OK && wal_header_decode(bytes, "log file", header) == NACRE_OK && header->number == number;
    return status;
}

/* *good is false for a file that went, or is being made. */
static int look_at(const struct wal_tail *t, uint32_t number, struct wal_header *header, bool *good)
{
    char path[OS_PATH_MAX];
    nacre_file *file = NULL;
    *good = false;
    int status = wal_path(path, t->directory, number);
    if (status == NACRE_OK) {
        status = t->os->open(t->os->context, path, NACRE_FILE_READ, &file);
        if (status == NACRE_NOT_FOUND) {
            return NACRE_OK;
        }
    }
    if (status == NACRE_OK) {
        status = read_header(t, file, number, header, good);
        (void)t->os->close(file);
    }
    return status;
}

/* Opens a file and stands at `offset` of it; *good is false where it is not there any more. */
static int enter_file(struct wal_tail *t, uint32_t number, uint32_t offset, bool *good)
{
    char path[OS_PATH_MAX];
    struct wal_header header;
    *good = false;
    leave_file(t);
    int status = wal_path(path, t->directory, number);
    if (status == NACRE_OK) {
        status = t->os->open(t->os->context, path, NACRE_FILE_READ, &t->file);
        if (status == NACRE_NOT_FOUND) {
            return NACRE_OK;
        }
    }
    if (status == NACRE_OK) {
        status = read_header(t, t->file, number, &header, good);
    }
    if (status == NACRE_OK) {
        status = t->os->size(t->file, &t->size);
    }
    if (status != NACRE_OK || !*good) {
        leave_file(t);
        return status;
    }
    t->size = t->size < WAL_FILE_BYTES_MAX ? t->size : WAL_FILE_BYTES_MAX;
    t->number = number;
    t->offset = offset;
    t->ended = false;
    return NACRE_OK;
}

/* What the directory says about where the tail stands. */
struct outlook {
    bool here;            /* its file is there */
    bool later;           /* and files behind it */
    bool passed;          /* and the log has gone on from one of those */
    uint32_t first;       /* for a tail that has no file yet: the first file of the log from its number on; 0 = none */
    uint32_t next;        /* the file that names it as the one before; 0 = none */
    uint32_t resumed;     /* the file that gives up the log from where the tail stands, or before; 0 = none */
    bool given_up_before; /* a file says that what was read behind a failed write is void */
    wal_position durable; /* the most that a later header says was durable */
};

static void judge_header(const struct wal_tail *t, const struct wal_header *header, struct outlook *outlook)
{
    wal_position at = wal_tail_position(t);
    if (header->number >= t->number && header->previous < t->number) {
        outlook->first = header->number;
    }
    if (header->number <= t->number) {
        return;
    }
    outlook->later = true;
    outlook->next = header->previous == t->number ? header->number : outlook->next;
    if (header->undecided != 0 && header->undecided <= at) {
        outlook->resumed = header->number;
    }
    if (WAL_FILE(header->void_from) == t->number && WAL_OFFSET(header->void_from) < t->offset) {
        outlook->given_up_before = true;
    }
    outlook->durable = header->durable > outlook->durable ? header->durable : outlook->durable;
}

static int look_around(struct wal_tail *t, struct outlook *outlook)
{
    struct wal_numbers list;
    *outlook = (struct outlook){ .here = false };
    t->listed_ns = clock_monotonic_ns();
    int status = wal_list(t->os, t->directory, &list);
    if (status != NACRE_OK) {
        return status;
    }
    for (size_t i = 0; i < list.count && status == NACRE_OK; i++) {
        struct wal_header header;
        bool good = false;
        if (list.numbers[i] < t->number) {
            continue;
        }
        outlook->here = outlook->here || list.numbers[i] == t->number;
        status = look_at(t, list.numbers[i], &header, &good);
        if (good && header.previous > t->number) {
            outlook->later = outlook->passed = true;
            break; /* predecessors ascend as numbers do: nothing behind it speaks of where the tail stands */
        }
        if (good) {
            judge_header(t, &header, outlook);
        }
    }
    wal_numbers_free(&list);
    return status;
}

/* ---- records ---- */

/* Makes bytes [offset, offset + size) of the file readable, as far as they are there. */
static int need(struct wal_tail *t, uint64_t offset, size_t size, const uint8_t **bytes, size_t *there)
{
    if (offset < t->begin || offset + size > t->begin + t->there) {
        size_t want = size > t->ahead ? size : t->ahead;
        if (want > t->capacity) {
            uint8_t *more = memory_realloc(t->bytes, want);
            if (!more) {
                return NACRE_NO_MEMORY;
            }
            t->bytes = more;
            t->capacity = want;
        }
        t->begin = offset;
        t->there = 0;
        int status = t->os->read(t->file, offset, t->bytes, want, &t->there);
        if (status != NACRE_OK) {
            t->there = 0;
            return status;
        }
        t->ahead = t->ahead < READ_MOST ? 4 * t->ahead : READ_MOST; /* where there is much, more is read at a time */
    }
    *bytes = t->bytes + (offset - t->begin);
    *there = (size_t)(t->begin + t->there - offset);
    return NACRE_OK;
}

/* The record where the tail stands; *whole is false where none is, or not all of it yet. */
static int read_record(struct wal_tail *t, struct wal_record *record, nacre_slice *payload, bool *whole)
{
    const uint8_t *bytes;
    size_t there;
    *whole = false;
    int status = need(t, t->offset, WAL_RECORD_HEADER_BYTES, &bytes, &there);
    if (status != NACRE_OK || wal_header_check(bytes, there, wal_tail_position(t), t->size, record) != WAL_GOOD) {
        return status;
    }
    *payload = slice_of(NULL, 0);
    if (!record->is_end && !record->is_filler) {
        size_t size = WAL_RECORD_HEADER_BYTES + (size_t)record->length;
        status = need(t, t->offset, size, &bytes, &there);
        if (status != NACRE_OK || there < size) {
            return status;
        }
        *payload = slice_of(bytes + WAL_RECORD_HEADER_BYTES, record->length);
        if (hash_bytes(payload->data, payload->size) != record->payload_hash) {
            return NACRE_OK;
        }
    }
    *whole = true;
    return NACRE_OK;
}

/* Hands out what the file has; behind its end record the tail is `ended`. */
static int read_file(struct wal_tail *t, wal_position until, wal_visitor *visit, void *context)
{
    t->ahead = READ_LEAST;
    t->there = 0; /* the writer may have come since */
    for (bool again = false; wal_tail_position(t) < until;) {
        struct wal_record record;
        nacre_slice payload;
        bool whole = false;
        int status = read_record(t, &record, &payload, &whole);
        if (status == NACRE_OK && !whole && !again && t->begin < t->offset) {
            again = true; /* it was read ahead, perhaps before it was written: once more from the file */
            t->there = 0;
            continue;
        }
        if (status != NACRE_OK || !whole) {
            return status;
        }
        again = false;
        if (!record.is_end && !record.is_filler) {
            status =
                visit(context, wal_tail_position(t), WAL_POSITION(t->number, record.next), record.sequence, payload);
        }
        if (status != NACRE_OK) {
            return status;
        }
        t->offset = record.next;
        if (record.is_end) {
            t->ended = true;
            return NACRE_OK;
        }
    }
    return NACRE_OK;
}

/* ---- going on ---- */

/* From one file to the next, or to the first. *moved: there is a file to read. */
static int go_on(struct wal_tail *t, bool *moved, enum wal_tail_end *end)
{
    struct outlook outlook;
    *moved = false;
    *end = WAL_TAIL_WAITS;
    int status = look_around(t, &outlook);
    if (status != NACRE_OK) {
        return status;
    }
    if (outlook.given_up_before) {
        *end = WAL_TAIL_DOUBT;
        return NACRE_OK;
    }
    uint32_t number = 0, offset = WAL_HEADER_BYTES;
    if (t->ended) {
        number = outlook.next;
    } else if (t->offset == 0) {
        number = outlook.first;
    } else if (!t->file && outlook.here) {
        number = t->number;
        offset = t->offset;
    }
    if (number == 0) {
        number = outlook.resumed;
        offset = WAL_HEADER_BYTES;
    }
    if (number != 0) {
        status = enter_file(t, number, offset, moved);
    }
    if (status == NACRE_OK && !*moved && (number != 0 || outlook.later)) {
        *end = WAL_TAIL_GONE;
    }
    return status;
}

/* Looks once more, past what was read ahead. */
static int has_come(struct wal_tail *t, bool *whole)
{
    struct wal_record record;
    nacre_slice payload;
    t->there = 0;
    return read_record(t, &record, &payload, whole);
}

/* No record is where the tail stands in its file: is one to come there? */
static int look_behind(struct wal_tail *t, bool *moved, enum wal_tail_end *end)
{
    struct wal_header header;
    struct outlook outlook;
    bool good = false;
    *moved = false;
    *end = WAL_TAIL_WAITS;
    int status = read_header(t, t->file, t->number, &header, &good);
    if (status != NACRE_OK || !good) {
        *end = WAL_TAIL_GONE; /* it is another file by now */
        return status;
    }
    if (clock_monotonic_ns() - t->listed_ns < LIST_AFTER_NS) {
        return NACRE_OK;
    }
    status = look_around(t, &outlook);
    if (status != NACRE_OK) {
        return status;
    }
    if (outlook.given_up_before) {
        *end = WAL_TAIL_DOUBT;
        return NACRE_OK;
    }
    if (!outlook.here) {
        *end = WAL_TAIL_GONE;
        return NACRE_OK;
    }
    bool durable = outlook.passed || outlook.durable > wal_tail_position(t);
    if (durable || outlook.resumed) {
        status = has_come(t, moved); /* between the look at the file and that at the directory */
    }
    if (status == NACRE_OK && !*moved && outlook.resumed) {
        status = enter_file(t, outlook.resumed, WAL_HEADER_BYTES, moved);
    } else if (status == NACRE_OK && !*moved && durable) {
        *end = WAL_TAIL_DOUBT;
    }
    return status;
}

int wal_tail_read(struct wal_tail *t, wal_position until, wal_visitor *visit, void *context, enum wal_tail_end *end)
{
    bool moved = true;
    int status = NACRE_OK;
    *end = WAL_TAIL_WAITS;
    while (status == NACRE_OK && moved && wal_tail_position(t) < until) {
        if (t->file && !t->ended) {
            wal_position before = wal_tail_position(t);
            status = read_file(t, until, visit, context);
            if (status != NACRE_OK || wal_tail_position(t) >= until) {
                break;
            }
            if (!t->ended && wal_tail_position(t) == before) {
                status = look_behind(t, &moved, end);
            }
        } else {
            status = go_on(t, &moved, end);
        }
    }
    return status;
}
