/* The rows, the medians, the ratios. A ratio is always "how many times better nacre is": rates are divided by the peer's, times, bytes and
   amplifications the other way round. */
#include "report.h"
#include "adapters/engine.h"
#include "median.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX  128
#define NOTES_MAX   64
#define NOTE_SIZE   256
#define ENGINES_MAX 8

enum better { HIGHER, LOWER, NEITHER };

struct row {
    const char *name; /* NULL: `title` is a heading */
    const char *title, *unit;
    enum better better;
    double scale; /* figures are divided by it */
};

#define MIB (1024.0 * 1024.0)
#define HEADING(title) \
    { \
        NULL, title, NULL, NEITHER, 1 \
    }
#define RATE(name, title) \
    { \
        name, title, "/s", HIGHER, 1 \
    }
#define MICROSECONDS(name, title) \
    { \
        name, title, "us", LOWER, 1 \
    }
#define TIMES(name, title) \
    { \
        name, title, "x", LOWER, 1 \
    }
#define PERCENTILES(name, title) \
    MICROSECONDS(name ".p50", title " p50"), MICROSECONDS(name ".p99", title " p99"), \
        MICROSECONDS(name ".p999", title " p99.9"), MICROSECONDS(name ".max", title " max")

static const struct row rows[] = {
    HEADING("Filling, level os"),
    RATE("fillseq", "fillseq"),
    RATE("fillseq.flush", "fillseq to the end of the flush"),
    TIMES("fillseq.write_amp", "fillseq write amplification"),
    RATE("fillseqbatch.disk", "fillseq in batches of 100, level disk"),
    RATE("fillseqbatch", "fillseq in batches of 100"),
    RATE("fillseqbatch.flush", "fillseq in batches to the end of the flush"),
    MICROSECONDS("fillseqbatch.cpu", "fillseq in batches CPU per entry, merges too"),
    TIMES("fillseqbatch.write_amp", "fillseq in batches write amplification"),
    RATE("ingest", "ingest, until it is durable"),
    MICROSECONDS("ingest.cpu", "ingest CPU per entry, merges too"),
    TIMES("ingest.write_amp", "ingest write amplification"),
    RATE("fillrandom", "fillrandom"),
    RATE("fillrandom.flush", "fillrandom to the end of the flush"),
    MICROSECONDS("fillrandom.cpu", "fillrandom CPU per entry, merges too"),
    TIMES("fillrandom.write_amp", "fillrandom write amplification"),
    TIMES("fillrandom.space_amp", "fillrandom space amplification"),
    { "fillrandom.rss", "fillrandom peak memory", "MiB", LOWER, MIB },
    { "compact", "full merge after it", "s", LOWER, 1 },
    TIMES("compact.space_amp", "space amplification after the full merge"),
    RATE("overwrite", "overwrite"),
    RATE("overwrite.flush", "overwrite to the end of the flush"),
    TIMES("overwrite.write_amp", "overwrite write amplification"),
    TIMES("overwrite.space_amp", "overwrite space amplification"),
    RATE("fillbatch", "fillbatch (100 entries each)"),
    RATE("fillbatch.flush", "fillbatch to the end of the flush"),
    RATE("fill16k", "fill16k"),
    RATE("fill16k.flush", "fill16k to the end of the flush"),
    TIMES("fill16k.write_amp", "fill16k write amplification"),
    HEADING("Durable commits, level disk"),
    { "disk.append", "raw fdatasync, appending", "/s", NEITHER, 1 },
    { "disk.overwrite", "raw fdatasync, preallocated", "/s", NEITHER, 1 },
    RATE("fillsync.1", "fillsync 1 writer"),
    PERCENTILES("fillsync.1", "fillsync 1 writer"),
    { "fillsync.1.bytes", "fillsync 1 writer, written per commit", "B", LOWER, 1 },
    RATE("fillsync.4", "fillsync 4 writers"),
    PERCENTILES("fillsync.4", "fillsync 4 writers"),
    { "fillsync.4.bytes", "fillsync 4 writers, written per commit", "B", LOWER, 1 },
    RATE("fillsync.16", "fillsync 16 writers"),
    PERCENTILES("fillsync.16", "fillsync 16 writers"),
    { "fillsync.16.bytes", "fillsync 16 writers, written per commit", "B", LOWER, 1 },
    HEADING("Reading, after merges"),
    RATE("readrandom", "readrandom 1 thread"),
    RATE("readrandom.threads", "readrandom several threads"),
    PERCENTILES("readrandom", "readrandom 1 thread"),
    MICROSECONDS("readrandom.cpu", "readrandom CPU per get"),
    { "readrandom.rss", "readrandom peak memory, maps too", "MiB", LOWER, MIB },
    { "readrandom.anonymous", "readrandom anonymous memory", "MiB", LOWER, MIB },
    RATE("readmissing", "readmissing"),
    RATE("seekrandom", "seekrandom (seek + 10 next)"),
    PERCENTILES("seekrandom", "seekrandom"),
    RATE("readseq", "readseq, entries"),
    RATE("readreverse", "readreverse, entries"),
    RATE("read16k", "read16k"),
    HEADING("Mixed"),
    RATE("ycsb.a", "YCSB A (50 get, 50 update) 1 thread"),
    RATE("ycsb.a.threads", "YCSB A several threads"),
    RATE("ycsb.b", "YCSB B (95 get, 5 update) 1 thread"),
    RATE("ycsb.b.threads", "YCSB B several threads"),
    RATE("ycsb.c", "YCSB C (get) 1 thread"),
    RATE("ycsb.c.threads", "YCSB C several threads"),
    RATE("ycsb.e", "YCSB E (95 scan, 5 insert) 1 thread"),
    RATE("ycsb.e.threads", "YCSB E several threads"),
    RATE("queue", "queue (push + pop, 100 000 live)"),
    HEADING("After deleting 80 % in random order, no merge asked for"),
    RATE("deleterandom80", "deleterandom80"),
    RATE("deleted.readseq", "readseq, live entries"),
    RATE("deleted.seekrandom", "seekrandom (seek + 10 next)"),
    RATE("deleted.readrandom", "readrandom (80 % missing)"),
    TIMES("deleted.space_amp", "space amplification"),
    HEADING("Values: random fill, two overwrites in random order, level os"),
    RATE("values.fill", "fill, to the end of the flush"),
    TIMES("values.fill.write_amp", "fill write amplification"),
    TIMES("values.fill.space_amp", "fill space amplification"),
    RATE("values.get", "get"),
    RATE("values.scan", "scan, entries"),
    RATE("values.overwrite", "overwrite, to the end of the flush"),
    TIMES("values.overwrite.write_amp", "overwrite write amplification"),
    TIMES("values.overwrite.space_amp", "overwrite space amplification"),
    TIMES("values.write_amp", "write amplification of all"),
    RATE("values.old.get", "get after the overwrites"),
    RATE("values.old.scan", "scan after the overwrites, entries"),
    HEADING("Latency of puts under sustained fill, level os"),
    RATE("latency.rate", "puts"),
    MICROSECONDS("latency.p50", "put p50"),
    MICROSECONDS("latency.p99", "put p99"),
    MICROSECONDS("latency.p999", "put p99.9"),
    MICROSECONDS("latency.p9999", "put p99.99"),
    MICROSECONDS("latency.max", "put max"),
    { "latency.rss", "peak memory", "MiB", LOWER, MIB },
    HEADING("Readers beside a writer, a writer beside a scanner"),
    PERCENTILES("get.quiet", "get alone"),
    PERCENTILES("get.beside", "get beside a writer"),
    TIMES("get.p99_times", "get p99, beside / alone"),
    PERCENTILES("put.quiet", "put alone"),
    PERCENTILES("put.beside", "put beside a scanner"),
    TIMES("put.p99_times", "put p99, beside / alone"),
    HEADING("Seal (worst of five)"),
    MICROSECONDS("seal.1000", "memtable of 1 000 entries"),
    MICROSECONDS("seal.50000", "memtable of 50 000 entries"),
    MICROSECONDS("seal.200000", "memtable of 200 000 entries"),
    HEADING("Opening after SIGKILL"),
    { "recovery.seconds", "at most 400 000 entries, open", "s", LOWER, 1 },
    { "recovery", "at most 400 000 entries, user bytes", "MiB/s", HIGHER, MIB },
    { "recovery.lost", "at most 400 000 entries, acknowledged and lost", "", NEITHER, 1 },
    { "recovery.full.seconds", "larger, all in the log, open", "s", LOWER, 1 },
    { "recovery.full", "larger, all in the log, user bytes", "MiB/s", HIGHER, MIB },
    { "recovery.full.lost", "larger, all in the log, acknowledged and lost", "", NEITHER, 1 },
    HEADING("Disturbance"),
    { "foreign", "cores busy with other work", "", NEITHER, 1 },
};
#define ROWS (sizeof rows / sizeof rows[0])

