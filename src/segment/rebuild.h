/* A sound segment out of what is left of a damaged one. */
#ifndef NACRE_SEGMENT_REBUILD_H
#define NACRE_SEGMENT_REBUILD_H
#include "segment/wreck.h"

/* Writes a segment of the same id into the directory of `target`. What was lost is told to `watch`; its `entry`, where it has one, is asked
   first: NACRE_NOT_FOUND leaves the entry out.
   *out: 1 reference, or NULL where nothing was left and nothing was written. */
int segment_rebuild(struct segment_env *target, const struct kind *, const struct wreck *, const struct build_options *,
                    const struct salvage_sink *watch, struct segment **out);
#endif
