/* The simplest kind of collection that can be: a segment is one section of entries, all in memory; a search asks for
   each of them. It proves that a kind needs nothing but `struct kind`. */
#ifndef TESTS_TOY_KIND_H
#define TESTS_TOY_KIND_H
#include "segment/kind.h"
#define TOY_KIND 99
extern const struct kind kind_toy;
#endif