struct cell {
    double values[VALUES_MAX];
    size_t count;
};

struct report {
    struct cell cells[ROWS][ENGINES_MAX];
    char notes[NOTES_MAX][NOTE_SIZE];
    size_t note_count;
};

struct report *report_create(void)
{
    return allocate(sizeof(struct report));
}

void report_free(struct report *report)
{
    free(report);
}

void report_note(struct report *report, const char *text)
{
    for (size_t i = 0; i < report->note_count; i++) {
        if (strcmp(report->notes[i], text) == 0) {
            return;
        }
    }
    if (report->note_count < NOTES_MAX) {
        snprintf(report->notes[report->note_count++], NOTE_SIZE, "%s", text);
    }
}

static struct cell *find_cell(struct report *report, const char *name, size_t engine)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].name != NULL && strcmp(rows[i].name, name) == 0) {
            return &report->cells[i][engine];
        }
    }
    return NULL;
}

bool report_line(struct report *report, size_t engine, const char *line)
{
    char name[64];
    double value;
    if (strncmp(line, "note ", 5) == 0) {
        report_note(report, line + 5);
        return true;
    }
    if (sscanf(line, "row %63s %lf", name, &value) != 2) {
        return false;
    }
    struct cell *cell = find_cell(report, name, engine);
    if (cell == NULL) {
        return false;
    }
    if (cell->count < VALUES_MAX) {
        cell->values[cell->count++] = value;
    }
    return true;
}

