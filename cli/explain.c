/* How a search went, as text (see explain.h). Nothing here knows the names in the object: texts and numbers become lines, objects are
   indented, a list of objects becomes a table whose columns are their members. What is absent, 0 or empty in all rows has no column; of long lists the first rows are shown. */
#include "explain.h"
#include "command.h"
#include "print.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MOST 24u
#define ROWS_MOST    24u
#define LABEL_WIDTH  20
#define CELL_SIZE    48u
#define TEXT_MOST    400u /* bytes */

/* "blocks_read" is "blocks read". */
static void write_words(const char *name, char words[CELL_SIZE])
{
    snprintf(words, CELL_SIZE, "%s", name);
    for (char *at = words; (at = strchr(at, '_'));) {
        *at = ' ';
    }
}

static void print_label(const char *name, int width)
{
    char words[CELL_SIZE];
    write_words(name, words);
    printf("%-*s", width, words);
}

static bool is_plain(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value);
}

static bool is_nothing(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

/* Text for a terminal. Backslashes are as they are, so that patterns look as they were written; what is very long is cut. */
static void print_text(FILE *out, const char *text, size_t size)
{
    size_t end = size > TEXT_MOST ? TEXT_MOST : size;
    while (end < size && end && ((unsigned char)text[end] & 0xc0) == 0x80) {
        end--;
    }
    for (size_t at = 0, next; at < end; at = next) {
        const char *found = memchr(text + at, '\\', end - at);
        next = found ? (size_t)(found - text) : end;
        print_escaped(out, (nacre_slice){ text + at, next - at });
        if (found) {
            fputc('\\', out);
            next++;
        }
    }
    fputs(size == 0 ? "-" : end < size ? " ..." : "", out);
}

static void print_plain(FILE *out, const json_t *value)
{
    char figure[FIGURE_SIZE];
    if (json_is_string(value)) {
        print_text(out, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value) && json_integer_value(value) >= 0) {
        fputs(figure_exact((uint64_t)json_integer_value(value), figure), out);
    } else if (json_is_integer(value)) {
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        fprintf(out, "%.3f", json_real_value(value));
    } else {
        fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-", out);
    }
}

/* A cell of a table as text, cut to what a cell holds. */
static void write_cell(const json_t *value, char cell[CELL_SIZE])
{
    cell[0] = 0;
    if (is_nothing(value)) {
        snprintf(cell, CELL_SIZE, json_is_integer(value) ? "0" : "-");
        return;
    }
    FILE *memory = fmemopen(cell, CELL_SIZE, "w");
    if (!memory) {
        return;
    }
    if (is_plain(value)) {
        print_plain(memory, value);
    } else {
        json_dumpf(value, memory, JSON_COMPACT);
    }
    (void)fclose(memory);
    cell[CELL_SIZE - 1] = 0;
}

/* The members that a table shows, in the order in which they come. */
static size_t find_columns(const json_t *rows, const char *columns[COLUMNS_MOST])
{
    size_t count = 0, index, known;
    json_t *row, *value;
    const char *name;
    json_array_foreach(rows, index, row)
    {
        json_object_foreach(row, name, value)
        {
            for (known = 0; known < count && strcmp(columns[known], name) != 0; known++) {}
            if (known == count && count < COLUMNS_MOST && !is_nothing(value)) {
                columns[count++] = name;
            }
        }
    }
    return count;
}

struct column {
    const char *name;
    int width;
    bool right; /* numbers */
};

static struct column measure(const json_t *rows, const char *name)
{
    struct column column = { name, (int)strlen(name), true };
    char cell[CELL_SIZE];
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        const json_t *value = json_object_get(row, name);
        write_cell(value, cell);
        column.width = (int)strlen(cell) > column.width ? (int)strlen(cell) : column.width;
        column.right = column.right && (!value || json_is_number(value));
    }
    return column;
}

/* row: NULL for the heading. */
static void print_row(const json_t *row, const struct column *columns, size_t count, int indent)
{
    char cell[CELL_SIZE];
    printf("%*s", indent, "");
    for (size_t i = 0; i < count; i++) {
        int width = columns[i].right ? columns[i].width : i + 1 < count ? -columns[i].width : 0;
        if (row) {
            write_cell(json_object_get(row, columns[i].name), cell);
        } else {
            write_words(columns[i].name, cell);
        }
        printf("%s%*s", i ? "  " : "", width, cell);
    }
    putchar('\n');
}

static void print_table(const json_t *rows, int indent)
{
    const char *names[COLUMNS_MOST];
    struct column columns[COLUMNS_MOST];
    size_t count = find_columns(rows, names), index;
    json_t *row;
    for (size_t i = 0; i < count; i++) {
        columns[i] = measure(rows, names[i]);
    }
    print_row(NULL, columns, count, indent);
    json_array_foreach(rows, index, row)
    {
        if (index < ROWS_MOST) {
            print_row(row, columns, count, indent);
        }
    }
    if (index > ROWS_MOST) {
        printf("%*sand %zu more\n", indent, "", index - ROWS_MOST);
    }
}

/* Texts and numbers in one line. */
static void print_list(const json_t *list)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        fputs(index ? ", " : "", stdout);
        if (is_plain(item)) {
            print_plain(stdout, item);
        } else {
            json_dumpf(item, stdout, JSON_COMPACT);
        }
    }
    fputs(json_array_size(list) ? "\n" : "none\n", stdout);
}

static void print_object(const json_t *object, int indent)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        printf("%*s", indent, "");
        if (json_is_object(json_array_get(value, 0))) {
            print_label(name, 0);
            putchar('\n');
            print_table(value, indent + 2);
        } else if (json_is_object(value)) {
            print_label(name, 0);
            putchar('\n');
            print_object(value, indent + 2);
        } else {
            print_label(name, LABEL_WIDTH);
            if (json_is_array(value)) {
                print_list(value);
            } else {
                print_plain(stdout, value);
                putchar('\n');
            }
        }
    }
}

int explain_print(const char *json, bool raw)
{
    if (raw) {
        puts(json);
        return RESULT_OK;
    }
    json_t *object = json_loads(json, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return complain("grep: the library's answer is not understood");
    }
    print_object(object, 0);
    json_decref(object);
    return RESULT_OK;
}
