/* import: entries of a file, in batches. */
#include "print.h"
#include "progress.h"
#include "record.h"
#include "session.h"
#include <string.h>
#include <sys/stat.h>

#define BATCH_ENTRIES    1000u
#define BATCH_BYTES_MOST (UINT64_C(16) << 20) /* a batch of large values is written earlier */
#define WRITE_TIMEOUT_MS 120000u              /* an import waits longer for room than a program would */

struct import {
    struct session session;
    struct record_reader reader;
    struct progress progress;
    nacre_batch *batch;
    nacre_write_options options;
    uint64_t batch_entries;
    uint64_t entries; /* in batches that are written */
};

static int write_batch(struct import *import)
{
    size_t count = nacre_batch_count(import->batch);
    int status = nacre_write(import->session.store, import->batch, &import->options);
    if (status != NACRE_OK) {
        return complain_status("import", status);
    }
    nacre_batch_clear(import->batch);
    import->entries += count;
    progress_show(&import->progress, import->reader.bytes, import->entries);
    return RESULT_OK;
}

static int read_all(struct import *import)
{
    int got;
    while ((got = record_read(&import->reader)) > 0) {
        int status =
            nacre_batch_put(import->batch, import->session.collection, import->reader.key, import->reader.value);
        if (status != NACRE_OK) {
            return complain("import: %s, line %llu: %s", import->reader.name, (unsigned long long)import->reader.line,
                            nacre_last_error());
        }
        if ((nacre_batch_count(import->batch) >= import->batch_entries ||
             nacre_batch_bytes(import->batch) >= BATCH_BYTES_MOST) &&
            write_batch(import) != RESULT_OK) {
            return RESULT_ERROR;
        }
    }
    return got == 0 ? RESULT_OK : RESULT_ERROR;
}

/* What could be read is written also where a line could not; then all of it goes to the disk. */
static int import_all(struct import *import, bool header)
{
    int status = nacre_batch_create(&import->batch);
    if (status != NACRE_OK) {
        return complain_status("import", status);
    }
    int result = header && record_skip_line(&import->reader) < 0 ? RESULT_ERROR : read_all(import);
    if (nacre_batch_count(import->batch) && write_batch(import) != RESULT_OK) {
        result = RESULT_ERROR;
    }
    status = nacre_sync(import->session.store);
    progress_end(&import->progress);
    nacre_batch_free(import->batch);
    return status == NACRE_OK ? result : complain_status("import", status);
}

static void print_summary(const struct arguments *arguments, const struct import *import, double seconds, FILE *out)
{
    char entries[FIGURE_SIZE], rate[FIGURE_SIZE], time[FIGURE_SIZE];
    const char *what = import->reader.format == RECORD_LINES ? "keys" : "entries";
    if (option_given(arguments, OPTION_JSON)) {
        fprintf(out, "{\"entries\":%llu,\"bytes\":%llu,\"empty_lines\":%llu,\"seconds\":%.6f}\n",
                (unsigned long long)import->entries, (unsigned long long)import->reader.bytes,
                (unsigned long long)import->reader.empty, seconds);
        return;
    }
    fprintf(out, "imported %s %s in %s (%s %s/s, %.1f MB/s)", figure_exact(import->entries, entries), what,
            figure_time(seconds, time), figure_count((double)import->entries / seconds, rate), what,
            (double)import->reader.bytes / seconds / 1e6);
    if (import->reader.empty) {
        fprintf(out, ", passed over %llu empty lines", (unsigned long long)import->reader.empty);
    }
    fputc('\n', out);
}

/* The collection, made where it is missing; one that is there must be of the kind that was named. */
static int make_collection(struct session *session, const struct arguments *arguments)
{
    const char *name = arguments->items[0];
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection_info *list = NULL;
    size_t count = 0, i = 0;
    if (!kind_from_option(arguments, &options.kind) ||
        session_open(session, arguments, SESSION_MAKE, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int result = RESULT_OK, status = nacre_collection_list(session->store, &list, &count);
    while (i < count && strcmp(list[i].name, name) != 0) {
        i++;
    }
    if (status == NACRE_OK && i < count && list[i].kind != options.kind) {
        result = complain("import: %s is of kind %s, not %s", name, kind_name(list[i].kind), kind_name(options.kind));
    } else if (status == NACRE_OK) {
        status = i < count ? nacre_collection_open(session->store, name, &session->collection)
                           : nacre_collection_create(session->store, name, &options, &session->collection);
    }
    nacre_free(list);
    result = status == NACRE_OK ? result : complain_status("import", status);
    return result == RESULT_OK ? RESULT_OK : session_close(session, result);
}

static int open_collection(struct session *session, const struct arguments *arguments)
{
    return option_given(arguments, OPTION_KIND)
               ? make_collection(session, arguments)
               : session_open(session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]);
}

int run_import(const struct arguments *arguments)
{
    struct import import = { .batch_entries = BATCH_ENTRIES, .options = NACRE_WRITE_OPTIONS_INIT };
    const char *path = arguments->items[1];
    bool input = strcmp(path, "-") == 0;
    struct stat about;
    int result = RESULT_ERROR;
    import.reader =
        (struct record_reader){ .name = input ? "standard input" : path, .hex = option_given(arguments, OPTION_HEX) };
    import.options.durability = NACRE_OS;
    import.options.timeout_ms = WRITE_TIMEOUT_MS;
    if (!record_format_choose(arguments, path, RECORD_LINES, &import.reader.format) ||
        !option_number(arguments, OPTION_TTL, 1, UINT64_MAX, &import.options.ttl_ms) ||
        !option_number(arguments, OPTION_BATCH, 1, 1000000, &import.batch_entries) ||
        !option_durability(arguments, &import.options.durability)) {
        return RESULT_ERROR;
    }
    import.reader.file = input ? stdin : fopen(path, "r");
    if (!import.reader.file || fstat(fileno(import.reader.file), &about) != 0) {
        complain("import: %s: %m", import.reader.name);
        goto done;
    }
    if (open_collection(&import.session, arguments) != RESULT_OK) {
        goto done;
    }
    progress_begin(&import.progress, "import", import.reader.format == RECORD_LINES ? "keys" : "entries",
                   S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0);
    result = import_all(&import, option_given(arguments, OPTION_HEADER));
    double seconds = clock_seconds() - import.progress.begun;
    result = session_close(&import.session, result);
    print_summary(arguments, &import, seconds, result == RESULT_OK ? stdout : stderr);
done:
    record_reader_free(&import.reader);
    if (import.reader.file && !input) {
        (void)fclose(import.reader.file);
    }
    return result;
}
