/* The value of an ENTRY_MERGE: 8 bytes little-endian wall clock in ms of the write, then the bytes of the operand. By the clock it is known, whenever the
   operand is merged, which value it found when it was written: one that had expired by then was none, and whether it expired later does not matter. */
#ifndef NACRE_BASE_OPERAND_H
#define NACRE_BASE_OPERAND_H
#include "base/endian.h"
#include "base/slice.h"

#define OPERAND_CLOCK_BYTES 8u

/* False for bytes that are none. */
static inline bool operand_read(nacre_slice value, uint64_t *clock_ms, nacre_slice *bytes)
{
    if (value.size < OPERAND_CLOCK_BYTES)
        return false;
    *clock_ms = load_u64(value.data);
    *bytes = (nacre_slice){ (const uint8_t *)value.data + OPERAND_CLOCK_BYTES, value.size - OPERAND_CLOCK_BYTES };
    return true;
}
#endif
