/* The demo's data: path -> packages, from the lists of dpkg; without dpkg the paths of /usr with their sizes. */
#include "demo.h"
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTS     "/var/lib/dpkg/info/*.list"
#define WALK_MOST 300000u /* paths of /usr that are taken */

static struct paths *walked; /* nftw hands no context on */
static size_t space;

static bool add(struct paths *paths, const char *path, const char *owner)
{
    if (paths->count == space) {
        size_t larger = space ? 2 * space : 65536;
        struct entry *entries = realloc(paths->entries, larger * sizeof *entries);
        if (!entries) {
            return false;
        }
        paths->entries = entries;
        space = larger;
    }
    struct entry *entry = &paths->entries[paths->count];
    *entry = (struct entry){ strdup(path), strdup(owner) };
    paths->count++;
    return entry->path && entry->owner;
}

/* "/var/lib/dpkg/info/libc6:amd64.list" lists what libc6 owns. */
static bool add_list(struct paths *paths, const char *list)
{
    char package[256], *line = NULL;
    size_t line_space = 0;
    bool good = true;
    const char *name = strrchr(list, '/') + 1;
    FILE *file = fopen(list, "r");
    if (!file) {
        return false;
    }
    snprintf(package, sizeof package, "%.*s", (int)strcspn(name, ":"), name);
    char *ending = strstr(package, ".list");
    if (ending) {
        *ending = 0;
    }
    for (ssize_t size; good && (size = getline(&line, &line_space, file)) > 0;) {
        line[size - (line[size - 1] == '\n')] = 0;
        good = !line[0] || strlen(line) > NACRE_KEY_MAX || add(paths, line, package);
    }
    free(line);
    (void)fclose(file);
    paths->packages++;
    return good;
}

static int add_file(const char *path, const struct stat *about, int type, struct FTW *where)
{
    char owner[64];
    (void)where;
    snprintf(owner, sizeof owner, "%s, %lld bytes", type == FTW_D ? "directory" : "file", (long long)about->st_size);
    return walked->count >= WALK_MOST || !add(walked, path, owner);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = strcmp(left->path, right->path);
    return order ? order : strcmp(left->owner, right->owner);
}

/* Several owners of a path become one text, divided by blanks. The entries are sorted. */
static bool join_owners(struct paths *paths)
{
    size_t kept = 0;
    for (size_t i = 0, next; i < paths->count; i = next) {
        size_t size = 0;
        for (next = i; next < paths->count && strcmp(paths->entries[next].path, paths->entries[i].path) == 0; next++) {
            size += strlen(paths->entries[next].owner) + 1;
        }
        char *owner = malloc(size), *at = owner;
        if (!owner) {
            return false;
        }
        for (size_t j = i; j < next; j++) {
            const char *one = paths->entries[j].owner;
            if (j > i && strcmp(one, paths->entries[j - 1].owner) == 0) {
                continue;
            }
            at += snprintf(at, size - (size_t)(at - owner), "%s%s", j > i ? " " : "", one);
        }
        struct entry joined = { paths->entries[i].path, owner };
        paths->entries[i].path = NULL;
        for (size_t j = i; j < next; j++) {
            free(paths->entries[j].path);
            free(paths->entries[j].owner);
            paths->entries[j] = (struct entry){ NULL, NULL };
        }
        paths->entries[kept++] = joined;
        paths->bytes += strlen(joined.path) + (size_t)(at - owner);
    }
    paths->count = kept;
    return true;
}

/* The same disorder every time: the importing process must come to the same. */
static void shuffle(struct paths *paths)
{
    uint64_t state = 20240229;
    for (size_t i = paths->count; i > 1; i--) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t other = (size_t)((state >> 33) % i);
        struct entry entry = paths->entries[i - 1];
        paths->entries[i - 1] = paths->entries[other];
        paths->entries[other] = entry;
    }
}

static int compare_sorted(const void *a, const void *b)
{
    const struct entry *const *left = a, *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

void paths_free(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        free(paths->entries[i].path);
        free(paths->entries[i].owner);
    }
    free(paths->entries);
    free(paths->sorted);
    *paths = (struct paths){ 0 };
}

bool paths_load(struct paths *paths)
{
    glob_t lists = { 0 };
    bool good = true;
    *paths = (struct paths){ 0 };
    if (glob(LISTS, 0, NULL, &lists) == 0) {
        for (size_t i = 0; i < lists.gl_pathc && good; i++) {
            good = add_list(paths, lists.gl_pathv[i]);
        }
    } else {
        walked = paths;
        (void)nftw("/usr", add_file, 32, FTW_PHYS); /* ends early when there are enough */
    }
    globfree(&lists);
    if (!good || paths->count == 0) {
        return show_failure("no lists of files can be read (" LISTS ", /usr): %m");
    }
    qsort(paths->entries, paths->count, sizeof *paths->entries, compare_entries);
    paths->sorted = join_owners(paths) ? malloc(paths->count * sizeof *paths->sorted) : NULL;
    if (!paths->sorted) {
        return show_failure("out of memory");
    }
    shuffle(paths);
    for (size_t i = 0; i < paths->count; i++) {
        paths->sorted[i] = &paths->entries[i];
    }
    qsort(paths->sorted, paths->count, sizeof *paths->sorted, compare_sorted);
    return true;
}

const struct entry *paths_find(const struct paths *paths, nacre_slice path)
{
    size_t low = 0, high = paths->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct entry *entry = paths->sorted[middle];
        size_t size = strlen(entry->path), common = size < path.size ? size : path.size;
        int order = memcmp(entry->path, path.data, common);
        if (order == 0 && size == path.size) {
            return entry;
        }
        if (order < 0 || (order == 0 && size < path.size)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
