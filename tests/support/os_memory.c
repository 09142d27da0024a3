/* A file layer in memory that loses power (see os_memory.h).

   A node is a file's or directory's contents: `current` is what running programs see (mapped memory is this memory), `durable` what
   the disk is sure to have. Names are kept twice likewise: the table that programs see, and per directory the operations that
   its last sync has not made sure. A restart makes new nodes out of both by chance.
   One mutex around everything; mapped memory is written by others meanwhile, so copies of it are not looked at by the thread sanitizer. */
#include "support/os_memory.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/status.h"

#define CAPACITY ((size_t)1 << 30)
#define SECTOR 512u
#define PATH_BYTES 512

struct node {
    bool directory;
    uint8_t *current, *durable; /* CAPACITY of address space each; files only */
    uint64_t size, durable_size;
    uint8_t *frozen;            /* contents when the power was cut */
    uint64_t frozen_size;
    struct node *next;          /* all nodes of this life */
};
struct name {
    char path[PATH_BYTES];
    struct node *node;
};
struct names {
    struct name *items;
    size_t count, capacity;
};
struct operation { /* on names, in the order of the calls */
    char directory[PATH_BYTES], from[PATH_BYTES], to[PATH_BYTES]; /* "" = none: to alone adds, from alone removes, both rename */
    struct node *node;
};
struct rule {
    char operation[16], part[64];
    enum os_fault fault;
    uint64_t times;
};
struct os_memory {
    nacre_os os; /* first */
    pthread_mutex_t lock;
    struct names now, durable;
    struct operation *pending;
    size_t pending_count, pending_capacity;
    struct node *nodes, *graves, *old_graves;
    uint64_t calls, cut_at, epoch, space;
    bool dead;
    uint64_t fail_at;
    enum os_fault fault;
    bool sticky;
    struct rule rule;
    char locked[PATH_BYTES];
    uint64_t lock_epoch;
};
struct nacre_file {
    struct os_memory *m;
    struct node *node;
    uint64_t epoch;
    bool lock;
    char path[PATH_BYTES];
};

static void *reserve(void)
{
    void *memory = mmap(NULL, CAPACITY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        abort();
    }
    return memory;
}

static struct node *node_new(struct os_memory *m, bool directory)
{
    struct node *node = calloc(1, sizeof *node);
    node->directory = directory;
    if (!directory) {
        node->current = reserve();
        node->durable = reserve();
    }
    node->next = m->nodes;
    m->nodes = node;
    return node;
}

static void nodes_free(struct node *node)
{
    while (node) {
        struct node *next = node->next;
        if (node->current) {
            munmap(node->current, CAPACITY);
            munmap(node->durable, CAPACITY);
        }
        free(node->frozen);
        free(node);
        node = next;
    }
}

/* "a//b/./c/../d" -> "a/b/d" */
static void normalise(char out[PATH_BYTES], const char *path)
{
    size_t used = 0;
    out[0] = 0;
    bool absolute = *path == '/';
    while (*path) {
        size_t size = strcspn(path, "/");
        if (size == 2 && path[0] == '.' && path[1] == '.') {
            while (used > 0 && out[used - 1] != '/') {
                used--;
            }
            used -= used > 0;
        } else if (size > 0 && !(size == 1 && path[0] == '.') && used + size + 2 < PATH_BYTES) {
            if (used > 0 || absolute) {
                out[used++] = '/';
            }
            memcpy(out + used, path, size);
            used += size;
        }
        path += size + (path[size] == '/');
    }
    out[used] = 0;
}

static void parent_of(char out[PATH_BYTES], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    memcpy(out, path, size);
    out[size] = 0;
}

