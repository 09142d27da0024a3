/* Entries as text (see record.h).

   lines   key '\n'
   tsv     key '\t' value ['\t' more] '\n'; \t \n \r \\ \xNN stand for bytes, other backslashes for themselves
   csv     RFC 4180: fields divided by commas, "" within quotes is a quote; key, value, more
   jsonl   {"key" | "key_hex": text, "value" | "value_hex": text}; a "value" that is no string is kept as JSON text */
#include "record.h"
#include "print.h"
#include <stdlib.h>
#include <string.h>

bool record_format_choose(const struct arguments *arguments, const char *path, enum record_format other,
                          enum record_format *format)
{
    static const char *const names[] = { "lines", "tsv", "csv", "jsonl" };
    const char *text = arguments->options[OPTION_FORMAT];
    const char *ending = strrchr(path, '.');
    *format = other;
    for (unsigned i = 0; i < 4; i++) {
        if (text ? strcmp(text, names[i]) == 0 : ending && strcmp(ending + 1, names[i]) == 0) {
            *format = (enum record_format)i;
            return true;
        }
    }
    if (text) {
        complain("--format %s: expected lines, tsv, csv or jsonl", text);
    }
    return !text;
}

void record_write(FILE *out, enum record_format format, nacre_slice key, nacre_slice value, bool hex, bool value_shown)
{
    if (format == RECORD_JSONL) {
        putc_unlocked('{', out);
        print_json_bytes(out, "key", key, hex);
        if (value_shown) {
            putc_unlocked(',', out);
            print_json_bytes(out, "value", value, false);
        }
        fputs("}\n", out);
        return;
    }
    if (hex) {
        print_hex(out, key);
    } else {
        print_escaped(out, key);
    }
    if (value_shown) {
        putc_unlocked('\t', out);
        print_escaped(out, value);
    }
    putc_unlocked('\n', out);
}

void record_write_vector(FILE *out, nacre_slice key, const float *vector, uint32_t dimension, nacre_slice value,
                         bool hex)
{
    putc_unlocked('{', out);
    print_json_bytes(out, "key", key, hex);
    fputs(",\"vector\":[", out);
    for (uint32_t i = 0; i < dimension; i++) {
        fprintf(out, i ? ",%.9g" : "%.9g", (double)vector[i]);
    }
    fputs("],", out);
    print_json_bytes(out, "value", value, false);
    fputs("}\n", out);
}

static int wrong(const struct record_reader *reader, const char *what)
{
    complain("import: %s, line %llu: %s", reader->name, (unsigned long long)reader->line, what);
    return -1;
}

/* A line without its end into text; 0 at the end of the file. */
static int read_line(struct record_reader *reader)
{
    ssize_t got = getline(&reader->text, &reader->text_space, reader->file);
    if (got < 0) {
        if (ferror(reader->file)) {
            complain("import: %s: %m", reader->name);
            return -1;
        }
        return 0;
    }
    reader->line++;
    reader->bytes += (uint64_t)got;
    reader->text_size = (size_t)got;
    bool ended = reader->text[reader->text_size - 1] == '\n';
    if (ended) {
        reader->text[--reader->text_size] = 0;
    }
    /* A key that is a line may end in one: there it is part of the end of a line only where that was said, and only before a newline. */
    bool strips = reader->format != RECORD_LINES || (reader->crlf && ended);
    if (strips && reader->text_size && reader->text[reader->text_size - 1] == '\r') {
        reader->text[--reader->text_size] = 0;
    }
    return 1;
}

int record_skip_line(struct record_reader *reader)
{
    return read_line(reader);
}

