/* The live view of a store: what its statistics say, and what changed since the last look. */
#ifndef NACRE_CLI_DASHBOARD_H
#define NACRE_CLI_DASHBOARD_H
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct dashboard {
    const char *path;     /* of the store */
    const json_t *before; /* the look before, of the same process; NULL: there is none, and no rates are known */
    double seconds;       /* between the two */
    bool colour;
};
/* Lines of at most `width` characters; at most `height` of them, collections being left out first. 0: no bound. */
void dashboard_print(FILE *, const struct dashboard *, const json_t *now, unsigned width, unsigned height);
#endif
