/* A sketch of a text: 62 bits, of which each pair of neighbouring bytes sets one (A-Z as a-z). A text that contains another has all of its bits, so what lacks one
   need not be looked at. (Signature files; Faloutsos, Christodoulakis, "Signature Files", ACM TOIS 1984.) */
#ifndef NACRE_BASE_SKETCH_H
#define NACRE_BASE_SKETCH_H
#include "base/slice.h"

#define SKETCH_MADE        (UINT64_C(1) << 62) /* always set: no sketch is 0 */
#define SKETCH_OTHER_BYTES (UINT64_C(1) << 63) /* the text has a byte >= 0x80 */
#define SKETCH_PAIRS       (SKETCH_MADE - 1)

static inline uint8_t sketch_fold(uint8_t byte)
{
    return (uint8_t)(byte - 'A') < 26 ? (uint8_t)(byte | 0x20) : byte;
}
static inline uint64_t sketch_of(nacre_slice text)
{
    const uint8_t *bytes = text.data;
    uint64_t bits = SKETCH_MADE;
    uint32_t before = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint32_t byte = sketch_fold(bytes[i]);
        bits |= (uint64_t)(byte >> 7) << 63;
        if (i > 0) {
            uint32_t mixed = (before << 8 | byte) * 0x9E3779B1u;
            bits |= UINT64_C(1) << ((mixed >> 8) * UINT64_C(62) >> 24);
        }
        before = byte;
    }
    return bits;
}
#endif