/* Escapes to bytes, in place. Returns the size. */
static size_t unescape(char *text, size_t size)
{
    static const char names[] = "tnr\\", plain[] = "\t\n\r\\";
    size_t used = 0;
    if (!memchr(text, '\\', size)) {
        return size;
    }
    for (size_t i = 0; i < size; i++) {
        const char *name = text[i] == '\\' && i + 1 < size && text[i + 1] ? strchr(names, text[i + 1]) : NULL;
        if (name) {
            text[used++] = plain[name - names];
            i++;
        } else if (text[i] == '\\' && i + 3 < size && text[i + 1] == 'x' && hex_digit(text[i + 2]) >= 0 &&
                   hex_digit(text[i + 3]) >= 0) {
            text[used++] = (char)(hex_digit(text[i + 2]) << 4 | hex_digit(text[i + 3]));
            i += 3;
        } else {
            text[used++] = text[i];
        }
    }
    return used;
}

static int parse_tsv(struct record_reader *reader)
{
    char *end = reader->text + reader->text_size;
    char *tab = memchr(reader->text, '\t', reader->text_size);
    char *key_end = tab ? tab : end;
    reader->key = (nacre_slice){ reader->text, unescape(reader->text, (size_t)(key_end - reader->text)) };
    if (tab) {
        char *value = tab + 1, *next = memchr(value, '\t', (size_t)(end - value));
        reader->value = (nacre_slice){ value, unescape(value, (size_t)((next ? next : end) - value)) };
    }
    return 1;
}

static bool append(struct record_reader *reader, int byte)
{
    if (reader->text_size == reader->text_space) {
        size_t space = reader->text_space ? 2 * reader->text_space : 256;
        char *larger = realloc(reader->text, space);
        if (!larger) {
            return false;
        }
        reader->text = larger;
        reader->text_space = space;
    }
    reader->text[reader->text_size++] = (char)byte;
    return true;
}

static int next_byte(struct record_reader *reader)
{
    int byte = getc_unlocked(reader->file);
    reader->bytes += byte != EOF;
    reader->line += byte == '\n';
    return byte;
}

/* One field of csv behind what text holds; *stop gets what ended it: ',', '\n' or EOF. */
static int read_field(struct record_reader *reader, bool keep, int *stop)
{
    int byte = next_byte(reader);
    bool quoted = byte == '"';
    if (quoted) {
        byte = next_byte(reader);
    }
    for (;; byte = next_byte(reader)) {
        if (quoted && byte == EOF) {
            return wrong(reader, "a quote is not closed");
        }
        if (quoted && byte == '"') {
            byte = next_byte(reader);
            if (byte != '"') {
                quoted = false;
            }
        }
        if (!quoted && byte == '\r') {
            byte = next_byte(reader);
            if (byte != '\n' && byte != EOF) {
                return wrong(reader, "a carriage return within a line");
            }
        }
        if (!quoted && (byte == ',' || byte == '\n' || byte == EOF)) {
            *stop = byte;
            return 1;
        }
        if (keep && !append(reader, byte)) {
            return wrong(reader, "out of memory");
        }
    }
}

static int read_csv(struct record_reader *reader)
{
    size_t key_size = 0, value_size = 0, column = 0;
    int stop = ',';
    uint64_t before = reader->bytes;
    reader->text_size = 0;
    for (; stop == ','; column++) {
        if (read_field(reader, column < 2, &stop) < 0) {
            return -1;
        }
        key_size = column == 0 ? reader->text_size : key_size;
        value_size = reader->text_size - key_size;
    }
    if (ferror(reader->file)) {
        complain("import: %s: %m", reader->name);
        return -1;
    }
    if (reader->bytes == before) {
        return 0;
    }
    reader->text_size = column == 1 ? key_size : SIZE_MAX; /* one empty column is an empty line */
    reader->key = (nacre_slice){ reader->text, key_size };
    reader->value = (nacre_slice){ reader->text ? reader->text + key_size : NULL, value_size };
    return 1;
}

