/* Short words for what tests do with transactions over the collection of a fixture. */
#ifndef TESTS_TXN_FIXTURE_H
#define TESTS_TXN_FIXTURE_H
#include "support/store_fixture.h"

nacre_txn *begin(struct fixture *, nacre_isolation);
nacre_txn *serializable(struct fixture *);
nacre_txn *snapshot_isolated(struct fixture *);
void put_in(struct fixture *, nacre_txn *, const char *key, const char *value);
void delete_in(struct fixture *, nacre_txn *, const char *key);
const char *get_in(struct fixture *, nacre_txn *, const char *key); /* "<none>" when it is not there; a static buffer */
nacre_cursor *open_scan(struct fixture *, nacre_txn *, const nacre_scan_options *);
const char *read_all(nacre_cursor *); /* "k1=v1 k2=v2" from where it stands; a static buffer */
const char *scan_in(struct fixture *, nacre_txn *, const nacre_scan_options *); /* the same of a fresh cursor */
nacre_scan_options between(const char *first, const char *end);
void commit(nacre_txn *);
/* The commit is refused because of the key; the transaction is aborted. */
void conflicts_on(nacre_txn *, const char *key);
/* It writes something first, as only those that write are checked. */
void is_refused_for(struct fixture *, nacre_txn *, const char *key);
/* It writes something, into another collection, and commits. */
void goes_through(struct fixture *, nacre_txn *);
#endif
