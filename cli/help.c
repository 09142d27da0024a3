/* Help on the terminal, made from the table of commands. */
#include "help.h"
#include "args.h"
#include "print.h"
#include <string.h>

#define TEXT_WIDTH 100

const char program_text[] = "look into and change a nacre store";
const char store_text[] =
    "A store is a directory; --store or the environment's NACRE_STORE names it. Commands that only look open it "
    "read-only, change nothing, and work beside a program that has it open for writing.";
const char results_text[] =
    "Ends with 0 when all went well, 1 when what was asked for is not there, and 2 after an error, "
    "which is told on standard error.";

/* Prints text in lines of at most TEXT_WIDTH, words kept whole; an empty line in it stays. The cursor stands at column
   `column`; further lines begin at `indent`. */
static void print_wrapped(FILE *out, const char *text, size_t column, size_t indent)
{
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (column > indent && column + word > TEXT_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        fwrite(text, 1, word, out);
        column += word;
        text += word;
        if (*text == '\n') {
            for (; *text == '\n'; text++) {
                fputc('\n', out);
            }
            fprintf(out, "%*s", (int)indent, "");
            column = indent;
        } else if (*text == ' ') {
            text++;
            if (column + 1 + strcspn(text, " \n") <= TEXT_WIDTH) {
                fputc(' ', out);
                column++;
            } else {
                column = TEXT_WIDTH;
            }
        }
    }
    fputc('\n', out);
}

/* After `used` columns of a line: to `column`, with a blank at least before it, or to it in the next line. */
static void go_to_column(FILE *out, int used, int column)
{
    if (used < column) {
        fprintf(out, "%*s", column - used, "");
    } else {
        fprintf(out, "\n%*s", column, "");
    }
}

static void print_options(FILE *out, uint64_t options)
{
    enum { COLUMN = 24 };
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        const struct option_row *option = &option_table[id];
        if (!(options & (UINT64_C(1) << id))) {
            continue;
        }
        char letter[] = { ',', ' ', '-', option_letter(id), 0 };
        int used = fprintf(out, "  --%s%s%s%s", option->name, letter[3] ? letter : "",
                           !option->argument || option->argument[0] == '[' ? "" : " ",
                           option->argument ? option->argument : "");
        go_to_column(out, used, COLUMN);
        print_wrapped(out, option->text, COLUMN, COLUMN);
    }
}

void help_print(FILE *out)
{
    enum { COLUMN = 34 };
    const char *group = "";
    fprintf(out, "nacre %s: %s\n\nusage: nacre [--store DIR] COMMAND ...\n", nacre_version(), program_text);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];
        if (strcmp(group, command->group) != 0) {
            group = command->group;
            fprintf(out, "\n%s\n", group);
        }
        go_to_column(out, fprintf(out, "  %s %s", command->name, command->arguments), COLUMN);
        fprintf(out, "%s\n", command->summary);
    }
    fprintf(out, "\nOptions of every command\n");
    print_options(out, GENERAL_OPTIONS);
    fputc('\n', out);
    print_wrapped(out, store_text, 0, 0);
    print_wrapped(out, results_text, 0, 0);
    fprintf(out, "More on a command: nacre COMMAND --help\n");
}

void help_print_command(FILE *out, const struct command *command)
{
    fprintf(out, "usage: nacre [--store DIR] %s%s%s%s\n\n", command->name, command->options ? " [OPTIONS]" : "",
            command->arguments[0] ? " " : "", command->arguments);
    fprintf(out, "%c%s.", command->summary[0] - 'a' + 'A', command->summary + 1);
    if (command->text) {
        fputc(' ', out);
        print_wrapped(out, command->text, strlen(command->summary) + 2, 0);
    } else {
        fputc('\n', out);
    }
    if (command->options) {
        fprintf(out, "\nOptions\n");
        print_options(out, command->options);
    }
    fprintf(out, "\nOptions of every command\n");
    print_options(out, GENERAL_OPTIONS);
}

int run_help(const struct arguments *arguments)
{
    if (arguments->count == 0) {
        help_print(stdout);
        return RESULT_OK;
    }
    const struct command *command = command_find(arguments->items[0]);
    if (!command) {
        const char *near = command_nearest(arguments->items[0]);
        return complain("there is no command %s%s%s%s", arguments->items[0], near ? "; did you mean " : "",
                        near ? near : "", near ? "?" : "");
    }
    help_print_command(stdout, command);
    return RESULT_OK;
}
