/* From a value file's id to the file: looked up by any thread without a lock, changed by one at a time. A lookup gives a file only while its
   caller, or whoever the pointer came from, holds a reference to it; ids are never used twice. */
#ifndef NACRE_VALUES_VALUE_TABLE_H
#define NACRE_VALUES_VALUE_TABLE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_file;
struct value_slots;
struct value_table {
    struct value_slots *_Atomic slots; /* NULL: empty */
    size_t used;                       /* slots with an id, removed ones too */
};

struct value_file *value_table_find(const struct value_table *, uint64_t id); /* NULL: none */
/* Room for one more. NACRE_NO_MEMORY. */
int value_table_reserve(struct value_table *);
void value_table_insert(struct value_table *, uint64_t id, struct value_file *); /* after a reserve */
void value_table_remove(struct value_table *, uint64_t id);
size_t value_table_bytes(const struct value_table *); /* heap; one thread at a time with who changes it */
void value_table_free(struct value_table *);
#endif