static struct name *find(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

static void set_name(struct names *names, const char *path, struct node *node)
{
    struct name *there = find(names, path);
    if (there) {
        there->node = node;
        return;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 32;
        names->items = realloc(names->items, names->capacity * sizeof *names->items);
    }
    strcpy(names->items[names->count].path, path);
    names->items[names->count++].node = node;
}

static void remove_name(struct names *names, const char *path)
{
    struct name *there = find(names, path);
    if (there) {
        *there = names->items[--names->count];
    }
}

static void apply(struct names *names, const struct operation *operation)
{
    if (operation->from[0]) {
        remove_name(names, operation->from);
    }
    if (operation->to[0]) {
        set_name(names, operation->to, operation->node);
    }
}

static void record(struct os_memory *m, const char *from, const char *to, struct node *node)
{
    if (m->pending_count == m->pending_capacity) {
        m->pending_capacity = m->pending_capacity ? 2 * m->pending_capacity : 64;
        m->pending = realloc(m->pending, m->pending_capacity * sizeof *m->pending);
    }
    struct operation *operation = &m->pending[m->pending_count++];
    memset(operation, 0, sizeof *operation);
    strcpy(operation->from, from);
    strcpy(operation->to, to);
    parent_of(operation->directory, to[0] ? to : from);
    operation->node = node;
    apply(&m->now, operation);
}

__attribute__((no_sanitize("thread", "address"))) static void copy_raw(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = ((const volatile uint8_t *)from)[i];
    }
}

__attribute__((no_sanitize("thread", "address"))) static bool same_raw(const uint8_t *a, const uint8_t *b, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t x = *(const volatile uint64_t *)(a + i), y = *(const volatile uint64_t *)(b + i);
        if (x != y) {
            return false;
        }
    }
    return true;
}

static void make_durable(struct node *node)
{
    uint64_t end = node->size > node->durable_size ? node->size : node->durable_size;
    for (uint64_t at = 0; at < end; at += SECTOR) {
        if (!same_raw(node->durable + at, node->current + at, SECTOR)) {
            copy_raw(node->durable + at, node->current + at, SECTOR);
        }
    }
    node->durable_size = node->size;
}

static void cut_power(struct os_memory *m)
{
    m->dead = true;
    for (struct node *node = m->nodes; node; node = node->next) {
        if (!node->directory) {
            node->frozen = malloc(node->size + SECTOR);
            node->frozen_size = node->size;
            copy_raw(node->frozen, node->current, node->size);
        }
    }
}

static int io_error(const char *operation, const char *path, int code)
{
    return fail(code, "%s: %s: simulated failure", path, operation);
}

/* Counts the call; the code with which it has to fail, or NACRE_OK. The lock is held. *fault tells what kind. */
static int begin(struct os_memory *m, const char *operation, const char *path, enum os_fault *fault)
{
    *fault = OS_FAULT_NONE;
    m->calls++;
    if (m->cut_at && m->calls == m->cut_at) {
        cut_power(m);
    }
    if (m->dead) {
        return io_error(operation, path, NACRE_IO);
    }
    if (m->fail_at && m->calls >= m->fail_at) {
        *fault = m->fault;
        m->fail_at = m->sticky ? m->fail_at : 0;
    }
    if (*fault == OS_FAULT_NONE && m->rule.times && strcmp(m->rule.operation, operation) == 0 && strstr(path, m->rule.part)) {
        *fault = m->rule.fault;
        m->rule.times--;
    }
    if (*fault == OS_FAULT_NONE) {
        return NACRE_OK;
    }
    return io_error(operation, path, *fault == OS_FAULT_IO ? NACRE_IO : NACRE_NO_SPACE);
}

static int begin_file(struct nacre_file *file, const char *operation, enum os_fault *fault)
{
    int status = begin(file->m, operation, file->path, fault);
    return status == NACRE_OK && file->epoch != file->m->epoch ? io_error(operation, file->path, NACRE_IO) : status;
}

#define LOCKED(m) pthread_mutex_lock(&(m)->lock)
#define UNLOCK(m, status) (pthread_mutex_unlock(&(m)->lock), (status))

