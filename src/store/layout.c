/* The parts of a store's directory (layout.h). Any thread; no locks. */
#include "store/layout.h"
#include "base/status.h"
#include <stdio.h>

const char *const layout_folders[] = { "manifest", "log", "segments", "values" };
const size_t layout_folder_count = sizeof layout_folders / sizeof layout_folders[0];
const unsigned layout_always = 1u | 2u | 4u | 8u;

static const char *const files[] = { "CURRENT", "tuning.json" };

static bool is_plain(const char *name)
{
    if (*name == 0 || *name == '.') {
        return false;
    }
    for (; *name; name++) {
        bool plain = (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') || *name == '.';
        if (!plain) {
            return false;
        }
    }
    return true;
}

bool layout_is_file(const char *name, size_t *folder)
{
    *folder = layout_folder_count;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (strcmp(name, files[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < layout_folder_count; i++) {
        size_t size = strlen(layout_folders[i]);
        if (strncmp(name, layout_folders[i], size) == 0 && name[size] == '/') {
            *folder = i;
            return is_plain(name + size + 1);
        }
    }
    return false;
}

int layout_make(const nacre_os *os, const char *path, unsigned folders)
{
    char folder[OS_PATH_MAX];
    int status = os->make_directory(os->context, path);
    if (status == NACRE_EXISTS) {
        return fail(NACRE_EXISTS, "%s: exists already; a copy of a store makes its own directory", path);
    }
    for (size_t i = 0; i < layout_folder_count && status == NACRE_OK; i++) {
        if (folders >> i & 1) {
            status = os_path(folder, path, "%s", layout_folders[i]);
            status = status == NACRE_OK ? os->make_directory(os->context, folder) : status;
        }
    }
    return status;
}

int layout_sync(const nacre_os *os, const char *path, unsigned folders)
{
    char name[OS_PATH_MAX];
    int status = NACRE_OK;
    for (size_t i = 0; i < layout_folder_count && status == NACRE_OK; i++) {
        if (folders >> i & 1) {
            status = os_path(name, path, "%s", layout_folders[i]);
            status = status == NACRE_OK ? os->sync_directory(os->context, name) : status;
        }
    }
    if (status == NACRE_OK) {
        status = os->sync_directory(os->context, path);
    }
    if (status == NACRE_OK) {
        status = os_path(name, path, "..");
    }
    return status == NACRE_OK ? os->sync_directory(os->context, name) : status;
}

struct emptying {
    const nacre_os *os;
    const char *folder;
};

static void remove_one(void *context, const char *name)
{
    const struct emptying *emptying = context;
    char path[OS_PATH_MAX];
    if (os_path(path, emptying->folder, "%s", name) == NACRE_OK) {
        (void)emptying->os->remove(emptying->os->context, path);
    }
}

/* CURRENT first: from then on it is no store, wherever the removal ends. */
void layout_remove(const nacre_os *os, const char *path)
{
    char detail[1024], name[OS_PATH_MAX];
    (void)snprintf(detail, sizeof detail, "%s", fail_detail());
    struct emptying top = { os, path };
    remove_one(&top, "CURRENT");
    for (size_t i = 0; i < layout_folder_count; i++) {
        if (os_path(name, path, "%s", layout_folders[i]) == NACRE_OK) {
            (void)os->list(os->context, name, remove_one, &(struct emptying){ os, name });
            (void)os->remove_directory(os->context, name);
        }
    }
    (void)os->list(os->context, path, remove_one, &top);
    (void)os->remove_directory(os->context, path);
    (void)fail(NACRE_IO, "%s", detail); /* only the words count */
}
