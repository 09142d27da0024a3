/* What replaces what (see replaced.h). Groups are written one behind the other:
     varint flags (1: by the segment that says so), begin, end (each: varint length, bytes), varint count, ids (varints).
   Lock: of a gone_list, held for a few instructions. */
#include "segment/replaced.h"
#include "base/memory.h"
#include "base/status.h"
#include <pthread.h>

#define BY_OWN 1u

int replaced_encode(bool by_own, nacre_slice begin, nacre_slice end, const uint64_t *ids, size_t count,
                    struct buffer *out)
{
    int status = buffer_append_varint(out, by_own ? BY_OWN : 0);
    if (status == NACRE_OK)
        status = buffer_append_slice(out, begin);
    if (status == NACRE_OK)
        status = buffer_append_slice(out, end);
    if (status == NACRE_OK)
        status = buffer_append_varint(out, count);
    for (size_t i = 0; i < count && status == NACRE_OK; i++)
        status = buffer_append_varint(out, ids[i]);
    return status;
}

struct replaced_reader replaced_reader_of(nacre_slice groups)
{
    return (struct replaced_reader){ .in = reader_of(groups) };
}

bool replaced_next(struct replaced_reader *r, struct replaced *out)
{
    while (r->left == 0 && r->in.ok && r->in.at < r->in.end) {
        r->at.by_own = reader_varint(&r->in) & BY_OWN;
        r->at.begin = reader_slice(&r->in);
        r->at.end = reader_slice(&r->in);
        r->left = reader_varint(&r->in);
    }
    if (r->left == 0 || !r->in.ok)
        return false;
    r->left--;
    r->at.id = reader_varint(&r->in);
    *out = r->at;
    return r->in.ok;
}

/* ---- segments that wait for their removal ---- */

struct gone {
    uint64_t id, collection;
};

struct gone_list {
    pthread_mutex_t lock;
    struct gone *items;
    size_t count, capacity;
};

int gone_list_create(struct gone_list **out)
{
    struct gone_list *list = *out = memory_zalloc(sizeof *list);
    if (!list)
        return NACRE_NO_MEMORY;
    pthread_mutex_init(&list->lock, NULL);
    return NACRE_OK;
}

void gone_list_free(struct gone_list *list)
{
    if (!list)
        return;
    pthread_mutex_destroy(&list->lock);
    memory_free(list->items);
    memory_free(list);
}

/* `lock` held. */
static void take_out(struct gone_list *list, uint64_t id)
{
    for (size_t i = list->count; i-- > 0;)
        if (list->items[i].id == id)
            list->items[i] = list->items[--list->count];
}

void gone_list_add(struct gone_list *list, uint64_t id, uint64_t collection)
{
    if (!list)
        return;
    pthread_mutex_lock(&list->lock);
    take_out(list, id); /* once in the list */
    void *items = list->items;
    if (memory_grow(&items, &list->capacity, list->count + 1, sizeof *list->items) == NACRE_OK) {
        list->items = items;
        list->items[list->count++] = (struct gone){ id, collection };
    }
    pthread_mutex_unlock(&list->lock);
}

void gone_list_remove(struct gone_list *list, uint64_t id)
{
    if (!list)
        return;
    pthread_mutex_lock(&list->lock);
    take_out(list, id);
    pthread_mutex_unlock(&list->lock);
}

static uint64_t *ids_of(struct gone_list *list, uint64_t collection, size_t *count)
{
    pthread_mutex_lock(&list->lock);
    uint64_t *ids = memory_alloc(list->count * sizeof *ids + 1);
    *count = 0;
    for (size_t i = 0; ids && i < list->count; i++)
        if (list->items[i].collection == collection)
            ids[(*count)++] = list->items[i].id;
    pthread_mutex_unlock(&list->lock);
    return ids;
}

int gone_list_encode(struct gone_list *list, uint64_t collection, struct buffer *out)
{
    size_t count = 0;
    uint64_t *ids = list ? ids_of(list, collection, &count) : NULL;
    if (list && !ids)
        return NACRE_NO_MEMORY;
    const nacre_slice all = slice_of(NULL, 0);
    int status = count ? replaced_encode(false, all, all, ids, count, out) : NACRE_OK;
    memory_free(ids);
    return status;
}
