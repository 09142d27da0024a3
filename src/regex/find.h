/* Where a regular expression matches in a text: of the matches that begin first the longest. For showing what a search found, not for
   searching: it simulates the NFA. Time is linear in the text, times the program at worst. Any thread. */
#ifndef NACRE_REGEX_FIND_H
#define NACRE_REGEX_FIND_H
#include "regex/regex.h"

/* from: a byte where a character begins, at most text.size; what is before it is seen by assertions alone. NACRE_NOT_FOUND without a
   detail; NACRE_INVALID, NACRE_LIMIT, NACRE_NO_MEMORY as regex_compile. */
int regex_find(nacre_slice pattern, const struct regex_options *, nacre_slice text, size_t from, size_t *begin,
               size_t *size);
#endif
