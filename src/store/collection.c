/* Collections of a store: make, find, create, drop, list. A collection is made once per opening of the store and lives until its close;
   handles are counted pointers to it. Locks: collections_lock > (tree's mutex) > commit_lock. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/batch_format.h"
#include "store/store.h"

#define VALUE_LOG_THRESHOLD UINT64_C(4096) /* bytes of a value, unless the collection says otherwise */

static void warn_of_missing_filter(const nacre_collection *c)
{
    char name[6 * NACRE_NAME_MAX + 1], filter[6 * NACRE_NAME_MAX + 1];
    log_line(c->store->logger, NACRE_LOG_WARNING, "compaction_filter_missing",
             "\"collection\":\"%s\",\"compaction_filter\":\"%s\"", log_escape(c->name, name, sizeof name),
             log_escape(c->compaction_filter_name ? c->compaction_filter_name : "", filter, sizeof filter));
}

/* A name that the program has brought nothing for stays a name: what that means is for who needs it. */
static int take_names(nacre_collection *c, const struct manifest_collection *words)
{
    c->name = memory_strdup(words->name);
    int status = c->name ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK && words->merge_operator) {
        c->merge_operator_name = memory_strdup(words->merge_operator);
        status = c->merge_operator_name ? NACRE_OK : NACRE_NO_MEMORY;
        if (status == NACRE_OK) {
            c->merge_operator = hooks_merge_operator(&c->store->hooks, c->merge_operator_name, &c->own_operator);
        }
    }
    if (status == NACRE_OK && words->compaction_filter) {
        c->compaction_filter_name = memory_strdup(words->compaction_filter);
        status = c->compaction_filter_name ? NACRE_OK : NACRE_NO_MEMORY;
        c->compaction_filter = hooks_compaction_filter(&c->store->hooks, words->compaction_filter);
        if (!c->compaction_filter) {
            warn_of_missing_filter(c);
        }
    }
    return status;
}

int collection_make(nacre_store *store, const struct manifest_collection *words, nacre_collection **collection)
{
    const struct kind *kind = store_kind(words->kind);
    if (!kind) {
        return fail(NACRE_UNSUPPORTED, "collection '%s' is of kind %u, which this build does not have", words->name,
                    words->kind);
    }
    if (kind->holds_vectors != (words->dimension != 0)) {
        return fail(NACRE_CORRUPT, "collection '%s' is of kind %s and has %u dimensions", words->name, kind->name,
                    words->dimension);
    }
    nacre_collection *c = memory_zalloc(sizeof *c);
    struct table *active = NULL;
    int status = c ? NACRE_OK : NACRE_NO_MEMORY;
    if (status != NACRE_OK) {
        return status;
    }
    c->store = store;
    c->id = words->id;
    c->kind = kind;
    c->default_ttl_ms = words->default_ttl_ms;
    c->dimension = words->dimension;
    c->metric = (nacre_metric)words->metric;
    c->vector_bytes = words->dimension * (uint32_t)sizeof(float);
    pthread_mutex_init(&c->view_lock, NULL);
    pthread_mutex_init(&c->flush_lock, NULL);
    gap_cache_init(&c->gaps);
    c->flush_work.collection = c->prepare_work.collection = c->merge_work.collection = c->long_merge_work.collection =
        c->index_work.collection = c;
    c->value_log_threshold = words->value_log_threshold;
    status = take_names(c, words);
    if (status == NACRE_OK) {
        status = tree_create(&store->trees, kind, c, words, &c->tree);
        if (status == NACRE_OK) {
            tree_set_hooks(c->tree, c->merge_operator, c->compaction_filter);
        }
    }
    if (status == NACRE_OK) {
        status = table_create(c, &active);
    }
    if (status == NACRE_OK) {
        struct version *version = tree_version(c->tree);
        status = view_install_first(c, active, version);
        if (status != NACRE_OK) {
            version_unref(version);
            table_release(active);
        }
    }
    if (status != NACRE_OK) {
        collection_free(c);
        return status; /* the tree has named the collection */
    }
    *collection = c;
    return NACRE_OK;
}

