/* Which value files a copy needs (see value_list.h). An active file is copied up to where its last value was given a place: an append that is still
   running there has no record in the copied log yet. Any thread; locks: the value log's. */
#include "store/value_list.h"
#include "base/memory.h"

static int add(void *context, struct value_file *file, const struct value_file_info *info)
{
    struct value_list *list = context;
    if (info->references == 0) {
        return NACRE_OK;
    }
    void *items = list->files;
    int status = memory_grow(&items, &list->capacity, list->count + 1, sizeof *list->files);
    list->files = items;
    if (status == NACRE_OK) {
        value_file_ref(file);
        list->files[list->count++] = (struct value_listed){ file, info->id, info->bytes, !info->active };
    }
    return status;
}

int value_list_take(nacre_store *store, struct value_list *list)
{
    *list = (struct value_list){ 0 };
    int status = value_log_each_file(store->values, add, list);
    if (status != NACRE_OK) {
        value_list_release(list);
    }
    return status;
}

void value_list_release(struct value_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        value_file_unref(list->files[i].file);
    }
    memory_free(list->files);
    *list = (struct value_list){ 0 };
}
