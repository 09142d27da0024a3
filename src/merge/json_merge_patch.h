/* The merge operator json_merge_patch. Any thread. */
#ifndef NACRE_MERGE_JSON_MERGE_PATCH_H
#define NACRE_MERGE_JSON_MERGE_PATCH_H
#include <nacre/nacre.h>

/* nacre_merge_operator.merge */
int json_merge_patch(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                     nacre_output *value);
#endif
