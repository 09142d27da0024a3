/* An open store, and mostly a collection of it: what a command works with. */
#ifndef NACRE_CLI_SESSION_H
#define NACRE_CLI_SESSION_H
#include "args.h"

struct session {
    nacre_store *store;
    nacre_collection *collection; /* NULL where the command needs none */
};
enum session_access {
    SESSION_READ,  /* read-only: changes nothing, works beside a writer */
    SESSION_WRITE, /* the store must exist */
    SESSION_MAKE   /* and is made where it does not */
};

/* The directory of the store that --store or the environment names; NULL after saying what is wrong. */
const char *session_path(const struct arguments *);

/* Opens the store, and the collection where `name` is not NULL. durability: of writes that do not say. Returns RESULT_OK,
   or RESULT_ERROR after saying what is wrong; then nothing is open. */
int session_open(struct session *, const struct arguments *, enum session_access, nacre_durability, const char *name);
/* Says why the store at `path` did not open, and what helps where CURRENT was lost. Returns RESULT_ERROR. */
int session_complain(const struct arguments *, const char *path, int status);
/* The same with a path of its own and no collection. */
int session_open_path(struct session *, const struct arguments *, const char *path, enum session_access,
                      nacre_durability);
/* Opens the store for reading and makes the call on it. Beside a writer an opening may lose the files that it shows: where the call says NACRE_BUSY, it
   is made again on a new opening, which shows newer ones. Says what is wrong. */
int session_read(const struct arguments *, int (*call)(nacre_store *, void *context), void *context);
/* Closes what is open. Returns `result`, or RESULT_ERROR where closing fails. */
int session_close(struct session *, int result);

/* The kinds of collections by name. */
const char *kind_name(nacre_kind);
bool kind_from_option(const struct arguments *, nacre_kind *); /* as option_number, for --kind */
const char *metric_name(nacre_metric);
bool metric_from_option(const struct arguments *, nacre_metric *); /* the same for --metric */

/* What the open store says of a collection: false when there is none of the name. info->name is not set. */
int session_find(const struct session *, const char *name, nacre_collection_info *info, bool *found);

/* Whether the directory holds parts of a store: segments/, log/ or manifest/. */
bool store_parts_are_in(const char *path);

/* What a verification found, for people or with --json. of_store: entries were counted, as they are not of a backup. */
void print_verified(const struct arguments *, const nacre_verify_report *, bool of_store);

/* The logger that --log asks for, else NULL. */
const nacre_logger *session_logger(const struct arguments *);
#endif
