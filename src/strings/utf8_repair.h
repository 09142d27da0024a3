/* UTF-8 as Go reads it: a byte that is not part of a valid encoding (too long, a surrogate, above U+10FFFF, cut short) counts as one character U+FFFD. */
#ifndef NACRE_STRINGS_UTF8_REPAIR_H
#define NACRE_STRINGS_UTF8_REPAIR_H
#include "base/buffer.h"

bool utf8_is_valid(nacre_slice text);
/* Appends the text with EF BF BD in place of each such byte. NACRE_NO_MEMORY. */
int utf8_repair(nacre_slice text, struct buffer *out);
#endif
