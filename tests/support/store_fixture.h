/* A store in a fresh directory, and short words for what tests do with it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H
#include <nacre/nacre.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct fixture {
    char path[64];
    nacre_options options;
    nacre_kind kind;    /* of the collection */
    uint32_t dimension; /* of vectors */
    nacre_metric metric;
    nacre_os *memory; /* what the store stands on, behind a gate (gate.h); NULL: the machine's files */
    nacre_store *store;
    nacre_collection *collection;
};
int fixture_setup(void **state);                   /* an empty store with the collection "test", level os */
int fixture_setup_strings(void **state);           /* the same with a collection of kind strings */
int fixture_setup_strings_in_memory(void **state); /* ... whose files are in memory (os_memory.h), behind a gate */
int fixture_setup_vectors(void **state); /* as the first, with vectors of FIXTURE_DIMENSION floats and the metric L2 */
#define FIXTURE_DIMENSION 5u
int fixture_teardown(void **state);
void fixture_close(struct fixture *);
void fixture_open(struct fixture *); /* again; asserts */
void fixture_reopen(struct fixture *);

nacre_slice text(const char *); /* without its NUL */
void put(struct fixture *, const char *key, const char *value);
void delete_key(struct fixture *, const char *key);
/* "<none>" when it is not there; a static buffer. */
const char *get(struct fixture *, const char *key);
/* "k1=v1 k2=v2" of a scan; a static buffer. NULL options: everything. */
const char *scan(struct fixture *, const nacre_scan_options *);
uint64_t stat_of(nacre_store *, const char *name); /* a number of nacre_stats; asserts that there is one */
void wait_for_stat(nacre_store *, const char *name, uint64_t value); /* asserts that it comes in time */
#define assert_ok(call)         assert_status((call), NACRE_OK, #call, __FILE__, __LINE__)
#define assert_code(call, code) assert_status((call), (code), #call, __FILE__, __LINE__)
void assert_status(int got, int want, const char *call, const char *file, int line);
#endif
