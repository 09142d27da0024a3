/* Public calls: stores and collections. */
#include "api/check.h"
#include "base/memory.h"
#include "base/status.h"
#include <stdio.h>

int nacre_open(const char *path, const nacre_options *options, nacre_store **store)
{
    nacre_options known;
    if (!store) {
        return fail(NACRE_INVALID, "the place for the store is NULL");
    }
    *store = NULL;
    if (!path || !*path) {
        return fail(NACRE_INVALID, "the path is %s", path ? "empty" : "NULL");
    }
    int status = check_options(&known, sizeof known, options, "nacre_options");
    if (status != NACRE_OK) {
        return status;
    }
    if ((unsigned)known.durability > NACRE_DISK) {
        return fail(NACRE_INVALID, "durability %d is none of the levels", (int)known.durability);
    }
    if (known.error_if_missing && known.error_if_exists) {
        return fail(NACRE_INVALID, "error_if_missing and error_if_exists exclude each other");
    }
    if (known.background_threads > 256) {
        return fail(NACRE_INVALID, "background_threads is %u; the most is 256", known.background_threads);
    }
    if (known.logger && (known.logger->struct_size < sizeof *known.logger || !known.logger->write)) {
        return fail(NACRE_INVALID, "the logger has no function, or its struct_size is %zu instead of %zu",
                    known.logger->struct_size, sizeof *known.logger);
    }
    if ((status = check_os(known.os)) != NACRE_OK) {
        return status;
    }
    nacre_hooks hooks;
    if (known.hooks) {
        if ((status = check_hooks(known.hooks, &hooks)) != NACRE_OK) {
            return status;
        }
        known.hooks = &hooks;
    }
    return store_open(path, &known, store);
}

int nacre_close(nacre_store *store)
{
    if (!store) {
        return NACRE_OK;
    }
    int status = store_check_process(store);
    return status == NACRE_OK ? store_close(store) : status;
}

nacre_state nacre_store_state(nacre_store *store, char *reason, size_t reason_size)
{
    if (!store) {
        if (reason && reason_size > 0) {
            (void)snprintf(reason, reason_size, "the store is NULL");
        }
        return NACRE_STATE_FAILED;
    }
    pthread_mutex_lock(&store->state_lock);
    if (reason && reason_size > 0) {
        size_t size = strlen(store->state_reason);
        size = size < reason_size - 1 ? size : reason_size - 1;
        memcpy(reason, store->state_reason, size);
        reason[size] = 0;
    }
    nacre_state state = (nacre_state)atomic_load_explicit(&store->state, memory_order_relaxed);
    pthread_mutex_unlock(&store->state_lock);
    return state;
}

int nacre_refresh(nacre_store *store)
{
    int status = check_store(store);
    return status == NACRE_OK ? store_refresh(store) : status;
}

int nacre_collection_create(nacre_store *store, const char *name, const nacre_collection_options *options,
                            nacre_collection **collection)
{
    nacre_collection_options known;
    if (!collection) {
        return fail(NACRE_INVALID, "the place for the collection is NULL");
    }
    *collection = NULL;
    int status = check_store(store);
    if (status == NACRE_OK && (status = check_name(name)) == NACRE_OK) {
        status = check_options(&known, sizeof known, options, "nacre_collection_options");
    }
    if (status != NACRE_OK) {
        return status;
    }
    if (known.kind == 0) {
        known.kind = NACRE_ORDERED;
    }
    return store_collection_create(store, name, &known, collection);
}

int nacre_collection_open(nacre_store *store, const char *name, nacre_collection **collection)
{
    if (!collection) {
        return fail(NACRE_INVALID, "the place for the collection is NULL");
    }
    *collection = NULL;
    int status = check_store(store);
    if (status == NACRE_OK) {
        status = check_name(name);
    }
    return status == NACRE_OK ? store_collection_open(store, name, collection) : status;
}

void nacre_collection_close(nacre_collection *collection)
{
    store_collection_close(collection);
}

int nacre_collection_drop(nacre_store *store, const char *name)
{
    int status = check_store(store);
    if (status == NACRE_OK) {
        status = check_name(name);
    }
    return status == NACRE_OK ? store_collection_drop(store, name) : status;
}

int nacre_collection_list(nacre_store *store, nacre_collection_info **list, size_t *count)
{
    if (!list || !count) {
        return fail(NACRE_INVALID, "the place for the list is NULL");
    }
    *list = NULL;
    *count = 0;
    int status = check_store(store);
    return status == NACRE_OK ? store_collection_list(store, list, count) : status;
}

void nacre_free(void *memory)
{
    memory_free(memory);
}