static int mem_open(void *context, const char *given, uint32_t flags, nacre_file **file)
{
    struct os_memory *m = context;
    char path[PATH_BYTES], parent[PATH_BYTES];
    enum os_fault fault;
    normalise(path, given);
    LOCKED(m);
    int status = begin(m, "open", path, &fault);
    if (status != NACRE_OK) {
        return UNLOCK(m, status);
    }
    struct name *name = find(&m->now, path);
    if (name && (flags & NACRE_FILE_EXCLUSIVE)) {
        return UNLOCK(m, fail(NACRE_EXISTS, "%s: open: it is there", path));
    }
    parent_of(parent, path);
    struct node *node = name ? name->node : NULL;
    if (!node && (!(flags & NACRE_FILE_CREATE) || (parent[0] && !find(&m->now, parent)))) {
        return UNLOCK(m, fail(NACRE_NOT_FOUND, "%s: open: no such file", path));
    }
    if (!node) {
        node = node_new(m, false);
        record(m, "", path, node);
    }
    nacre_file *f = calloc(1, sizeof *f);
    f->m = m;
    f->node = node;
    f->epoch = m->epoch;
    strcpy(f->path, path);
    *file = f;
    return UNLOCK(m, NACRE_OK);
}

static int mem_close(nacre_file *file)
{
    struct os_memory *m = file->m;
    LOCKED(m);
    if (file->lock && file->epoch == m->epoch && m->lock_epoch == m->epoch) {
        m->locked[0] = 0;
    }
    free(file);
    return UNLOCK(m, NACRE_OK);
}

static int mem_read(nacre_file *file, uint64_t offset, void *bytes, size_t size, size_t *got)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    LOCKED(m);
    *got = 0;
    int status = begin_file(file, "read", &fault);
    if (status == NACRE_OK && offset < file->node->size) {
        *got = size < file->node->size - offset ? size : (size_t)(file->node->size - offset);
        copy_raw(bytes, file->node->current + offset, *got);
    }
    return UNLOCK(m, status);
}

static uint64_t used(const struct os_memory *m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->now.count; i++) {
        bytes += m->now.items[i].node->size;
    }
    return bytes;
}

static int grow(struct os_memory *m, struct node *node, uint64_t size, const char *path)
{
    if (size <= node->size) {
        return NACRE_OK;
    }
    if (size > CAPACITY || (m->space != UINT64_MAX && size - node->size > m->space)) {
        return fail(NACRE_NO_SPACE, "%s: no space left", path);
    }
    m->space -= m->space != UINT64_MAX ? size - node->size : 0;
    node->size = size;
    return NACRE_OK;
}

static int mem_write(nacre_file *file, uint64_t offset, const void *bytes, size_t size)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    LOCKED(m);
    int status = begin_file(file, "write", &fault);
    if (fault == OS_FAULT_SHORT_WRITE && size > 1) {
        size_t part = size / 2;
        if (grow(m, file->node, offset + part, file->path) == NACRE_OK) {
            copy_raw(file->node->current + offset, bytes, part);
        }
    }
    if (status == NACRE_OK && (status = grow(m, file->node, offset + size, file->path)) == NACRE_OK) {
        copy_raw(file->node->current + offset, bytes, size);
    }
    return UNLOCK(m, status);
}

static int mem_sync(nacre_file *file)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    LOCKED(m);
    int status = begin_file(file, "sync", &fault);
    if (status == NACRE_OK) {
        make_durable(file->node);
    } else if (fault != OS_FAULT_NONE) {
        /* The kernel calls the pages clean now, whatever became of them: half of the sectors got there. */
        for (uint64_t at = 0; at < file->node->size; at += 2 * SECTOR) {
            copy_raw(file->node->durable + at, file->node->current + at, SECTOR);
        }
    }
    return UNLOCK(m, status);
}

static int mem_write_behind(nacre_file *file, uint64_t offset, uint64_t size)
{
    (void)file, (void)offset, (void)size;
    return NACRE_OK;
}

static int mem_allocate(nacre_file *file, uint64_t size)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    LOCKED(m);
    int status = begin_file(file, "allocate", &fault);
    if (status == NACRE_OK) {
        status = grow(m, file->node, size, file->path);
    }
    return UNLOCK(m, status);
}

