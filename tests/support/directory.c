/* See directory.h. */
#include "support/directory.h"
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(bool fine, const char *what, const char *path)
{
    if (!fine) {
        fprintf(stderr, "%s: %s failed\n", path, what);
        abort();
    }
}

size_t file_read_all(const char *path, uint8_t **bytes)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    need(file && fstat(fileno(file), &status) == 0, "open", path);
    size_t size = (size_t)status.st_size;
    *bytes = malloc(size + 1);
    need(*bytes && fread(*bytes, 1, size, file) == size, "read", path);
    fclose(file);
    return size;
}

void file_write_all(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    need(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "write", path);
}

static uint64_t fnv(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t directory_hash(const char *path)
{
    struct dirent **names = NULL;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    int count = scandir(path, &names, NULL, alphasort);
    need(count >= 0, "scandir", path);
    for (int i = 0; i < count; i++) {
        char child[4096];
        struct stat status;
        const char *name = names[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            snprintf(child, sizeof child, "%s/%s", path, name);
            need(lstat(child, &status) == 0, "stat", child);
            hash = fnv(hash, name, strlen(name) + 1);
            if (S_ISDIR(status.st_mode)) {
                uint64_t inner = directory_hash(child);
                hash = fnv(hash, &inner, sizeof inner);
            } else {
                uint8_t *bytes;
                size_t size = file_read_all(child, &bytes);
                hash = fnv(fnv(hash, &size, sizeof size), bytes, size);
                free(bytes);
            }
        }
        free(names[i]);
    }
    free(names);
    return hash;
}

static _Thread_local uint64_t found_bytes;

static int add_bytes(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)path, (void)walk;
    found_bytes += type == FTW_F ? (uint64_t)status->st_blocks * 512 : 0;
    return 0;
}

uint64_t directory_bytes(const char *path)
{
    found_bytes = 0;
    nftw(path, add_bytes, 16, FTW_PHYS); /* files may go meanwhile */
    return found_bytes;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void directory_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool path_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

void directory_last(const char *path, const char *ending, char *out, size_t out_size)
{
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    need(count >= 0, "scandir", path);
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(names[i]->d_name), tail = strlen(ending);
        if (names[i]->d_name[0] != '.' && size >= tail && strcmp(names[i]->d_name + size - tail, ending) == 0) {
            snprintf(out, out_size, "%s/%s", path, names[i]->d_name);
        }
        free(names[i]);
    }
    free(names);
}
