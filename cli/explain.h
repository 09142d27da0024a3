/* How a search went, for people: what nacre_regex_explain gives. */
#ifndef NACRE_CLI_EXPLAIN_H
#define NACRE_CLI_EXPLAIN_H
#include <stdbool.h>

/* Prints the object as it is, or as text. Returns RESULT_OK, or RESULT_ERROR after saying what is wrong. */
int explain_print(const char *json, bool raw);
#endif