static int mem_truncate(nacre_file *file, uint64_t size)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    LOCKED(m);
    int status = begin_file(file, "truncate", &fault);
    if (status == NACRE_OK && size < file->node->size) {
        memset(file->node->current + size, 0, file->node->size - size);
        m->space += m->space != UINT64_MAX ? file->node->size - size : 0;
        file->node->size = size;
    } else if (status == NACRE_OK) {
        status = grow(m, file->node, size, file->path);
    }
    return UNLOCK(m, status);
}

static int mem_size(nacre_file *file, uint64_t *size)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    LOCKED(m);
    int status = begin_file(file, "size", &fault);
    *size = file->node->size;
    return UNLOCK(m, status);
}

static int mem_map(nacre_file *file, uint64_t size, bool writable, void **address)
{
    struct os_memory *m = file->m;
    enum os_fault fault;
    (void)writable;
    LOCKED(m);
    int status = begin_file(file, "map", &fault);
    if (status == NACRE_OK && (size == 0 || size > file->node->size)) {
        status = fail(NACRE_CORRUPT, "%s: has %llu bytes, %llu were expected", file->path, (unsigned long long)file->node->size,
                      (unsigned long long)size);
    }
    if (status == NACRE_OK) {
        *address = file->node->current;
    }
    return UNLOCK(m, status);
}

static int mem_populate(void *address, uint64_t size, bool writable)
{
    (void)address, (void)size, (void)writable;
    return NACRE_OK;
}

static int mem_unmap(void *address, uint64_t size)
{
    (void)address, (void)size;
    return NACRE_OK;
}

static int mem_rename(void *context, const char *from_given, const char *to_given)
{
    struct os_memory *m = context;
    char from[PATH_BYTES], to[PATH_BYTES];
    enum os_fault fault;
    normalise(from, from_given);
    normalise(to, to_given);
    LOCKED(m);
    int status = begin(m, "rename", to, &fault);
    struct name *name = find(&m->now, from);
    if (status == NACRE_OK && !name) {
        status = fail(NACRE_NOT_FOUND, "%s: rename: no such file", from);
    }
    if (status == NACRE_OK) {
        record(m, from, to, name->node);
    }
    return UNLOCK(m, status);
}

static int mem_link(void *context, const char *from_given, const char *to_given)
{
    struct os_memory *m = context;
    char from[PATH_BYTES], to[PATH_BYTES];
    enum os_fault fault;
    normalise(from, from_given);
    normalise(to, to_given);
    LOCKED(m);
    int status = begin(m, "link", to, &fault);
    struct name *name = find(&m->now, from);
    if (status == NACRE_OK && !name) {
        status = fail(NACRE_NOT_FOUND, "%s: link: no such file", from);
    }
    if (status == NACRE_OK && find(&m->now, to)) {
        status = fail(NACRE_EXISTS, "%s: link: it is there", to);
    }
    if (status == NACRE_OK) {
        record(m, "", to, name->node);
    }
    return UNLOCK(m, status);
}

static int mem_remove(void *context, const char *given)
{
    struct os_memory *m = context;
    char path[PATH_BYTES];
    enum os_fault fault;
    normalise(path, given);
    LOCKED(m);
    int status = begin(m, "remove", path, &fault);
    struct name *name = find(&m->now, path);
    if (status == NACRE_OK && !name) {
        status = fail(NACRE_NOT_FOUND, "%s: remove: no such file", path);
    }
    if (status == NACRE_OK) {
        m->space += m->space != UINT64_MAX ? name->node->size : 0;
        record(m, path, "", NULL);
    }
    return UNLOCK(m, status);
}

static int mem_make_directory(void *context, const char *given)
{
    struct os_memory *m = context;
    char path[PATH_BYTES], parent[PATH_BYTES];
    enum os_fault fault;
    normalise(path, given);
    parent_of(parent, path);
    LOCKED(m);
    int status = begin(m, "make_directory", path, &fault);
    if (status == NACRE_OK && find(&m->now, path)) {
        status = fail(NACRE_EXISTS, "%s: mkdir: it is there", path);
    } else if (status == NACRE_OK && parent[0] && !find(&m->now, parent)) {
        status = fail(NACRE_NOT_FOUND, "%s: mkdir: no such directory", parent);
    }
    if (status == NACRE_OK) {
        record(m, "", path, node_new(m, true));
    }
    return UNLOCK(m, status);
}

