/* What syntax trees and gram queries mean, in the plainest way, for tests to hold the real ways against. Keys of at most 62 characters. */
#ifndef NACRE_TESTS_REGEX_MATCH_H
#define NACRE_TESTS_REGEX_MATCH_H
#include "regex/analysis.h"

/* Does the tree match somewhere in the key? Bytes that are not UTF-8 are U+FFFD, each, unless the tree is over bytes. */
bool syntax_matches(const struct syntax_tree *, nacre_slice key);
/* Holds the query of the key's grams, as the index has them? */
bool gram_query_holds(const struct gram_query *, nacre_slice key);
#endif
