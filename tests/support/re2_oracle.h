/* RE2 as an independent opinion on what matches, behind a C interface. Tests that include this are linked with it. */
#ifndef NACRE_TESTS_RE2_ORACLE_H
#define NACRE_TESTS_RE2_ORACLE_H
#include "regex/syntax.h"

#ifdef __cplusplus
extern "C" {
#endif
/* Takes RE2 the pattern? */
bool re2_oracle_accepts(nacre_slice pattern, const struct regex_options *options);
/* Does the pattern, which RE2 takes, match somewhere in the key? Keys must be UTF-8 unless options->bytes: of others RE2 thinks in its own way.
   So it does of \B where keys are not ASCII: to it there is one between the bytes of a character. The last pattern is kept compiled. */
bool re2_oracle_matches(nacre_slice pattern, const struct regex_options *options, nacre_slice key);
/* Where it matches in the text at or behind `from`: of the matches that begin first the longest. False: nowhere. */
bool re2_oracle_finds(nacre_slice pattern, const struct regex_options *options, nacre_slice text, size_t from,
                      size_t *begin, size_t *size);
#ifdef __cplusplus
}
#endif
#endif
