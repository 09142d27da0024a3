/* Words as vectors: one thread imports them, another asks for the nearest all the while; then filters, and the recall beside exact answers. */
#include "demo.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSION   100u
#define BATCH_WORDS 500u
#define NEIGHBORS   10u
#define SHOWN       6u
#define QUESTIONS   300u /* words whose neighbours are compared with the exact ones */

struct words {
    char **names;
    float *vectors;
    size_t count, room;
};
struct import_state {
    const struct words *words;
    nacre_store *store;
    nacre_collection *collection;
    _Atomic size_t imported;
    _Atomic bool done;
    _Atomic uint64_t slowest_ns; /* batch */
    bool good;
};

/* ---- the file: a word and its numbers in each line ---- */

static bool grow(struct words *words)
{
    if (words->count < words->room) {
        return true;
    }
    size_t room = words->room ? 2 * words->room : 1024;
    char **names = realloc(words->names, room * sizeof *names);
    words->names = names ? names : words->names;
    float *vectors = realloc(words->vectors, room * DIMENSION * sizeof *vectors);
    words->vectors = vectors ? vectors : words->vectors;
    words->room = names && vectors ? room : words->room;
    return names && vectors;
}

static bool take_line(struct words *words, char *line)
{
    size_t size = strcspn(line, " ");
    char *at = line + size;
    if (!grow(words)) {
        return false;
    }
    float *vector = words->vectors + words->count * DIMENSION;
    for (size_t i = 0; i < DIMENSION; i++) {
        vector[i] = strtof(at, &at);
    }
    words->names[words->count] = strndup(line, size);
    return words->names[words->count++] != NULL;
}

static bool words_load(struct words *words, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        return show_failure("%s cannot be read", path);
    }
    bool good = true;
    while (good && getline(&line, &room, file) > 0) {
        good = take_line(words, line);
    }
    free(line);
    (void)fclose(file);
    return good && words->count ? true : show_failure("%s: no words, or no memory", path);
}

static void words_free(struct words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free(words->names[i]);
    }
    free(words->names);
    free(words->vectors);
}

static const float *vector_of(const struct words *words, const char *name)
{
    size_t i = 0;
    while (i < words->count && strcmp(words->names[i], name) != 0) {
        i++;
    }
    return i < words->count ? words->vectors + i * DIMENSION : words->vectors;
}

/* ---- the import ---- */

static bool write_batch(struct import_state *state, nacre_batch *batch, size_t first, size_t after)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    options.durability = NACRE_OS;
    options.timeout_ms = 60000;
    nacre_batch_clear(batch);
    int status = NACRE_OK;
    for (size_t i = first; i < after && status == NACRE_OK; i++) {
        status = nacre_batch_put_vector(batch, state->collection, text_slice(state->words->names[i]),
                                        state->words->vectors + i * DIMENSION, (nacre_slice){ NULL, 0 });
    }
    double begun = seconds_now();
    status = status == NACRE_OK ? nacre_write(state->store, batch, &options) : status;
    uint64_t taken = (uint64_t)((seconds_now() - begun) * 1e9);
    if (taken > atomic_load(&state->slowest_ns)) {
        atomic_store(&state->slowest_ns, taken);
    }
    return status == NACRE_OK || show_failure("import: %s", nacre_last_error());
}

static void *import_words(void *context)
{
    struct import_state *state = context;
    nacre_batch *batch = NULL;
    state->good = nacre_batch_create(&batch) == NACRE_OK;
    for (size_t first = 0; state->good && first < state->words->count; first += BATCH_WORDS) {
        size_t after = first + BATCH_WORDS < state->words->count ? first + BATCH_WORDS : state->words->count;
        state->good = write_batch(state, batch, first, after);
        atomic_store(&state->imported, after);
    }
    nacre_batch_free(batch);
    atomic_store(&state->done, true);
    return NULL;
}

/* ---- questions ---- */

static void list_words(const nacre_neighbors *found, const char *but, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < found->count && used < size; i++) {
        nacre_slice key = found->items[i].key;
        if (key.size == strlen(but) && memcmp(key.data, but, key.size) == 0) {
            continue;
        }
        used +=
            (size_t)snprintf(text + used, size - used, used ? ", %.*s" : "%.*s", (int)key.size, (const char *)key.data);
    }
}

static bool ask(const struct words *words, nacre_collection *collection, const char *word,
                const nacre_nearest_options *options, const char *label)
{
    nacre_neighbors found;
    char text[512];
    double begun = seconds_now();
    int status = nacre_nearest(collection, vector_of(words, word), SHOWN + 1, options, &found);
    double taken = seconds_now() - begun;
    if (status != NACRE_OK) {
        return show_failure("nearest to %s: %s", word, nacre_last_error());
    }
    list_words(&found, word, text, sizeof text);
    show_line(label, "%s  (%s%s)", text, show_seconds(taken), found.exact ? ", exact" : "");
    nacre_neighbors_release(&found);
    return true;
}

