/* Runs a command and reads what it prints. */
#ifndef BENCH_STRINGS_PROCESS_H
#define BENCH_STRINGS_PROCESS_H
#include <stdbool.h>
#include <stddef.h>

/* arguments: the command and its arguments, the last one NULL. output: gets what it wrote to standard output, cut to its size.
   seconds: after which it is stopped. Returns its exit code; -1: it was stopped, or could not be started. */
int process_run(const char *const *arguments, char *output, size_t size, unsigned seconds);

/* Whether a command can be found. */
bool process_known(const char *name);

#endif
