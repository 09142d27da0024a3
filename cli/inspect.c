/* verify, dump, salvage. */
#include "print.h"
#include "session.h"
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define VERIFY_ATTEMPTS 8 /* while a writer is ahead of every try to open the store */

static void print_report_json(const nacre_verify_report *report)
{
    const char *line = report->damage ? report->damage : "";
    printf("{\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"damage\":[",
           report->files, report->bytes, report->entries, report->damaged);
    for (bool first = true; *line; first = false) {
        size_t size = strcspn(line, "\n");
        fputs(first ? "" : ",", stdout);
        print_json_text(stdout, (nacre_slice){ line, size });
        line += size + (line[size] == '\n');
    }
    puts("]}");
}

/* What is in the log alone is no entry of the count: "0 entries" must not read as if there was nothing. */
static void print_report(const nacre_verify_report *report, bool of_store)
{
    char files[FIGURE_SIZE], bytes[FIGURE_SIZE], entries[FIGURE_SIZE];
    if (report->damage) {
        fputs(report->damage, stdout);
    }
    printf("%s files, %s", figure_exact(report->files, files), figure_bytes((double)report->bytes, bytes));
    if (of_store) {
        printf(", %s entries in segments (records in the log are checked, not counted)",
               figure_exact(report->entries, entries));
    }
    fputs(report->damaged ? ": " : ": all good\n", stdout);
    if (report->damaged) {
        printf("%" PRIu64 " damaged\n", report->damaged);
    }
}

void print_verified(const struct arguments *arguments, const nacre_verify_report *report, bool of_store)
{
    if (option_given(arguments, OPTION_JSON)) {
        print_report_json(report);
    } else {
        print_report(report, of_store);
    }
}

int run_verify(const struct arguments *arguments)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    const char *path = session_path(arguments);
    if (!path) {
        return RESULT_ERROR;
    }
    options.logger = session_logger(arguments);
    int status = NACRE_BUSY;
    for (int attempt = 0; attempt < VERIFY_ATTEMPTS && status == NACRE_BUSY; attempt++) {
        status = nacre_verify_path(path, &options, &report);
    }
    if (status == NACRE_OK || (status == NACRE_CORRUPT && report.damaged)) {
        print_verified(arguments, &report, true);
    }
    nacre_free(report.damage);
    return status == NACRE_OK ? RESULT_OK : session_complain(arguments, path, status);
}

struct dumping {
    uint64_t left;
};

static void print_line(void *context, const char *json)
{
    struct dumping *dumping = context;
    if (dumping->left) {
        dumping->left--;
        puts(json);
    }
}

int run_dump(const struct arguments *arguments)
{
    struct dumping dumping = { UINT64_MAX };
    const char *kind = arguments->items[0];
    if (strcmp(kind, "log") != 0 && strcmp(kind, "manifest") != 0 && strcmp(kind, "segment") != 0 &&
        strcmp(kind, "values") != 0) {
        return complain("dump %s: expected log, manifest, segment or values", kind);
    }
    if (!option_number(arguments, OPTION_LIMIT, 1, UINT64_MAX, &dumping.left)) {
        return RESULT_ERROR;
    }
    int status = nacre_dump(kind, arguments->items[1], NULL, print_line, &dumping);
    return status == NACRE_OK ? RESULT_OK : complain_status("dump", status);
}

/* One line for each part of the report; damage in words below it. */
static void print_part(const char *name, const json_t *part)
{
    const char *figure, *damage = json_string_value(json_object_get(part, "damage"));
    json_t *value;
    printf("%-10s", name);
    json_object_foreach((json_t *)part, figure, value)
    {
        if (json_is_integer(value)) {
            printf("  %s %" JSON_INTEGER_FORMAT, figure, json_integer_value(value));
        }
    }
    putchar('\n');
    if (damage && damage[0]) {
        printf("%s%s", damage, damage[strlen(damage) - 1] == '\n' ? "" : "\n");
    }
}

static int print_salvaged(const struct arguments *arguments, const char *text)
{
    json_t *report = json_loads(text, 0, NULL);
    const char *name;
    json_t *part;
    if (option_given(arguments, OPTION_JSON)) {
        puts(text);
    } else {
        json_object_foreach(report, name, part)
        {
            print_part(name, part);
        }
    }
    json_int_t left = json_integer_value(json_object_get(json_object_get(report, "segments"), "damaged"));
    json_int_t lost = json_integer_value(json_object_get(json_object_get(report, "log"), "damaged_regions"));
    json_decref(report);
    if (left) {
        return complain(
            "salvage: %lld damaged places in the log, which lost what stood there, and %lld that are left in "
            "segments; keys outside of them can be read, and `nacre salvage %s --to NEW` copies what can be "
            "read",
            (long long)lost, (long long)left, arguments->items[0]);
    }
    return lost ? complain("salvage: %lld damaged places in the log: what stood there is lost, the rest is kept",
                           (long long)lost)
                : RESULT_OK;
}

/* A place that is damaged, or a key that may be stale, in a line. */
static void print_item(const json_t *item, const char *separator)
{
    const char *name;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)item, name, value)
    {
        fputs(first ? "" : separator, stdout);
        first = false;
        if (json_is_integer(value)) {
            printf("%s %" JSON_INTEGER_FORMAT, name, json_integer_value(value));
        } else {
            printf("%s ", name);
            print_escaped(stdout, (nacre_slice){ json_string_value(value), json_string_length(value) });
        }
    }
    putchar('\n');
}

static void print_copied(const json_t *report)
{
    size_t i;
    json_t *item;
    printf("manifest    %s\n", json_string_value(json_object_get(json_object_get(report, "manifest"), "state")));
    print_part("segments", json_object_get(report, "segments"));
    print_part("log", json_object_get(report, "log"));
    json_array_foreach(json_object_get(report, "damage"), i, item)
    {
        print_item(item, ", ");
    }
    if (json_integer_value(json_object_get(report, "stale"))) {
        puts("may show an older value, or be back though deleted:");
    }
    json_array_foreach(json_object_get(report, "may_be_stale"), i, item)
    {
        print_item(item, ", ");
    }
}

static int salvage_copy(const struct arguments *arguments, const nacre_options *options)
{
    char *text = NULL;
    int status = nacre_salvage_copy(arguments->items[0], arguments->options[OPTION_TO], options, &text);
    if (status != NACRE_OK) {
        return complain_status("salvage", status);
    }
    json_t *report = json_loads(text, JSON_ALLOW_NUL, NULL);
    if (option_given(arguments, OPTION_JSON)) {
        puts(text);
    } else {
        print_copied(report);
    }
    json_int_t damaged = json_integer_value(json_object_get(report, "damaged"));
    json_decref(report);
    nacre_free(text);
    return damaged ? complain("salvage: %lld damaged places; the copy has what could be read", (long long)damaged)
                   : RESULT_OK;
}

int run_salvage(const struct arguments *arguments)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    char *text = NULL;
    options.logger = session_logger(arguments);
    if (option_given(arguments, OPTION_TO)) {
        return salvage_copy(arguments, &options);
    }
    const char *path = arguments->items[0];
    int status = nacre_salvage(path, &options, &text);
    if (status == NACRE_CORRUPT || ((status == NACRE_INVALID || status == NACRE_IO) && store_parts_are_in(path))) {
        return complain_salvage("salvage", path, status);
    }
    if (status != NACRE_OK) {
        return complain_status("salvage", status);
    }
    int result = print_salvaged(arguments, text);
    nacre_free(text);
    return result;
}
