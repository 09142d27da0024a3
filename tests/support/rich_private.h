/* What the two halves of the model of all options share (rich_model.c, rich_compare.c). */
#ifndef TESTS_RICH_PRIVATE_H
#define TESTS_RICH_PRIVATE_H
#include "support/rich_model.h"

#define RICH_KEY_BYTES 64
nacre_slice rich_key(unsigned k, char out[RICH_KEY_BYTES]); /* in key order */
nacre_slice rich_slice(const struct rich_bytes *);
void rich_vector(uint32_t number, float *out);
struct rich_state rich_alive(const struct rich_state *); /* what is seen of it now */
#endif
