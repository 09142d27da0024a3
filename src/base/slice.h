/* Helpers over nacre_slice. Keys order by unsigned bytes, a prefix before what it begins. */
#ifndef NACRE_BASE_SLICE_H
#define NACRE_BASE_SLICE_H
#include <nacre/nacre.h>
#include <string.h>

static inline nacre_slice slice_of(const void *data, size_t size)
{
    return (nacre_slice){ data, size };
}
static inline nacre_slice slice_text(const char *text)
{
    return (nacre_slice){ text, strlen(text) };
}
static inline int slice_compare(nacre_slice a, nacre_slice b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}
static inline bool slice_equal(nacre_slice a, nacre_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
static inline bool slice_has_prefix(nacre_slice s, nacre_slice prefix)
{
    return s.size >= prefix.size && (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}
/* A key for people, in a message: printable ASCII as it is, other bytes as \\xNN, and "..." where it is cut. Returns `out`. */
#define SLICE_SHOWN 132u
const char *slice_show(nacre_slice s, char out[SLICE_SHOWN]);
size_t slice_shared_prefix(nacre_slice a, nacre_slice b);
/* The first 8 bytes as a big-endian number, padded with zeros: orders like the keys, ties undecided. */
static inline uint64_t slice_head(nacre_slice s)
{
    uint64_t head = 0;
    if (s.size >= 8) {
        memcpy(&head, s.data, 8);
        return __builtin_bswap64(head);
    }
    if (s.size)
        memcpy(&head, s.data, s.size);
    return __builtin_bswap64(head);
}
/* The least key greater than every key with this prefix, made in `out` (prefix.size bytes); false when there is none
   (all 0xFF). */
bool slice_prefix_end(nacre_slice prefix, void *out, size_t *out_size);
#endif
