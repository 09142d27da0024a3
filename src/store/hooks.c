/* Copying and finding what a program plugs in; see hooks.h. */
#include "store/hooks.h"
#include "base/memory.h"
#include "merge/operators.h"
#include <string.h>

/* Copies of a list and, behind it, of its names; `name_at` is where an item has its name. */
static void *copy_list(const void *list, size_t count, size_t item_bytes, size_t name_at)
{
    size_t bytes = count * item_bytes;
    for (size_t i = 0; i < count; i++) {
        const char *name;
        memcpy(&name, (const char *)list + i * item_bytes + name_at, sizeof name);
        bytes += strlen(name) + 1;
    }
    char *copy = memory_alloc(bytes + 1);
    if (!copy || count == 0) {
        return copy;
    }
    memcpy(copy, list, count * item_bytes);
    char *names = copy + count * item_bytes;
    for (size_t i = 0; i < count; i++) {
        char *field = copy + i * item_bytes + name_at;
        const char *name;
        memcpy(&name, field, sizeof name);
        size_t size = strlen(name) + 1;
        memcpy(names, name, size);
        memcpy(field, &names, sizeof names);
        names += size;
    }
    return copy;
}

int hooks_copy(const nacre_hooks *given, struct hooks *hooks)
{
    *hooks = (struct hooks){ 0 };
    if (!given) {
        return NACRE_OK;
    }
    hooks->on_event = given->on_event;
    hooks->event_context = given->event_context;
    hooks->operators = copy_list(given->merge_operators, given->merge_operator_count, sizeof *hooks->operators,
                                 offsetof(nacre_merge_operator, name));
    hooks->filters = copy_list(given->compaction_filters, given->compaction_filter_count, sizeof *hooks->filters,
                               offsetof(nacre_compaction_filter, name));
    hooks->operator_count = hooks->operators ? given->merge_operator_count : 0;
    hooks->filter_count = hooks->filters ? given->compaction_filter_count : 0;
    return hooks->operators && hooks->filters ? NACRE_OK : NACRE_NO_MEMORY;
}

void hooks_free(struct hooks *hooks)
{
    memory_free(hooks->operators);
    memory_free(hooks->filters);
    *hooks = (struct hooks){ 0 };
}

const nacre_merge_operator *hooks_merge_operator(const struct hooks *hooks, const char *name,
                                                 nacre_merge_operator *room)
{
    for (size_t i = 0; i < hooks->operator_count; i++) {
        if (strcmp(hooks->operators[i].name, name) == 0) {
            return &hooks->operators[i];
        }
    }
    return merge_operator_built_in(name, room) ? room : NULL;
}

const nacre_compaction_filter *hooks_compaction_filter(const struct hooks *hooks, const char *name)
{
    for (size_t i = 0; i < hooks->filter_count; i++) {
        if (strcmp(hooks->filters[i].name, name) == 0) {
            return &hooks->filters[i];
        }
    }
    return NULL;
}
