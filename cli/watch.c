/* stats: once, or as a live view that opens the store read-only again every second, so that it works beside a program that
   writes. */
#include "print.h"
#include "session.h"
#include "stats.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* The store as it is now; NULL after saying what is wrong. */
static json_t *look(const struct arguments *arguments)
{
    struct session session;
    if (session_open(&session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return NULL;
    }
    json_t *stats = stats_read(session.store);
    if (session_close(&session, RESULT_OK) != RESULT_OK) {
        json_decref(stats);
        return NULL;
    }
    return stats;
}

/* Over what stands there, line by line, so that nothing flickers. */
static void draw(const json_t *stats, const struct stats_view *view)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) {
        return;
    }
    stats_print(memory, stats, view);
    if (fclose(memory) == 0) {
        fputs("\033[H", stdout);
        for (const char *line = text; *line;) {
            size_t length = strcspn(line, "\n");
            fwrite(line, 1, length, stdout);
            fputs("\033[K\n", stdout);
            line += length + (line[length] == '\n');
        }
        fputs("\033[J\nCtrl-C ends", stdout);
    }
    free(text);
}

static int watch(const struct arguments *arguments, struct stats_view *view, uint64_t times)
{
    bool terminal = isatty(STDOUT_FILENO) && !option_given(arguments, OPTION_JSON);
    struct sigaction action = { .sa_handler = interrupt };
    uint64_t before = 0;
    double then = 0;
    int result = RESULT_OK;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    fputs(terminal ? "\033[?1049h\033[?25l" : "", stdout); /* the other screen, no cursor */
    for (uint64_t i = 0; i < times && !interrupted && !ferror(stdout); i++) {
        if (i) {
            nanosleep(&(struct timespec){ 1, 0 }, NULL);
        }
        json_t *stats = interrupted ? NULL : look(arguments);
        if (!stats) {
            result = interrupted ? RESULT_OK : RESULT_ERROR;
            break;
        }
        double now = clock_seconds();
        uint64_t sequence = (uint64_t)json_integer_value(json_object_get(stats, "sequence"));
        view->writes_per_second = i && sequence >= before ? (double)(sequence - before) / (now - then) : -1;
        before = sequence;
        then = now;
        if (option_given(arguments, OPTION_JSON)) {
            json_dumpf(stats, stdout, JSON_COMPACT);
            putchar('\n');
        } else if (terminal) {
            draw(stats, view);
        } else {
            fputs(i ? "\n" : "", stdout);
            stats_print(stdout, stats, view);
        }
        fflush(stdout);
        json_decref(stats);
    }
    fputs(terminal ? "\033[?25h\033[?1049l" : "", stdout);
    if (terminal && result != RESULT_OK) { /* said once already, on the screen that is gone */
        complain_status("stats", RESULT_ERROR);
    }
    return result;
}

int run_stats(const struct arguments *arguments)
{
    uint64_t times = UINT64_MAX;
    struct stats_view view = { .path = session_path(arguments),
                               .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
                               .writes_per_second = -1 };
    if (!view.path || !option_number(arguments, OPTION_LIMIT, 1, UINT64_MAX, &times)) {
        return RESULT_ERROR;
    }
    if (option_given(arguments, OPTION_WATCH)) {
        return watch(arguments, &view, times);
    }
    json_t *stats = look(arguments);
    if (!stats) {
        return RESULT_ERROR;
    }
    if (option_given(arguments, OPTION_JSON)) {
        json_dumpf(stats, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        stats_print(stdout, stats, &view);
    }
    json_decref(stats);
    return RESULT_OK;
}
