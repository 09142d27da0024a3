/* The calls of the file layer in memory: paths, handles, faults and the count of calls (see os_memory.h). What a disk
   is sure to have and what a loss of power makes of it is in memory_disk.h.

   Invariants:
   1. A handle is good in the epoch that it was opened in; restart and kill begin a new one. A handle of before never
      touches its node.
   2. While the power is off, no call gets to the disk.
   3. An open handle refers to its node (references and handles count it).

   Any thread; one mutex around each call. Stores to mapped memory go on outside of it. */
#include "support/os_memory.h"
#include "base/status.h"
#include "support/memory_disk.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES   1024
#define FILE_MAX     ((uint64_t)1 << 36)
#define ENDLESS_DISK ((uint64_t)1 << 40) /* free bytes that are told where no limit is set */
#define RULES        8

struct rule {
    char operation[24], part[128];
    enum os_fault fault;
    uint64_t times;
};
struct held_pin {
    struct held_pin *next;
    const nacre_file *file;
    uint64_t offset;
};
struct os_memory {
    nacre_os os; /* first */
    struct held_pin *pins;
    pthread_mutex_t mutex;
    struct disk disk;
    uint64_t calls, cut_at, epoch;
    uint64_t space; /* bytes that all files may have together; UINT64_MAX = no end */
    bool off;
    uint64_t fail_at;
    enum os_fault fault;
    bool sticky;
    struct rule rules[RULES];
};
struct nacre_file {
    struct os_memory *memory;
    struct node *node;
    uint64_t epoch;
    uint32_t flags;
    bool holds_lock;
    char path[PATH_BYTES];
};

/* ---- Paths ---- */

/* "/a//b/./c/../d" -> "a/b/d"; false when it is too long. */
static bool normalise(char out[PATH_BYTES], const char *path)
{
    size_t used = 0;
    while (*path) {
        size_t size = strcspn(path, "/");
        if (size == 2 && memcmp(path, "..", 2) == 0) {
            while (used > 0 && out[--used] != '/') {}
        } else if (size > 0 && !(size == 1 && *path == '.')) {
            if (used + size + 2 > PATH_BYTES) {
                return false;
            }
            if (used > 0) {
                out[used++] = '/';
            }
            memcpy(out + used, path, size);
            used += size;
        }
        path += size + (path[size] == '/');
    }
    out[used] = 0;
    return true;
}

/* Where a path leads: the directory that has or would have its last name, and the node of that name. */
struct place {
    char path[PATH_BYTES];
    struct node *directory; /* NULL when it is not there */
    const char *name;       /* the end of path; "" for the root */
    struct node *node;      /* NULL when it is not there */
};

static struct node *child(const struct node *directory, const char *name, size_t size)
{
    char text[PATH_BYTES];
    memcpy(text, name, size);
    text[size] = 0;
    return directory->directory ? names_find(&directory->now, text) : NULL;
}

static void find(struct os_memory *m, struct place *place)
{
    struct node *node = m->disk.root;
    const char *at = place->path;
    place->directory = node;
    place->name = at;
    while (node && *at) {
        size_t size = strcspn(at, "/");
        place->directory = node->directory ? node : NULL;
        place->name = at;
        node = child(node, at, size);
        at += size + (at[size] == '/');
    }
    if (*at) { /* a directory on the way is missing */
        place->directory = NULL;
    }
    place->node = node;
}

/* ---- Faults ---- */

static int injected(enum os_fault fault, const char *operation, const char *path)
{
    return fault == OS_FAULT_NONE
               ? NACRE_OK
               : fail(fault == OS_FAULT_IO ? NACRE_IO : NACRE_NO_SPACE, "%s: %s: simulated failure", path, operation);
}

static void cut_power(struct os_memory *m)
{
    m->off = true;
    disk_detach(&m->disk);
}

