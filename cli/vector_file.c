/* Vectors as files (see vector_file.h). Numbers are little-endian.

   fvecs   per row: u32 dimension, that many f32
   bvecs   per row: u32 dimension, that many u8
   ivecs   per row: u32 columns, that many i32
   npy     "\x93NUMPY", version, size of the header, header (a Python dictionary: descr, fortran_order, shape), rows; of <f4, <f8 or |u1
   glove   per line: word, then the numbers, divided by blanks; a first line of two whole numbers (rows, dimension) is passed over */
#include "vector_file.h"
#include "print.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NPY_HEADER_MOST (1u << 16)
#define COLUMNS_MOST    (1u << 20) /* of ivecs */

enum vector_format vector_format_of(const struct arguments *arguments, const char *path)
{
    static const char *const names[] = { "fvecs", "bvecs", "npy", "glove" };
    const char *text = arguments->options[OPTION_FORMAT], *ending = strrchr(path, '.');
    for (unsigned i = 0; i < 4; i++) {
        if (text ? strcmp(text, names[i]) == 0 : ending && strcmp(ending + 1, names[i]) == 0) {
            return (enum vector_format)i;
        }
    }
    return VECTOR_NO_FORMAT;
}

static int wrong(const struct vector_reader *reader, const char *what)
{
    bool lines = reader->format == VECTOR_GLOVE; /* rows count from 0, as their keys do */
    complain("%s, %s %" PRIu64 ": %s", reader->name, lines ? "line" : "row", lines ? reader->line : reader->row, what);
    return -1;
}

/* 1: all of it; 0: the end of the file stands at the first byte. */
static int read_bytes(struct vector_reader *reader, void *to, size_t size)
{
    size_t got = fread(to, 1, size, reader->file);
    reader->bytes += got;
    if (got == size) {
        return 1;
    }
    if (ferror(reader->file)) {
        complain("%s: %m", reader->name);
        return -1;
    }
    return got == 0 ? 0 : wrong(reader, "the file ends within it");
}

