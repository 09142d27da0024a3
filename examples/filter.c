/* A compaction filter: sessions of users who are gone are removed, and old records are brought to a new form, when merges come by them anyway. */
#include "example.h"

/* "1:NAME" is the old form of "2:NAME"; sessions of a user who was banned go. */
static nacre_filter_decision keep_house(void *context, nacre_slice key, nacre_slice value, uint32_t level,
                                        nacre_output *changed)
{
    const char *banned = context;
    (void)key, (void)level;
    if (value.size < 2)
        return NACRE_FILTER_KEEP;
    nacre_slice name = { (const char *)value.data + 2, value.size - 2 };
    if (name.size == strlen(banned) && memcmp(name.data, banned, name.size) == 0)
        return NACRE_FILTER_REMOVE;
    if (memcmp(value.data, "1:", 2) != 0)
        return NACRE_FILTER_KEEP;
    /* What does not fit leaves the entry as it was. */
    (void)nacre_output_append(changed, text("2:"));
    (void)nacre_output_append(changed, name);
    return NACRE_FILTER_CHANGE;
}

int main(void)
{
    const nacre_compaction_filter own[] = { { "sessions", "mallory", keep_house } };
    nacre_hooks hooks = NACRE_HOOKS_INIT;
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_collection_options sessions_options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_store *store;
    nacre_collection *sessions;
    nacre_value value;
    hooks.compaction_filters = own;
    hooks.compaction_filter_count = 1;
    options.hooks = &hooks;
    must(nacre_open("filter.nacre", &options, &store), "open");
    sessions_options.compaction_filter = "sessions";
    int status = nacre_collection_create(store, "sessions", &sessions_options, &sessions);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, "sessions", &sessions);
    must(status, "collection");

    must(nacre_put(sessions, text("0001"), text("1:alice"), NULL), "put");
    must(nacre_put(sessions, text("0002"), text("1:mallory"), NULL), "put");
    must(nacre_compact(sessions, text(""), text("")), "compact"); /* merges in the background would do it some time */

    must(nacre_get(sessions, text("0001"), NULL, &value), "get");
    printf("0001: %.*s\n", (int)value.slice.size, (const char *)value.slice.data);
    check(memcmp(value.slice.data, "2:alice", 7) == 0, "the record has its new form");
    nacre_value_release(&value);
    check(nacre_get(sessions, text("0002"), NULL, &value) == NACRE_NOT_FOUND, "the session is gone");

    nacre_collection_close(sessions);
    must(nacre_close(store), "close");
    return 0;
}
