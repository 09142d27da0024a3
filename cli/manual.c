/* The man page and the completion for bash, made from the table of commands. */
#include "args.h"
#include "help.h"
#include "print.h"
#include <string.h>

/* Text for roff: backslashes and dashes escaped, an empty line begins a paragraph, no line begins as a request. */
static void print_roff(const char *text)
{
    bool line_begins = true;
    for (; *text; text++) {
        if (text[0] == '\n') {
            fputs("\n.PP\n", stdout);
            text += strspn(text, "\n") - 1;
            line_begins = true;
            continue;
        }
        if (line_begins && (*text == '.' || *text == '\'')) {
            fputs("\\&", stdout);
        }
        line_begins = false;
        if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '-') {
            fputs("\\-", stdout);
        } else {
            fputc(*text, stdout);
        }
    }
}

static void print_section(const char *text)
{
    print_roff(text);
    fputc('\n', stdout);
}

static void print_options(uint64_t options)
{
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        const struct option_row *option = &option_table[id];
        if (!(options & (UINT64_C(1) << id))) {
            continue;
        }
        fputs(".TP\n\\fB\\-\\-", stdout);
        print_roff(option->name);
        fputs("\\fR", stdout);
        if (option_letter(id)) {
            printf(", \\fB\\-%c\\fR", option_letter(id));
        }
        if (option->argument) {
            printf("%s\\fI%s\\fR", option->argument[0] == '[' ? "" : " ", option->argument);
        }
        fputc('\n', stdout);
        print_section(option->text);
    }
}

static void print_command(const struct command *command)
{
    fputs(".SS \"", stdout);
    print_roff(command->name);
    fputs(command->arguments[0] ? " " : "", stdout);
    print_roff(command->arguments);
    printf("\"\n%c", command->summary[0] - 'a' + 'A');
    print_roff(command->summary + 1);
    fputs(".\n", stdout);
    if (command->text) {
        print_section(command->text);
    }
    print_options(command->options);
}

int run_man(const struct arguments *arguments)
{
    (void)arguments;
    printf(".TH NACRE 1 \"\" \"nacre %s\" \"User Commands\"\n.SH NAME\nnacre \\- %s\n", nacre_version(), program_text);
    fputs(".SH SYNOPSIS\n.B nacre\n[\\fB\\-\\-store\\fR \\fIDIR\\fR] \\fICOMMAND\\fR ...\n.SH DESCRIPTION\n", stdout);
    print_section(store_text);
    fputs(".SH OPTIONS\nOf every command:\n", stdout);
    print_options(GENERAL_OPTIONS);
    fputs(".SH COMMANDS\n", stdout);
    for (size_t i = 0; i < command_count; i++) {
        print_command(&command_table[i]);
    }
    fputs(".SH EXIT STATUS\n", stdout);
    print_section(results_text);
    fputs(".SH ENVIRONMENT\n.TP\n.B NACRE_STORE\nThe directory of the store, where \\-\\-store is not given.\n",
          stdout);
    fputs(".TP\n.B NO_COLOR\nWhen set, nothing is coloured unless \\-\\-color says so.\n.TP\n.B TMPDIR\n"
          "Where bench works without a store, default /tmp.\n",
          stdout);
    fputs(".SH EXAMPLES\n.nf\nexport NACRE_STORE=/tmp/store\nnacre create notes\nnacre put notes apple red\nnacre get "
          "notes apple\n"
          "nacre import notes pairs.tsv\nnacre scan notes \\-\\-prefix a \\-\\-limit 10\n"
          "find /usr | nacre import paths \\- \\-\\-kind strings\nnacre grep paths 'lib[a-z]+\\e.so$'\nnacre stats "
          "\\-\\-watch\n.fi\n",
          stdout);
    return RESULT_OK;
}

static void print_names(uint64_t options)
{
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (options & (UINT64_C(1) << id)) {
            printf(" --%s", option_table[id].name);
        }
    }
}

int run_completion(const struct arguments *arguments)
{
    if (strcmp(arguments->items[0], "bash") != 0) {
        return complain("completion %s: there is one for bash", arguments->items[0]);
    }
    fputs("# bash completion for nacre, made by `nacre completion bash`\n_nacre()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= at=0 i names\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        --store) ((i++)) ;;\n"
          "        -*) ;;\n"
          "        *) command=${COMP_WORDS[i]}; at=$i; break ;;\n"
          "        esac\n"
          "    done\n"
          "    case $before in\n"
          "    --store) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
          "    --durability) COMPREPLY=($(compgen -W 'memory os disk' -- \"$word\")); return ;;\n"
          "    --color) COMPREPLY=($(compgen -W 'auto always never' -- \"$word\")); return ;;\n"
          "    --format) COMPREPLY=($(compgen -W 'lines tsv csv jsonl' -- \"$word\")); return ;;\n"
          "    --kind) COMPREPLY=($(compgen -W 'ordered strings' -- \"$word\")); return ;;\n"
          "    esac\n"
          "    case $command in\n",
          stdout);
    for (size_t i = 0; i < command_count; i++) {
        printf("    %s) names='", command_table[i].name);
        print_names(command_table[i].options | GENERAL_OPTIONS);
        fputs("' ;;\n", stdout);
    }
    fputs("    *) names='", stdout);
    for (size_t i = 0; i < command_count; i++) {
        printf(" %s", command_table[i].name);
    }
    print_names(GENERAL_OPTIONS);
    fputs("' ;;\n    esac\n"
          "    if [[ $command == dump && $((COMP_CWORD - at)) == 1 ]]; then\n"
          "        names='log manifest segment'\n"
          "    elif [[ $command == help ]]; then\n"
          "        names='",
          stdout);
    for (size_t i = 0; i < command_count; i++) {
        printf(" %s", command_table[i].name);
    }
    fputs("'\n    elif [[ $command && $word != -* ]]; then\n"
          "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    COMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n"
          "}\ncomplete -o filenames -F _nacre nacre\n",
          stdout);
    return RESULT_OK;
}
