/* The figures of a store as a table for people. */
#ifndef NACRE_CLI_STATS_H
#define NACRE_CLI_STATS_H
#include <jansson.h>
#include <nacre/nacre.h>
#include <stdio.h>

struct stats_view {
    const char *path; /* of the store */
    bool colour;
    bool state_shown;         /* of the opening; no news where it is read-only */
    double writes_per_second; /* < 0: not known */
};
json_t *stats_read(nacre_store *); /* NULL after saying what is wrong; json_decref */
/* Those of the process that has the store at `path` open for writing; NULL: there is none that answers. json_decref. */
json_t *stats_ask_writer(const char *path);
void stats_print(FILE *, const json_t *stats, const struct stats_view *);
/* Bytes that the files in a folder of the store take on the disk. Files may come and go meanwhile. */
uint64_t stats_folder_bytes(const char *path, const char *folder);
#endif
