/* Looking into single files, and the report of a salvaging open. */
#ifndef NACRE_STORE_DUMP_H
#define NACRE_STORE_DUMP_H
#include <nacre/nacre.h>

int store_dump(const nacre_os *, const char *kind, const char *path, void (*line)(void *context, const char *json),
               void *context);
int store_salvage_report(nacre_store *, char **json); /* memory_free */
#endif