static double median_of(const struct cell *cell)
{
    double sorted[VALUES_MAX];
    memcpy(sorted, cell->values, sizeof sorted);
    return median(sorted, cell->count);
}

/* Three digits and a unit of thousands. */
static void format_figure(char *text, size_t size, double value)
{
    static const char *const suffixes[] = { "", "K", "M", "G" };
    unsigned power = 0;
    while (value >= 999.5 && power < 3) {
        value /= 1000;
        power++;
    }
    int decimals = value >= 99.95 || (value == (double)(long)value && power == 0) ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(text, size, "%.*f%s", decimals, value, suffixes[power]);
}

static size_t engine_index(const char *name)
{
    size_t i = 0;
    while (engines[i] != NULL && strcmp(engines[i]->name, name) != 0) {
        i++;
    }
    return i;
}

/* How many times better one is than the other. */
static double advantage(const struct row *row, double ours, double theirs)
{
    return row->better == HIGHER ? ours / theirs : theirs / ours;
}

/* nacre against the best of the others, or against one of them; false: there is nothing to compare. */
static bool compare(const struct report *report, size_t row, const char *against, double *times)
{
    size_t ours = engine_index("nacre");
    bool found = false;
    if (engines[ours] == NULL || report->cells[row][ours].count == 0 || rows[row].better == NEITHER) {
        return false;
    }
    double our_median = median_of(&report->cells[row][ours]);
    for (size_t i = 0; engines[i] != NULL; i++) {
        const struct cell *cell = &report->cells[row][i];
        bool own = strncmp(engines[i]->name, "nacre", 5) == 0; /* a variant of it */
        if (own || cell->count == 0 || (against != NULL && strcmp(engines[i]->name, against) != 0)) {
            continue;
        }
        double theirs = median_of(cell);
        if (our_median <= 0 || theirs <= 0) {
            continue;
        }
        double candidate = advantage(&rows[row], our_median, theirs);
        *times = !found || candidate < *times ? candidate : *times;
        found = true;
    }
    return found;
}

