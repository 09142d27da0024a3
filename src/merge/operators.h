/* Merge operators: the engine's own, by name, and calls that hold any operator to its promises. Any thread; no locks.

   append        the value, then the operands                     append:SEP   the same, with the bytes SEP between any two
   add64         sum of little-endian int64, modulo 2^64; nothing counts as 0; other than 8 bytes is NACRE_INVALID
   min, max      the least or greatest of value and operands, as memcmp orders them
   json_merge_patch   RFC 7386; what is no JSON is NACRE_INVALID */
#ifndef NACRE_MERGE_OPERATORS_H
#define NACRE_MERGE_OPERATORS_H
#include "base/output.h"

/* Fills `operator` if the name is one of the engine's; the name must live as long as it. */
bool merge_operator_built_in(const char *name, nacre_merge_operator *operator);
/* No program may bring an operator of its own with this name. */
bool merge_operator_is_reserved(const char *name);

/* The value of a key, into `value`, cleared first. Other than NACRE_OK: what the operator gave, with a detail; NACRE_LIMIT or NACRE_NO_MEMORY also where the
   operator did not notice. */
int merge_operator_merge(const nacre_merge_operator *, nacre_slice key, const nacre_slice *base,
                         const nacre_slice *operands, size_t count, struct nacre_output *value);
/* One operand out of two neighbours; only where the operator has `combine`. As above. */
int merge_operator_combine(const nacre_merge_operator *, nacre_slice key, nacre_slice older, nacre_slice newer,
                           struct nacre_output *operand);
#endif
