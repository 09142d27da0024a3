/* Collects the figures of all children and shows them: a table for people, JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H
#include "machine.h"
#include <stdbool.h>
#include <stddef.h>

struct report;

struct disk_figures {
    double append_syncs, overwrite_syncs; /* per second, one thread */
    double write_bytes;                   /* per second, sequential */
};

struct report *report_create(void);
void report_free(struct report *report);
/* A line of a child, without its end. false: it is neither a known row nor a note. */
bool report_line(struct report *report, size_t engine, const char *line);
void report_note(struct report *report, const char *text); /* each text once */
void report_heading(const struct machine *machine, const struct disk_figures *disk, const char *settings);
void report_table(const struct report *report);
void report_json(const struct report *report, const char *path, const struct machine *machine,
                 const struct disk_figures *disk, const char *settings);

#endif
