/* See support.h. */
#include "support.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "%s: ", program_name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        die("no memory for %zu bytes", size);
    }
    return memory;
}

bool name_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return list == NULL;
}

void check_names(const char *list, const char *what, bool (*known)(const char *name))
{
    char copy[1024], *save = NULL;
    snprintf(copy, sizeof copy, "%s", list == NULL ? "" : list);
    for (char *name = strtok_r(copy, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save)) {
        if (!known(name)) {
            die("there is no %s '%s' in this build (--help and --list show what there is)", what, name);
        }
    }
}

bool number_parse(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

uint64_t number_of(const char *text)
{
    uint64_t value;
    if (!number_parse(text, &value)) {
        die("'%s' is not a number", text);
    }
    return value;
}
