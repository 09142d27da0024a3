/* Opens a store of lines and counts what patterns match in it. */
#include "store.h"
#include "machine.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLECTION         "lines"
#define BACKGROUND_THREADS 2

void check(int status, const char *call)
{
    if (status != NACRE_OK) {
        die("nacre: %s: %s: %s", call, nacre_status_name(status), nacre_last_error());
    }
}

void store_open(struct store *store, const struct corpus *corpus, const char *directory, bool *made)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    size_t size = strlen(directory) + 16;
    *store = (struct store){ .directory = allocate(size), .corpus = corpus };
    snprintf(store->directory, size, "%s/store", directory);
    options.durability = NACRE_OS;
    options.background_threads = BACKGROUND_THREADS;
    check(nacre_open(store->directory, &options, &store->handle), "nacre_open");
    int status = nacre_collection_open(store->handle, COLLECTION, &store->collection);
    *made = status == NACRE_NOT_FOUND;
    if (*made) {
        nacre_collection_options collection = NACRE_COLLECTION_OPTIONS_INIT;
        collection.kind = NACRE_STRINGS;
        status = nacre_collection_create(store->handle, COLLECTION, &collection, &store->collection);
    }
    check(status, "nacre_collection_open");
}

void store_close(struct store *store)
{
    nacre_collection_close(store->collection);
    check(nacre_close(store->handle), "nacre_close");
    free(store->directory);
}

struct search {
    struct store *store;
    nacre_slice pattern;
    nacre_regex_options options;
};

static uint64_t count_matches(void *opaque)
{
    const struct search *search = opaque;
    uint64_t count = 0;
    check(nacre_regex_count(search->store->collection, search->pattern, &search->options, &count),
          search->pattern.data);
    return count;
}

static struct search search_for(struct store *store, const struct results *results, size_t query)
{
    const char *pattern = results->queries->list[query].pattern;
    return (struct search){ store, { pattern, strlen(pattern) }, NACRE_REGEX_OPTIONS_INIT };
}

void store_warm(struct store *store, const struct results *results, size_t query)
{
    struct search search = search_for(store, results, query);
    search.options.parallelism = 1;
    count_matches(&search);
}

void store_query(struct store *store, struct results *results, size_t query)
{
    struct search search = search_for(store, results, query);
    for (size_t engine = NACRE; engine <= NACRE_TWO; engine++) {
        struct result *result = result_of(results, query, engine);
        search.options.parallelism = engine == NACRE ? 1 : 2;
        result->present = measure(count_matches, &search, &result->timing);
    }
}

/* Bytes in memory of the files of the store that are mapped. */
static uint64_t mapped_bytes(const struct store *store)
{
    char line[4096], real[PATH_SIZE];
    uint64_t total = 0;
    bool ours = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    if (realpath(store->directory, real) == NULL) {
        snprintf(real, sizeof real, "%s", store->directory);
    }
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long long begin, end, kilobytes;
        if (sscanf(line, "%llx-%llx ", &begin, &end) == 2) {
            ours = strstr(line, real) != NULL;
        } else if (ours && sscanf(line, "Rss: %llu kB", &kilobytes) == 1) {
            total += (uint64_t)kilobytes << 10;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return total;
}

void store_sizes(const struct store *store, struct results *results, uint64_t memory_before)
{
    double lines = (double)(store->corpus->size - store->corpus->lines); /* without the newlines */
    double disk = (double)directory_bytes(store->directory);
    figure_add(results, "on disk", disk, "bytes");
    figure_add(results, "on disk / bytes of lines", 100 * disk / lines, "%");
    figure_add(results, "memory beside mapped files", (double)process_status_bytes("RssAnon") - (double)memory_before,
               "bytes");
    figure_add(results, "files of the store that are mapped, resident", (double)mapped_bytes(store), "bytes");
}