static int mem_sync_directory(void *context, const char *given)
{
    struct os_memory *m = context;
    char path[PATH_BYTES];
    enum os_fault fault;
    normalise(path, given);
    LOCKED(m);
    int status = begin(m, "sync_directory", path, &fault);
    size_t kept = 0;
    for (size_t i = 0; i < m->pending_count && status == NACRE_OK; i++) {
        if (strcmp(m->pending[i].directory, path) == 0) {
            apply(&m->durable, &m->pending[i]);
        } else {
            m->pending[kept++] = m->pending[i];
        }
    }
    m->pending_count = status == NACRE_OK ? kept : m->pending_count;
    return UNLOCK(m, status);
}

static int mem_list(void *context, const char *given, void (*visit)(void *visitor, const char *name), void *visitor)
{
    struct os_memory *m = context;
    char path[PATH_BYTES], parent[PATH_BYTES];
    enum os_fault fault;
    normalise(path, given);
    LOCKED(m);
    int status = begin(m, "list", path, &fault);
    if (status == NACRE_OK && path[0] && !find(&m->now, path)) {
        status = fail(NACRE_NOT_FOUND, "%s: list: no such directory", path);
    }
    struct names copy = { 0 };
    for (size_t i = 0; i < m->now.count && status == NACRE_OK; i++) {
        parent_of(parent, m->now.items[i].path);
        if (strcmp(parent, path) == 0) {
            set_name(&copy, m->now.items[i].path, NULL);
        }
    }
    pthread_mutex_unlock(&m->lock);
    for (size_t i = 0; i < copy.count; i++) {
        const char *slash = strrchr(copy.items[i].path, '/');
        visit(visitor, slash ? slash + 1 : copy.items[i].path);
    }
    free(copy.items);
    return status;
}

static int mem_lock(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size)
{
    struct os_memory *m = context;
    int status = mem_open(context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, file);
    if (status != NACRE_OK) {
        return status;
    }
    LOCKED(m);
    if (m->locked[0] && m->lock_epoch == m->epoch && strcmp(m->locked, (*file)->path) == 0) {
        free(*file);
        *file = NULL;
        snprintf(holder, holder_size, "pid 1 test");
        return UNLOCK(m, fail(NACRE_LOCKED, "%s: locked", path));
    }
    strcpy(m->locked, (*file)->path);
    m->lock_epoch = m->epoch;
    (*file)->lock = true;
    return UNLOCK(m, NACRE_OK);
}

static int mem_space(void *context, const char *path, uint64_t *free_bytes)
{
    struct os_memory *m = context;
    enum os_fault fault;
    LOCKED(m);
    int status = begin(m, "space", path, &fault);
    *free_bytes = m->space;
    return UNLOCK(m, status);
}

nacre_os *os_memory_create(void)
{
    struct os_memory *m = calloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->space = UINT64_MAX;
    m->epoch = 1;
    m->os = (nacre_os){ .struct_size = sizeof m->os, .context = m, .open = mem_open, .close = mem_close, .read = mem_read,
                        .write = mem_write, .sync = mem_sync, .write_behind = mem_write_behind, .allocate = mem_allocate,
                        .truncate = mem_truncate, .size = mem_size, .map = mem_map, .populate = mem_populate, .unmap = mem_unmap,
                        .rename = mem_rename, .link = mem_link, .remove = mem_remove, .make_directory = mem_make_directory,
                        .remove_directory = mem_remove, .sync_directory = mem_sync_directory, .list = mem_list, .lock = mem_lock,
                        .space = mem_space };
    return &m->os;
}

static struct os_memory *of(const nacre_os *os)
{
    return (struct os_memory *)os;
}

