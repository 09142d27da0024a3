/* Entries with a vector each, found by nearness: a collection of kind vectors, the nearest to a query, filters on keys and values, and how it was done. The
   vectors here are colours: red, green, blue. */
#include "example.h"

static nacre_collection *colours_of(nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *colours = NULL;
    options.kind = NACRE_VECTORS;
    options.dimension = 3;
    options.metric = NACRE_L2; /* or NACRE_COSINE, NACRE_DOT */
    int status = nacre_collection_create(store, "colours", &options, &colours);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, "colours", &colours);
    must(status, "collection");
    return colours;
}

static void put_colour(nacre_collection *colours, const char *name, const char *about, float red, float green,
                       float blue)
{
    const float vector[] = { red, green, blue };
    must(nacre_put_vector(colours, text(name), vector, text(about), NULL), "put_vector");
}

static void print_nearest(nacre_collection *colours, const float *query, size_t k, const nacre_nearest_options *options)
{
    nacre_neighbors found;
    must(nacre_nearest(colours, query, k, options, &found), "nearest");
    for (size_t i = 0; i < found.count; i++) {
        nacre_slice key = found.items[i].key, value = found.items[i].value;
        printf("  %.*s (%.*s) at %.2f\n", (int)key.size, (const char *)key.data, (int)value.size,
               (const char *)value.data, (double)found.items[i].distance);
    }
    nacre_neighbors_release(&found);
}

static bool is_from_a_stone(void *context, nacre_slice key, nacre_slice value)
{
    (void)context, (void)key;
    return value.size == 5 && memcmp(value.data, "stone", 5) == 0;
}

int main(void)
{
    static const float sky[] = { 0.5f, 0.7f, 0.9f };
    nacre_store *store;
    must(nacre_open("nearest.nacre", NULL, &store), "open");
    nacre_collection *colours = colours_of(store);
    put_colour(colours, "blue/azure", "stone", 0.0f, 0.5f, 1.0f);
    put_colour(colours, "blue/navy", "cloth", 0.0f, 0.0f, 0.5f);
    put_colour(colours, "green/jade", "stone", 0.0f, 0.7f, 0.4f);
    put_colour(colours, "grey/ash", "tree", 0.7f, 0.7f, 0.7f);
    put_colour(colours, "red/ruby", "stone", 0.9f, 0.1f, 0.4f);

    printf("near the sky:\n");
    print_nearest(colours, sky, 2, NULL);

    nacre_nearest_options options = NACRE_NEAREST_OPTIONS_INIT;
    options.key_prefix = text("blue/");
    printf("blue:\n");
    print_nearest(colours, sky, 2, &options);

    options = (nacre_nearest_options)NACRE_NEAREST_OPTIONS_INIT;
    options.key_regex = text("/[a-m]"); /* as for nacre_regex_scan */
    options.filter = is_from_a_stone;
    options.exact = true; /* all of the nearest, not most of them */
    options.timeout_ms = 1000;
    printf("stones from a to m:\n");
    print_nearest(colours, sky, 3, &options);

    float vector[3];
    nacre_value value;
    must(nacre_get_vector(colours, text("red/ruby"), NULL, vector, &value), "get_vector");
    check(vector[0] > 0.8f && value.slice.size == 5, "what was put");
    nacre_value_release(&value);

    put_colour(colours, "grey/ash", "tree", 0.1f, 0.1f, 0.1f); /* far away now: the newest vector counts */
    printf("afterwards:\n");
    print_nearest(colours, sky, 1, NULL);

    char *json;
    must(nacre_nearest_explain(colours, sky, 2, NULL, &json), "nearest_explain");
    printf("how: %.80s...\n", json);
    nacre_free(json);
    nacre_collection_close(colours);
    must(nacre_close(store), "close");
    return 0;
}
