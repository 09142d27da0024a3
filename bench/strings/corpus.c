/* Maps the lines that are searched. They lie in a mapped file, so that they count as such and not as memory of whoever searches them. */
#include "corpus.h"
#include "support.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct line {
    const char *bytes;
    size_t size;
};

static const char *map_file(const char *path, size_t *size)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0) {
        die("%s: %s (scripts/bench_data.sh makes the data)", path, strerror(errno));
    }
    *size = (size_t)status.st_size;
    void *bytes = *size == 0 ? MAP_FAILED : mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (bytes == MAP_FAILED) {
        die("%s cannot be mapped, or is empty", path);
    }
    close(file);
    if (((const char *)bytes)[*size - 1] != '\n') {
        die("%s does not end with a newline", path);
    }
    return bytes;
}

static uint64_t count_lines(const char *bytes, size_t size)
{
    uint64_t lines = 0;
    for (const char *at = bytes, *end = bytes + size; at < end; lines++) {
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
    return lines;
}

static int compare_lines(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->bytes, b->bytes, common);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* Writes the first `limit` shuffled lines to a file, sorted. */
static void write_sorted(const char *shuffled, size_t size, uint64_t limit, const char *path)
{
    struct line *lines = allocate(limit * sizeof *lines);
    const char *at = shuffled;
    for (uint64_t i = 0; i < limit; i++) {
        const char *end = memchr(at, '\n', size - (size_t)(at - shuffled));
        lines[i] = (struct line){ at, (size_t)(end - at) };
        at = end + 1;
    }
    qsort(lines, limit, sizeof *lines, compare_lines);
    FILE *file = fopen(path, "we");
    for (uint64_t i = 0; file != NULL && i < limit; i++) {
        fwrite(lines[i].bytes, 1, lines[i].size + 1, file);
    }
    if (file == NULL || fclose(file) != 0) {
        die("%s: %s", path, strerror(errno));
    }
    free(lines);
}

static char *text_of(const char *folder, size_t folder_size, const char *name, const char *ending)
{
    size_t size = folder_size + strlen(name) + strlen(ending) + 1;
    char *text = allocate(size);
    snprintf(text, size, "%.*s%s%s", (int)folder_size, folder, name, ending);
    return text;
}

void corpus_open(struct corpus *corpus, const char *path, uint64_t limit, const char *directory)
{
    size_t size = strlen(path), shuffled_size;
    if (size < 5 || strcmp(path + size - 4, ".txt") != 0) {
        die("%s: a file of lines is named NAME.txt, beside NAME.shuf.txt", path);
    }
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    corpus->name = text_of(name, strlen(name) - 4, "", "");
    char *shuffled = text_of(path, size - 4, "", ".shuf.txt");
    corpus->shuffled = map_file(shuffled, &shuffled_size);
    corpus->lines = count_lines(corpus->shuffled, shuffled_size);
    if (limit == 0 || limit >= corpus->lines) {
        corpus->path = text_of(path, size, "", "");
    } else {
        corpus->lines = limit;
        corpus->path = text_of(directory, strlen(directory), "/", "lines.txt");
        write_sorted(corpus->shuffled, shuffled_size, limit, corpus->path);
    }
    corpus->bytes = map_file(corpus->path, &corpus->size);
    if (count_lines(corpus->bytes, corpus->size) != corpus->lines) {
        die("%s and %s have not the same lines", corpus->path, shuffled);
    }
    free(shuffled);
}

void corpus_close(struct corpus *corpus)
{
    munmap((void *)(uintptr_t)corpus->bytes, corpus->size); /* the shuffled file goes with the process */
    free(corpus->name);
    free(corpus->path);
}

const char *line_end(const struct corpus *corpus, const char *at)
{
    return memchr(at, '\n', corpus->size - (size_t)(at - corpus->bytes));
}
