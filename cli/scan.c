/* scan, count, export: all that goes over a range of keys. */
#include "print.h"
#include "range.h"
#include "record.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int range_open(struct range *range, const struct arguments *arguments, const char *name, bool keys_only)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    *range = (struct range){ 0 };
    options.keys_only = keys_only;
    options.reverse = option_given(arguments, OPTION_REVERSE);
    if (!key_from_option(arguments, OPTION_PREFIX, &range->prefix) ||
        !key_from_option(arguments, OPTION_BEGIN, &range->begin) ||
        !key_from_option(arguments, OPTION_END, &range->end) ||
        !option_number(arguments, OPTION_LIMIT, 1, UINT64_MAX, &options.limit) ||
        session_open(&range->session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, name) != RESULT_OK) {
        return RESULT_ERROR;
    }
    options.prefix = slice_of(&range->prefix);
    options.begin = slice_of(&range->begin);
    options.end = slice_of(&range->end);
    int status = nacre_scan(range->session.collection, &options, &range->cursor);
    return status == NACRE_OK ? RESULT_OK : complain_status(arguments->command->name, status);
}

int range_close(struct range *range, int result)
{
    int status = range->cursor ? nacre_cursor_status(range->cursor) : NACRE_OK;
    if (status != NACRE_OK) {
        result = complain_status("scan", status);
    }
    nacre_cursor_close(range->cursor);
    if (range->session.store) {
        result = session_close(&range->session, result);
    }
    free(range->prefix.data);
    free(range->begin.data);
    free(range->end.data);
    return result;
}

/* Writes what the cursor goes over. Stops where the output takes no more. */
static uint64_t write_entries(nacre_cursor *cursor, FILE *out, enum record_format format, bool hex, bool value_shown)
{
    uint64_t count = 0;
    for (; nacre_cursor_valid(cursor) && !ferror(out); nacre_cursor_next(cursor)) {
        record_write(out, format, nacre_cursor_key(cursor), nacre_cursor_value(cursor), hex, value_shown);
        count++;
    }
    return count;
}

int run_scan(const struct arguments *arguments)
{
    struct range range;
    bool keys_only = option_given(arguments, OPTION_KEYS_ONLY);
    int result = range_open(&range, arguments, arguments->items[0], keys_only);
    if (result == RESULT_OK) {
        enum record_format format = option_given(arguments, OPTION_JSON) ? RECORD_JSONL : RECORD_TSV;
        uint64_t count = write_entries(range.cursor, stdout, format, option_given(arguments, OPTION_HEX), !keys_only);
        result = count ? RESULT_OK : RESULT_NO_MATCH;
    }
    return range_close(&range, result);
}

int run_count(const struct arguments *arguments)
{
    struct range range;
    uint64_t count = 0;
    int result = range_open(&range, arguments, arguments->items[0], true);
    if (result == RESULT_OK) {
        for (; nacre_cursor_valid(range.cursor); nacre_cursor_next(range.cursor)) {
            count++;
        }
    }
    result = range_close(&range, result);
    if (result == RESULT_OK) {
        printf(option_given(arguments, OPTION_JSON) ? "{\"count\":%" PRIu64 "}\n" : "%" PRIu64 "\n", count);
    }
    return result;
}

/* A file appears under its name when it is complete: until then it has the name that `aside` gets. */
static FILE *begin_file(const char *path, char *aside, size_t aside_size)
{
    int size = snprintf(aside, aside_size, "%s.%ld.tmp", path, (long)getpid());
    if (size < 0 || (size_t)size >= aside_size) {
        complain("export: %s: the name is too long", path);
        return NULL;
    }
    FILE *file = fopen(aside, "wx");
    if (!file) {
        complain("export: %s: %m", aside);
    }
    return file;
}

static int end_file(FILE *file, const char *aside, const char *path, int result)
{
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    if (result == RESULT_OK && (!good || rename(aside, path) != 0)) {
        result = complain("export: %s: %m", path);
    }
    if (result != RESULT_OK) {
        (void)remove(aside);
    }
    return result;
}

/* The same with the vector of each; the store was opened read-only, so nothing changes between the two reads. */
static int write_vectors(const struct range *range, FILE *out, uint32_t dimension, bool hex, uint64_t *count)
{
    float *vector = malloc(dimension * sizeof *vector);
    int status = vector ? NACRE_OK : NACRE_NO_MEMORY;
    for (; status == NACRE_OK && nacre_cursor_valid(range->cursor) && !ferror(out); nacre_cursor_next(range->cursor)) {
        nacre_slice key = nacre_cursor_key(range->cursor);
        status = nacre_get_vector(range->session.collection, key, NULL, vector, NULL);
        if (status == NACRE_OK) {
            record_write_vector(out, key, vector, dimension, nacre_cursor_value(range->cursor), hex);
            ++*count;
        }
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status; /* it has expired */
    }
    free(vector);
    return status == NACRE_OK ? RESULT_OK : complain_status("export", status);
}

static int write_all(const struct arguments *arguments, const struct range *range, FILE *out, enum record_format format,
                     uint64_t *count)
{
    nacre_collection_info info = { 0 };
    bool hex = option_given(arguments, OPTION_HEX), found;
    int status = session_find(&range->session, arguments->items[0], &info, &found);
    if (status != NACRE_OK) {
        return complain_status("export", status);
    }
    if (info.dimension) {
        return format == RECORD_JSONL ? write_vectors(range, out, info.dimension, hex, count)
                                      : complain("export: vectors are written as jsonl");
    }
    *count = write_entries(range->cursor, out, format, hex, true);
    return RESULT_OK;
}

int run_export(const struct arguments *arguments)
{
    struct range range;
    enum record_format format;
    char aside[4096], figure[FIGURE_SIZE];
    const char *path = arguments->count > 1 && strcmp(arguments->items[1], "-") != 0 ? arguments->items[1] : NULL;
    uint64_t count = 0;
    if (!record_format_choose(arguments, path ? path : "",
                              option_given(arguments, OPTION_JSON) ? RECORD_JSONL : RECORD_TSV, &format)) {
        return RESULT_ERROR;
    }
    if (format != RECORD_TSV && format != RECORD_JSONL) {
        return complain("export: the format is tsv or jsonl");
    }
    int result = range_open(&range, arguments, arguments->items[0], false);
    FILE *out = result != RESULT_OK ? NULL : path ? begin_file(path, aside, sizeof aside) : stdout;
    if (out) {
        result = write_all(arguments, &range, out, format, &count);
    }
    result = range_close(&range, out ? result : RESULT_ERROR);
    if (path && out) {
        result = end_file(out, aside, path, result);
        if (result == RESULT_OK) {
            printf("exported %s entries to %s\n", figure_exact(count, figure), path);
        }
    }
    return result;
}
