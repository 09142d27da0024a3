/* What nacre_value.pin points to. Small values are copies in cells that a thread keeps for the next ones; large ones stay where they
   are, held by their view (memtables and segments) and, for cached blocks, by the block. */
#ifndef NACRE_STORE_VALUE_H
#define NACRE_STORE_VALUE_H
#include "store/store.h"

#define VALUE_COPY_MOST 1024u /* larger values are not copied, where they can stay */

/* Of any size. */
int value_copy(nacre_store *, nacre_slice bytes, nacre_value *);
/* Takes over the view's reference (NULL: none is needed) and the pin. */
int value_pin(nacre_store *, struct view *, struct pin *, nacre_slice bytes, nacre_value *);
#endif