static uint32_t number_at(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Room for rows of the dimension. */
static bool take_dimension(struct vector_reader *reader, uint64_t dimension)
{
    if (dimension == 0 || dimension > NACRE_DIMENSION_MAX) {
        complain("%s: a dimension of %" PRIu64 "; 1 to %u are possible", reader->name, dimension, NACRE_DIMENSION_MAX);
        return false;
    }
    reader->dimension = (uint32_t)dimension;
    reader->vector = malloc(dimension * sizeof *reader->vector);
    reader->raw = malloc(dimension * 8);
    if (!reader->vector || !reader->raw) {
        complain("%s: out of memory", reader->name);
        return false;
    }
    return true;
}

/* ---- fvecs, bvecs, npy ---- */

static void convert(struct vector_reader *reader)
{
    for (uint32_t i = 0; i < reader->dimension; i++) {
        const unsigned char *at = reader->raw + (size_t)i * reader->element_bytes;
        double wide;
        switch (reader->element_bytes) {
        case 1:
            reader->vector[i] = (float)*at;
            break;
        case 4:
            memcpy(&reader->vector[i], at, 4);
            break;
        default:
            memcpy(&wide, at, 8);
            reader->vector[i] = (float)wide;
        }
    }
}

static int read_row(struct vector_reader *reader)
{
    if (reader->format != VECTOR_NPY) {
        unsigned char head[4];
        int got = read_bytes(reader, head, sizeof head);
        if (got <= 0) {
            return got;
        }
        if (!reader->dimension && !take_dimension(reader, number_at(head))) {
            return -1;
        }
        if (number_at(head) != reader->dimension) {
            return wrong(reader, "another dimension than the first row's");
        }
    } else if (reader->row == reader->rows) {
        return 0;
    }
    int got = read_bytes(reader, reader->raw, (size_t)reader->dimension * reader->element_bytes);
    if (got <= 0) {
        return got < 0 ? got : wrong(reader, "the file ends before it");
    }
    convert(reader);
    return 1;
}

/* What stands behind 'name': in the header of npy; NULL: there is no such. */
static const char *npy_member(const char *header, const char *name)
{
    char quoted[24];
    snprintf(quoted, sizeof quoted, "'%s':", name);
    const char *at = strstr(header, quoted);
    return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

static bool parse_npy_header(struct vector_reader *reader, const char *header)
{
    static const struct {
        const char *descr;
        unsigned bytes;
    } elements[] = { { "'<f4'", 4 }, { "'<f8'", 8 }, { "'|u1'", 1 }, { "'<u1'", 1 } };
    const char *descr = npy_member(header, "descr"), *order = npy_member(header, "fortran_order");
    const char *shape = npy_member(header, "shape");
    unsigned long long rows = 0, dimension = 0;
    if (!descr || !order || !shape || sscanf(shape, "(%llu, %llu", &rows, &dimension) != 2) {
        complain("%s: no header of an npy file with two dimensions", reader->name);
        return false;
    }
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        if (strncmp(descr, elements[i].descr, 5) == 0) {
            reader->element_bytes = elements[i].bytes;
        }
    }
    if (!reader->element_bytes || strncmp(order, "False", 5) != 0) {
        complain("%s: elements must be <f4, <f8 or |u1, row by row; the header says %.60s", reader->name, header);
        return false;
    }
    reader->rows = rows;
    return rows == 0 || take_dimension(reader, dimension);
}

static bool begin_npy(struct vector_reader *reader)
{
    unsigned char head[12];
    size_t size = 0;
    bool good = read_bytes(reader, head, 10) == 1 && memcmp(head, "\x93NUMPY", 6) == 0;
    if (good && head[6] == 1) {
        size = (size_t)head[8] | (size_t)head[9] << 8;
    } else if (good && read_bytes(reader, head + 10, 2) == 1) {
        size = number_at(head + 8);
    }
    if (!good || size == 0 || size > NPY_HEADER_MOST) {
        complain("%s: no npy file", reader->name);
        return false;
    }
    char *header = calloc(1, size + 1);
    good = header && read_bytes(reader, header, size) == 1 && parse_npy_header(reader, header);
    free(header);
    return good;
}

/* ---- text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The numbers of `text` into the vector; SIZE_MAX: something is no number. `vector` NULL: they are counted alone. */
static size_t parse_numbers(const char *text, float *vector, size_t room, bool commas)
{
    size_t count = 0;
    for (;;) {
        while (is_blank(*text) || (commas && *text == ',')) {
            text++;
        }
        if (!*text) {
            return count;
        }
        char *end;
        float number = strtof(text, &end);
        if (end == text || (*end && !is_blank(*end) && !(commas && *end == ',')) || (vector && count == room)) {
            return SIZE_MAX;
        }
        if (vector) {
            vector[count] = number;
        }
        count++;
        text = end;
    }
}

/* A line that says how many rows and numbers follow, as word2vec writes it. */
static bool is_heading(const struct vector_reader *reader, const char *numbers)
{
    return reader->row == 0 && strspn(reader->text, "0123456789") == reader->key.size &&
           strspn(numbers, "0123456789") == strlen(numbers) && *numbers;
}

static int read_line(struct vector_reader *reader)
{
    for (;;) {
        ssize_t got = getline(&reader->text, &reader->text_space, reader->file);
        if (got < 0) {
            return ferror(reader->file) ? (complain("%s: %m", reader->name), -1) : 0;
        }
        reader->bytes += (uint64_t)got;
        reader->line++;
        while (got > 0 && (strchr("\r\n", reader->text[got - 1]) || is_blank(reader->text[got - 1]))) {
            reader->text[--got] = 0;
        }
        if (got == 0) {
            continue;
        }
        reader->key = (nacre_slice){ reader->text, strcspn(reader->text, " \t") };
        const char *numbers = reader->text + reader->key.size;
        numbers += strspn(numbers, " \t");
        if (is_heading(reader, numbers)) {
            continue;
        }
        size_t count = reader->dimension ? reader->dimension : parse_numbers(numbers, NULL, 0, false);
        if (count == SIZE_MAX || (!reader->dimension && !take_dimension(reader, count))) {
            return count == SIZE_MAX ? wrong(reader, "expected a word and numbers") : -1;
        }
        if (parse_numbers(numbers, reader->vector, reader->dimension, false) != reader->dimension) {
            return wrong(reader, "no numbers, or not as many as in the first line");
        }
        return 1;
    }
}

/* ---- all of them ---- */

static int read_next(struct vector_reader *reader)
{
    int got = reader->format == VECTOR_GLOVE ? read_line(reader) : read_row(reader);
    if (got <= 0) {
        return got;
    }
    if (reader->format != VECTOR_GLOVE) {
        int size = snprintf(reader->number, sizeof reader->number, "%" PRIu64, reader->row);
        reader->key = (nacre_slice){ reader->number, (size_t)size };
    }
    reader->row++;
    return 1;
}

bool vector_reader_begin(struct vector_reader *reader)
{
    reader->rows = UINT64_MAX;
    reader->element_bytes = reader->format == VECTOR_BVECS ? 1 : reader->format == VECTOR_FVECS ? 4 : 0;
    if (reader->format == VECTOR_NPY) {
        return begin_npy(reader);
    }
    int got = read_next(reader);
    reader->pending = got > 0;
    return got >= 0;
}

int vector_read(struct vector_reader *reader)
{
    if (reader->pending) {
        reader->pending = false;
        return 1;
    }
    return read_next(reader);
}

void vector_reader_free(struct vector_reader *reader)
{
    free(reader->vector);
    free(reader->raw);
    free(reader->text);
    reader->vector = NULL;
    reader->raw = NULL;
    reader->text = NULL;
}

bool vector_from_text(const char *what, const char *text, float **vector, uint32_t *count)
{
    size_t numbers = parse_numbers(text, NULL, 0, true);
    *vector = NULL;
    if (numbers == 0 || numbers == SIZE_MAX || numbers > NACRE_DIMENSION_MAX) {
        complain("%s: expected numbers divided by commas", what);
        return false;
    }
    *vector = malloc(numbers * sizeof **vector);
    if (!*vector) {
        complain("%s: out of memory", what);
        return false;
    }
    *count = (uint32_t)parse_numbers(text, *vector, numbers, true);
    return true;
}

static bool not_ivecs(const char *path, uint64_t row, const char *what)
{
    complain("%s: no ivecs file: row %" PRIu64 " %s", path, row, what);
    return false;
}

static bool fill_table(const char *path, FILE *file, struct id_table *table)
{
    unsigned char head[4];
    uint64_t room = 0;
    size_t got;
    while ((got = fread(head, 1, 4, file)) == 4) {
        uint32_t columns = number_at(head);
        if (columns == 0 || columns > COLUMNS_MOST || (table->rows && columns != table->columns)) {
            return not_ivecs(path, table->rows,
                             table->rows ? "has not as many columns as the first" : "has no columns");
        }
        table->columns = columns;
        if (table->rows == room) {
            room = room ? 2 * room : 1024;
            int32_t *more = realloc(table->ids, room * columns * sizeof *more);
            if (!more) {
                return complain("%s: out of memory", path) == RESULT_OK;
            }
            table->ids = more;
        }
        int32_t *ids = table->ids + table->rows * columns;
        if (fread(ids, 4, columns, file) != columns) {
            return ferror(file) ? complain("%s: %m", path) == RESULT_OK : not_ivecs(path, table->rows, "is cut short");
        }
        for (uint32_t i = 0; i < columns; i++) {
            if (ids[i] < 0) {
                return not_ivecs(path, table->rows, "holds a negative number");
            }
        }
        table->rows++;
    }
    if (ferror(file)) {
        return complain("%s: %m", path) == RESULT_OK;
    }
    return got || !table->rows ? not_ivecs(path, table->rows, got ? "is cut short" : "is not there") : true;
}

bool id_table_read(const char *path, struct id_table *table)
{
    static const struct arguments no_format;
    *table = (struct id_table){ NULL, 0, 0 };
    if (vector_format_of(&no_format, path) != VECTOR_NO_FORMAT) { /* bits of floats are numbers too */
        complain("%s: by its name it holds vectors, and not their numbers as ivecs", path);
        return false;
    }
    FILE *file = fopen(path, "r");
    if (!file) {
        complain("%s: %m", path);
        return false;
    }
    bool good = fill_table(path, file, table);
    (void)fclose(file);
    if (!good) {
        free(table->ids);
        table->ids = NULL;
    }
    return good;
}
