/* What the longer examples share: a slice from a literal, and an end with a word where a call fails. */
#ifndef EXAMPLE_H
#define EXAMPLE_H
#include <nacre/nacre.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline nacre_slice text(const char *characters)
{
    return (nacre_slice){ characters, strlen(characters) };
}

static inline void must(int status, const char *what)
{
    if (status != NACRE_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, nacre_status_name(status), nacre_last_error());
        exit(1);
    }
}

static inline void check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
}

/* The collection of that name, made where it is missing. */
static inline nacre_collection *collection(nacre_store *store, const char *name)
{
    nacre_collection *found = NULL;
    int status = nacre_collection_open(store, name, &found);
    if (status == NACRE_NOT_FOUND)
        status = nacre_collection_create(store, name, NULL, &found);
    must(status, name);
    return found;
}
#endif
