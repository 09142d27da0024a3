/* The ring of recent changes (see change_ring.h). */
#include "store/change_ring.h"
#include "base/memory.h"

int change_ring_create(struct change_ring *ring, size_t record_capacity, size_t byte_capacity)
{
    struct change_record *records = memory_alloc(record_capacity * sizeof *records);
    uint8_t *bytes = memory_alloc(byte_capacity);
    if (!records || !bytes) {
        memory_free(records);
        memory_free(bytes);
        return NACRE_NO_MEMORY;
    }
    ring->records = records;
    ring->bytes = bytes;
    ring->record_capacity = record_capacity;
    ring->byte_capacity = byte_capacity;
    ring->record_count = ring->byte_count = 0;
    return NACRE_OK;
}

void change_ring_free(struct change_ring *ring)
{
    memory_free(ring->records);
    memory_free(ring->bytes);
    *ring = (struct change_ring){ .since = ring->since };
}

void change_ring_miss(struct change_ring *ring, uint64_t sequence)
{
    ring->since = sequence > ring->since ? sequence : ring->since;
}

#define SIZES_BYTES (2 * sizeof(uint32_t))

/* Bytes of one record lie together: what does not fit before the end of the ring goes to its beginning. */
static bool keep_bytes(struct change_ring *ring, struct change_record *record, const struct change *change)
{
    const size_t size = SIZES_BYTES + change->key.size + change->end.size;
    const uint32_t sizes[2] = { (uint32_t)change->key.size, (uint32_t)change->end.size };
    if (size > ring->byte_capacity / 4) {
        return false;
    }
    size_t at = (size_t)(ring->byte_count % ring->byte_capacity);
    if (at + size > ring->byte_capacity) {
        ring->byte_count += ring->byte_capacity - at;
        at = 0;
    }
    record->bytes_at = ring->byte_count;
    memcpy(ring->bytes + at, sizes, sizeof sizes);
    at += sizeof sizes;
    if (change->key.size) {
        memcpy(ring->bytes + at, change->key.data, change->key.size);
    }
    if (change->end.size) {
        memcpy(ring->bytes + at + change->key.size, change->end.data, change->end.size);
    }
    ring->byte_count += size;
    return true;
}

void change_ring_note(struct change_ring *ring, uint64_t sequence, const struct change *change, bool keep_key)
{
    if (!ring->records) {
        change_ring_miss(ring, sequence);
        return;
    }
    struct change_record *record = &ring->records[ring->record_count & (ring->record_capacity - 1)];
    if (ring->record_count >= ring->record_capacity) {
        change_ring_miss(ring, record->sequence);
    }
    *record = (struct change_record){
        .sequence = sequence, .hash = change->hash, .collection = change->collection, .is_range = change->is_range
    };
    record->has_bytes = (keep_key || change->is_range) && keep_bytes(ring, record, change);
    ring->record_count++;
}

bool change_ring_bytes(const struct change_ring *ring, const struct change_record *record, nacre_slice *key,
                       nacre_slice *end)
{
    if (!record->has_bytes || ring->byte_count - record->bytes_at > ring->byte_capacity) {
        return false;
    }
    const uint8_t *bytes = ring->bytes + record->bytes_at % ring->byte_capacity;
    uint32_t sizes[2];
    memcpy(sizes, bytes, sizeof sizes);
    *key = (nacre_slice){ bytes + sizeof sizes, sizes[0] };
    *end = (nacre_slice){ bytes + sizeof sizes + sizes[0], sizes[1] };
    return true;
}