static enum os_fault rule_for(struct os_memory *m, const char *operation, const char *path)
{
    for (size_t i = 0; i < RULES; i++) {
        struct rule *rule = &m->rules[i];
        bool fits = rule->times > 0 && (!rule->operation[0] || strcmp(rule->operation, operation) == 0);
        if (fits && strstr(path, rule->part)) {
            rule->times--;
            return rule->fault;
        }
    }
    return OS_FAULT_NONE;
}

/* Counts a call. Returns with what it has to fail; *fault (may be NULL) tells a fault from a lack of power. */
static int begin(struct os_memory *m, const char *operation, const char *path, enum os_fault *fault)
{
    enum os_fault now = OS_FAULT_NONE;
    m->calls++;
    if (m->cut_at && m->calls >= m->cut_at && !m->off) {
        cut_power(m);
    }
    if (fault) {
        *fault = now;
    }
    if (m->off) {
        return fail(NACRE_IO, "%s: %s: the power is off", path, operation);
    }
    if (m->fail_at && m->calls >= m->fail_at) {
        now = m->fault;
        m->fail_at = m->sticky ? m->fail_at : 0;
    }
    if (now == OS_FAULT_NONE) {
        now = rule_for(m, operation, path);
    }
    if (fault) {
        *fault = now;
    }
    return injected(now, operation, path);
}

static int begin_place(struct os_memory *m, const char *operation, const char *given, struct place *place)
{
    if (!normalise(place->path, given)) {
        place->path[0] = 0;
        (void)begin(m, operation, given, NULL);
        return fail(NACRE_IO, "%.64s...: %s: the path is too long", given, operation);
    }
    int status = begin(m, operation, place->path, NULL);
    find(m, place);
    return status;
}

static int begin_file(const nacre_file *file, const char *operation, enum os_fault *fault)
{
    int status = begin(file->memory, operation, file->path, fault);
    if (status == NACRE_OK && file->epoch != file->memory->epoch) {
        status = fail(NACRE_IO, "%s: %s: the handle is of before the crash", file->path, operation);
    } else if (file->epoch != file->memory->epoch) {
        *fault = OS_FAULT_NONE; /* invariant 1 */
    } else if (status == NACRE_OK && file->node->directory) {
        status = fail(NACRE_IO, "%s: %s: it is a directory", file->path, operation);
    }
    return status;
}

static int begin_change(const nacre_file *file, const char *operation, enum os_fault *fault)
{
    int status = begin_file(file, operation, fault);
    if (status == NACRE_OK && !(file->flags & NACRE_FILE_WRITE)) {
        status = fail(NACRE_IO, "%s: %s: it was opened for reading", file->path, operation);
    }
    return status;
}

static struct os_memory *lock(void *context)
{
    struct os_memory *m = context;
    pthread_mutex_lock(&m->mutex);
    return m;
}

static int unlock(struct os_memory *m, int status)
{
    pthread_mutex_unlock(&m->mutex);
    return status;
}

/* ---- Handles ---- */

static nacre_file *handle(struct os_memory *m, struct node *node, uint32_t flags, const char *path)
{
    nacre_file *file = must_alloc(NULL, sizeof *file);
    *file = (nacre_file){ .memory = m, .node = node, .epoch = m->epoch, .flags = flags };
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    node->handles++;
    node_hold(node);
    return file;
}

static int open_place(struct os_memory *m, const struct place *place, uint32_t flags, nacre_file **file)
{
    const uint32_t exclusive = NACRE_FILE_CREATE | NACRE_FILE_EXCLUSIVE;
    struct node *node = place->node;
    if (node && (flags & exclusive) == exclusive) {
        return fail(NACRE_EXISTS, "%s: open: it is there", place->path);
    }
    if (node && node->directory && (flags & (NACRE_FILE_WRITE | NACRE_FILE_CREATE))) {
        return fail(NACRE_IO, "%s: open: it is a directory", place->path);
    }
    if (!node && (!place->directory || !(flags & NACRE_FILE_CREATE))) {
        return fail(NACRE_NOT_FOUND, "%s: open: there is no such file", place->path);
    }
    if (!node) {
        node = disk_new(&m->disk, false);
        disk_change_names(&m->disk, NULL, NULL, place->directory, place->name, node);
    }
    *file = handle(m, node, flags, place->path);
    return NACRE_OK;
}

