/* Argument checks that the public calls share. Each gives NACRE_OK or a code with the detail set. */
#ifndef NACRE_API_CHECK_H
#define NACRE_API_CHECK_H
#include "store/store.h"

/* Copies options of any struct_size into *known (known_size bytes, its struct_size set): shorter ones are filled up with zeros, of longer
   ones the unknown tail must be zero. NULL options: all zeros. */
int check_options(void *known, size_t known_size, const void *options, const char *what);
int check_collection(const nacre_collection *); /* not NULL, not dropped, not in a forked child */
int check_store(const nacre_store *);
/* Of a collection that was checked: the limit of keys is that of its kind. */
int check_key(const nacre_collection *, nacre_slice);
int check_value(const nacre_collection *, nacre_slice);
int check_holds_vectors(const nacre_collection *); /* NACRE_UNSUPPORTED */
/* A vector that the collection, if it holds any, takes: finite, and not all zero where the metric is cosine. */
int check_vector(const nacre_collection *, const float *vector);
/* What is put without a vector, and with one: the collection too. */
int check_put(const nacre_collection *, nacre_slice key, nacre_slice value);
int check_put_vector(const nacre_collection *, nacre_slice key, const float *vector, nacre_slice value);
int check_merge(const nacre_collection *, nacre_slice key, nacre_slice operand);
int check_write_options(const nacre_write_options *given, nacre_write_options *options);
int check_bound(const nacre_collection *, nacre_slice, const char *which); /* may be empty */
int check_range(const nacre_collection *, nacre_slice begin, nacre_slice end);
int check_name(const char *);
int check_hooks(const nacre_hooks *, nacre_hooks *known); /* not NULL; any struct_size, as check_options */
int check_os(const nacre_os *);                           /* NULL, or with all its functions */
int check_scan_options(const nacre_collection *, const nacre_scan_options *given, nacre_scan_options *options);
int check_snapshot(const nacre_snapshot *, const nacre_store *);
#endif
