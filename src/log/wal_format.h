/* The bytes of a log file (docs/formats.md, "Log files"): header and records, made and checked. Pure functions. */
#ifndef NACRE_LOG_WAL_FORMAT_H
#define NACRE_LOG_WAL_FORMAT_H
#include "log/wal.h"

#define WAL_MAGIC               "nacrelog"
#define WAL_FORMAT              1u
#define WAL_HEADER_BYTES        64u
#define WAL_RECORD_HEADER_BYTES 32u
#define WAL_MARK_BYTES          8u /* zeros behind the newest record: the checksum field of a record that is not there */
#define WAL_END_LENGTH          UINT32_MAX
#define WAL_FILLER_SEQUENCE     UINT64_MAX /* a record that salvage laid over damage; its payload means nothing */
#define WAL_FILE_BYTES_MAX      ((uint64_t)0xFFFFF000u)
/* What a file needs besides its payloads' own records: header, end record, mark, and the rounding of one payload. */
#define WAL_FILE_OVERHEAD (WAL_HEADER_BYTES + 2 * WAL_RECORD_HEADER_BYTES + WAL_MARK_BYTES + 8)

#define WAL_FLAG_RECYCLED 1u /* bytes of a former life may stand behind the newest record */

struct wal_header {
    uint32_t number;
    uint32_t previous; /* the file before it; 0 = none */
    uint32_t flags;
    uint64_t size;          /* bytes the file was made with */
    wal_position durable;   /* all before was durable when the file was made */
    wal_position undecided; /* 0, or: [undecided, this file) was given up after a failure; the log goes on here */
    wal_position
        void_from; /* 0, or: a write failed there; what is there and behind it in that file is not part of the log */
};

enum wal_check {
    WAL_GOOD,
    WAL_ABSENT,      /* zeros: no record was written here */
    WAL_CUT_SHORT,   /* the file ends before the record does */
    WAL_BAD_HEADER,  /* its checksum, or a field that was never written so */
    WAL_BAD_PAYLOAD, /* the payload's hash */
};

struct wal_record {
    uint64_t sequence;
    uint64_t payload_hash;
    wal_position durable; /* all before it was durable when the record was appended; 0 = not known */
    uint32_t length;      /* of the payload; 0 for an end record */
    uint32_t next;        /* offset behind the record */
    bool is_end, is_filler;
    uint64_t expected, found; /* of the check that failed */
};

static inline uint64_t wal_padded(uint64_t size)
{
    return (size + 7) & ~(uint64_t)7;
}

void wal_header_encode(const struct wal_header *, uint8_t bytes[WAL_HEADER_BYTES]);
/* NACRE_CORRUPT with expected and found in the detail, NACRE_UNSUPPORTED for a sound header of another format; `path` is for
   the detail only. */
int wal_header_decode(const uint8_t bytes[WAL_HEADER_BYTES], const char *path, struct wal_header *);

/* Writes the 32 bytes before the payload. `length` is WAL_END_LENGTH for an end record, whose sequence is 1 when the
   next file's header was durable already, else 0. */
void wal_record_encode(uint8_t bytes[WAL_RECORD_HEADER_BYTES], wal_position at, uint64_t sequence, uint32_t length,
                       uint64_t payload_hash, wal_position durable);
/* The record whose header is at bytes[0], offset WAL_OFFSET(at) of a file of `size` bytes, of which `there` are readable from
   bytes[0] on. Nothing is believed before its checksum held. Only WAL_GOOD and WAL_CUT_SHORT fill *record wholly. */
enum wal_check wal_header_check(const uint8_t *bytes, uint64_t there, wal_position at, uint64_t size,
                                struct wal_record *);
enum wal_check wal_record_check(const uint8_t *file, uint64_t size, wal_position at,
                                struct wal_record *); /* payload too */
const char *wal_check_text(enum wal_check);
#endif