static int memory_open(void *context, const char *path, uint32_t flags, nacre_file **file)
{
    struct place place;
    struct os_memory *m = lock(context);
    int status = begin_place(m, "open", path, &place);
    return unlock(m, status == NACRE_OK ? open_place(m, &place, flags, file) : status);
}

static int memory_lock(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size)
{
    const uint32_t flags = NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE;
    struct place place;
    struct os_memory *m = lock(context);
    int status = begin_place(m, "lock", path, &place);
    if (status == NACRE_OK && place.node && place.node->locked) {
        if (holder_size > 0) {
            (void)snprintf(holder, holder_size, "pid 1 test");
        }
        status = fail(NACRE_LOCKED, "%s: lock: held by pid 1 test", place.path);
    }
    if (status == NACRE_OK && (status = open_place(m, &place, flags, file)) == NACRE_OK) {
        (*file)->holds_lock = (*file)->node->locked = true;
    }
    return unlock(m, status);
}

/* One byte of the file's pins, or with `all` every one. */
static void drop_pins(struct os_memory *m, const nacre_file *file, uint64_t offset, bool all)
{
    struct held_pin **at = &m->pins;
    while (*at) {
        struct held_pin *pin = *at;
        if (pin->file == file && (all || pin->offset == offset)) {
            *at = pin->next;
            free(pin);
        } else {
            at = &pin->next;
        }
    }
}

static int memory_pin(nacre_file *file, uint64_t offset, bool held)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_file(file, held ? "pin" : "unpin", &fault);
    if (status == NACRE_OK) {
        drop_pins(m, file, offset, false);
    }
    if (status == NACRE_OK && held) {
        struct held_pin *pin = must_alloc(NULL, sizeof *pin);
        *pin = (struct held_pin){ .next = m->pins, .file = file, .offset = offset };
        m->pins = pin;
    }
    return unlock(m, status);
}

static int memory_pinned(nacre_file *file, uint64_t first, uint64_t end, uint64_t *found)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_file(file, "pinned", &fault);
    *found = end;
    for (const struct held_pin *pin = m->pins; pin && status == NACRE_OK; pin = pin->next) {
        bool counts = pin->file != file && pin->file->node == file->node && pin->file->epoch == m->epoch;
        if (counts && pin->offset >= first && pin->offset < *found) {
            *found = pin->offset;
        }
    }
    return unlock(m, status);
}

static int memory_close(nacre_file *file)
{
    struct os_memory *m = lock(file->memory);
    int status = begin(m, "close", file->path, NULL);
    drop_pins(m, file, 0, true);
    if (file->epoch == m->epoch) {
        file->node->locked = file->node->locked && !file->holds_lock;
        file->node->handles--;
        node_release(&m->disk, file->node);
    }
    free(file);
    return unlock(m, status);
}

/* ---- Contents ---- */

static uint64_t free_space(const struct os_memory *m)
{
    if (m->space == UINT64_MAX) {
        return ENDLESS_DISK;
    }
    uint64_t used = disk_used(&m->disk);
    return used < m->space ? m->space - used : 0;
}

static int grow(struct os_memory *m, struct node *node, uint64_t size, const char *path)
{
    if (size <= node->size) {
        return NACRE_OK;
    }
    if (size > FILE_MAX) {
        return fail(NACRE_IO, "%s: %llu bytes are more than a file may have", path, (unsigned long long)size);
    }
    if (m->space != UINT64_MAX && size - node->size > free_space(m)) {
        return fail(NACRE_NO_SPACE, "%s: no space left", path);
    }
    file_resize(node, size);
    return NACRE_OK;
}

