/* metrics: the figures in the text format of Prometheus. The library makes that text for the store that this process has open; where another one has
   it open for writing, that one's figures, which it tells as JSON, are put in the place of those. The lines then read

   # ...                                              as they are
   nacre_NAME VALUE                                   NAME of the object, without _total
   nacre_collection_NAME{collection="C",kind="K"}     NAME of that one of `collection` whose name is C
   nacre_memory_owner_bytes{owner="O"}                O of `memory`
   nacre_tasks_NAME{task="T"}                         NAME of T of `tasks`, without _total
   nacre_call_seconds{call="C",quantile="0.99"}       p99_ns of C of `latency`; _sum: sum_ns, _count: count */
#include "print.h"
#include "session.h"
#include "stats.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "nacre_"

/* One line's parts; sizes of names are those of the library's, with room. */
struct sample {
    char name[128]; /* without PREFIX */
    char label[2 * NACRE_NAME_MAX +
               1];     /* the value of the first one, as it was before it was escaped; "" where there is none */
    char quantile[16]; /* "" where there is none */
};

/* `at` stands behind the opening quote. Returns what is behind the closing one. */
static const char *take_quoted(const char *at, char *out, size_t size)
{
    size_t used = 0;
    for (; *at && *at != '"'; at++) {
        at += *at == '\\' && at[1];
        if (used + 1 < size) {
            out[used++] = *at;
        }
    }
    out[used] = 0;
    return at + (*at == '"');
}

/* False: the line is no sample of ours. */
static bool parse_sample(const char *line, struct sample *sample)
{
    static const char quantile[] = ",quantile=\"";
    size_t size = strncmp(line, PREFIX, strlen(PREFIX)) == 0 ? strcspn(line += strlen(PREFIX), "{ ") : 0;
    if (size == 0 || size >= sizeof sample->name) {
        return false;
    }
    memcpy(sample->name, line, size);
    sample->name[size] = sample->label[0] = sample->quantile[0] = 0;
    if (line[size] == '{') {
        const char *at = line + size + strcspn(line + size, "\"");
        at = take_quoted(at + (*at == '"'), sample->label, sizeof sample->label);
        if (strncmp(at, quantile, strlen(quantile)) == 0) {
            take_quoted(at + strlen(quantile), sample->quantile, sizeof sample->quantile);
        }
    }
    return true;
}

/* The integer of that name in the object, also where `name` has _total behind it. */
static const json_t *figure_of(const json_t *object, const char *name)
{
    static const char ending[] = "_total";
    const json_t *figure = json_object_get(object, name);
    char shorter[128];
    size_t size = strlen(name), end = strlen(ending);
    if (!figure && size > end && size < sizeof shorter && strcmp(name + size - end, ending) == 0) {
        memcpy(shorter, name, size - end);
        shorter[size - end] = 0;
        figure = json_object_get(object, shorter);
    }
    return json_is_integer(figure) ? figure : NULL;
}

static const json_t *collection_of(const json_t *stats, const char *name)
{
    const json_t *list = json_object_get(stats, "collection");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_object_get(json_array_get(list, i), "name"));
        if (one && strcmp(one, name) == 0) {
            return json_array_get(list, i);
        }
    }
    return NULL;
}

/* The rest of `name` behind `beginning`; NULL: it begins otherwise. */
static const char *behind(const char *name, const char *beginning)
{
    size_t size = strlen(beginning);
    return strncmp(name, beginning, size) == 0 ? name + size : NULL;
}

/* The figure of a call; *divisor: of which it is so many times too much. */
static const json_t *call_figure(const json_t *stats, const struct sample *sample, const char *what, double *divisor)
{
    const json_t *call = json_object_get(json_object_get(stats, "latency"), sample->label);
    char name[32];
    if (strcmp(what, "_count") == 0) {
        return figure_of(call, "count");
    }
    *divisor = 1e9;
    if (strcmp(what, "_sum") == 0) {
        return figure_of(call, "sum_ns");
    }
    snprintf(name, sizeof name, "p%g_ns", strtod(sample->quantile, NULL) * 100);
    char *point = strchr(name, '.');
    if (point) {
        *point = '_';
    }
    return figure_of(call, name);
}

static const json_t *find_figure(const json_t *stats, const struct sample *sample, double *divisor)
{
    const char *rest;
    *divisor = 1;
    if (!sample->label[0]) {
        return figure_of(stats, sample->name);
    }
    if ((rest = behind(sample->name, "call_seconds"))) {
        return call_figure(stats, sample, rest, divisor);
    }
    if ((rest = behind(sample->name, "collection_"))) {
        return figure_of(collection_of(stats, sample->label), rest);
    }
    if ((rest = behind(sample->name, "tasks_"))) {
        return figure_of(json_object_get(json_object_get(stats, "tasks"), sample->label), rest);
    }
    return strcmp(sample->name, "memory_owner_bytes") == 0 ? figure_of(json_object_get(stats, "memory"), sample->label)
                                                           : NULL;
}

/* The line with the writer's value; nothing where the writer tells none. */
static void print_line(const char *line, size_t size, const json_t *stats)
{
    struct sample sample;
    double divisor;
    if (!parse_sample(line, &sample)) {
        printf("%.*s\n", (int)size, line);
        return;
    }
    const json_t *figure = find_figure(stats, &sample, &divisor);
    while (size && line[size - 1] != ' ') { /* labels have blanks too, values none */
        size--;
    }
    if (figure && divisor != 1) {
        printf("%.*s%.9g\n", (int)size, line, (double)json_integer_value(figure) / divisor);
    } else if (figure) {
        printf("%.*s%" JSON_INTEGER_FORMAT "\n", (int)size, line, json_integer_value(figure));
    }
}

/* writer: NULL where there is none that answers. */
static void print_metrics(const char *text, const json_t *writer)
{
    printf("# HELP nacre_live 1: a process that has the store open for writing told these figures; 0: none did, and "
           "counters are of an opening to look\n# TYPE nacre_live gauge\nnacre_live %d\n",
           writer != NULL);
    for (const char *line = text; writer && *line;) {
        size_t size = strcspn(line, "\n");
        print_line(line, size, writer);
        line += size + (line[size] == '\n');
    }
    if (!writer) {
        fputs(text, stdout);
    }
}

int run_metrics(const struct arguments *arguments)
{
    struct session session;
    char *text = NULL;
    const char *path = session_path(arguments);
    json_t *writer = path ? stats_ask_writer(path) : NULL;
    if (!path || session_open_path(&session, arguments, path, SESSION_READ, NACRE_DURABILITY_DEFAULT) != RESULT_OK) {
        json_decref(writer);
        return RESULT_ERROR;
    }
    int status = nacre_metrics(session.store, &text);
    if (status == NACRE_OK) {
        print_metrics(text, writer);
    }
    nacre_free(text);
    json_decref(writer);
    return session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("metrics", status));
}
