/* Encoding and checking of value files (see value_format.h). All checksums are seeded with where their bytes belong, so that bytes of another
   place or another file are never taken for these. Pure functions; any thread. */
#include "values/value_format.h"
#include "base/hash.h"
#include "base/status.h"

static uint64_t seed_of(uint64_t file, uint64_t offset)
{
    return file ^ (offset * UINT64_C(0x9E3779B97F4A7C15));
}

void value_header_encode(const struct value_header *header, uint8_t bytes[VALUE_HEADER_BYTES])
{
    memset(bytes, 0, VALUE_HEADER_BYTES);
    memcpy(bytes, VALUE_MAGIC, 8);
    store_u32(bytes + 8, VALUE_FORMAT);
    store_u64(bytes + 16, header->id);
    store_u64(bytes + 24, header->made_bytes);
    store_u64(bytes + 56, hash_bytes(bytes, 56));
}

int value_header_decode(const uint8_t bytes[VALUE_HEADER_BYTES], const char *path, struct value_header *header)
{
    uint64_t expected = load_u64(bytes + 56), found = hash_bytes(bytes, 56);
    if (memcmp(bytes, VALUE_MAGIC, 8) != 0) {
        return fail(NACRE_CORRUPT, "%s: offset 0: expected the magic of a value file, found %016llx", path,
                    (unsigned long long)load_u64(bytes));
    }
    if (expected != found) {
        return fail(NACRE_CORRUPT, "%s: offset 0: checksum of the header: expected %016llx, found %016llx", path,
                    (unsigned long long)expected, (unsigned long long)found);
    }
    if (load_u32(bytes + 8) != VALUE_FORMAT) {
        return fail(NACRE_UNSUPPORTED, "%s: value file format %u; this build reads %u", path, load_u32(bytes + 8),
                    VALUE_FORMAT);
    }
    *header = (struct value_header){ load_u64(bytes + 16), load_u64(bytes + 24) };
    return NACRE_OK;
}

uint64_t value_checksum(uint64_t file, uint64_t offset, nacre_slice value)
{
    return hash_seeded(value.data, value.size, seed_of(file, offset));
}

void value_record_encode(uint8_t bytes[VALUE_RECORD_HEADER_BYTES], uint64_t file, uint64_t offset, uint32_t collection,
                         nacre_slice key, nacre_slice value, struct value_pointer *pointer)
{
    uint64_t seed = seed_of(file, offset), at = offset + VALUE_RECORD_HEADER_BYTES + key.size;
    *pointer = (struct value_pointer){ file, (uint32_t)at, (uint32_t)value.size, value_checksum(file, at, value) };
    store_u64(bytes, pointer->checksum);
    store_u32(bytes + 8, (uint32_t)value.size);
    store_u32(bytes + 12, (uint32_t)key.size);
    store_u32(bytes + 16, collection);
    store_u32(bytes + 20, (uint32_t)hash_seeded(bytes, 20, seed));
    store_u64(bytes + 24, hash_seeded(key.data, key.size, seed));
}

bool value_record_decode(const uint8_t bytes[VALUE_RECORD_HEADER_BYTES], uint64_t file, uint64_t offset,
                         struct value_record_header *header)
{
    *header = (struct value_record_header){ load_u64(bytes), load_u32(bytes + 8), load_u32(bytes + 12),
                                            load_u32(bytes + 16), load_u64(bytes + 24) };
    return header->key_size > 0 && header->key_size <= ENTRY_KEY_MAX &&
           load_u32(bytes + 20) == (uint32_t)hash_seeded(bytes, 20, seed_of(file, offset));
}

bool value_record_key_is_good(const struct value_record_header *header, uint64_t file, uint64_t offset, nacre_slice key)
{
    return hash_seeded(key.data, key.size, seed_of(file, offset)) == header->key_hash;
}
