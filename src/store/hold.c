/* Holds on files: segments and log files that stay while somebody copies them (store.h). The list is short; any thread; lock: reap_lock. */
#include "store/store.h"

void hold_add(nacre_store *store, struct file_hold *hold)
{
    pthread_mutex_lock(&store->reap_lock);
    hold->next = store->holds;
    store->holds = hold;
    pthread_mutex_unlock(&store->reap_lock);
}

void hold_remove(nacre_store *store, struct file_hold *hold)
{
    pthread_mutex_lock(&store->reap_lock);
    for (struct file_hold **at = &store->holds; *at; at = &(*at)->next) {
        if (*at == hold) {
            *at = hold->next;
            break;
        }
    }
    pthread_mutex_unlock(&store->reap_lock);
}

void hold_segments(nacre_store *store, struct file_hold *hold, const uint64_t *ids)
{
    pthread_mutex_lock(&store->reap_lock);
    hold->segments = ids;
    pthread_mutex_unlock(&store->reap_lock);
}

void hold_log_from(nacre_store *store, struct file_hold *hold, uint32_t file)
{
    pthread_mutex_lock(&store->reap_lock);
    hold->oldest_log_file = file;
    pthread_mutex_unlock(&store->reap_lock);
}

uint32_t hold_oldest_log_file(nacre_store *store)
{
    uint32_t oldest = UINT32_MAX;
    pthread_mutex_lock(&store->reap_lock);
    for (const struct file_hold *hold = store->holds; hold; hold = hold->next) {
        oldest = hold->oldest_log_file < oldest ? hold->oldest_log_file : oldest;
    }
    pthread_mutex_unlock(&store->reap_lock);
    return oldest;
}

static bool names(const struct file_hold *hold, uint64_t id)
{
    size_t low = 0, high = hold->segments ? hold->segment_count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hold->segments[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return hold->segments && low < hold->segment_count && hold->segments[low] == id;
}

bool hold_names_segment(const nacre_store *store, uint64_t id)
{
    for (const struct file_hold *hold = store->holds; hold; hold = hold->next) {
        if (names(hold, id)) {
            return true;
        }
    }
    return false;
}
