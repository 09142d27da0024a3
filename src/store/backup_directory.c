/* A directory of backups as a whole: what is in it, its lock, removing (backup.h).

   A removal takes the backup's own file first and syncs that: only then is a file that nobody else names removed. So what a crash leaves is
   unnamed files, never a backup that lacks some. Any thread, any process; who changes something holds LOCK. */
#include "base/memory.h"
#include "base/status.h"
#include "store/backup.h"
#include <inttypes.h>
#include <stdlib.h>

/* backups/<id>.gone, an empty file: so high were ids already, though no backup is left that says so. */
#define GONE ".gone"

/* `ending`: what follows the digits. */
static bool parse_id(const char *name, const char *ending, uint64_t *id)
{
    *id = 0;
    for (unsigned i = 0; i < BACKUP_NAME_BYTES; i++) {
        bool digit = name[i] >= '0' && name[i] <= '9', letter = name[i] >= 'a' && name[i] <= 'f';
        if (!digit && !letter) {
            return false;
        }
        *id = *id << 4 | (uint64_t)(digit ? name[i] - '0' : name[i] - 'a' + 10);
    }
    return strcmp(name + BACKUP_NAME_BYTES, ending) == 0 && *id != 0;
}

static void note_id(void *context, const char *name)
{
    struct backup_ids *list = context;
    uint64_t id;
    if (parse_id(name, GONE, &id)) {
        list->gone = id > list->gone ? id : list->gone;
        return;
    }
    if (!parse_id(name, "", &id)) {
        return;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        uint64_t *more = memory_realloc(list->ids, capacity * sizeof *more);
        if (!more) {
            list->status = NACRE_NO_MEMORY;
            return;
        }
        list->ids = more;
        list->capacity = capacity;
    }
    list->ids[list->count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

int backup_ids_list(const nacre_os *os, const char *directory, struct backup_ids *list)
{
    char path[OS_PATH_MAX];
    *list = (struct backup_ids){ .status = NACRE_OK };
    int status = os_path(path, directory, "backups");
    if (status == NACRE_OK) {
        status = os->list(os->context, path, note_id, list);
        status = status == NACRE_OK ? list->status : status;
    }
    if (status != NACRE_OK) {
        backup_ids_free(list);
        return status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    if (list->count > 1) {
        qsort(list->ids, list->count, sizeof *list->ids, compare_ids);
    }
    return NACRE_OK;
}

void backup_ids_free(struct backup_ids *list)
{
    memory_free(list->ids);
    *list = (struct backup_ids){ .status = NACRE_OK };
}

int backup_pick(const nacre_os *os, const char *directory, uint64_t *id)
{
    struct backup_ids list;
    if (*id != 0) {
        return NACRE_OK;
    }
    int status = backup_ids_list(os, directory, &list);
    if (status == NACRE_OK && list.count == 0) {
        status = fail(NACRE_NOT_FOUND, "%s: there is no backup in it", directory);
    }
    if (status == NACRE_OK) {
        *id = list.ids[list.count - 1];
    }
    backup_ids_free(&list);
    return status;
}

int backup_lock(const nacre_os *os, const char *directory, nacre_file **lock)
{
    char path[OS_PATH_MAX], holder[256] = "";
    int status = os_path(path, directory, "LOCK");
    if (status == NACRE_OK) {
        status = os->lock(os->context, path, lock, holder, sizeof holder);
    }
    return status == NACRE_LOCKED ? fail(NACRE_LOCKED, "%s: the backups are being changed by %s", directory,
                                         holder[0] ? holder : "another process")
                                  : status;
}

/* ---- what no backup names ---- */

struct content_names {
    char (*names)[CONTENT_NAME_BYTES];
    size_t count, capacity;
};

static int compare_content(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add_content(struct content_names *all, const struct backup_file *file)
{
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 256;
        char(*more)[CONTENT_NAME_BYTES] = memory_realloc(all->names, capacity * sizeof *more);
        if (!more) {
            return NACRE_NO_MEMORY;
        }
        all->names = more;
        all->capacity = capacity;
    }
    content_name(file, all->names[all->count++]);
    return NACRE_OK;
}

/* NACRE_CORRUPT, NACRE_UNSUPPORTED: a backup that cannot be read may name anything. */
static int list_named(const nacre_os *os, const char *directory, struct content_names *all)
{
    struct backup_ids list;
    int status = backup_ids_list(os, directory, &list);
    for (size_t i = 0; i < list.count && status == NACRE_OK; i++) {
        struct backup b;
        status = backup_read(os, directory, list.ids[i], &b);
        for (size_t j = 0; j < b.file_count && status == NACRE_OK; j++) {
            status = add_content(all, &b.files[j]);
        }
        backup_free(&b);
    }
    backup_ids_free(&list);
    if (status == NACRE_OK && all->count > 1) {
        qsort(all->names, all->count, sizeof all->names[0], compare_content);
    }
    return status;
}

struct sweep {
    const nacre_os *os;
    const struct content_names *named; /* NULL: all goes */
    struct buffer names;               /* of what is to go, each with its NUL */
    int status;
};

static void note_unnamed(void *context, const char *name)
{
    struct sweep *sweep = context;
    char key[CONTENT_NAME_BYTES] = "";
    size_t size = strlen(name);
    if (size < sizeof key) {
        memcpy(key, name, size);
    }
    const struct content_names *named = sweep->named;
    if (named && size < sizeof key && named->count &&
        bsearch(key, named->names, named->count, sizeof named->names[0], compare_content)) {
        return;
    }
    int status = buffer_append(&sweep->names, name, size + 1);
    sweep->status = sweep->status == NACRE_OK ? status : sweep->status;
}

static int sweep_folder(const nacre_os *os, const char *directory, const char *folder,
                        const struct content_names *named)
{
    char base[OS_PATH_MAX], path[OS_PATH_MAX];
    struct sweep sweep = { .os = os, .named = named };
    int status = os_path(base, directory, "%s", folder);
    if (status == NACRE_OK) {
        status = os->list(os->context, base, note_unnamed, &sweep);
        status = status == NACRE_OK ? sweep.status : status == NACRE_NOT_FOUND ? NACRE_OK : status;
    }
    for (size_t at = 0; at < sweep.names.size && status == NACRE_OK;) {
        const char *name = (const char *)sweep.names.data + at;
        at += strlen(name) + 1;
        status = os_path(path, base, "%s", name);
        if (status == NACRE_OK) {
            status = os->remove(os->context, path);
            status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
        }
    }
    buffer_free(&sweep.names);
    return status;
}

int backup_sweep(const nacre_os *os, const char *directory)
{
    struct content_names all = { 0 };
    int status = list_named(os, directory, &all);
    if (status == NACRE_OK) {
        status = sweep_folder(os, directory, "files", &all);
    } else if (status == NACRE_CORRUPT || status == NACRE_UNSUPPORTED) {
        status = NACRE_OK;
    }
    memory_free(all.names);
    return status == NACRE_OK ? sweep_folder(os, directory, "incoming", NULL) : status;
}

/* ---- removing ---- */

static int remove_one(const nacre_os *os, const char *directory, uint64_t id)
{
    char path[OS_PATH_MAX];
    int status = os_path(path, directory, "backups/%016" PRIx64, id);
    if (status == NACRE_OK) {
        status = os->remove(os->context, path);
    }
    return status == NACRE_NOT_FOUND ? fail(NACRE_NOT_FOUND, "%s: there is no backup %" PRIu64, directory, id) : status;
}

static int gone_path(const char *directory, uint64_t id, char path[OS_PATH_MAX])
{
    return os_path(path, directory, "backups/%016" PRIx64 GONE, id);
}

/* Before the newest backup goes: its id is not to be used again. Durable on return. */
static int keep_id(const nacre_os *os, const char *directory, const struct backup_ids *list)
{
    char path[OS_PATH_MAX];
    nacre_file *file = NULL;
    uint64_t newest = list->ids[list->count - 1];
    int status = gone_path(directory, newest, path);
    if (status == NACRE_OK) {
        status = os->open(os->context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file);
    }
    if (status == NACRE_OK) {
        status = os->close(file);
    }
    if (status == NACRE_OK) {
        status = os_path(path, directory, "backups");
    }
    if (status == NACRE_OK) {
        status = os->sync_directory(os->context, path);
    }
    if (status == NACRE_OK && list->gone && list->gone < newest && gone_path(directory, list->gone, path) == NACRE_OK) {
        (void)os->remove(os->context, path); /* the greatest counts: one that stays does no harm */
    }
    return status;
}

/* The backups from the oldest on, `count` of them. */
static int remove_oldest(const nacre_os *os, const char *directory, const struct backup_ids *list, size_t count)
{
    int status = count > 0 && count == list->count ? keep_id(os, directory, list) : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = remove_one(os, directory, list->ids[i]);
    }
    return status;
}

static int end_removal(const nacre_os *os, const char *directory, int status)
{
    char path[OS_PATH_MAX];
    if (status == NACRE_OK) {
        status = os_path(path, directory, "backups");
    }
    if (status == NACRE_OK) {
        status = os->sync_directory(os->context, path);
    }
    return status == NACRE_OK ? backup_sweep(os, directory) : status;
}

/* What is not a directory of backups does not become one by asking for its lock. */
static int check_directory(const nacre_os *os, const char *directory)
{
    uint64_t id = 0;
    return backup_pick(os, directory, &id);
}

int backup_remove(const nacre_os *os, const char *directory, uint64_t id)
{
    nacre_file *lock = NULL;
    struct backup_ids list = { 0 };
    int status = check_directory(os, directory);
    if (status == NACRE_OK && (status = backup_lock(os, directory, &lock)) == NACRE_OK) {
        status = backup_ids_list(os, directory, &list);
        if (status == NACRE_OK && list.count > 0 && list.ids[list.count - 1] == id) {
            status = keep_id(os, directory, &list);
        }
        backup_ids_free(&list);
        status = status == NACRE_OK ? remove_one(os, directory, id) : status;
        status = end_removal(os, directory, status);
        (void)os->close(lock); /* holds nothing that was written */
    }
    return status;
}

int backup_keep(const nacre_os *os, const char *directory, uint64_t count)
{
    nacre_file *lock = NULL;
    struct backup_ids list = { 0 };
    int status = check_directory(os, directory);
    if (status != NACRE_OK || (status = backup_lock(os, directory, &lock)) != NACRE_OK) {
        return status;
    }
    status = backup_ids_list(os, directory, &list);
    if (status == NACRE_OK && list.count > count) {
        status = remove_oldest(os, directory, &list, list.count - (size_t)count);
    }
    backup_ids_free(&list);
    status = end_removal(os, directory, status);
    (void)os->close(lock); /* holds nothing that was written */
    return status;
}
