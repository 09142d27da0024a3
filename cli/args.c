/* Taking the command line apart, by the tables of command.h. Options may stand anywhere, as --name VALUE or --name=VALUE;
   those with a letter also as -n VALUE or -nVALUE, and several together. What follows `--` is no option, nor is `-`. */
#include "args.h"
#include "print.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whether text of `size` bytes names the option; '-' and '_' are the same. */
static bool same_name(const char *name, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char a = name[i] == '_' ? '-' : name[i], b = text[i] == '_' ? '-' : text[i];
        if (a != b || a == 0) {
            return false;
        }
    }
    return name[size] == 0;
}

static int unknown_option(const struct arguments *arguments, const char *text, size_t size)
{
    char name[64];
    uint64_t among = arguments->command ? arguments->command->options | GENERAL_OPTIONS : UINT64_MAX;
    size_t length = size < sizeof name ? size : sizeof name - 1;
    memcpy(name, text, length);
    name[length] = 0;
    const char *near = option_nearest(name, among);
    if (near) {
        return complain("unknown option --%s; did you mean --%s?", name, near);
    }
    return complain("unknown option --%s; `nacre %s--help` lists the options", name,
                    arguments->command ? "COMMAND " : "");
}

/* The option of that name, its own or another; OPTION_COUNT where there is none. */
static unsigned option_find(const char *text, size_t size)
{
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (same_name(option_table[id].name, text, size)) {
            return id;
        }
    }
    for (size_t i = 0; i < option_alias_count; i++) {
        if (same_name(option_aliases[i].name, text, size)) {
            return option_aliases[i].id;
        }
    }
    return OPTION_COUNT;
}

static int set_option(struct arguments *arguments, unsigned id, const char *value)
{
    arguments->options[id] = value;
    if (id != OPTION_REGEXP) {
        return RESULT_OK;
    }
    if (arguments->pattern_count == PATTERNS_MOST) {
        return complain("option --%s is given more than %u times; join patterns by |", option_table[id].name,
                        PATTERNS_MOST);
    }
    arguments->patterns[arguments->pattern_count++] = value;
    return RESULT_OK;
}

/* Sets an option to the value in its own text, else to the next argument: then *used becomes 2. */
static int set_with_value(struct arguments *arguments, unsigned id, const char *own, char **argv, int left, int *used)
{
    if (!own && left < 2) {
        return complain("option --%s needs a value: %s", option_table[id].name, option_table[id].argument);
    }
    *used = own ? 1 : 2;
    return set_option(arguments, id, own ? own : argv[1]);
}

/* Takes one option, and the next argument where it needs one: *used gets how many were taken. */
static int take_option(struct arguments *arguments, char **argv, int left, int *used)
{
    const char *text = argv[0] + 2;
    size_t size = strcspn(text, "=");
    unsigned id = size > 1 ? option_find(text, size) : OPTION_COUNT;
    *used = 1;
    if (id == OPTION_COUNT) {
        return unknown_option(arguments, text, size);
    }
    if (option_table[id].argument && option_table[id].argument[0] == '[') {
        return set_option(arguments, id, text[size] ? text + size + 1 : "");
    }
    if (option_table[id].argument) {
        return set_with_value(arguments, id, text[size] ? text + size + 1 : NULL, argv, left, used);
    }
    return text[size] ? complain("option --%s takes no value", option_table[id].name) : set_option(arguments, id, "");
}

/* The same for letters behind one dash. */
static int take_letters(struct arguments *arguments, char **argv, int left, int *used)
{
    int result = RESULT_OK;
    *used = 1;
    for (const char *text = argv[0] + 1; *text && result == RESULT_OK; text++) {
        unsigned id = option_find(text, 1);
        if (id == OPTION_COUNT) {
            return complain(
                "unknown option -%c in %s; long options begin with two dashes, and what follows `--` is none", *text,
                argv[0]);
        }
        if (option_table[id].argument) {
            return set_with_value(arguments, id, text[1] ? text + 1 : NULL, argv, left, used);
        }
        result = set_option(arguments, id, "");
    }
    return result;
}

static int take_command(struct arguments *arguments, const char *name)
{
    arguments->command = command_find(name);
    if (arguments->command) {
        return RESULT_OK;
    }
    const char *near = command_nearest(name);
    if (near) {
        return complain("unknown command %s; did you mean %s?", name, near);
    }
    return complain("unknown command %s; `nacre --help` lists the commands", name);
}