void os_memory_free(nacre_os *os)
{
    struct os_memory *m = of(os);
    nodes_free(m->nodes);
    nodes_free(m->graves);
    nodes_free(m->old_graves);
    free(m->now.items);
    free(m->durable.items);
    free(m->pending);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void os_memory_cut_at(nacre_os *os, uint64_t at)
{
    LOCKED(of(os));
    of(os)->cut_at = at;
    pthread_mutex_unlock(&of(os)->lock);
}

uint64_t os_memory_calls(const nacre_os *os)
{
    LOCKED(of(os));
    return UNLOCK(of(os), of(os)->calls);
}

static uint64_t chance(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What the disk has of a node after the power failed: each sector that was not made sure is old or new. */
static struct node *survive(struct os_memory *m, const struct node *old, uint64_t *seed, unsigned percent)
{
    struct node *node = calloc(1, sizeof *node);
    node->directory = old->directory;
    node->next = m->nodes;
    m->nodes = node;
    if (old->directory) {
        return node;
    }
    node->current = reserve();
    node->durable = reserve();
    const uint8_t *latest = old->frozen ? old->frozen : old->current;
    uint64_t latest_size = old->frozen ? old->frozen_size : old->size;
    bool new_size = latest_size != old->durable_size && chance(seed) % 100 < percent;
    node->size = node->durable_size = new_size ? latest_size : old->durable_size;
    for (uint64_t at = 0; at < node->size; at += SECTOR) {
        size_t size = node->size - at < SECTOR ? (size_t)(node->size - at) : SECTOR;
        bool fresh = at < latest_size && chance(seed) % 100 < percent;
        size_t there = fresh && latest_size - at < size ? (size_t)(latest_size - at) : size;
        copy_raw(node->current + at, fresh ? latest + at : old->durable + at, there);
        copy_raw(node->durable + at, node->current + at, size);
    }
    return node;
}

/* New nodes in place of all old ones; names follow. */
static void rebirth(struct os_memory *m, struct names *names, uint64_t *seed, unsigned percent, bool killed)
{
    struct node *olds = m->nodes;
    m->nodes = NULL;
    struct names fresh = { 0 };
    struct {
        const struct node *old;
        struct node *fresh;
    } *pairs = calloc(names->count + 1, sizeof *pairs);
    for (size_t i = 0; i < names->count; i++) {
        struct node *old = names->items[i].node;
        size_t j = 0;
        while (pairs[j].old && pairs[j].old != old) {
            j++;
        }
        if (!pairs[j].old) {
            if (killed && !old->directory) {
                make_durable(old);
            }
            pairs[j].old = old;
            pairs[j].fresh = survive(m, old, seed, percent);
        }
        set_name(&fresh, names->items[i].path, pairs[j].fresh);
    }
    free(pairs);
    nodes_free(m->old_graves);
    m->old_graves = m->graves;
    m->graves = olds;
    free(m->now.items);
    free(m->durable.items);
    m->now = fresh;
    m->durable = (struct names){ 0 };
    for (size_t i = 0; i < fresh.count; i++) {
        set_name(&m->durable, fresh.items[i].path, fresh.items[i].node);
    }
    m->pending_count = 0;
    m->epoch++;
    m->dead = false;
    m->cut_at = 0;
}

/* A name whose directory did not survive is not there either. */
static void drop_orphans(struct names *names)
{
    bool again = true;
    while (again) {
        again = false;
        for (size_t i = 0; i < names->count; i++) {
            char parent[PATH_BYTES];
            parent_of(parent, names->items[i].path);
            if (parent[0] && !find(names, parent)) {
                remove_name(names, names->items[i].path);
                again = true;
                break;
            }
        }
    }
}

void os_memory_restart(nacre_os *os, uint64_t seed)
{
    struct os_memory *m = of(os);
    LOCKED(m);
    if (!m->dead) {
        cut_power(m);
    }
    seed = seed * 0x9e3779b97f4a7c15u + 1;
    (void)chance(&seed);
    static const unsigned percents[] = { 0, 50, 90, 100 };
    unsigned percent = percents[chance(&seed) % 4];
    bool in_order = chance(&seed) % 2;
    struct names names = { 0 };
    for (size_t i = 0; i < m->durable.count; i++) {
        set_name(&names, m->durable.items[i].path, m->durable.items[i].node);
    }
    size_t first_lost = m->pending_count ? chance(&seed) % (m->pending_count + 1) : 0;
    for (size_t i = 0; i < m->pending_count; i++) {
        bool lives = in_order ? i < first_lost : chance(&seed) % 100 < percent;
        /* A rename whose source never got a name brings the file all the same, as its own entry does. */
        if (lives) {
            apply(&names, &m->pending[i]);
        }
    }
    drop_orphans(&names);
    rebirth(m, &names, &seed, percent, false);
    free(names.items);
    pthread_mutex_unlock(&m->lock);
}

void os_memory_kill(nacre_os *os)
{
    struct os_memory *m = of(os);
    uint64_t seed = 1;
    LOCKED(m);
    struct names names = m->now;
    m->now = (struct names){ 0 };
    rebirth(m, &names, &seed, 0, true);
    free(names.items);
    pthread_mutex_unlock(&m->lock);
}

void os_memory_fail(nacre_os *os, uint64_t nth, enum os_fault fault, bool sticky)
{
    struct os_memory *m = of(os);
    LOCKED(m);
    m->fail_at = m->calls + nth;
    m->fault = fault;
    m->sticky = sticky;
    pthread_mutex_unlock(&m->lock);
}

void os_memory_fail_matching(nacre_os *os, const char *operation, const char *part, enum os_fault fault, uint64_t times)
{
    struct os_memory *m = of(os);
    LOCKED(m);
    snprintf(m->rule.operation, sizeof m->rule.operation, "%s", operation);
    snprintf(m->rule.part, sizeof m->rule.part, "%s", part);
    m->rule.fault = fault;
    m->rule.times = times;
    pthread_mutex_unlock(&m->lock);
}

void os_memory_heal(nacre_os *os)
{
    struct os_memory *m = of(os);
    LOCKED(m);
    m->fail_at = 0;
    m->rule.times = 0;
    pthread_mutex_unlock(&m->lock);
}

void os_memory_set_space(nacre_os *os, uint64_t free_bytes)
{
    LOCKED(of(os));
    of(os)->space = free_bytes;
    pthread_mutex_unlock(&of(os)->lock);
}

int os_memory_flip(nacre_os *os, const char *given, uint64_t offset, uint8_t mask)
{
    struct os_memory *m = of(os);
    char path[PATH_BYTES];
    normalise(path, given);
    LOCKED(m);
    struct name *name = find(&m->now, path);
    if (!name || offset >= name->node->size) {
        return UNLOCK(m, NACRE_NOT_FOUND);
    }
    name->node->current[offset] ^= mask;
    name->node->durable[offset] = name->node->current[offset];
    return UNLOCK(m, NACRE_OK);
}

int os_memory_resize(nacre_os *os, const char *given, uint64_t size)
{
    struct os_memory *m = of(os);
    char path[PATH_BYTES];
    normalise(path, given);
    LOCKED(m);
    struct name *name = find(&m->now, path);
    if (!name) {
        return UNLOCK(m, NACRE_NOT_FOUND);
    }
    struct node *node = name->node;
    if (size < node->size) {
        memset(node->current + size, 0, node->size - size);
    }
    node->size = size;
    make_durable(node);
    return UNLOCK(m, NACRE_OK);
}

int os_memory_copy_tree(nacre_os *to_os, nacre_os *from_os)
{
    struct os_memory *to = of(to_os), *from = of(from_os);
    LOCKED(from);
    LOCKED(to);
    for (size_t i = 0; i < from->now.count; i++) {
        const struct node *old = from->now.items[i].node;
        struct node *node = node_new(to, old->directory);
        if (!old->directory) {
            copy_raw(node->current, old->current, old->size);
            node->size = old->size;
            make_durable(node);
        }
        set_name(&to->now, from->now.items[i].path, node);
        set_name(&to->durable, from->now.items[i].path, node);
    }
    pthread_mutex_unlock(&to->lock);
    pthread_mutex_unlock(&from->lock);
    return NACRE_OK;
}

uint64_t os_memory_bytes(const nacre_os *os)
{
    LOCKED(of(os));
    return UNLOCK(of(os), used(of(os)));
}
