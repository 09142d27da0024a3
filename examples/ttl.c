/* Entries that expire: a cache whose collection says how long things live, with one entry that says so itself. */
#include "example.h"
#include <time.h>

static int there(nacre_collection *cache, const char *key)
{
    nacre_value value;
    int status = nacre_get(cache, text(key), NULL, &value);
    if (status == NACRE_NOT_FOUND)
        return 0;
    must(status, "get");
    nacre_value_release(&value);
    return 1;
}

int main(void)
{
    nacre_store *store;
    nacre_collection *cache = NULL;
    must(nacre_open("ttl.nacre", NULL, &store), "open");

    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    options.default_ttl_ms = 60 * 1000;
    int status = nacre_collection_create(store, "pages", &options, &cache);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, "pages", &cache);
    must(status, "collection");

    nacre_write_options shortly = NACRE_WRITE_OPTIONS_INIT;
    shortly.ttl_ms = 100;
    must(nacre_put(cache, text("index"), text("<h1>Hello</h1>"), NULL), "put"); /* a minute */
    must(nacre_put(cache, text("token"), text("8a1f"), &shortly), "put");       /* a tenth of a second */
    check(there(cache, "index"), "it was just put");

    nanosleep(&(struct timespec){ .tv_nsec = 150 * 1000 * 1000 }, NULL);
    check(there(cache, "index"), "a minute is not over");
    check(!there(cache, "token"), "a tenth of a second is");
    printf("index is there, token has expired\n");

    nacre_collection_close(cache);
    must(nacre_close(store), "close");
    return 0;
}
