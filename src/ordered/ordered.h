/* The ordered kind: sorted blocks (block.h) under a fence index (fence.h), with a position index (position_index.h) and prefix filters
   (filter/prefix_filter.h) in the side file. */
#ifndef NACRE_ORDERED_ORDERED_H
#define NACRE_ORDERED_ORDERED_H
#include "segment/kind.h"
extern const struct kind kind_ordered;
#endif
