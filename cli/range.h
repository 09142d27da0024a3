/* The range of keys that --prefix, --begin and --end give, and a cursor over it. */
#ifndef NACRE_CLI_RANGE_H
#define NACRE_CLI_RANGE_H
#include "session.h"

struct range {
    const char *command; /* its name, for errors */
    struct session session;
    struct bytes prefix, begin, end;
    nacre_cursor *cursor;
};
/* Opens the store read-only and a cursor over the range in collection `name`; direction and limit come from the options.
   Returns RESULT_OK, or RESULT_ERROR after saying what is wrong. range_close is due in both cases. */
int range_open(struct range *, const struct arguments *, const char *name, bool keys_only);
/* Closes all. Returns `result`, or RESULT_ERROR after saying what error the cursor came upon, and at which key. */
int range_close(struct range *, int result);
#endif