/* Asks for the same word until all are imported, and tells four times what it finds. */
static bool ask_meanwhile(struct import_state *state)
{
    const struct words *words = state->words;
    uint64_t asked = 0;
    size_t told = 0;
    double begun = seconds_now(), slowest = 0, all = 0;
    while (!atomic_load(&state->done)) {
        nacre_neighbors found;
        double before = seconds_now();
        if (nacre_nearest(state->collection, vector_of(words, "king"), SHOWN, NULL, &found) != NACRE_OK) {
            return show_failure("nearest: %s", nacre_last_error());
        }
        double taken = seconds_now() - before;
        nacre_neighbors_release(&found);
        slowest = taken > slowest ? taken : slowest;
        all += taken;
        asked++;
        size_t imported = atomic_load(&state->imported);
        if (imported * 4 >= words->count * (told + 1) && told < 3) {
            char label[32];
            snprintf(label, sizeof label, "%s words", show_number(imported));
            told++;
            if (!ask(words, state->collection, "king", NULL, label)) {
                return false;
            }
        }
    }
    show_line("imported", "%s words in %s, slowest batch of %u %s", show_number(words->count),
              show_seconds(seconds_now() - begun), BATCH_WORDS,
              show_seconds((double)atomic_load(&state->slowest_ns) * 1e-9));
    show_line("meanwhile", "%s searches, %s each, slowest %s", show_number(asked),
              show_seconds(asked ? all / (double)asked : 0), show_seconds(slowest));
    show_line("", "seals %s, flushes %s, merges %s", show_number(stats_figure(state->store, "seals")),
              show_number(stats_figure(state->store, "flushes")), show_number(stats_figure(state->store, "merges")));
    return true;
}

static bool import_and_ask(const struct words *words, nacre_store *store, nacre_collection *collection)
{
    struct import_state state = { .words = words, .store = store, .collection = collection };
    pthread_t importer;
    if (pthread_create(&importer, NULL, import_words, &state) != 0) {
        return show_failure("no thread");
    }
    bool good = ask_meanwhile(&state);
    pthread_join(importer, NULL);
    return good && state.good;
}

static bool finish_index(nacre_collection *collection)
{
    double begun = seconds_now();
    int status = nacre_flush(collection);
    status = status == NACRE_OK ? nacre_build_indexes(collection) : status;
    show_line("indexes", "complete %s after the last word", show_seconds(seconds_now() - begun));
    return status == NACRE_OK || show_failure("indexes: %s", nacre_last_error());
}

static bool ask_words(const struct words *words, nacre_collection *collection)
{
    nacre_nearest_options prefix = NACRE_NEAREST_OPTIONS_INIT, regex = NACRE_NEAREST_OPTIONS_INIT;
    prefix.key_prefix = text_slice("un");
    regex.key_regex = text_slice("^[a-z]+ing$");
    return ask(words, collection, "king", NULL, "king") && ask(words, collection, "python", NULL, "python") &&
           ask(words, collection, "oxygen", NULL, "oxygen") &&
           ask(words, collection, "happy", &prefix, "happy, un...") &&
           ask(words, collection, "swim", &regex, "swim, ...ing");
}

/* ---- recall ---- */

static size_t count_common(const nacre_neighbors *a, const nacre_neighbors *b)
{
    size_t common = 0;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t j = 0; j < b->count; j++) {
            common += a->items[i].key.size == b->items[j].key.size &&
                      memcmp(a->items[i].key.data, b->items[j].key.data, a->items[i].key.size) == 0;
        }
    }
    return common;
}

static bool compare_with_exact(const struct words *words, nacre_collection *collection)
{
    nacre_nearest_options exactly = NACRE_NEAREST_OPTIONS_INIT;
    double quick_seconds = 0, exact_seconds = 0;
    size_t common = 0, all = 0;
    bool proven = true;
    exactly.exact = true;
    for (size_t i = 0; i < QUESTIONS; i++) {
        const float *vector = words->vectors + i * (words->count / QUESTIONS) * DIMENSION;
        nacre_neighbors quick, exact;
        double begun = seconds_now();
        int status = nacre_nearest(collection, vector, NEIGHBORS, NULL, &quick);
        double between = seconds_now();
        if (status != NACRE_OK ||
            (status = nacre_nearest(collection, vector, NEIGHBORS, &exactly, &exact)) != NACRE_OK) {
            return show_failure("nearest: %s", nacre_last_error());
        }
        quick_seconds += between - begun;
        exact_seconds += seconds_now() - between;
        common += count_common(&quick, &exact);
        all += exact.count;
        proven = proven && exact.exact;
        nacre_neighbors_release(&quick);
        nacre_neighbors_release(&exact);
    }
    show_line("asked for 0.95", "recall@%u %.3f, %s searches/s; exactly: %s/s", NEIGHBORS, (double)common / (double)all,
              show_number((uint64_t)(QUESTIONS / quick_seconds)), show_number((uint64_t)(QUESTIONS / exact_seconds)));
    if (!proven || (double)common < 0.9 * (double)all) {
        return show_failure("the recall is far from what was asked for");
    }
    show_good("the recall that was asked for is there");
    return true;
}

static bool run_all(const struct words *words, nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *collection = NULL;
    options.kind = NACRE_VECTORS;
    options.dimension = DIMENSION;
    options.metric = NACRE_COSINE;
    if (nacre_collection_create(store, "words", &options, &collection) != NACRE_OK) {
        return show_failure("words: %s", nacre_last_error());
    }
    double begun = seconds_now();
    bool good = import_and_ask(words, store, collection);
    show_time("import words, asking", seconds_now() - begun);
    begun = seconds_now();
    good = good && finish_index(collection);
    show_time("build indexes of words", seconds_now() - begun);
    begun = seconds_now();
    good = good && ask_words(words, collection) && compare_with_exact(words, collection);
    show_time("ask for words", seconds_now() - begun);
    nacre_collection_close(collection);
    return good;
}

bool words_run(nacre_store *store, const char *path)
{
    struct words words = { 0 };
    double begun = seconds_now();
    bool good = words_load(&words, path);
    show_time("read the words", seconds_now() - begun);
    if (good) {
        show_line("data", "%s words of %u numbers each, %.1f MB", show_number(words.count), DIMENSION,
                  (double)(words.count * DIMENSION * sizeof(float)) / 1e6);
        good = run_all(&words, store);
    }
    words_free(&words);
    return good;
}