void report_heading(const struct machine *machine, const struct disk_figures *disk, const char *settings)
{
    char append[32], overwrite[32], sequential[32], version[64];
    format_figure(append, sizeof append, disk->append_syncs);
    format_figure(overwrite, sizeof overwrite, disk->overwrite_syncs);
    format_figure(sequential, sizeof sequential, disk->write_bytes / MIB);
    printf("nacre_bench  %s\n", machine->date);
    printf("machine      %s, %u cores, %.0f GiB, %s; load average %.2f at the start\n", machine->model, machine->cores,
           machine->memory_gib, machine->kernel, machine->load_average);
    printf("compiler     %s\n", machine->compiler);
    printf("disk         %s; one thread: %s fdatasync/s appending 128 bytes, %s/s in preallocated space; %s MiB/s "
           "written in sequence\n",
           machine->file_system, append, overwrite, sequential);
    printf("engines     ");
    for (size_t i = 0; engines[i] != NULL; i++) {
        engines[i]->version(version, sizeof version);
        if (!engines[i]->variant) {
            printf("%s %s %s", i == 0 ? "" : ",", engines[i]->name, version);
        }
    }
    printf("\nsettings     %s\n", settings);
    fflush(stdout);
}

static bool row_has_values(const struct report *report, size_t row)
{
    for (size_t i = 0; engines[i] != NULL; i++) {
        if (report->cells[row][i].count > 0) {
            return true;
        }
    }
    return false;
}

/* Variants have a column where they took part. */
static bool has_column(const struct report *report, size_t engine)
{
    bool shown = !engines[engine]->variant;
    for (size_t row = 0; row < ROWS && !shown; row++) {
        shown = report->cells[row][engine].count > 0;
    }
    return shown;
}

static void print_row(const struct report *report, size_t row)
{
    char text[32];
    double times;
    printf("%-47s %-5s", rows[row].title, rows[row].unit);
    for (size_t i = 0; engines[i] != NULL; i++) {
        const struct cell *cell = &report->cells[row][i];
        snprintf(text, sizeof text, "-");
        if (cell->count > 0) {
            format_figure(text, sizeof text, median_of(cell) / rows[row].scale);
        }
        if (has_column(report, i)) {
            printf(" %13s", text);
        }
    }
    static const char *const against[] = { NULL, "rocksdb" };
    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "-");
        if (compare(report, row, against[i], &times)) {
            snprintf(text, sizeof text, times < 100 ? "%.2f" : "%.0f", times);
        }
        printf(" %9s", text);
    }
    putchar('\n');
}

/* The heading above a row that is about to be printed, once. */
static void print_heading(size_t row, size_t *printed)
{
    size_t heading = row;
    while (rows[heading].name != NULL) {
        heading--;
    }
    if (*printed != heading) {
        printf("\n%s\n", rows[heading].title);
        *printed = heading;
    }
}

void report_table(const struct report *report)
{
    size_t printed = ROWS;
    printf("\n%-47s %-5s", "medians", "");
    for (size_t i = 0; engines[i] != NULL; i++) {
        if (has_column(report, i)) {
            printf(" %13s", engines[i]->name);
        }
    }
    printf(" %9s %9s\n", "x best", "x rocksdb");
    for (size_t row = 0; row < ROWS; row++) {
        if (rows[row].name != NULL && row_has_values(report, row)) {
            print_heading(row, &printed);
            print_row(report, row);
        }
    }
    printf("\nx best, x rocksdb: how many times better nacre is than the best other engine, and than RocksDB (below 1: "
           "worse).\n");
    for (size_t i = 0; i < report->note_count; i++) {
        printf("note: %s\n", report->notes[i]);
    }
}

