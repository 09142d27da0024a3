/* Collections of a store: make, find, create, drop, list. A collection is made once per opening of the store and lives until its close;
   handles are counted pointers to it. Locks: collections_lock > (tree's mutex) > commit_lock. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/status.h"
#include "store/batch_format.h"
#include "store/store.h"

int collection_make(nacre_store *store, const struct manifest_collection *words, nacre_collection **collection)
{
    const struct kind *kind = store_kind(words->kind);
    if (!kind) {
        return fail(NACRE_UNSUPPORTED, "collection '%s' is of kind %u, which this build does not have", words->name,
                    words->kind);
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
    pthread_mutex_init(&c->view_lock, NULL);
    pthread_mutex_init(&c->flush_lock, NULL);
    gap_cache_init(&c->gaps);
    c->flush_work.collection = c->merge_work.collection = c->index_work.collection = c;
    c->name = memory_strdup(words->name);
    status = c->name ? NACRE_OK : NACRE_NO_MEMORY;
    if (status == NACRE_OK) {
        status = tree_create(&store->trees, kind, c, words, &c->tree);
    }
    if (status == NACRE_OK) {
        status = table_create(store, kind, &active);
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
        for (uint32_t i = 0; i < view->table_count; i++) {
            table_release(view->tables[i]);
        }
        version_unref(view->version);
        memory_free(view);
    }
    if (c->tree) {
        tree_free(c->tree);
    }
    gap_cache_free(&c->gaps);
    pthread_mutex_destroy(&c->view_lock);
    pthread_mutex_destroy(&c->flush_lock);
    memory_free(c->name);
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

static int check_options(const nacre_collection_options *options)
{
    if (!store_kind((uint32_t)options->kind)) {
        return options->kind >= NACRE_ORDERED && options->kind <= NACRE_VECTORS
                   ? fail(NACRE_UNSUPPORTED, "this build has no collections of kind %d; it has ordered (1)",
                          (int)options->kind)
                   : fail(NACRE_INVALID, "%d is not a kind of collection", (int)options->kind);
    }
    if (options->dimension || options->metric) {
        return fail(NACRE_INVALID, "dimension and metric are for collections of vectors");
    }
    if (options->value_log_threshold != 0 && options->value_log_threshold != UINT64_MAX) {
        return fail(NACRE_UNSUPPORTED,
                    "this version keeps all values in segments: value_log_threshold must be 0 or UINT64_MAX");
    }
    return options->merge_operator ? fail(NACRE_UNSUPPORTED, "this version has no merge operators") : NACRE_OK;
}

static int add_to_list(nacre_store *store, nacre_collection *c)
{
    nacre_collection **more = memory_realloc(store->collections, (store->collection_count + 1) * sizeof *more);
    if (!more) {
        return NACRE_NO_MEMORY;
    }
    store->collections = more;
    pthread_mutex_lock(&store->commit_lock); /* who walks the list under it sees it whole */
    more[store->collection_count++] = c;
    pthread_mutex_unlock(&store->commit_lock);
    return NACRE_OK;
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
                                         .log_position = wal_end(store->wal) };
    int status = collection_make(store, &words, &c);
    if (status != NACRE_OK) {
        return status;
    }
    struct manifest_edit edit = { .collection = words.id, .create = &words };
    status = manifest_commit(store->manifest, &edit);
    if (status == NACRE_OK && (status = add_to_list(store, c)) != NACRE_OK) {
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
    int status = check_options(options);
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
    if (c) {
        atomic_fetch_add_explicit(&c->handles, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&store->collections_lock);
    *collection = c;
    return c ? NACRE_OK : fail(NACRE_NOT_FOUND, "there is no collection '%s'", name);
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
    if (table_create(store, c->kind, &empty) == NACRE_OK) {
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
    int status = store_check_writable(store);
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
    work_forget(store, c);
    drop_tables(c);
    return tree_drop(c->tree);
}

int store_collection_list(nacre_store *store, nacre_collection_info **list, size_t *count)
{
    pthread_mutex_lock(&store->collections_lock);
    size_t bytes = 0, live = 0;
    for (size_t i = 0; i < store->collection_count; i++) {
        if (!atomic_load_explicit(&store->collections[i]->dropped, memory_order_relaxed)) {
            bytes += sizeof **list + strlen(store->collections[i]->name) + 1;
            live++;
        }
    }
    nacre_collection_info *items = memory_alloc(bytes ? bytes : 1);
    char *names = items ? (char *)(items + live) : NULL;
    *count = 0;
    for (size_t i = 0; items && i < store->collection_count; i++) {
        const nacre_collection *c = store->collections[i];
        if (!atomic_load_explicit(&c->dropped, memory_order_relaxed)) {
            size_t size = strlen(c->name) + 1;
            memcpy(names, c->name, size);
            items[(*count)++] = (nacre_collection_info){ names, (nacre_kind)c->kind->code, c->default_ttl_ms };
            names += size;
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