const char *const log_level_names[LOG_LEVEL_NAMES] = { "none", "error", "warning", "info", "debug" };

static bool is_log_level(const char *text)
{
    bool known = !text || !text[0];
    for (unsigned i = NACRE_LOG_ERROR; i <= NACRE_LOG_DEBUG && !known; i++) {
        known = strcmp(text, log_level_names[i]) == 0;
    }
    return known;
}

static int check(const struct arguments *arguments)
{
    const struct command *command = arguments->command;
    uint64_t allowed = GENERAL_OPTIONS | (command ? command->options : 0);
    if (option_given(arguments, OPTION_HELP) || option_given(arguments, OPTION_VERSION)) {
        return RESULT_OK;
    }
    if (!is_log_level(arguments->options[OPTION_LOG])) {
        return complain("--log=%s: expected error, warning, info or debug", arguments->options[OPTION_LOG]);
    }
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (arguments->options[id] && !(allowed & (UINT64_C(1) << id))) {
            return complain("%s has no option --%s; `nacre %s --help` lists its options",
                            command ? command->name : "nacre", option_table[id].name, command ? command->name : "");
        }
    }
    if (command && (arguments->count < command->least || arguments->count > command->most)) {
        return complain("too %s arguments; usage: nacre [OPTIONS] %s %s",
                        arguments->count < command->least ? "few" : "many", command->name, command->arguments);
    }
    return RESULT_OK;
}

int arguments_parse(int argc, char **argv, struct arguments *arguments)
{
    int result = RESULT_OK, used = 1;
    bool options_end = false;
    *arguments = (struct arguments){ .items = argv };
    for (int i = 1; i < argc && result == RESULT_OK; i += used) {
        char *text = argv[i];
        used = 1;
        if (!options_end && strcmp(text, "--") == 0) {
            options_end = true;
        } else if (!options_end && strncmp(text, "--", 2) == 0) {
            result = take_option(arguments, argv + i, argc - i, &used);
        } else if (!options_end && text[0] == '-' && text[1]) {
            result = take_letters(arguments, argv + i, argc - i, &used);
        } else if (!arguments->command) {
            result = take_command(arguments, text);
        } else {
            arguments->items[arguments->count++] = text;
        }
    }
    return result == RESULT_OK ? check(arguments) : result;
}

bool option_number(const struct arguments *arguments, enum option_id id, uint64_t least, uint64_t most, uint64_t *value)
{
    const char *text = arguments->options[id];
    if (!text) {
        return true;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-') || number < least || number > most) {
        complain("--%s %s: expected a number from %llu to %llu", option_table[id].name, text, (unsigned long long)least,
                 (unsigned long long)most);
        return false;
    }
    *value = number;
    return true;
}

bool option_durability(const struct arguments *arguments, nacre_durability *value)
{
    static const char *const names[] = { "memory", "os", "disk" };
    const char *text = arguments->options[OPTION_DURABILITY];
    if (!text) {
        return true;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *value = (nacre_durability)(NACRE_MEMORY + i);
            return true;
        }
    }
    complain("--durability %s: expected memory, os or disk", text);
    return false;
}

int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool hex_decode(const char *text, size_t size, struct bytes *bytes)
{
    *bytes = (struct bytes){ malloc(size / 2 + 1), size / 2 };
    bool good = bytes->data && size % 2 == 0;
    for (size_t i = 0; good && i < size / 2; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        bytes->data[i] = (unsigned char)(good ? high << 4 | low : 0);
    }
    if (!good) {
        free(bytes->data);
        *bytes = (struct bytes){ NULL, 0 };
    }
    return good;
}

bool key_from_text(const struct arguments *arguments, const char *text, struct bytes *key)
{
    size_t size = strlen(text);
    if (option_given(arguments, OPTION_HEX)) {
        if (!hex_decode(text, size, key)) {
            complain("%s: with --hex keys are pairs of hexadecimal digits", text);
            return false;
        }
        return true;
    }
    *key = (struct bytes){ malloc(size + 1), size };
    if (!key->data) {
        complain("out of memory");
        return false;
    }
    memcpy(key->data, text, size);
    return true;
}

bool key_from_option(const struct arguments *arguments, enum option_id id, struct bytes *key)
{
    *key = (struct bytes){ NULL, 0 };
    return !option_given(arguments, id) || key_from_text(arguments, arguments->options[id], key);
}
