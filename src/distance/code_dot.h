/* Inner products of a query of signed bytes with rows of unsigned codes of 8 or 4 bits, exact in 32 bits. Kernels for AVX-512 VNNI, AVX2 and
   plain C are chosen at run time (base/cpu.h); all give the same integers.

   8 bits: code i of a row is byte i. 4 bits: byte i holds code i in its low half and code i + bytes in its high half, so that a row of 2n
   codes is n bytes and the query's n first and n last elements go with low and high halves. `bytes` is that of a row: at most 65 536 (8 bits)
   or 32 768 (4 bits); any number, tails are masked, nothing behind a row or the query is read. Nothing allocates or fails. Any thread. */
#ifndef NACRE_DISTANCE_CODE_DOT_H
#define NACRE_DISTANCE_CODE_DOT_H
#include <stddef.h>
#include <stdint.h>

/* Rows `stride` bytes apart, front to back. */
void code8_dot_rows(const int8_t *query, const uint8_t *rows, size_t stride, size_t count, size_t bytes, int32_t *dots);
void code4_dot_rows(const int8_t *query, const uint8_t *rows, size_t stride, size_t count, size_t bytes, int32_t *dots);
/* The rows named, in any order, as a walk over a graph meets them; several at a time, their codes were or are prefetched. */
void code8_dot_list(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                    size_t bytes, int32_t *dots);
void code4_dot_list(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list, size_t count,
                    size_t bytes, int32_t *dots);

/* The same as functions, looked up once for a whole search: no dispatch per call. */
typedef void (*code_dot_list)(const int8_t *query, const uint8_t *rows, size_t stride, const uint32_t *list,
                              size_t count, size_t bytes, int32_t *dots);
code_dot_list code_dot_list_for(unsigned bits, size_t bytes); /* bits: 8 or 4 */
#endif
