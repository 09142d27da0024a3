/* One version of one key, as it travels between memtables, segments, merges and cursors. */
#ifndef NACRE_BASE_ENTRY_H
#define NACRE_BASE_ENTRY_H
#include "base/slice.h"

/* Bytes of a key: the largest limit that any kind has (kind->key_max is that of one). What holds keys of all kinds goes by it. */
#define ENTRY_KEY_MAX NACRE_STRING_KEY_MAX

enum entry_type {
    ENTRY_DELETE = 0,
    ENTRY_PUT = 1,
    ENTRY_MERGE = 2,  /* an operand: the key's value is made of it and of what is older */
    ENTRY_POINTER = 3 /* a put whose value lies in the value log: `value` says where */
};

struct entry {
    nacre_slice key;
    nacre_slice value;  /* empty for ENTRY_DELETE; of ENTRY_MERGE see operand.h */
    uint64_t sequence;  /* 1 and up; newer is greater */
    uint64_t expiry_ms; /* wall clock; 0 = never */
    uint8_t type;
    /* Puts, also by pointer, of collections of vectors: as many little-endian floats as the collection has dimensions, at any address; it lives as long as the
       value. Else NULL. */
    const void *vector;
};

/* Whether the version gives its key a value by itself. */
static inline bool entry_sets(const struct entry *entry)
{
    return entry->type == ENTRY_PUT || entry->type == ENTRY_POINTER;
}

/* Internal order: key ascending, then sequence descending (newest first). Never compare key||trailer as bytes. */
static inline int entry_compare(const struct entry *a, const struct entry *b)
{
    int order = slice_compare(a->key, b->key);
    if (order != 0)
        return order;
    return a->sequence > b->sequence ? -1 : a->sequence < b->sequence;
}
/* Keeps a value alive after the read section that found it. Zeroed = nothing to release. */
struct pin {
    void (*release)(void *object);
    void *object;
};
static inline void pin_release(struct pin *p)
{
    if (p->release)
        p->release(p->object);
    p->release = NULL;
}

#define SEQUENCE_MAX UINT64_MAX
#define SEQUENCE_SETTLED \
    UINT64_C(1) /* of entries at the bottom that everybody sees: older than all that can be written over them */
#endif
