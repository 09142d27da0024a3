/* What of a value file is still needed, as far as segments know: kept by the tree, one per value file. Garbage is what no current segment points to. */
#ifndef NACRE_VALUES_VALUE_USAGE_H
#define NACRE_VALUES_VALUE_USAGE_H
#include "values/value_log.h"
#include <stdatomic.h>

enum value_drain {
    VALUE_STAYS,
    VALUE_DRAINS,    /* merges copy its values elsewhere, and segments are rewritten where that costs little */
    VALUE_DRAINS_NOW /* also where it costs more: of segments whose indexes are made anew with them */
};
struct value_usage {             /* any thread */
    _Atomic uint64_t live_bytes; /* of records that the current versions of all trees point to, by their estimates */
    _Atomic uint32_t segments;   /* references to the file that segments have */
    _Atomic uint32_t drain;      /* enum value_drain */
    _Atomic bool unreadable;     /* a value that is needed could not be read: nothing is copied out of it any more */
};
/* Lives as long as the file. */
struct value_usage *value_file_usage(struct value_file *);
/* As a visit of value_log_each_file would say; the caller holds one of its references. */
void value_file_describe(struct value_file *, struct value_file_info *);
#endif
