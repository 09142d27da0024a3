/* Reads the table of patterns, and rewrites patterns for peers that want them otherwise. */
#include "query.h"
#include "support.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 4096

static char *copy_of(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(allocate(size), text, size);
}

static void query_read(struct query *query, char *line, const char *path)
{
    char *fields[4], *rest = line;
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 4; i++) {
        fields[i] = i < 3 ? strsep(&rest, "\t") : rest;
        if (fields[i] == NULL || *fields[i] == '\0') {
            die("%s: '%s' has not the four fields id, class, limit and pattern", path, line);
        }
    }
    query->id = copy_of(fields[0]);
    query->class_name = copy_of(fields[1]);
    query->limit_us = strtod(fields[2], NULL);
    query->pattern = copy_of(fields[3]);
}

void queries_read(struct queries *queries, const char *path, const char *only)
{
    char line[LINE_SIZE];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        die("%s: %s", path, strerror(errno));
    }
    *queries = (struct queries){ NULL, 0 };
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        queries->list = realloc(queries->list, (queries->count + 1) * sizeof *queries->list);
        if (queries->list == NULL) {
            die("no memory for the queries");
        }
        struct query *query = &queries->list[queries->count++];
        query_read(query, line, path);
        if (!name_listed(only, query->id) && !name_listed(only, query->class_name)) {
            queries->count--;
        }
    }
    fclose(file);
    if (queries->count == 0) {
        die("%s: no query of that name", path);
    }
}

void queries_free(struct queries *queries)
{
    for (size_t i = 0; i < queries->count; i++) {
        free(queries->list[i].id);
        free(queries->list[i].class_name);
        free(queries->list[i].pattern);
    }
    free(queries->list);
}

bool query_literal(const char *pattern, struct query_literal *literal)
{
    *literal = (struct query_literal){ .size = 0 };
    if (strncmp(pattern, "(?i)", 4) == 0) {
        literal->ignore_case = true;
        pattern += 4;
    }
    if (*pattern == '^') {
        literal->at_begin = true;
        pattern++;
    }
    for (; *pattern != '\0'; pattern++) {
        if (pattern[0] == '$' && pattern[1] == '\0') {
            literal->at_end = true;
            break;
        }
        if (pattern[0] == '\\' && ispunct((unsigned char)pattern[1])) {
            pattern++;
        } else if (strchr(".*+?()[]{}|^$\\", *pattern) != NULL) {
            return false;
        }
        if (literal->size == QUERY_LITERAL_MAX - 1) {
            return false;
        }
        literal->bytes[literal->size++] = *pattern;
    }
    return literal->size > 0;
}

bool query_for_buffer(const char *pattern, char *text, size_t size)
{
    size_t used = 0;
    for (; *pattern != '\0'; pattern++) {
        char piece[16] = { *pattern };
        if (*pattern == '\\') {
            if (pattern[1] != '\0' && strchr("DWPsnC", pattern[1]) != NULL) {
                return false; /* these would match a newline */
            }
            piece[1] = *++pattern;
        } else if (pattern[0] == '[' && pattern[1] == '^') {
            snprintf(piece, sizeof piece, "[^\\n");
            pattern++;
        }
        size_t length = strlen(piece);
        if (used + length >= size) {
            return false;
        }
        memcpy(text + used, piece, length);
        used += length;
    }
    text[used] = '\0';
    return true;
}

bool query_is_posix(const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80 || strncmp(at, "(?", 2) == 0 ||
            (*at == '?' && at > pattern && strchr("*+?}", at[-1]) != NULL)) {
            return false; /* POSIX goes by the locale, and has neither flags nor the shortest repetition */
        }
        if (*at == '\\' && !ispunct((unsigned char)*++at)) {
            return false;
        }
    }
    return true;
}
