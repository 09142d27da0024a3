/* stats: once, or as a live view. The process that has the store open for writing is asked for its figures; where there is none, the store is opened
   read-only for each look. */
#include "dashboard.h"
#include "print.h"
#include "session.h"
#include "stats.h"
#include "terminal.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The store as it is now; NULL after saying what is wrong. */
static json_t *look(const struct arguments *arguments, const char *path)
{
    struct session session;
    json_t *stats = stats_ask_writer(path);
    bool live = stats != NULL;
    if (!live) {
        if (session_open(&session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
            return NULL;
        }
        stats = stats_read(session.store);
        if (session_close(&session, RESULT_OK) != RESULT_OK) {
            json_decref(stats);
            return NULL;
        }
    }
    if (stats) {
        json_object_set_new(stats, "live", json_boolean(live));
    }
    return stats;
}

/* Over what stands there, line by line, so that nothing flickers. */
static void draw(const struct dashboard *view, const json_t *stats)
{
    char *text = NULL;
    size_t size;
    unsigned width, height;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) {
        return;
    }
    terminal_size(&width, &height);
    dashboard_print(memory, view, stats, width, height - 1);
    if (fclose(memory) == 0) {
        fputs("\033[H", stdout);
        for (const char *line = text; *line;) {
            size_t length = strcspn(line, "\n");
            fwrite(line, 1, length, stdout);
            fputs("\033[K\n", stdout);
            line += length + (line[length] == '\n');
        }
        fputs("\033[Jq ends", stdout);
    }
    free(text);
}

static void show(const struct arguments *arguments, const struct dashboard *view, const json_t *stats, bool terminal)
{
    if (option_given(arguments, OPTION_JSON)) {
        json_dumpf(stats, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (terminal) {
        draw(view, stats);
    } else {
        dashboard_print(stdout, view, stats, 0, 0);
        putchar('\n');
    }
    fflush(stdout);
}

/* Rates are told between two looks at one process. */
static bool same_process(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "process"), json_object_get(b, "process")) &&
           json_equal(json_object_get(a, "live"), json_object_get(b, "live"));
}

static int watch(const struct arguments *arguments, const char *path, uint64_t times, uint64_t interval_ms)
{
    bool terminal = isatty(STDOUT_FILENO) && !option_given(arguments, OPTION_JSON);
    struct dashboard view = { .path = path, .colour = terminal && !getenv("NO_COLOR") };
    json_t *before = NULL;
    double then = 0;
    int result = RESULT_OK;
    terminal_catch_signals();
    if (terminal) {
        terminal_enter();
    }
    for (uint64_t i = 0; i < times && !terminal_ended() && !ferror(stdout); i++) {
        if (i) {
            terminal_wait((unsigned)interval_ms);
        }
        json_t *stats = terminal_ended() ? NULL : look(arguments, path);
        if (!stats) {
            result = terminal_ended() ? RESULT_OK : RESULT_ERROR;
            break;
        }
        double now = clock_seconds();
        view.before = before && same_process(before, stats) ? before : NULL;
        view.seconds = now - then;
        show(arguments, &view, stats, terminal);
        json_decref(before);
        before = stats;
        then = now;
    }
    json_decref(before);
    if (terminal) {
        terminal_leave();
        if (result != RESULT_OK) { /* said once already, on the screen that is gone */
            complain_status("stats", RESULT_ERROR);
        }
    }
    return result;
}

int run_stats(const struct arguments *arguments)
{
    uint64_t times = UINT64_MAX, interval_ms = 1000;
    struct stats_view view = { .path = session_path(arguments),
                               .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
                               .writes_per_second = -1 };
    if (!view.path || !option_number(arguments, OPTION_LIMIT, 1, UINT64_MAX, &times) ||
        !option_number(arguments, OPTION_INTERVAL, 100, 3600000, &interval_ms)) {
        return RESULT_ERROR;
    }
    if (option_given(arguments, OPTION_WATCH)) {
        return watch(arguments, view.path, times, interval_ms);
    }
    json_t *stats = look(arguments, view.path);
    if (!stats) {
        return RESULT_ERROR;
    }
    view.state_shown = json_is_true(json_object_get(stats, "live"));
    if (option_given(arguments, OPTION_JSON)) {
        json_dumpf(stats, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        stats_print(stdout, stats, &view);
    }
    json_decref(stats);
    return RESULT_OK;
}
