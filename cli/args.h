/* The command line, taken apart. */
#ifndef NACRE_CLI_ARGS_H
#define NACRE_CLI_ARGS_H
#include "command.h"
#include <nacre/nacre.h>
#include <stdbool.h>

#define PATTERNS_MOST 64u

struct arguments {
    const struct command *command;
    const char
        *options[OPTION_COUNT]; /* NULL: not given; "" for those that take no argument; the last where given often */
    const char *patterns[PATTERNS_MOST]; /* all that --regexp gave */
    unsigned pattern_count;
    unsigned count;
    char **items; /* what is no option, after the command's name */
};

/* Takes argv apart; reorders it. Returns RESULT_OK, or RESULT_ERROR after saying what is wrong. command is NULL where none
   was named. */
int arguments_parse(int argc, char **argv, struct arguments *);

static inline bool option_given(const struct arguments *a, enum option_id id)
{
    return a->options[id] != NULL;
}

#define LOG_LEVEL_NAMES (NACRE_LOG_DEBUG + 1)
extern const char *const log_level_names[LOG_LEVEL_NAMES];

/* Each gets the value of an option, or leaves *value as it is where the option was not given. Returns false after saying
   what is wrong. */
bool option_number(const struct arguments *, enum option_id, uint64_t least, uint64_t most, uint64_t *value);
bool option_durability(const struct arguments *, nacre_durability *value);

/* A key, prefix or bound from the command line: as it is, or from hexadecimal with --hex. */
struct bytes {
    unsigned char *data; /* free */
    size_t size;
};
bool key_from_text(const struct arguments *, const char *text,
                   struct bytes *key); /* false after saying what is wrong */
bool key_from_option(const struct arguments *, enum option_id, struct bytes *key); /* empty where it was not given */
static inline nacre_slice slice_of(const struct bytes *bytes)
{
    return (nacre_slice){ bytes->data, bytes->size };
}
int hex_digit(char c);                                               /* -1: it is none */
bool hex_decode(const char *text, size_t size, struct bytes *bytes); /* false: no hexadecimal, or no memory */
#endif
