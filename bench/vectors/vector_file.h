/* Files of vectors: each row is its dimension (32 bits, little endian) and so many numbers, floats in .fvecs,
   integers in .ivecs. */
#ifndef BENCH_VECTORS_VECTOR_FILE_H
#define BENCH_VECTORS_VECTOR_FILE_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct vector_file {
    size_t rows, dimension;
    union {
        float *floats;
        int32_t *integers;
    }; /* row after row, without the dimensions */
};

/* Reads at most `limit` rows (0: all), and ends the program where the file is not whole. vector_file_free. */
void vector_file_read(struct vector_file *file, const char *path, size_t limit);
void vector_file_free(struct vector_file *file);

FILE *vector_file_create(const char *path);
void vector_file_append(FILE *output, const void *row, size_t dimension); /* numbers of 32 bits */
void vector_file_close(FILE *output);

static inline const float *vector_file_floats(const struct vector_file *file, size_t row)
{
    return file->floats + row * file->dimension;
}

static inline const int32_t *vector_file_integers(const struct vector_file *file, size_t row)
{
    return file->integers + row * file->dimension;
}

#endif
