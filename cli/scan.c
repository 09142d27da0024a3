/* scan, count, export: all that goes over a range of keys. */
#include "print.h"
#include "range.h"
#include "record.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MOST 40 /* as the kernel follows */

int range_open(struct range *range, const struct arguments *arguments, const char *name, bool keys_only)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    *range = (struct range){ .command = arguments->command->name };
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
        result = complain_key(range->command, nacre_cursor_key(range->cursor), status);
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

/* Where the entries go. */
struct output {
    FILE *file;
    char path[4096];  /* what is written in the end: where the links at the end of the given name lead */
    char aside[4128]; /* a file has this name until it is complete; "": `file` is written straight */
};

/* The links at the end of `path` followed, also where nothing stands at their end yet. */
static bool follow_links(const char *path, char *target, size_t size)
{
    char link[4096];
    size_t length = strlen(path);
    for (int links = 0; length < size && links <= LINKS_MOST; links++) {
        memcpy(target, path, length + 1);
        ssize_t got = readlink(target, link, sizeof link - 1);
        if (got < 0) {
            return true;
        }
        const char *slash = strrchr(target, '/');
        size_t directory = link[0] == '/' || !slash ? 0 : (size_t)(slash + 1 - target);
        length = directory + (size_t)got;
        if (length >= size || length >= sizeof link) {
            break;
        }
        memmove(link + directory, link, (size_t)got);
        memcpy(link, target, directory);
        link[length] = 0;
        path = link;
    }
    return false;
}

/* A regular file appears under its name when it is complete. Devices and pipes are written as they stand: a rename would put a file in
   their place. */
static bool begin_file(struct output *output, const char *path)
{
    struct stat about;
    bool straight = stat(path, &about) == 0 && (!S_ISREG(about.st_mode) || about.st_nlink == 0);
    if (straight) {
        snprintf(output->path, sizeof output->path, "%s", path);
    } else if (!follow_links(path, output->path, sizeof output->path)) {
        complain("export: %s: the name is too long, or its links lead nowhere", path);
        return false;
    } else {
        snprintf(output->aside, sizeof output->aside, "%s.%ld.tmp", output->path, (long)getpid());
    }
    output->file = fopen(straight ? path : output->aside, straight ? "w" : "wx");
    if (!output->file) {
        complain("export: %s: %m", straight ? path : output->aside);
    }
    return output->file;
}

static int end_file(const struct output *output, int result)
{
    bool straight = !output->aside[0];
    int error = fflush(output->file) != 0 ? errno : ferror(output->file) ? EIO : 0;
    if (!error && fsync(fileno(output->file)) != 0 && !(straight && (errno == EINVAL || errno == EROFS))) {
        error = errno; /* pipes and most devices have nothing to sync */
    }
    if (fclose(output->file) != 0 && !error) {
        error = errno;
    }
    if (result == RESULT_OK && !error && !straight && rename(output->aside, output->path) != 0) {
        error = errno;
    }
    if (result == RESULT_OK && error) {
        result = complain("export: %s: %s", output->path, strerror(error));
    }
    if (result != RESULT_OK && !straight) {
        (void)remove(output->aside);
    }
    return result;
}

/* The same with the vector of each; the store was opened read-only, so nothing changes between the two reads. */
static int write_vectors(const struct range *range, FILE *out, uint32_t dimension, bool hex, uint64_t *count)
{
    float *vector = malloc(dimension * sizeof *vector);
    int result = vector ? RESULT_OK : complain("export: out of memory");
    for (; result == RESULT_OK && nacre_cursor_valid(range->cursor) && !ferror(out); nacre_cursor_next(range->cursor)) {
        nacre_slice key = nacre_cursor_key(range->cursor);
        int status = nacre_get_vector(range->session.collection, key, NULL, vector, NULL);
        if (status == NACRE_OK) {
            record_write_vector(out, key, vector, dimension, nacre_cursor_value(range->cursor), hex);
            ++*count;
        } else if (status != NACRE_NOT_FOUND) { /* else it has expired */
            result = complain_key("export", key, status);
        }
    }
    free(vector);
    return result;
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

/* Whether a name is that of standard output, as /dev/stdout is: then it is that which is written, as for `-`. */
static bool is_standard_output(const char *path)
{
    struct stat named, open;
    return stat(path, &named) == 0 && fstat(STDOUT_FILENO, &open) == 0 && named.st_dev == open.st_dev &&
           named.st_ino == open.st_ino;
}

int run_export(const struct arguments *arguments)
{
    struct range range;
    struct output output = { .file = stdout };
    enum record_format format;
    char figure[FIGURE_SIZE];
    const char *path = arguments->count > 1 && strcmp(arguments->items[1], "-") != 0 ? arguments->items[1] : NULL;
    uint64_t count = 0;
    if (!record_format_choose(arguments, path ? path : "",
                              option_given(arguments, OPTION_JSON) ? RECORD_JSONL : RECORD_TSV, &format)) {
        return RESULT_ERROR;
    }
    if (format != RECORD_TSV && format != RECORD_JSONL) {
        return complain("export: the format is tsv or jsonl");
    }
    bool to_file = path && !is_standard_output(path);
    int result = range_open(&range, arguments, arguments->items[0], false);
    bool open = result == RESULT_OK && (!to_file || begin_file(&output, path));
    if (open) {
        result = write_all(arguments, &range, output.file, format, &count);
    }
    result = range_close(&range, open ? result : RESULT_ERROR);
    if (to_file && open) {
        result = end_file(&output, result);
        if (result == RESULT_OK) {
            printf("exported %s entries to %s\n", figure_exact(count, figure), path);
        }
    }
    return result;
}
