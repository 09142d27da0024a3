/* Files of vectors. The memory of one is as large as its numbers; pages are asked to be huge where the system has
   such. */
#include "vector_file.h"
#include "support.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static size_t memory_size(const struct vector_file *file)
{
    return file->rows * file->dimension * sizeof(float);
}

static void read_rows(struct vector_file *file, FILE *input, const char *path)
{
    size_t row_size = file->dimension * sizeof(float);
    for (size_t row = 0; row < file->rows; row++) {
        uint32_t dimension;
        if (fread(&dimension, sizeof dimension, 1, input) != 1 || dimension != file->dimension ||
            fread(file->floats + row * file->dimension, row_size, 1, input) != 1) {
            die("%s: row %zu is damaged", path, row);
        }
    }
}

void vector_file_read(struct vector_file *file, const char *path, size_t limit)
{
    uint32_t dimension = 0;
    struct stat status;
    FILE *input = fopen(path, "re");
    if (input == NULL || fstat(fileno(input), &status) != 0) {
        die("%s: %s (scripts/bench_vectors_data.sh makes it)", path, strerror(errno));
    }
    if (fread(&dimension, sizeof dimension, 1, input) != 1 || dimension == 0 || dimension > 65536 ||
        (size_t)status.st_size % (4 + 4 * (size_t)dimension) != 0) {
        die("%s is no file of vectors", path);
    }
    rewind(input);
    file->dimension = dimension;
    file->rows = (size_t)status.st_size / (4 + 4 * (size_t)dimension);
    if (limit != 0 && file->rows > limit) {
        file->rows = limit;
    }
    void *memory = mmap(NULL, memory_size(file), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        die("no memory for the %zu rows of %s", file->rows, path);
    }
    madvise(memory, memory_size(file), MADV_HUGEPAGE);
    file->floats = memory;
    read_rows(file, input, path);
    fclose(input);
}

void vector_file_free(struct vector_file *file)
{
    munmap(file->floats, memory_size(file));
    *file = (struct vector_file){ 0 };
}

FILE *vector_file_create(const char *path)
{
    FILE *output = fopen(path, "we");
    if (output == NULL) {
        die("%s: %s", path, strerror(errno));
    }
    return output;
}

void vector_file_append(FILE *output, const void *row, size_t dimension)
{
    uint32_t size = (uint32_t)dimension;
    if (fwrite(&size, sizeof size, 1, output) != 1 || fwrite(row, sizeof(float), dimension, output) != dimension) {
        die("a file of vectors cannot be written: %s", strerror(errno));
    }
}

void vector_file_close(FILE *output)
{
    if (fclose(output) != 0) {
        die("a file of vectors cannot be written: %s", strerror(errno));
    }
}
