/* Looking into single files, and the report of a salvaging open. */
#ifndef NACRE_STORE_DUMP_H
#define NACRE_STORE_DUMP_H
#include "base/buffer.h"

int store_dump(const nacre_os *, const char *kind, const char *path, void (*line)(void *context, const char *json),
               void *context);
/* Bytes as a JSON string's inside: printable ASCII as it is, all else as \u00NN; `...` behind the first `most`. */
int dump_append_bytes(struct buffer *text, nacre_slice bytes, size_t most);
int store_salvage_report(nacre_store *, char **json); /* memory_free */
#endif
