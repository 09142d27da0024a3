/* The pattern of `grep`: one regular expression out of what the command line gives. */
#ifndef NACRE_CLI_PATTERN_H
#define NACRE_CLI_PATTERN_H
#include "args.h"

/* Joins the patterns of the command line: --regexp or items[1], with --fixed-strings and --line-regexp. Sets ignore_case and bytes of
   the options, and checks each pattern alone, so that positions are those of what the user wrote. Returns RESULT_OK, or RESULT_ERROR
   after saying what is wrong. pattern->data is to be freed in any case. */
int pattern_make(const struct arguments *, nacre_regex_options *options, struct bytes *pattern);
#endif
