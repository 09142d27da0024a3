/* Entries as text: the formats of import, export and scan. */
#ifndef NACRE_CLI_RECORD_H
#define NACRE_CLI_RECORD_H
#include "args.h"
#include <jansson.h>
#include <stdio.h>

enum record_format { RECORD_LINES, RECORD_TSV, RECORD_CSV, RECORD_JSONL };

/* The format that --format names, else the one that the ending of `path` says, else `other`. Returns false after saying
   what is wrong. */
bool record_format_choose(const struct arguments *, const char *path, enum record_format other,
                          enum record_format *format);

/* One entry as a line of tsv or jsonl. hex: of the key. value_shown: false leaves the value out. */
void record_write(FILE *, enum record_format, nacre_slice key, nacre_slice value, bool hex, bool value_shown);
/* The same as jsonl, with its vector. */
void record_write_vector(FILE *, nacre_slice key, const float *vector, uint32_t dimension, nacre_slice value, bool hex);

/* Reads entries one by one. */
struct record_reader {
    FILE *file;
    const char *name; /* of the file, for errors */
    enum record_format format;
    bool hex;               /* keys of lines, tsv and csv are hexadecimal */
    bool crlf;              /* lines: a carriage return before the end of a line belongs to that end */
    uint64_t line;          /* the number of the last line read */
    uint64_t bytes;         /* read so far */
    uint64_t empty;         /* lines passed over */
    nacre_slice key, value; /* of the record read last; good until the next */
    bool with_vectors;      /* jsonl: each record must have one */
    float *vector;          /* of the record read last */
    uint32_t dimension;     /* its numbers */
    char *text;             /* the line, or the fields of a csv record one after the other */
    size_t text_size, text_space;
    json_t *object;                      /* jsonl: holds key and value */
    char *dumped;                        /* jsonl: a value that is no string */
    struct bytes key_bytes, value_bytes; /* decoded from hexadecimal */
};
/* Returns 1 with key and value, 0 at the end, -1 after saying what is wrong. */
int record_read(struct record_reader *);
int record_skip_line(struct record_reader *);
void record_reader_free(struct record_reader *); /* does not close the file */
#endif