static int memory_read(nacre_file *file, uint64_t offset, void *bytes, size_t size, size_t *got)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    *got = 0;
    int status = begin_file(file, "read", &fault);
    if (status == NACRE_OK) {
        *got = file_read(file->node, offset, bytes, size);
    }
    return unlock(m, status);
}

/* As much as there is room for. */
static void write_part(struct os_memory *m, struct node *node, uint64_t offset, const void *bytes, size_t size)
{
    uint64_t end = node->size + free_space(m);
    uint64_t fits = offset < end ? end - offset : 0;
    size = size < fits ? size : (size_t)fits;
    if (size > 0 && grow(m, node, offset + size, "") == NACRE_OK) {
        file_write(node, offset, bytes, size);
    }
}

static int memory_write(nacre_file *file, uint64_t offset, const void *bytes, size_t size)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_change(file, "write", &fault);
    if (fault == OS_FAULT_SHORT_WRITE && (file->flags & NACRE_FILE_WRITE)) {
        write_part(m, file->node, offset, bytes, size / 2);
    }
    if (status == NACRE_OK && size > 0) {
        status = offset > FILE_MAX ? fail(NACRE_IO, "%s: write: the offset is too large", file->path)
                                   : grow(m, file->node, offset + size, file->path);
        if (status == NACRE_OK) {
            file_write(file->node, offset, bytes, size);
        } else if (status == NACRE_NO_SPACE) {
            write_part(m, file->node, offset, bytes, size);
            status = fail(NACRE_NO_SPACE, "%s: write: no space left", file->path);
        }
    }
    return unlock(m, status);
}

static int memory_sync(nacre_file *file)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_file(file, "sync", &fault);
    if (status == NACRE_OK) {
        file_sync(file->node);
    } else if (fault != OS_FAULT_NONE && !file->node->directory) {
        file_sync_failed(file->node);
    }
    return unlock(m, status);
}

static int memory_write_behind(nacre_file *file, uint64_t offset, uint64_t size)
{
    enum os_fault fault;
    (void)offset, (void)size;
    struct os_memory *m = lock(file->memory);
    return unlock(m, begin_change(file, "write_behind", &fault));
}

static int memory_allocate(nacre_file *file, uint64_t size)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_change(file, "allocate", &fault);
    return unlock(m, status == NACRE_OK ? grow(m, file->node, size, file->path) : status);
}

static int memory_truncate(nacre_file *file, uint64_t size)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_change(file, "truncate", &fault);
    if (status == NACRE_OK && size < file->node->size) {
        file_resize(file->node, size);
    } else if (status == NACRE_OK) {
        status = grow(m, file->node, size, file->path);
    }
    return unlock(m, status);
}

static int memory_size(nacre_file *file, uint64_t *size)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = begin_file(file, "size", &fault);
    if (status == NACRE_OK) {
        *size = file->node->size;
    }
    return unlock(m, status);
}

static int memory_map(nacre_file *file, uint64_t size, bool writable, void **address)
{
    enum os_fault fault;
    struct os_memory *m = lock(file->memory);
    int status = writable ? begin_change(file, "map", &fault) : begin_file(file, "map", &fault);
    if (status == NACRE_OK && (size == 0 || size > file->node->size)) {
        status = fail(NACRE_CORRUPT, "%s: has %llu bytes, %llu were expected", file->path,
                      (unsigned long long)file->node->size, (unsigned long long)size);
    }
    if (status == NACRE_OK) {
        *address = file_map(file->node, size, writable);
    }
    return unlock(m, status);
}

static int memory_populate(void *address, uint64_t size, bool writable)
{
    (void)address, (void)size, (void)writable; /* would only make holes into zeros that cost memory */
    return NACRE_OK;
}

static int memory_unmap(void *address, uint64_t size)
{
    file_unmap(address, size);
    return NACRE_OK;
}

/* ---- Names ---- */

