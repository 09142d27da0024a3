/* A line on the terminal that shows how far long work has come. Nothing is shown where standard error is no terminal. */
#ifndef NACRE_CLI_PROGRESS_H
#define NACRE_CLI_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    const char *label;
    double begun, drawn; /* seconds of the clock */
    uint64_t total;      /* of the work, in the unit of `done`; 0 = not known */
};
void progress_begin(struct progress *, const char *label, uint64_t total);
void progress_show(struct progress *, uint64_t done, uint64_t entries); /* at most ten times a second */
void progress_end(struct progress *);                                   /* takes the line away */
#endif
