/* Log file header and record header: encoding and checks. Pure functions; any thread.

     file   = header record* mark zeros-or-older-bytes
     header = magic[8] u32 format, u32 number, u64 size, u32 previous, u32 flags, u64 durable, u64 undecided, u64 void_from, u64 checksum
     record = u64 checksum, u64 sequence, u64 payload_hash, u32 length, u32 durable, payload, padding to 8
     end    = a record of length 0xFFFFFFFF without payload: the file ends here, the log goes on in the next one
     filler = a record of sequence 2^64-1, payload_hash 0: salvage has laid it over damage, its payload is to be skipped
     mark   = 8 zero bytes where the next record's checksum would be

   Invariants:
   1. A record's checksum is XXH3 of its 24 other header bytes seeded with its position, so that the bytes of another place,
      another file or a former life of the file never pass.
   2. durable = offset | files back (0 to 6) of a position at or before the record; 7 in the low bits = not known. */
#include "log/wal_format.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/status.h"

#define DURABLE_UNKNOWN 7u

uint64_t wal_payload_hash(nacre_slice payload)
{
    return hash_bytes(payload.data, payload.size);
}

void wal_header_encode(const struct wal_header *header, uint8_t bytes[WAL_HEADER_BYTES])
{
    memset(bytes, 0, WAL_HEADER_BYTES);
    memcpy(bytes, WAL_MAGIC, 8);
    store_u32(bytes + 8, WAL_FORMAT);
    store_u32(bytes + 12, header->number);
    store_u64(bytes + 16, header->size);
    store_u32(bytes + 24, header->previous);
    store_u32(bytes + 28, header->flags);
    store_u64(bytes + 32, header->durable);
    store_u64(bytes + 40, header->undecided);
    store_u64(bytes + 48, header->void_from);
    store_u64(bytes + 56, hash_bytes(bytes, 56));
}

int wal_header_decode(const uint8_t bytes[WAL_HEADER_BYTES], const char *path, struct wal_header *header)
{
    uint64_t found = load_u64(bytes + 56), expected = hash_bytes(bytes, 56);
    if (memcmp(bytes, WAL_MAGIC, 8) != 0) {
        return fail(NACRE_CORRUPT, "%s: offset 0: the magic of a log file was expected, found %016llx", path,
                    (unsigned long long)load_u64(bytes));
    }
    if (found != expected) {
        return fail(NACRE_CORRUPT, "%s: offset 0: header checksum: expected %016llx, found %016llx", path,
                    (unsigned long long)expected, (unsigned long long)found);
    }
    if (load_u32(bytes + 8) != WAL_FORMAT) {
        return fail(NACRE_UNSUPPORTED, "%s: offset 8: log format %u, this version reads %u", path, load_u32(bytes + 8),
                    WAL_FORMAT);
    }
    header->number = load_u32(bytes + 12);
    header->size = load_u64(bytes + 16);
    header->previous = load_u32(bytes + 24);
    header->flags = load_u32(bytes + 28);
    header->durable = load_u64(bytes + 32);
    header->undecided = load_u64(bytes + 40);
    header->void_from = load_u64(bytes + 48);
    wal_position self = WAL_POSITION(header->number, WAL_HEADER_BYTES);
    if (header->previous >= header->number || header->durable > self || header->undecided > self ||
        header->void_from > self) {
        return fail(NACRE_CORRUPT, "%s: offset 24: the header points behind its own file %08x", path, header->number);
    }
    return NACRE_OK;
}

static uint32_t encode_durable(wal_position at, wal_position durable)
{
    uint32_t back = WAL_FILE(at) - WAL_FILE(durable);
    return back < DURABLE_UNKNOWN ? WAL_OFFSET(durable) | back : DURABLE_UNKNOWN;
}

static wal_position decode_durable(wal_position at, uint32_t bits)
{
    uint32_t back = bits & 7;
    return back == DURABLE_UNKNOWN || back > WAL_FILE(at) ? 0 : WAL_POSITION(WAL_FILE(at) - back, bits & ~7u);
}

void wal_record_encode(uint8_t bytes[WAL_RECORD_HEADER_BYTES], wal_position at, uint64_t sequence, uint32_t length,
                       uint64_t payload_hash, wal_position durable)
{
    store_u64(bytes + 8, sequence);
    store_u64(bytes + 16, payload_hash);
    store_u32(bytes + 24, length);
    store_u32(bytes + 28, encode_durable(at, durable));
    store_u64(bytes, hash_seeded(bytes + 8, WAL_RECORD_HEADER_BYTES - 8, at));
}

enum wal_check wal_header_check(const uint8_t *bytes, uint64_t there, wal_position at, uint64_t size,
                                struct wal_record *record)
{
    *record = (struct wal_record){ 0 };
    if (there < WAL_RECORD_HEADER_BYTES) {
        record->expected = WAL_RECORD_HEADER_BYTES;
        record->found = there;
        return there < WAL_MARK_BYTES || load_u64(bytes) == 0 ? WAL_ABSENT : WAL_CUT_SHORT;
    }
    record->found = load_u64(bytes);
    record->expected = hash_seeded(bytes + 8, WAL_RECORD_HEADER_BYTES - 8, at);
    if (record->found != record->expected) {
        return record->found == 0 ? WAL_ABSENT : WAL_BAD_HEADER;
    }
    uint32_t length = load_u32(bytes + 24);
    record->is_end = length == WAL_END_LENGTH;
    record->length = record->is_end ? 0 : length;
    record->sequence = load_u64(bytes + 8);
    record->payload_hash = load_u64(bytes + 16);
    record->is_filler = record->sequence == WAL_FILLER_SEQUENCE && record->payload_hash == 0 && !record->is_end;
    record->durable = decode_durable(at, load_u32(bytes + 28));
    if (record->durable > at) {
        return WAL_BAD_HEADER;
    }
    uint64_t next = (uint64_t)WAL_OFFSET(at) + WAL_RECORD_HEADER_BYTES + record->length;
    if (next > size) {
        record->expected = next;
        record->found = size;
        return WAL_CUT_SHORT;
    }
    record->next = (uint32_t)wal_padded(next); /* behind the end of a file that was cut inside the padding */
    return WAL_GOOD;
}

enum wal_check wal_record_check(const uint8_t *file, uint64_t size, wal_position at, struct wal_record *record)
{
    uint64_t offset = WAL_OFFSET(at), there = offset < size ? size - offset : 0;
    enum wal_check check = wal_header_check(file + (there ? offset : 0), there, at, size, record);
    if (check == WAL_GOOD && !record->is_end && !record->is_filler) {
        record->found = record->payload_hash;
        record->expected = hash_bytes(file + offset + WAL_RECORD_HEADER_BYTES, record->length);
        return record->found == record->expected ? WAL_GOOD : WAL_BAD_PAYLOAD;
    }
    return check;
}

const char *wal_check_text(enum wal_check check)
{
    switch (check) {
    case WAL_GOOD:
        return "a good record";
    case WAL_ABSENT:
        return "no record";
    case WAL_CUT_SHORT:
        return "bytes of the file";
    case WAL_BAD_HEADER:
        return "checksum of the record's header";
    case WAL_BAD_PAYLOAD:
        return "hash of the record's payload";
    }
    return "";
}
