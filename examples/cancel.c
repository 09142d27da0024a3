/* A search that Ctrl-C ends: a flag that a signal handler may set, and that counts and cursors look at as they go. */
#include "example.h"
#include <signal.h>

static nacre_cancel *cancel;

static void on_interrupt(int number)
{
    (void)number;
    nacre_cancel_request(cancel);
}

static nacre_collection *paths_of(nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *paths = NULL;
    options.kind = NACRE_STRINGS;
    int status = nacre_collection_create(store, "paths", &options, &paths);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, "paths", &paths);
    must(status, "collection");
    return paths;
}

static void count(nacre_collection *paths, const char *pattern)
{
    nacre_regex_options options = NACRE_REGEX_OPTIONS_INIT;
    uint64_t matches;
    options.cancel = cancel;
    options.timeout_ms = 60000;
    int status = nacre_regex_count(paths, text(pattern), &options, &matches);
    if (status == NACRE_CANCELLED) {
        printf("%s: stopped; once more\n", pattern);
        nacre_cancel_reset(cancel); /* or every later search would end at once, too */
        status = nacre_regex_count(paths, text(pattern), &options, &matches);
    }
    must(status, "count");
    printf("%s: %llu matches\n", pattern, (unsigned long long)matches);
}

int main(void)
{
    nacre_store *store;
    must(nacre_open("cancel.nacre", NULL, &store), "open");
    must(nacre_cancel_create(&cancel), "cancel");
    nacre_collection *paths = paths_of(store);
    must(nacre_put(paths, text("usr/share/doc/README"), text(""), NULL), "put");
    must(nacre_put(paths, text("usr/bin/env"), text(""), NULL), "put");

    signal(SIGINT, on_interrupt);
    raise(SIGINT); /* somebody is impatient */
    count(paths, "(?i)readme");

    signal(SIGINT, SIG_DFL);
    nacre_collection_close(paths);
    must(nacre_close(store), "close");
    nacre_cancel_free(cancel); /* no search can look at it any more */
    return 0;
}
