/* Opening and closing a store for a command. */
#include "session.h"
#include "print.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_ATTEMPTS 8

/* Called from any thread: one line is written under the stream's lock. */
static void write_log_line(void *context, nacre_log_level level, const char *event, const char *fields_json)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "{\"time_ms\":%lld,\"level\":\"%s\",\"event\":\"%s\",\"fields\":%s}\n",
            (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, log_level_names[level <= NACRE_LOG_DEBUG ? level : 0],
            event, fields_json);
}

const nacre_logger *session_logger(const struct arguments *arguments)
{
    static const nacre_logger loggers[LOG_LEVEL_NAMES] = {
        [NACRE_LOG_ERROR] = { sizeof(nacre_logger), NULL, NACRE_LOG_ERROR, write_log_line },
        [NACRE_LOG_WARNING] = { sizeof(nacre_logger), NULL, NACRE_LOG_WARNING, write_log_line },
        [NACRE_LOG_INFO] = { sizeof(nacre_logger), NULL, NACRE_LOG_INFO, write_log_line },
        [NACRE_LOG_DEBUG] = { sizeof(nacre_logger), NULL, NACRE_LOG_DEBUG, write_log_line }
    };
    const char *level = arguments->options[OPTION_LOG];
    unsigned i = NACRE_LOG_ERROR;
    while (level && i < NACRE_LOG_DEBUG && strcmp(level, log_level_names[i]) != 0) {
        i++;
    }
    return level ? &loggers[i] : NULL;
}

const char *kind_name(nacre_kind kind)
{
    return kind == NACRE_ORDERED   ? "ordered"
           : kind == NACRE_STRINGS ? "strings"
           : kind == NACRE_VECTORS ? "vectors"
                                   : "unknown";
}

bool kind_from_option(const struct arguments *arguments, nacre_kind *kind)
{
    const char *text = arguments->options[OPTION_KIND];
    for (int i = NACRE_ORDERED; text && i <= NACRE_VECTORS; i++) {
        if (strcmp(text, kind_name((nacre_kind)i)) == 0) {
            *kind = (nacre_kind)i;
            return true;
        }
    }
    if (text) {
        complain("--kind %s: expected ordered, strings or vectors", text);
    }
    return !text;
}

const char *metric_name(nacre_metric metric)
{
    return metric == NACRE_L2 ? "l2" : metric == NACRE_COSINE ? "cosine" : metric == NACRE_DOT ? "dot" : "none";
}

bool metric_from_option(const struct arguments *arguments, nacre_metric *metric)
{
    const char *text = arguments->options[OPTION_METRIC];
    for (int i = NACRE_L2; text && i <= NACRE_DOT; i++) {
        if (strcmp(text, metric_name((nacre_metric)i)) == 0) {
            *metric = (nacre_metric)i;
            return true;
        }
    }
    if (text) {
        complain("--metric %s: expected l2, cosine or dot", text);
    }
    return !text;
}

int session_find(const struct session *session, const char *name, nacre_collection_info *info, bool *found)
{
    nacre_collection_info *list = NULL;
    size_t count = 0, i = 0;
    int status = nacre_collection_list(session->store, &list, &count);
    while (i < count && strcmp(list[i].name, name) != 0) {
        i++;
    }
    *found = status == NACRE_OK && i < count;
    if (*found) {
        *info = list[i];
        info->name = info->merge_operator = info->compaction_filter = NULL; /* they go with the list */
    }
    nacre_free(list);
    return status;
}

const char *session_path(const struct arguments *arguments)
{
    const char *path = arguments->options[OPTION_STORE];
    path = path ? path : getenv("NACRE_STORE");
    if (!path || !path[0]) {
        complain("%s: which store? Give --store DIR, or set NACRE_STORE in the environment", arguments->command->name);
        return NULL;
    }
    return path;
}

bool store_parts_are_in(const char *path)
{
    static const char *const parts[] = { "segments", "log", "manifest" };
    char name[4096];
    bool found = false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !found; i++) {
        int size = snprintf(name, sizeof name, "%s/%s", path, parts[i]);
        found = size > 0 && (size_t)size < sizeof name && access(name, F_OK) == 0;
    }
    return found;
}

/* A store whose file CURRENT was lost opens for nothing, not for a salvage in place either. */
static bool lost_current(const char *path, int status)
{
    char name[4096];
    int size = snprintf(name, sizeof name, "%s/CURRENT", path);
    return (status == NACRE_INVALID || status == NACRE_CORRUPT) && size > 0 && (size_t)size < sizeof name &&
           access(name, F_OK) != 0 && store_parts_are_in(path);
}

int session_complain(const struct arguments *arguments, const char *path, int status)
{
    return lost_current(path, status) ? complain_salvage(arguments->command->name, path, status)
                                      : complain_status(arguments->command->name, status);
}

int session_open_path(struct session *session, const struct arguments *arguments, const char *path,
                      enum session_access access, nacre_durability durability)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    options.read_only = access == SESSION_READ;
    options.error_if_missing = access != SESSION_MAKE;
    options.durability = durability;
    options.logger = session_logger(arguments);
    *session = (struct session){ NULL, NULL };
    int status = nacre_open(path, &options, &session->store);
    for (int i = 0; i < 10 && status == NACRE_BUSY; i++) { /* the writer was ahead of every try */
        nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
        status = nacre_open(path, &options, &session->store);
    }
    return status == NACRE_OK ? RESULT_OK : session_complain(arguments, path, status);
}

int session_open(struct session *session, const struct arguments *arguments, enum session_access access,
                 nacre_durability durability, const char *name)
{
    const char *path = session_path(arguments);
    if (!path || session_open_path(session, arguments, path, access, durability) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int status = name ? nacre_collection_open(session->store, name, &session->collection) : NACRE_OK;
    if (status != NACRE_OK) {
        complain_status(arguments->command->name, status);
        return session_close(session, RESULT_ERROR);
    }
    return RESULT_OK;
}

int session_read(const struct arguments *arguments, int (*call)(nacre_store *, void *context), void *context)
{
    int result = RESULT_ERROR, status = NACRE_BUSY;
    for (int attempt = 1; attempt <= READ_ATTEMPTS && status == NACRE_BUSY; attempt++) {
        struct session session;
        if (session_open(&session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
            return RESULT_ERROR;
        }
        status = call(session.store, context);
        bool told = status != NACRE_OK && (status != NACRE_BUSY || attempt == READ_ATTEMPTS);
        result = status == NACRE_OK ? RESULT_OK
                 : told             ? complain_status(arguments->command->name, status)
                                    : RESULT_ERROR;
        result = session_close(&session, result);
    }
    return result;
}

int session_close(struct session *session, int result)
{
    nacre_collection_close(session->collection);
    int status = nacre_close(session->store);
    *session = (struct session){ NULL, NULL };
    return status == NACRE_OK ? result : complain_status("close", status);
}
