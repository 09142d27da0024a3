/* Vectors as files: fvecs, bvecs, npy and text in the manner of GloVe. */
#ifndef NACRE_CLI_VECTOR_FILE_H
#define NACRE_CLI_VECTOR_FILE_H
#include "args.h"
#include <stdio.h>

enum vector_format { VECTOR_FVECS, VECTOR_BVECS, VECTOR_NPY, VECTOR_GLOVE, VECTOR_NO_FORMAT };

/* The format that --format names, else the one that the ending of `path` says ; VECTOR_NO_FORMAT where it is none of these. */
enum vector_format vector_format_of(const struct arguments *, const char *path);

/* Reads vectors one by one. */
struct vector_reader {
    FILE *file;
    const char *name; /* of the file, for errors */
    enum vector_format format;
    uint32_t dimension; /* known when it has begun; 0: there is no vector */
    uint64_t rows;      /* that the file says it has (npy); UINT64_MAX: it does not say */
    uint64_t row;       /* read so far */
    uint64_t line;      /* of glove: the one read last, from 1 */
    uint64_t bytes;     /* read so far */
    float *vector;      /* read last; good until the next */
    nacre_slice key;    /* of glove: the word; else the row's number in decimal, from 0 */
    /* The rest is its own. */
    unsigned element_bytes;
    char element; /* of npy: 'f' or 'u' */
    unsigned char *raw;
    char *text;
    size_t text_size, text_space;
    char number[24];
    bool pending; /* the first row was read to learn the dimension */
};
/* file, name and format are set. False after saying what is wrong. */
bool vector_reader_begin(struct vector_reader *);
/* Returns 1 with vector and key, 0 at the end, -1 after saying what is wrong. */
int vector_read(struct vector_reader *);
void vector_reader_free(struct vector_reader *); /* does not close the file */

/* "0.1,0.2 0.3": numbers divided by commas or blanks. False after saying what is wrong (`what` names the source). */
bool vector_from_text(const char *what, const char *text, float **vector, uint32_t *count);

/* The ids of an ivecs file: `rows` rows of `columns`. False after saying what is wrong. */
struct id_table {
    int32_t *ids; /* free */
    uint64_t rows;
    uint32_t columns;
};
bool id_table_read(const char *path, struct id_table *);
#endif