static int missing(const struct place *place, const char *operation)
{
    return fail(NACRE_NOT_FOUND, "%s: %s: it is not there", place->path, operation);
}

/* Whether `to` lies in the directory `from`, or is it. */
static bool is_beneath(const struct place *to, const struct place *from)
{
    size_t size = strlen(from->path);
    return strncmp(to->path, from->path, size) == 0 && (to->path[size] == 0 || to->path[size] == '/');
}

static int rename_place(struct os_memory *m, const struct place *from, const struct place *to)
{
    if (!from->node || !to->directory) {
        return missing(from->node ? to : from, "rename");
    }
    bool directory = from->node->directory;
    if (!*from->name || !*to->name || (directory && is_beneath(to, from)) ||
        (to->node && (to->node->directory != directory || to->node->now.count > 0))) {
        return fail(NACRE_IO, "%s: rename: cannot take the name %s", from->path, to->path);
    }
    if (from->node != to->node) { /* two names of one file: nothing happens */
        disk_change_names(&m->disk, from->directory, from->name, to->directory, to->name, from->node);
    }
    return NACRE_OK;
}

static int memory_rename(void *context, const char *given_from, const char *given_to)
{
    struct place from, to;
    struct os_memory *m = lock(context);
    int status = begin_place(m, "rename", given_to, &to);
    if (status == NACRE_OK && !normalise(from.path, given_from)) {
        status = fail(NACRE_IO, "%.64s...: rename: the path is too long", given_from);
    }
    if (status == NACRE_OK) {
        find(m, &from);
        status = rename_place(m, &from, &to);
    }
    return unlock(m, status);
}

static int memory_link(void *context, const char *given_from, const char *given_to)
{
    struct place from, to;
    struct os_memory *m = lock(context);
    int status = begin_place(m, "link", given_to, &to);
    if (status == NACRE_OK && !normalise(from.path, given_from)) {
        status = fail(NACRE_IO, "%.64s...: link: the path is too long", given_from);
    }
    if (status == NACRE_OK) {
        find(m, &from);
        if (!from.node || !to.directory) {
            status = missing(from.node ? &to : &from, "link");
        } else if (to.node) {
            status = fail(NACRE_EXISTS, "%s: link: it is there", to.path);
        } else if (from.node->directory) {
            status = fail(NACRE_UNSUPPORTED, "%s: link: it is a directory", from.path);
        } else {
            disk_change_names(&m->disk, NULL, NULL, to.directory, to.name, from.node);
        }
    }
    return unlock(m, status);
}

static int remove_node(void *context, const char *given, const char *operation, bool directory)
{
    struct place place;
    struct os_memory *m = lock(context);
    int status = begin_place(m, operation, given, &place);
    if (status == NACRE_OK && !place.node) {
        status = missing(&place, operation);
    } else if (status == NACRE_OK &&
               (place.node->directory != directory || !*place.name || place.node->now.count > 0)) {
        status =
            fail(NACRE_IO, "%s: %s: it is %s", place.path, operation, directory ? "no empty directory" : "no file");
    }
    if (status == NACRE_OK) {
        disk_change_names(&m->disk, place.directory, place.name, NULL, NULL, NULL);
    }
    return unlock(m, status);
}

static int memory_remove(void *context, const char *path)
{
    return remove_node(context, path, "remove", false);
}

static int memory_remove_directory(void *context, const char *path)
{
    return remove_node(context, path, "remove_directory", true);
}

static int memory_make_directory(void *context, const char *path)
{
    struct place place;
    struct os_memory *m = lock(context);
    int status = begin_place(m, "make_directory", path, &place);
    if (status == NACRE_OK && place.node) {
        status = fail(NACRE_EXISTS, "%s: make_directory: it is there", place.path);
    } else if (status == NACRE_OK && !place.directory) {
        status = missing(&place, "make_directory");
    }
    if (status == NACRE_OK) {
        disk_change_names(&m->disk, NULL, NULL, place.directory, place.name, disk_new(&m->disk, true));
    }
    return unlock(m, status);
}

