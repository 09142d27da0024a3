/* A line on the terminal that shows how far long work has come. Nothing is shown where standard error is no terminal. */
#ifndef NACRE_CLI_PROGRESS_H
#define NACRE_CLI_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    const char *label, *unit; /* of what is counted: "keys" */
    double begun, drawn;      /* seconds of the clock */
    uint64_t total;           /* bytes of the work; 0 = not known */
};
void progress_begin(struct progress *, const char *label, const char *unit, uint64_t total);
void progress_show(struct progress *, uint64_t bytes,
                   uint64_t count);   /* done so far; drawn at most ten times a second */
void progress_end(struct progress *); /* takes the line away */
#endif
