/* Where a regular expression matches in a text: of the matches that begin first the longest. For showing what a search found, not for
   searching: it simulates the NFA. Time is linear in the text, times the program at worst. Any thread. */
#ifndef NACRE_REGEX_FIND_H
#define NACRE_REGEX_FIND_H
#include "regex/regex.h"

/* The regex must have been compiled with `whole_matches`: else parts at its edges, which say nothing of whether a key matches, are gone.
   from: a byte where a character begins, at most text.size; what is before it is seen by assertions alone. NACRE_NOT_FOUND without a
   detail, NACRE_NO_MEMORY. */
int regex_find(const struct regex *, nacre_slice text, size_t from, size_t *begin, size_t *size);
#endif
