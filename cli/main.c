/* nacre: the command. Finds the command in the table and runs it. */
#include "args.h"
#include "help.h"
#include "print.h"

/* Output that could not be written is an error, also when only the last flush finds out. */
static int end(int result)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return complain("standard output: %m");
    }
    return result;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    int result = arguments_parse(argc, argv, &arguments);
    if (result != RESULT_OK) {
        return result;
    }
    if (option_given(&arguments, OPTION_VERSION)) {
        printf("nacre %s\n", nacre_version());
        return end(RESULT_OK);
    }
    if (option_given(&arguments, OPTION_HELP)) {
        if (arguments.command) {
            help_print_command(stdout, arguments.command);
        } else {
            help_print(stdout);
        }
        return end(RESULT_OK);
    }
    if (!arguments.command) {
        help_print(stderr);
        return RESULT_ERROR;
    }
    return end(arguments.command->run(&arguments));
}