static int begin_directory(struct os_memory *m, const char *operation, const char *path, struct place *place)
{
    int status = begin_place(m, operation, path, place);
    if (status == NACRE_OK && !place->node) {
        status = missing(place, operation);
    } else if (status == NACRE_OK && !place->node->directory) {
        status = fail(NACRE_IO, "%s: %s: it is no directory", place->path, operation);
    }
    return status;
}

static int memory_sync_directory(void *context, const char *path)
{
    struct place place;
    struct os_memory *m = lock(context);
    int status = begin_directory(m, "sync_directory", path, &place);
    if (status == NACRE_OK) {
        disk_sync_names(&m->disk, place.node);
    }
    return unlock(m, status);
}

static int memory_list(void *context, const char *path, void (*visit)(void *visitor, const char *name), void *visitor)
{
    struct place place;
    char **names = NULL;
    size_t count = 0;
    struct os_memory *m = lock(context);
    int status = begin_directory(m, "list", path, &place);
    if (status == NACRE_OK) {
        count = place.node->now.count;
        names = must_alloc(NULL, count * sizeof *names);
        for (size_t i = 0; i < count; i++) { /* the newest first: the order of creation is nothing to rely on */
            names[i] = must_copy(place.node->now.items[count - 1 - i].text);
        }
    }
    (void)unlock(m, status);
    for (size_t i = 0; i < count; i++) {
        visit(visitor, names[i]); /* may call the layer */
        free(names[i]);
    }
    free(names);
    return status;
}

static int memory_space(void *context, const char *path, uint64_t *free_bytes)
{
    struct os_memory *m = lock(context);
    int status = begin(m, "space", path, NULL);
    if (status == NACRE_OK) {
        *free_bytes = free_space(m);
    }
    return unlock(m, status);
}

/* ---- What tests do to it ---- */

static struct os_memory *lock_os(const nacre_os *os)
{
    return lock(os->context);
}

nacre_os *os_memory_create(void)
{
    struct os_memory *m = must_alloc(NULL, sizeof *m);
    *m = (struct os_memory){ .epoch = 1, .space = UINT64_MAX };
    must(pthread_mutex_init(&m->mutex, NULL) == 0, "mutex");
    disk_init(&m->disk);
    m->os = (nacre_os){
        .struct_size = sizeof m->os,
        .context = m,
        .open = memory_open,
        .close = memory_close,
        .read = memory_read,
        .write = memory_write,
        .sync = memory_sync,
        .write_behind = memory_write_behind,
        .allocate = memory_allocate,
        .truncate = memory_truncate,
        .size = memory_size,
        .map = memory_map,
        .populate = memory_populate,
        .unmap = memory_unmap,
        .rename = memory_rename,
        .link = memory_link,
        .remove = memory_remove,
        .make_directory = memory_make_directory,
        .remove_directory = memory_remove_directory,
        .sync_directory = memory_sync_directory,
        .list = memory_list,
        .lock = memory_lock,
        .space = memory_space,
        .pin = memory_pin,
        .pinned = memory_pinned,
    };
    return &m->os;
}

void os_memory_free(nacre_os *os)
{
    struct os_memory *m = os->context;
    disk_clear(&m->disk);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}

void os_memory_cut_at(nacre_os *os, uint64_t at)
{
    struct os_memory *m = lock_os(os);
    m->cut_at = at;
    (void)unlock(m, NACRE_OK);
}

uint64_t os_memory_calls(const nacre_os *os)
{
    struct os_memory *m = lock_os(os);
    uint64_t calls = m->calls;
    (void)unlock(m, NACRE_OK);
    return calls;
}

void os_memory_tick(nacre_os *os)
{
    struct os_memory *m = lock_os(os);
    m->calls++;
    if (m->cut_at && m->calls >= m->cut_at && !m->off) {
        cut_power(m);
    }
    (void)unlock(m, NACRE_OK);
}

