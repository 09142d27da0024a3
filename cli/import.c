/* import: entries of a file, in batches, or, where they are sorted, as one bulk load; of vectors too. */
#include "print.h"
#include "progress.h"
#include "record.h"
#include "session.h"
#include "vector_file.h"
#include <string.h>
#include <sys/stat.h>

#define BATCH_ENTRIES    1000u
#define BATCH_BYTES_MOST (UINT64_C(16) << 20) /* a batch of large values is written earlier */
#define SHOW_ENTRIES     1000u                /* a bulk load shows after so many how far it is */
#define WRITE_TIMEOUT_MS 120000u              /* an import waits longer for room than a program would */

struct import {
    struct session session;
    struct record_reader reader;  /* used unless the file is one of vectors */
    struct vector_reader vectors; /* its format says whether it is */
    uint32_t dimension;           /* of the collection; 0: it is none of vectors */
    struct progress progress;
    bool sorted;
    nacre_batch *batch;
    nacre_segment_writer *writer; /* instead of the batch, when sorted */
    nacre_write_options options;
    uint64_t batch_entries;
    uint64_t entries; /* in batches that are written, or in the writer */
};

static bool from_vectors(const struct import *import)
{
    return import->vectors.format != VECTOR_NO_FORMAT;
}

static uint64_t bytes_read(const struct import *import)
{
    return from_vectors(import) ? import->vectors.bytes : import->reader.bytes;
}

static const char *what_comes(const struct import *import)
{
    return from_vectors(import) ? "vectors" : import->reader.format == RECORD_LINES ? "keys" : "entries";
}

static int write_batch(struct import *import)
{
    size_t count = nacre_batch_count(import->batch);
    int status = nacre_write(import->session.store, import->batch, &import->options);
    if (status != NACRE_OK) {
        return complain_status("import", status);
    }
    nacre_batch_clear(import->batch);
    import->entries += count;
    progress_show(&import->progress, bytes_read(import), import->entries);
    return RESULT_OK;
}

static int refuse(const struct import *import)
{
    bool rows = from_vectors(import);
    return complain("import: %s, %s %llu: %s", import->reader.name, rows ? "row" : "line",
                    (unsigned long long)(rows ? import->vectors.row - 1 : import->reader.line), nacre_last_error());
}

/* `vector` is NULL in collections without. */
static int add(struct import *import, nacre_slice key, const float *vector, nacre_slice value)
{
    nacre_collection *collection = import->session.collection;
    if (import->sorted) {
        return vector ? nacre_segment_writer_put_vector(import->writer, key, vector, value)
                      : nacre_segment_writer_put(import->writer, key, value);
    }
    return vector ? nacre_batch_put_vector(import->batch, collection, key, vector, value)
                  : nacre_batch_put(import->batch, collection, key, value);
}

/* The next entry into the batch or the writer: 1, 0 at the end, -1 after saying what is wrong. */
static int read_next(struct import *import)
{
    const struct record_reader *record = &import->reader;
    const struct vector_reader *row = &import->vectors;
    int got, status;
    if (from_vectors(import)) {
        if ((got = vector_read(&import->vectors)) <= 0) {
            return got;
        }
        status = add(import, row->key, row->vector, (nacre_slice){ NULL, 0 });
    } else {
        if ((got = record_read(&import->reader)) <= 0) {
            return got;
        }
        if (import->dimension && record->dimension != import->dimension) {
            complain("import: %s, line %llu: a vector of %u numbers; the collection has %u dimensions", record->name,
                     (unsigned long long)record->line, record->dimension, import->dimension);
            return -1;
        }
        status = add(import, record->key, import->dimension ? record->vector : NULL, record->value);
    }
    return status == NACRE_OK ? 1 : (refuse(import), -1);
}

static int read_all(struct import *import)
{
    int got;
    while ((got = read_next(import)) > 0) {
        if ((nacre_batch_count(import->batch) >= import->batch_entries ||
             nacre_batch_bytes(import->batch) >= BATCH_BYTES_MOST) &&
            write_batch(import) != RESULT_OK) {
            return RESULT_ERROR;
        }
    }
    return got == 0 ? RESULT_OK : RESULT_ERROR;
}

static int read_sorted(struct import *import)
{
    int got;
    while ((got = read_next(import)) > 0) {
        if (++import->entries % SHOW_ENTRIES == 0) {
            progress_show(&import->progress, bytes_read(import), import->entries);
        }
    }
    return got == 0 ? RESULT_OK : RESULT_ERROR;
}

