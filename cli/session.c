/* Opening and closing a store for a command. */
#include "session.h"
#include "print.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Called from any thread: one line is written under the stream's lock. */
static void write_log_line(void *context, nacre_log_level level, const char *event, const char *fields_json)
{
    static const char *const levels[] = { "none", "error", "warning", "info", "debug" };
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "{\"time_ms\":%lld,\"level\":\"%s\",\"event\":\"%s\",\"fields\":%s}\n",
            (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, levels[level <= NACRE_LOG_DEBUG ? level : 0], event,
            fields_json);
}

const nacre_logger *session_logger(const struct arguments *arguments)
{
    static const nacre_logger logger = { sizeof logger, NULL, NACRE_LOG_DEBUG, write_log_line };
    return option_given(arguments, OPTION_LOG) ? &logger : NULL;
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
    for (int i = NACRE_ORDERED; text && i <= NACRE_STRINGS; i++) {
        if (strcmp(text, kind_name((nacre_kind)i)) == 0) {
            *kind = (nacre_kind)i;
            return true;
        }
    }
    if (text) {
        complain("--kind %s: expected ordered or strings", text);
    }
    return !text;
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
    return status == NACRE_OK ? RESULT_OK : complain_status(arguments->command->name, status);
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

int session_close(struct session *session, int result)
{
    nacre_collection_close(session->collection);
    int status = nacre_close(session->store);
    *session = (struct session){ NULL, NULL };
    return status == NACRE_OK ? result : complain_status("close", status);
}
