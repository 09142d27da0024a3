/* The strings kind: keys once, front-coded in blocks (key_block.h) under a trie (block_trie.h), their versions apart (version_block.h), and what makes
   searches fast in the side file (string_index.h). */
#ifndef NACRE_STRINGS_STRINGS_H
#define NACRE_STRINGS_STRINGS_H
#include "segment/kind.h"
extern const struct kind kind_strings;
#endif
