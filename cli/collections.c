/* create, drop, list. */
#include "print.h"
#include "session.h"
#include <string.h>

int run_create(const struct arguments *arguments)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    struct session session;
    uint64_t dimension = 0, threshold = 0;
    if (!kind_from_option(arguments, &options.kind) || !metric_from_option(arguments, &options.metric) ||
        !option_number(arguments, OPTION_DIM, 1, NACRE_DIMENSION_MAX, &dimension) ||
        !option_number(arguments, OPTION_TTL, 1, UINT64_MAX - 1, &options.default_ttl_ms) ||
        !option_number(arguments, OPTION_VALUE_LOG_THRESHOLD, 0, UINT64_MAX - 1, &threshold) ||
        session_open(&session, arguments, SESSION_MAKE, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return RESULT_ERROR;
    }
    options.dimension = (uint32_t)dimension;
    options.merge_operator = arguments->options[OPTION_MERGE_OPERATOR];
    if (option_given(arguments, OPTION_VALUE_LOG_THRESHOLD)) {
        options.value_log_threshold = threshold ? threshold : UINT64_MAX;
    }
    int status = nacre_collection_create(session.store, arguments->items[0], &options, &session.collection);
    return session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status(arguments->command->name, status));
}

int run_drop(const struct arguments *arguments)
{
    struct session session;
    if (session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int result = RESULT_OK;
    int status = nacre_collection_drop(session.store, arguments->items[0]);
    if (status != NACRE_OK) {
        complain_status(arguments->command->name, status);
        result = status == NACRE_NOT_FOUND ? RESULT_NO_MATCH : RESULT_ERROR;
    }
    return session_close(&session, result);
}

static void print_row(const nacre_collection_info *info)
{
    printf("%-32s %s", info->name, kind_name(info->kind));
    if (info->dimension) {
        printf(", %u dimensions, %s", info->dimension, metric_name(info->metric));
    }
    if (info->default_ttl_ms) {
        printf(", entries live %llu ms", (unsigned long long)info->default_ttl_ms);
    }
    if (info->merge_operator) {
        printf(", merges by %s", info->merge_operator);
    }
    if (info->compaction_filter) {
        printf(", filtered by %s", info->compaction_filter);
    }
    putchar('\n');
}

static void print_json_name(const char *what, const char *name)
{
    if (name) {
        printf(",\"%s\":", what);
        print_json_text(stdout, (nacre_slice){ name, strlen(name) });
    }
}

int run_list(const struct arguments *arguments)
{
    struct session session;
    nacre_collection_info *list;
    size_t count;
    if (session_open(&session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int status = nacre_collection_list(session.store, &list, &count);
    if (status != NACRE_OK) {
        return session_close(&session, complain_status("list", status));
    }
    for (size_t i = 0; i < count; i++) {
        if (!option_given(arguments, OPTION_JSON)) {
            print_row(&list[i]);
            continue;
        }
        fputs(i ? ",\n {\"name\":" : "[{\"name\":", stdout);
        print_json_text(stdout, (nacre_slice){ list[i].name, strlen(list[i].name) });
        printf(",\"kind\":\"%s\",\"default_ttl_ms\":%llu", kind_name(list[i].kind),
               (unsigned long long)list[i].default_ttl_ms);
        if (list[i].dimension) {
            printf(",\"dimension\":%u,\"metric\":\"%s\"", list[i].dimension, metric_name(list[i].metric));
        }
        printf(",\"value_log_threshold\":%llu", (unsigned long long)list[i].value_log_threshold);
        print_json_name("merge_operator", list[i].merge_operator);
        print_json_name("compaction_filter", list[i].compaction_filter);
        putchar('}');
    }
    if (option_given(arguments, OPTION_JSON)) {
        puts(count ? "]" : "[]");
    }
    nacre_free(list);
    return session_close(&session, RESULT_OK);
}