/* Texts here are names of machines and versions; what JSON would not take is left out. */
static void json_text(FILE *file, const char *name, const char *text)
{
    fprintf(file, "\"%s\": \"", name);
    for (; *text != '\0'; text++) {
        if (*text >= ' ' && *text != '"' && *text != '\\') {
            fputc(*text, file);
        }
    }
    fputc('"', file);
}

static void json_row(FILE *file, const struct report *report, size_t row)
{
    fprintf(file, "{");
    json_text(file, "name", rows[row].name);
    fprintf(file, ", ");
    json_text(file, "title", rows[row].title);
    static const char *const directions[] = { "higher", "lower", "neither" };
    fprintf(file, ", \"unit\": \"%s\", \"better\": \"%s\"",
            rows[row].scale == MIB ? (rows[row].better == HIGHER ? "B/s" : "B") : rows[row].unit,
            directions[rows[row].better]);
    for (size_t i = 0; engines[i] != NULL; i++) {
        const struct cell *cell = &report->cells[row][i];
        if (cell->count == 0) {
            continue;
        }
        fprintf(file, ", \"%s\": {\"median\": %.9g, \"runs\": [", engines[i]->name, median_of(cell));
        for (size_t k = 0; k < cell->count; k++) {
            fprintf(file, "%s%.9g", k == 0 ? "" : ", ", cell->values[k]);
        }
        fprintf(file, "]}");
    }
    double times;
    if (compare(report, row, NULL, &times)) {
        fprintf(file, ", \"times_best\": %.4g", times);
    }
    if (compare(report, row, "rocksdb", &times)) {
        fprintf(file, ", \"times_rocksdb\": %.4g", times);
    }
    fprintf(file, "}");
}

static void json_machine(FILE *file, const struct machine *machine, const struct disk_figures *disk,
                         const char *settings)
{
    char version[64];
    json_text(file, "date", machine->date);
    fprintf(file, ",\n");
    json_text(file, "processor", machine->model);
    fprintf(file, ",\n");
    json_text(file, "kernel", machine->kernel);
    fprintf(file, ",\n");
    json_text(file, "compiler", machine->compiler);
    fprintf(file, ",\n");
    json_text(file, "file_system", machine->file_system);
    fprintf(file, ",\n");
    json_text(file, "settings", settings);
    fprintf(file, ",\n\"cores\": %u, \"memory_gib\": %.1f, \"load_average\": %.2f,\n", machine->cores,
            machine->memory_gib, machine->load_average);
    fprintf(file,
            "\"disk\": {\"append_syncs\": %.6g, \"overwrite_syncs\": %.6g, \"write_bytes\": %.6g},\n\"engines\": {",
            disk->append_syncs, disk->overwrite_syncs, disk->write_bytes);
    for (size_t i = 0; engines[i] != NULL; i++) {
        engines[i]->version(version, sizeof version);
        fprintf(file, "%s", i == 0 ? "" : ", ");
        json_text(file, engines[i]->name, version);
    }
    fprintf(file, "},\n");
}

void report_json(const struct report *report, const char *path, const struct machine *machine,
                 const struct disk_figures *disk, const char *settings)
{
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        die("%s cannot be written", path);
    }
    fprintf(file, "{\n");
    json_machine(file, machine, disk, settings);
    fprintf(file, "\"notes\": [");
    for (size_t i = 0; i < report->note_count; i++) {
        fprintf(file, "%s{", i == 0 ? "" : ", ");
        json_text(file, "text", report->notes[i]);
        fprintf(file, "}");
    }
    fprintf(file, "],\n\"rows\": [\n");
    bool any = false;
    for (size_t row = 0; row < ROWS; row++) {
        if (rows[row].name != NULL && row_has_values(report, row)) {
            fprintf(file, "%s", any ? ",\n" : "");
            json_row(file, report, row);
            any = true;
        }
    }
    fprintf(file, "\n]\n}\n");
    if (fclose(file) != 0) {
        die("%s cannot be written", path);
    }
}