/* The bytes of member `name` or `name`_hex: 1 = found, 0 = there is none. */
static int take_member(struct record_reader *reader, const char *name, const char *hex_name, struct bytes *decoded,
                       nacre_slice *out)
{
    json_t *hex = json_object_get(reader->object, hex_name), *plain = json_object_get(reader->object, name);
    if (hex) {
        if (!json_is_string(hex) || plain || !hex_decode(json_string_value(hex), json_string_length(hex), decoded)) {
            return wrong(reader, plain ? "both a text and its _hex are given"
                                       : "a _hex that is not pairs of hexadecimal digits");
        }
        *out = slice_of(decoded);
        return 1;
    }
    if (json_is_string(plain)) {
        *out = (nacre_slice){ json_string_value(plain), json_string_length(plain) };
        return 1;
    }
    if (plain && !json_is_null(plain)) {
        free(reader->dumped);
        reader->dumped = json_dumps(plain, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!reader->dumped) {
            return wrong(reader, "out of memory");
        }
        *out = (nacre_slice){ reader->dumped, strlen(reader->dumped) };
        return 1;
    }
    return 0;
}

static void drop_parts(struct record_reader *reader)
{
    json_decref(reader->object);
    free(reader->dumped);
    free(reader->key_bytes.data);
    free(reader->value_bytes.data);
    reader->object = NULL;
    reader->dumped = NULL;
    reader->key_bytes = reader->value_bytes = (struct bytes){ NULL, 0 };
}

/* The array of numbers of member `vector`. */
static int take_vector(struct record_reader *reader)
{
    const json_t *array = json_object_get(reader->object, "vector");
    size_t count = json_array_size(array);
    if (count == 0 || count > NACRE_DIMENSION_MAX) {
        return wrong(reader, "expected a member \"vector\" that is an array of numbers");
    }
    if (count > reader->dimension) {
        float *larger = realloc(reader->vector, count * sizeof *larger);
        if (!larger) {
            return wrong(reader, "out of memory");
        }
        reader->vector = larger;
    }
    reader->dimension = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(array, i);
        if (!json_is_number(number)) {
            return wrong(reader, "\"vector\" holds what is no number");
        }
        reader->vector[i] = (float)json_number_value(number);
    }
    return 1;
}

static int parse_jsonl(struct record_reader *reader)
{
    json_error_t error;
    reader->object = json_loadb(reader->text, reader->text_size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(reader->object)) {
        return wrong(reader, reader->object ? "expected an object" : error.text);
    }
    if (json_object_get(reader->object, "key") && !json_is_string(json_object_get(reader->object, "key"))) {
        return wrong(reader, "\"key\" is no string");
    }
    int found = take_member(reader, "key", "key_hex", &reader->key_bytes, &reader->key);
    if (found <= 0) {
        return found < 0 ? found : wrong(reader, "no \"key\" and no \"key_hex\"");
    }
    if (take_member(reader, "value", "value_hex", &reader->value_bytes, &reader->value) < 0) {
        return -1;
    }
    return reader->with_vectors ? take_vector(reader) : 1;
}

static int decode_key(struct record_reader *reader)
{
    if (reader->hex && reader->format != RECORD_JSONL) {
        if (!hex_decode(reader->key.data, reader->key.size, &reader->key_bytes)) {
            return wrong(reader, "with --hex keys are pairs of hexadecimal digits");
        }
        reader->key = slice_of(&reader->key_bytes);
    }
    return reader->key.size ? 1 : wrong(reader, "the key is empty");
}

int record_read(struct record_reader *reader)
{
    for (;;) {
        drop_parts(reader);
        reader->value = (nacre_slice){ NULL, 0 };
        int got = reader->format == RECORD_CSV ? read_csv(reader) : read_line(reader);
        if (got <= 0) {
            return got;
        }
        if (reader->text_size == 0) {
            reader->empty++;
            continue;
        }
        if (reader->format == RECORD_LINES) {
            reader->key = (nacre_slice){ reader->text, reader->text_size };
        }
        got = reader->format == RECORD_TSV     ? parse_tsv(reader)
              : reader->format == RECORD_JSONL ? parse_jsonl(reader)
                                               : 1;
        return got < 0 ? got : decode_key(reader);
    }
}

void record_reader_free(struct record_reader *reader)
{
    drop_parts(reader);
    free(reader->text);
    free(reader->vector);
    reader->text = NULL;
    reader->vector = NULL;
}
