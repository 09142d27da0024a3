/* Which values of a sealed, mapped file were found good since it was opened, so that readers need not go over their bytes each time: as with
   the blocks of segments, what was read once is taken to stay.

   A bit per page of 4096 bytes stands for the value of at least so many bytes that begins there: there cannot be two. That the pointer is that of this very
   value is told by the record's header, which lies before it; smaller values are always checked.

   Invariants:
   1. A bit is set only for a value whose checksum was right, and never taken back: the file's bytes do not change.
   Any thread, no lock. */
#include "base/memory.h"
#include "values/value_internal.h"

#define CHECKED_PAGE_BYTES 4096u
#define CHECKED_WORD_BYTES (64u * CHECKED_PAGE_BYTES) /* of the file */

static uint64_t bit_of(const struct value_pointer *pointer)
{
    return UINT64_C(1) << (pointer->offset / CHECKED_PAGE_BYTES % 64);
}

static bool is_its_pointer(const struct value_file *file, const struct value_pointer *pointer, nacre_slice key)
{
    const uint8_t *map = atomic_load_explicit(&file->map, memory_order_acquire);
    if (pointer->offset < VALUE_HEADER_BYTES + VALUE_RECORD_HEADER_BYTES + key.size) {
        return false;
    }
    const uint8_t *at = map + pointer->offset - key.size;
    const uint8_t *header = at - VALUE_RECORD_HEADER_BYTES;
    return load_u64(header) == pointer->checksum && load_u32(header + 8) == pointer->size &&
           load_u32(header + 12) == key.size && slice_equal(slice_of(at, key.size), key);
}

bool value_is_checked(const struct value_file *file, const struct value_pointer *pointer, nacre_slice key)
{
    /* Acquire: pairs with the release of who made them. */
    _Atomic uint64_t *bits = atomic_load_explicit(&file->checked, memory_order_acquire);
    return bits && pointer->size >= CHECKED_PAGE_BYTES &&
           (atomic_load_explicit(&bits[pointer->offset / CHECKED_WORD_BYTES], memory_order_relaxed) &
            bit_of(pointer)) &&
           is_its_pointer(file, pointer, key);
}

static size_t word_count(const struct value_file *file)
{
    return (size_t)(file->map_bytes / CHECKED_WORD_BYTES + 1);
}

size_t value_checked_bytes(const struct value_file *file)
{
    return atomic_load_explicit(&file->checked, memory_order_acquire) ? word_count(file) * sizeof *file->checked : 0;
}

/* NULL: no memory; then nothing is noted. */
static _Atomic uint64_t *make_bits(struct value_file *file)
{
    _Atomic uint64_t *bits = atomic_load_explicit(&file->checked, memory_order_acquire);
    if (bits) {
        return bits;
    }
    _Atomic uint64_t *fresh = memory_zalloc(word_count(file) * sizeof *fresh);
    if (fresh && !atomic_compare_exchange_strong_explicit(&file->checked, &bits, fresh, memory_order_acq_rel,
                                                          memory_order_acquire)) {
        memory_free(fresh);
        return bits;
    }
    return fresh;
}

void value_note_checked(struct value_file *file, const struct value_pointer *pointer)
{
    if (pointer->size < CHECKED_PAGE_BYTES || !value_file_is_sealed(file)) {
        return;
    }
    _Atomic uint64_t *bits = make_bits(file);
    if (bits) {
        atomic_fetch_or_explicit(&bits[pointer->offset / CHECKED_WORD_BYTES], bit_of(pointer), memory_order_relaxed);
    }
}