/* All of it, or nothing. */
static int import_sorted(struct import *import, bool header)
{
    nacre_segment_writer_options options = NACRE_SEGMENT_WRITER_OPTIONS_INIT;
    options.ttl_ms = import->options.ttl_ms;
    int status = nacre_segment_writer_create(import->session.collection, &options, &import->writer);
    if (status != NACRE_OK) {
        return complain_status("import", status);
    }
    int result = header && record_skip_line(&import->reader) < 0 ? RESULT_ERROR : read_sorted(import);
    if (result == RESULT_OK) {
        status = nacre_ingest(import->session.collection, &import->writer, 1);
    }
    progress_end(&import->progress);
    nacre_segment_writer_free(import->writer);
    if (result != RESULT_OK || status != NACRE_OK) {
        import->entries = 0;
    }
    return status == NACRE_OK ? result : complain_status("import", status);
}

/* What could be read is written also where a line could not; then all of it goes to the disk. */
static int import_all(struct import *import, bool header)
{
    if (import->sorted) {
        return import_sorted(import, header);
    }
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

/* index_seconds: 0 where no indexes were built. */
static void print_summary(const struct arguments *arguments, const struct import *import, double seconds,
                          double index_seconds, FILE *out)
{
    char entries[FIGURE_SIZE], rate[FIGURE_SIZE], time[FIGURE_SIZE];
    const char *what = what_comes(import);
    if (option_given(arguments, OPTION_JSON)) {
        fprintf(out, "{\"entries\":%llu,\"bytes\":%llu,\"empty_lines\":%llu,\"seconds\":%.6f,\"index_seconds\":%.6f}\n",
                (unsigned long long)import->entries, (unsigned long long)bytes_read(import),
                (unsigned long long)import->reader.empty, seconds, index_seconds);
        return;
    }
    fprintf(out, "imported %s %s in %s (%s %s/s, %.1f MB/s)", figure_exact(import->entries, entries), what,
            figure_time(seconds, time), figure_count((double)import->entries / seconds, rate), what,
            (double)bytes_read(import) / seconds / 1e6);
    if (import->reader.empty) {
        fprintf(out, ", passed over %llu empty lines", (unsigned long long)import->reader.empty);
    }
    if (index_seconds > 0) {
        fprintf(out, "; merged and indexed in %s", figure_time(index_seconds, time));
    }
    fputc('\n', out);
}

/* What --kind, --metric and the file say of a collection that is to be made. */
static bool take_kind(const struct import *import, const struct arguments *arguments, nacre_collection_options *options)
{
    options->dimension = import->vectors.dimension;
    if (!kind_from_option(arguments, &options->kind) || !metric_from_option(arguments, &options->metric)) {
        return false;
    }
    if (options->kind != NACRE_VECTORS) {
        options->dimension = 0;
    } else if (!from_vectors(import)) {
        complain(
            "import: --kind vectors takes the dimension from the file, and %s has no fixed one; `nacre create` first",
            import->reader.name);
        return false;
    }
    return true;
}

static int make_missing(struct session *session, const char *name, const nacre_collection_options *options)
{
    if (options->kind == NACRE_VECTORS && (!options->metric || !options->dimension)) {
        return complain(options->metric ? "import: a file without vectors does not say the dimension of %s"
                                        : "import: --metric l2, cosine or dot is due to make %s",
                        name);
    }
    int status = nacre_collection_create(session->store, name, options, &session->collection);
    return status == NACRE_OK ? RESULT_OK : complain_status("import", status);
}

/* The collection, made where it is missing; one that is there must be of the kind that was named. */
static int make_collection(struct import *import, const struct arguments *arguments)
{
    const char *name = arguments->items[0];
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection_info info = { 0 };
    struct session *session = &import->session;
    bool found;
    if (!take_kind(import, arguments, &options) ||
        session_open(session, arguments, SESSION_MAKE, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int result = RESULT_OK, status = session_find(session, name, &info, &found);
    if (status == NACRE_OK && found && info.kind != options.kind) {
        result = complain("import: %s is of kind %s, not %s", name, kind_name(info.kind), kind_name(options.kind));
    } else if (status == NACRE_OK && found) {
        status = nacre_collection_open(session->store, name, &session->collection);
    } else if (status == NACRE_OK) {
        result = make_missing(session, name, &options);
    }
    result = status == NACRE_OK ? result : complain_status("import", status);
    return result == RESULT_OK ? RESULT_OK : session_close(session, result);
}

/* The file and the collection must fit. */
static int check_vectors(struct import *import, const char *name)
{
    nacre_collection_info info = { 0 };
    bool found;
    int status = session_find(&import->session, name, &info, &found);
    if (status != NACRE_OK) {
        return complain_status("import", status);
    }
    import->dimension = info.dimension;
    import->reader.with_vectors = info.dimension != 0;
    if (info.dimension && !from_vectors(import) && import->reader.format != RECORD_JSONL) {
        return complain("import: %s holds vectors: fvecs, bvecs, npy, glove or jsonl are read into it", name);
    }
    if (from_vectors(import) && !info.dimension) {
        return complain("import: %s is of kind %s, and %s holds vectors", name, kind_name(info.kind),
                        import->reader.name);
    }
    if (from_vectors(import) && import->vectors.dimension && import->vectors.dimension != info.dimension) {
        return complain("import: %s has %u dimensions, %s has %u", import->reader.name, import->vectors.dimension, name,
                        info.dimension);
    }
    return RESULT_OK;
}

static int open_collection(struct import *import, const struct arguments *arguments)
{
    int result = option_given(arguments, OPTION_KIND) ? make_collection(import, arguments)
                                                      : session_open(&import->session, arguments, SESSION_WRITE,
                                                                     NACRE_DURABILITY_DEFAULT, arguments->items[0]);
    if (result == RESULT_OK && (result = check_vectors(import, arguments->items[0])) != RESULT_OK) {
        result = session_close(&import->session, result);
    }
    return result;
}

/* Searches find an index from the first on: a process that only reads builds none. */
static int build_indexes(const struct import *import, double *seconds)
{
    nacre_collection *collection = import->session.collection;
    double begun = clock_seconds();
    int status = nacre_compact(collection, (nacre_slice){ NULL, 0 }, (nacre_slice){ NULL, 0 });
    status = status == NACRE_OK ? nacre_build_indexes(collection) : status;
    *seconds = clock_seconds() - begun;
    return status == NACRE_OK ? RESULT_OK : complain_status("import", status);
}

static int run(struct import *import, const struct arguments *arguments, uint64_t file_bytes)
{
    if ((from_vectors(import) && !vector_reader_begin(&import->vectors)) ||
        open_collection(import, arguments) != RESULT_OK) {
        return RESULT_ERROR;
    }
    progress_begin(&import->progress, "import", what_comes(import), file_bytes);
    int result = import_all(import, option_given(arguments, OPTION_HEADER));
    double seconds = clock_seconds() - import->progress.begun, index_seconds = 0;
    if (result == RESULT_OK && import->dimension && !option_given(arguments, OPTION_NO_INDEX)) {
        result = build_indexes(import, &index_seconds);
    }
    result = session_close(&import->session, result);
    print_summary(arguments, import, seconds, index_seconds, result == RESULT_OK ? stdout : stderr);
    return result;
}

/* What a bulk load has no use for. */
static bool check_sorted(const struct import *import, const struct arguments *arguments)
{
    if (!import->sorted) {
        return true;
    }
    if (option_given(arguments, OPTION_BATCH) || option_given(arguments, OPTION_DURABILITY)) {
        complain("import: with --sorted all is one write on the disk: there is no --batch and no --durability");
        return false;
    }
    if (from_vectors(import) && import->vectors.format != VECTOR_GLOVE) {
        complain("import: the keys of %s are row numbers, and as bytes they do not ascend (10 comes before 9): leave "
                 "--sorted out",
                 import->reader.name);
        return false;
    }
    return true;
}

int run_import(const struct arguments *arguments)
{
    struct import import = { .batch_entries = BATCH_ENTRIES, .options = NACRE_WRITE_OPTIONS_INIT };
    const char *path = arguments->items[1];
    bool input = strcmp(path, "-") == 0;
    struct stat about;
    int result = RESULT_ERROR;
    import.reader = (struct record_reader){ .name = input ? "standard input" : path,
                                            .hex = option_given(arguments, OPTION_HEX),
                                            .crlf = option_given(arguments, OPTION_CRLF) };
    import.vectors = (struct vector_reader){ .name = import.reader.name, .format = vector_format_of(arguments, path) };
    import.options.durability = NACRE_OS;
    import.sorted = option_given(arguments, OPTION_SORTED);
    import.options.timeout_ms = WRITE_TIMEOUT_MS;
    if ((import.vectors.format == VECTOR_NO_FORMAT &&
         !record_format_choose(arguments, path, RECORD_LINES, &import.reader.format)) ||
        !option_number(arguments, OPTION_TTL, 1, UINT64_MAX, &import.options.ttl_ms) ||
        !option_number(arguments, OPTION_BATCH, 1, 1000000, &import.batch_entries) ||
        !option_durability(arguments, &import.options.durability) || !check_sorted(&import, arguments)) {
        return RESULT_ERROR;
    }
    FILE *file = input ? stdin : fopen(path, "r");
    import.reader.file = import.vectors.file = file;
    if (!file || fstat(fileno(file), &about) != 0) {
        complain("import: %s: %m", import.reader.name);
    } else {
        result = run(&import, arguments, S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0);
    }
    record_reader_free(&import.reader);
    vector_reader_free(&import.vectors);
    if (file && !input) {
        (void)fclose(file);
    }
    return result;
}
