/* The gram query of a syntax tree: a necessary condition on the grams of every key that matches. */
#ifndef NACRE_REGEX_GRAMS_H
#define NACRE_REGEX_GRAMS_H
#include "regex/analysis.h"
#include "regex/arena.h"

/* NULL with detail when an arena has no memory. `scratch` takes what is needed on the way; the query lies in the tree's arena. */
const struct gram_query *grams_of_tree(struct syntax_tree *, struct arena *scratch);
#endif
