/* What the table of commands says, as help on a terminal. */
#ifndef NACRE_CLI_HELP_H
#define NACRE_CLI_HELP_H
#include "command.h"
#include <stdio.h>

void help_print(FILE *);                                        /* all commands */
void help_print_command(FILE *, const struct command *);        /* one of them */
extern const char program_text[], store_text[], results_text[]; /* said in the help and in the man page */
#endif