void os_memory_restart(nacre_os *os, uint64_t seed)
{
    struct os_memory *m = lock_os(os);
    if (!m->off) {
        cut_power(m);
    }
    disk_restart(&m->disk, seed);
    m->epoch++;
    m->cut_at = 0;
    m->off = false;
    (void)unlock(m, NACRE_OK);
}

void os_memory_kill(nacre_os *os)
{
    struct os_memory *m = lock_os(os);
    disk_detach(&m->disk);
    disk_forget_handles(&m->disk);
    m->epoch++;
    (void)unlock(m, NACRE_OK);
}

void os_memory_fail(nacre_os *os, uint64_t nth, enum os_fault fault, bool sticky)
{
    struct os_memory *m = lock_os(os);
    m->fail_at = m->calls + nth;
    m->fault = fault;
    m->sticky = sticky;
    (void)unlock(m, NACRE_OK);
}

void os_memory_fail_matching(nacre_os *os, const char *operation, const char *part, enum os_fault fault, uint64_t times)
{
    struct os_memory *m = lock_os(os);
    size_t i = 0;
    while (i < RULES && m->rules[i].times > 0) {
        i++;
    }
    must(i < RULES && strlen(operation) < sizeof m->rules[i].operation && strlen(part) < sizeof m->rules[i].part,
         "os_memory_fail_matching: too many rules, or too long a one");
    (void)snprintf(m->rules[i].operation, sizeof m->rules[i].operation, "%s", operation);
    (void)snprintf(m->rules[i].part, sizeof m->rules[i].part, "%s", part);
    m->rules[i].fault = fault;
    m->rules[i].times = times;
    (void)unlock(m, NACRE_OK);
}

void os_memory_heal(nacre_os *os)
{
    struct os_memory *m = lock_os(os);
    m->fail_at = 0;
    memset(m->rules, 0, sizeof m->rules);
    (void)unlock(m, NACRE_OK);
}

void os_memory_set_space(nacre_os *os, uint64_t free_bytes)
{
    struct os_memory *m = lock_os(os);
    m->space = free_bytes == UINT64_MAX ? UINT64_MAX : disk_used(&m->disk) + free_bytes;
    (void)unlock(m, NACRE_OK);
}

/* The file of that path, or NULL. */
static struct node *file_at(struct os_memory *m, const char *path)
{
    struct place place;
    if (!normalise(place.path, path)) {
        return NULL;
    }
    find(m, &place);
    return place.node && !place.node->directory ? place.node : NULL;
}

int os_memory_flip(nacre_os *os, const char *path, uint64_t offset, uint8_t mask)
{
    struct os_memory *m = lock_os(os);
    struct node *node = file_at(m, path);
    if (!node || offset >= node->size) {
        return unlock(m, NACRE_NOT_FOUND);
    }
    file_flip(node, offset, mask);
    return unlock(m, NACRE_OK);
}

int os_memory_resize(nacre_os *os, const char *path, uint64_t size)
{
    struct os_memory *m = lock_os(os);
    struct node *node = file_at(m, path);
    if (!node) {
        return unlock(m, NACRE_NOT_FOUND);
    }
    file_resize(node, size);
    file_sync(node);
    return unlock(m, NACRE_OK);
}

int os_memory_copy_tree(nacre_os *to_os, nacre_os *from_os)
{
    struct os_memory *from = lock_os(from_os), *to = lock_os(to_os);
    disk_copy(&to->disk, &from->disk);
    to->epoch++;
    to->off = false;
    to->cut_at = 0;
    (void)unlock(to, NACRE_OK);
    return unlock(from, NACRE_OK);
}

uint64_t os_memory_bytes(const nacre_os *os)
{
    struct os_memory *m = lock_os(os);
    uint64_t bytes = disk_used(&m->disk);
    (void)unlock(m, NACRE_OK);
    return bytes;
}