/* No user is left and no background task runs on it. */
void collection_free(nacre_collection *c)
{
    if (!c) {
        return;
    }
    struct view *view = atomic_exchange_explicit(&c->view, NULL, memory_order_acq_rel);
    if (view) {
        view_free(view);
    }
    if (c->tree) {
        tree_free(c->tree);
    }
    gap_cache_free(&c->gaps);
    fold_hint_free(&c->fold_hint);
    pthread_mutex_destroy(&c->view_lock);
    pthread_mutex_destroy(&c->flush_lock);
    memory_free(c->name);
    memory_free(c->merge_operator_name);
    memory_free(c->compaction_filter_name);
    memory_free(c);
}

nacre_collection *store_find_collection(nacre_store *store, uint32_t id)
{
    for (size_t i = 0; i < store->collection_count; i++) {
        if (store->collections[i]->id == id) {
            return store->collections[i];
        }
    }
    return NULL;
}

static nacre_collection *find_named(nacre_store *store, const char *name)
{
    for (size_t i = 0; i < store->collection_count; i++) {
        nacre_collection *c = store->collections[i];
        if (!atomic_load_explicit(&c->dropped, memory_order_acquire) && strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

static int check_vectors(const struct kind *kind, const nacre_collection_options *options)
{
    if (!kind->holds_vectors) {
        return options->dimension || options->metric
                   ? fail(NACRE_INVALID, "dimension and metric are for collections of vectors")
                   : NACRE_OK;
    }
    if (options->dimension == 0) {
        return fail(NACRE_INVALID, "a collection of vectors needs its dimension, 1 to %u", NACRE_DIMENSION_MAX);
    }
    if (options->dimension > NACRE_DIMENSION_MAX) {
        return fail(NACRE_LIMIT, "%u dimensions; the limit is %u", options->dimension, NACRE_DIMENSION_MAX);
    }
    return options->metric >= NACRE_L2 && options->metric <= NACRE_DOT
               ? NACRE_OK
               : fail(NACRE_INVALID, "a collection of vectors needs its metric: l2, cosine or dot");
}

static int unknown_operator(const char *collection, const char *name)
{
    return fail(NACRE_UNSUPPORTED,
                "collection '%s' needs the merge operator '%s', which this program does not bring along", collection,
                name);
}

static int check_merge_operator(const nacre_store *store, const char *collection,
                                const nacre_collection_options *options)
{
    const char *name = options->merge_operator;
    nacre_merge_operator room;
    if (!name) {
        return NACRE_OK;
    }
    if (!*name) {
        return fail(NACRE_INVALID, "the name of the merge operator is empty");
    }
    if (strnlen(name, NACRE_NAME_MAX + 1) > NACRE_NAME_MAX) {
        return fail(NACRE_LIMIT, "the name of the merge operator has more than %u bytes", NACRE_NAME_MAX);
    }
    if (store_kind((uint32_t)options->kind)->holds_vectors) {
        return fail(
            NACRE_INVALID,
            "a collection of vectors takes no merge operator: each of its entries has a vector, operands have none");
    }
    return hooks_merge_operator(&store->hooks, name, &room) ? NACRE_OK : unknown_operator(collection, name);
}

static int check_filter(const nacre_store *store, const char *collection, const char *name)
{
    if (!name) {
        return NACRE_OK;
    }
    if (!*name) {
        return fail(NACRE_INVALID, "the name of the compaction filter is empty");
    }
    return hooks_compaction_filter(&store->hooks, name)
               ? NACRE_OK
               : fail(NACRE_UNSUPPORTED,
                      "collection '%s' is to have the compaction filter '%s', which this program does not bring along",
                      collection, name);
}

static int check_options(const nacre_store *store, const char *name, const nacre_collection_options *options)
{
    const struct kind *kind = store_kind((uint32_t)options->kind);
    if (!kind) {
        return fail(NACRE_INVALID, "%d is not a kind of collection: 1 ordered, 2 strings, 3 vectors",
                    (int)options->kind);
    }
    int status = check_vectors(kind, options);
    if (status != NACRE_OK) {
        return status;
    }
    status = check_merge_operator(store, name, options);
    return status == NACRE_OK ? check_filter(store, name, options->compaction_filter) : status;
}

/* collections_lock held. */
int store_list_collection(nacre_store *store, nacre_collection *c)
{
    nacre_collection **more = memory_realloc(store->collections, (store->collection_count + 1) * sizeof *more);
    if (!more) {
        return NACRE_NO_MEMORY;
    }
    store->collections = more;
    pthread_mutex_lock(&store->commit_lock); /* who walks the list under it sees it whole */
    c->slot = (uint32_t)store->collection_count;
    more[store->collection_count++] = c;
    pthread_mutex_unlock(&store->commit_lock);
    return NACRE_OK;
}

/* As the manifest has it: 0 = none goes there. */
static uint64_t value_log_threshold(const nacre_collection_options *options)
{
    if (options->value_log_threshold == UINT64_MAX) {
        return 0;
    }
    return options->value_log_threshold ? options->value_log_threshold : VALUE_LOG_THRESHOLD;
}

static int create_locked(nacre_store *store, const char *name, const nacre_collection_options *options,
                         nacre_collection **collection)
{
    if (find_named(store, name)) {
        return fail(NACRE_EXISTS, "there is a collection '%s' already", name);
    }
    nacre_collection *c = NULL;
    struct manifest_collection words = { .id = store->next_collection,
                                         .name = (char *)name,
                                         .kind = (uint32_t)options->kind,
                                         .default_ttl_ms = options->default_ttl_ms,
                                         .dimension = options->dimension,
                                         .metric = (uint32_t)options->metric,
                                         .merge_operator = (char *)options->merge_operator,
                                         .compaction_filter = (char *)options->compaction_filter,
                                         .value_log_threshold = value_log_threshold(options),
                                         .log_position = wal_end(store->wal) };
    int status = collection_make(store, &words, &c);
    if (status != NACRE_OK) {
        return status;
    }
    struct manifest_edit edit = { .collection = words.id, .create = &words };
    status = manifest_commit(store->manifest, &edit);
    if (status == NACRE_OK && (status = store_list_collection(store, c)) != NACRE_OK) {
        struct manifest_edit undo = { .collection = words.id, .drop = true };
        (void)manifest_commit(store->manifest, &undo);
    }
    if (status != NACRE_OK) {
        collection_free(c);
        return status;
    }
    store->next_collection++;
    *collection = c;
    return NACRE_OK;
}

int store_collection_create(nacre_store *store, const char *name, const nacre_collection_options *options,
                            nacre_collection **collection)
{
    int status = check_options(store, name, options);
    if (status != NACRE_OK || (status = store_check_writable(store)) != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&store->collections_lock);
    status = create_locked(store, name, options, collection);
    if (status == NACRE_OK) {
        atomic_fetch_add_explicit(&(*collection)->handles, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&store->collections_lock);
    return status;
}

int store_collection_open(nacre_store *store, const char *name, nacre_collection **collection)
{
    pthread_mutex_lock(&store->collections_lock);
    nacre_collection *c = find_named(store, name);
    bool usable = c && (!c->merge_operator_name || c->merge_operator);
    if (usable) {
        atomic_fetch_add_explicit(&c->handles, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&store->collections_lock);
    if (!c) {
        return fail(NACRE_NOT_FOUND, "there is no collection '%s'", name);
    }
    *collection = usable ? c : NULL;
    return usable ? NACRE_OK : unknown_operator(name, c->merge_operator_name);
}

void store_collection_close(nacre_collection *collection)
{
    if (collection) {
        atomic_fetch_sub_explicit(&collection->handles, 1, memory_order_release);
    }
}

/* Lets the memtables go, but not before the commits that were given them have applied. Without memory for an empty one they stay until close. */
static void drop_tables(nacre_collection *c)
{
    nacre_store *store = c->store;
    struct table *empty = NULL;
    pthread_mutex_lock(&c->flush_lock);
    struct view *last = view_hold(c);
    if (table_create(c, &empty) == NACRE_OK) {
        view_empty(c, empty);
        for (uint32_t i = 0; i < last->table_count; i++) {
            /* Acquire: pairs with leave_tables in commit.c. */
            while (atomic_load_explicit(&last->tables[i]->writers, memory_order_acquire) != 0) {
                clock_sleep_ns(20000);
            }
        }
    }
    view_release(store, last);
    pthread_mutex_unlock(&c->flush_lock);
}

/* The manifest forgets it first; its log records are passed over by every later recovery, its files go when the last reader lets go. */
int store_collection_drop(nacre_store *store, const char *name)
{
    int status = store_check_freeing(store);
    if (status != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&store->collections_lock);
    nacre_collection *c = find_named(store, name);
    if (!c) {
        pthread_mutex_unlock(&store->collections_lock);
        return fail(NACRE_NOT_FOUND, "there is no collection '%s'", name);
    }
    struct manifest_edit edit = { .collection = c->id, .drop = true };
    status = manifest_commit(store->manifest, &edit);
    if (status == NACRE_OK) {
        atomic_store_explicit(&c->dropped, true, memory_order_release);
    }
    pthread_mutex_unlock(&store->collections_lock);
    if (status != NACRE_OK) {
        return status;
    }
    tree_stop(c->tree);
    work_forget(store, c);
    drop_tables(c);
    return tree_drop(c->tree);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* A copy at *at, which moves on; NULL stays NULL. */
static const char *put_text(char **at, const char *text)
{
    char *copy = text ? *at : NULL;
    if (text) {
        memcpy(copy, text, text_bytes(text));
        *at += text_bytes(text);
    }
    return copy;
}

int store_collection_list(nacre_store *store, nacre_collection_info **list, size_t *count)
{
    pthread_mutex_lock(&store->collections_lock);
    size_t bytes = 0, live = 0;
    for (size_t i = 0; i < store->collection_count; i++) {
        if (!atomic_load_explicit(&store->collections[i]->dropped, memory_order_relaxed)) {
            bytes += sizeof **list + text_bytes(store->collections[i]->name) +
                     text_bytes(store->collections[i]->merge_operator_name) +
                     text_bytes(store->collections[i]->compaction_filter_name);
            live++;
        }
    }
    nacre_collection_info *items = memory_alloc(bytes ? bytes : 1);
    char *names = items ? (char *)(items + live) : NULL;
    *count = 0;
    for (size_t i = 0; items && i < store->collection_count; i++) {
        const nacre_collection *c = store->collections[i];
        if (!atomic_load_explicit(&c->dropped, memory_order_relaxed)) {
            items[(*count)++] =
                (nacre_collection_info){ .name = put_text(&names, c->name),
                                         .kind = (nacre_kind)c->kind->code,
                                         .default_ttl_ms = c->default_ttl_ms,
                                         .dimension = c->dimension,
                                         .metric = c->metric,
                                         .value_log_threshold = c->value_log_threshold,
                                         .merge_operator = put_text(&names, c->merge_operator_name),
                                         .compaction_filter = put_text(&names, c->compaction_filter_name) };
        }
    }
    pthread_mutex_unlock(&store->collections_lock);
    *list = items;
    return items ? NACRE_OK : NACRE_NO_MEMORY;
}

int store_each_collection(nacre_store *store, int (*visit)(nacre_collection *, void *context), void *context)
{
    int status = NACRE_OK;
    for (size_t i = 0; status == NACRE_OK; i++) {
        pthread_mutex_lock(&store->collections_lock);
        nacre_collection *c = i < store->collection_count ? store->collections[i] : NULL;
        bool end = c == NULL;
        if (c && atomic_load_explicit(&c->dropped, memory_order_relaxed)) {
            c = NULL;
        }
        pthread_mutex_unlock(&store->collections_lock);
        if (end) {
            break;
        }
        if (c) {
            status = visit(c, context); /* it lives as long as the store is open */
        }
    }
    return status;
}
