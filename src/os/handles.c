/* Few handles for many files (see handles.h).

   Invariants:
   1. A file of the reopening layer that was opened for reading alone is in the ring exactly while it has a handle below.
   2. Under the lock: `users` is negative (AWAY added) exactly while there is no handle below. So who counts itself in and finds a number that is not
      negative has a handle that stays until it has counted itself out; everybody else takes the lock.
   3. Only files that nobody uses are closed for room. All others count, but stay: the bound can be passed by files that are written, and by as many
      reads as there are threads.
   Any thread. `lock` is taken after all others; files are opened and closed under it, but nothing else waits there. */
#include "os/handles.h"
#include "base/memory.h"
#include "base/status.h"
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#define AWAY (INT_MIN / 2)

struct handle { /* what this layer calls a nacre_file */
    struct os_handles *owner;
    _Atomic(nacre_file *) below;
    atomic_int users;    /* invariant 2 */
    atomic_bool touched; /* since the hand came by */
    bool reopens;
    struct handle *next, *previous; /* the ring; lock */
    char path[];
};

struct os_handles {
    const nacre_os *below;
    nacre_os layer, reopening;
    pthread_mutex_t lock;
    struct handle *hand; /* of a clock over the ring; NULL: it is empty */
    size_t ring;         /* files in it */
    _Atomic uint64_t open, most, reopened;
};

static struct handle *of(nacre_file *file)
{
    return (struct handle *)file;
}

/* ---- the ring; lock held ---- */

static void ring_add(struct os_handles *o, struct handle *h)
{
    if (o->hand) {
        h->next = o->hand;
        h->previous = o->hand->previous;
        h->previous->next = h;
        h->next->previous = h;
    } else {
        h->next = h->previous = o->hand = h;
    }
    o->ring++;
}

static void ring_remove(struct os_handles *o, struct handle *h)
{
    o->hand = o->hand == h ? h->next : o->hand;
    o->hand = o->hand == h ? NULL : o->hand;
    h->previous->next = h->next;
    h->next->previous = h->previous;
    o->ring--;
}

/* One that nobody uses and that was not touched since the hand came by: the second time round, all are like that. */
static bool close_one(struct os_handles *o)
{
    for (size_t steps = 2 * o->ring; steps > 0; steps--) {
        struct handle *h = o->hand;
        int none = 0;
        o->hand = h->next;
        if (atomic_exchange_explicit(&h->touched, false, memory_order_relaxed) ||
            !atomic_compare_exchange_strong_explicit(&h->users, &none, AWAY, memory_order_acq_rel,
                                                     memory_order_relaxed)) {
            continue;
        }
        ring_remove(o, h);
        (void)o->below->close(atomic_exchange_explicit(&h->below, NULL, memory_order_relaxed)); /* it was only read */
        atomic_fetch_sub_explicit(&o->open, 1, memory_order_relaxed);
        return true;
    }
    return false;
}

/* For one more. */
static void make_room(struct os_handles *o)
{
    uint64_t most = atomic_load_explicit(&o->most, memory_order_relaxed);
    while (most && atomic_load_explicit(&o->open, memory_order_relaxed) >= most && close_one(o)) {}
}

/* The layer below found no handle. False: there is nothing to close. */
static bool mend(struct os_handles *o)
{
    pthread_mutex_lock(&o->lock);
    bool closed = close_one(o);
    pthread_mutex_unlock(&o->lock);
    return closed;
}

/* To those above, a limit is one of the format. */
static int none_left(int status)
{
    char detail[512];
    size_t size = strlen(fail_detail());
    if (status != NACRE_LIMIT) {
        return status;
    }
    size = size < sizeof detail - 1 ? size : sizeof detail - 1;
    memcpy(detail, fail_detail(), size);
    detail[size] = 0;
    return fail(NACRE_IO, "%s", detail);
}

/* ---- opening and closing ---- */

static int open_below(struct os_handles *o, const char *path, uint32_t flags, nacre_file **below)
{
    make_room(o);
    int status;
    do {
        status = o->below->open(o->below->context, path, flags, below);
    } while (status == NACRE_LIMIT && close_one(o));
    if (status == NACRE_OK) {
        atomic_fetch_add_explicit(&o->open, 1, memory_order_relaxed);
    }
    return none_left(status);
}

static int make(struct os_handles *o, const char *path, bool reopens, struct handle **out)
{
    size_t size = strlen(path) + 1;
    struct handle *h = memory_alloc(sizeof *h + size);
    if (!h) {
        return NACRE_NO_MEMORY;
    }
    h->owner = o;
    h->reopens = reopens;
    atomic_init(&h->below, NULL);
    atomic_init(&h->users, 0);
    atomic_init(&h->touched, true);
    memcpy(h->path, path, size);
    *out = h;
    return NACRE_OK;
}

static int open_handle(struct os_handles *o, const char *path, uint32_t flags, bool reopens, nacre_file **file)
{
    struct handle *h = NULL;
    nacre_file *below = NULL;
    int status = make(o, path, reopens && flags == NACRE_FILE_READ, &h);
    if (status != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&o->lock);
    status = open_below(o, path, flags, &below);
    if (status == NACRE_OK) {
        atomic_store_explicit(&h->below, below, memory_order_relaxed);
        if (h->reopens) {
            ring_add(o, h);
        }
    }
    pthread_mutex_unlock(&o->lock);
    if (status != NACRE_OK) {
        memory_free(h);
        return status;
    }
    *file = (nacre_file *)h;
    return NACRE_OK;
}

static int handles_open(void *context, const char *path, uint32_t flags, nacre_file **file)
{
    return open_handle(context, path, flags, false, file);
}

static int handles_open_reopening(void *context, const char *path, uint32_t flags, nacre_file **file)
{
    return open_handle(context, path, flags, true, file);
}

static int handles_close(nacre_file *file)
{
    struct handle *h = of(file);
    struct os_handles *o = h->owner;
    int status = NACRE_OK;
    pthread_mutex_lock(&o->lock);
    nacre_file *below = atomic_load_explicit(&h->below, memory_order_relaxed);
    if (below) {
        if (h->reopens) {
            ring_remove(o, h);
        }
        status = o->below->close(below);
        atomic_fetch_sub_explicit(&o->open, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&o->lock);
    memory_free(h);
    return status;
}

static int handles_lock(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size)
{
    struct os_handles *o = context;
    struct handle *h = NULL;
    nacre_file *below = NULL;
    int status = make(o, path, false, &h);
    if (status != NACRE_OK) {
        return status;
    }
    do {
        status = o->below->lock(o->below->context, path, &below, holder, holder_size);
    } while (status == NACRE_LIMIT && mend(o));
    if (status != NACRE_OK) {
        memory_free(h);
        return none_left(status);
    }
    atomic_store_explicit(&h->below, below, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->open, 1, memory_order_relaxed);
    *file = (nacre_file *)h;
    return NACRE_OK;
}

/* ---- using ---- */

static int reopen(struct handle *h, nacre_file **below)
{
    struct os_handles *o = h->owner;
    int status = NACRE_OK;
    pthread_mutex_lock(&o->lock);
    *below = atomic_load_explicit(&h->below, memory_order_relaxed);
    if (*below) {
        atomic_fetch_add_explicit(&h->users, 1, memory_order_relaxed); /* the lock keeps it from being closed */
    } else if ((status = open_below(o, h->path, NACRE_FILE_READ, below)) == NACRE_OK) {
        atomic_store_explicit(&h->below, *below, memory_order_relaxed);
        ring_add(o, h);
        atomic_fetch_add_explicit(&o->reopened, 1, memory_order_relaxed);
        /* Release: who counts itself in from here on finds the handle. */
        atomic_fetch_add_explicit(&h->users, 1 - AWAY, memory_order_release);
    }
    pthread_mutex_unlock(&o->lock);
    return status;
}

static int enter(struct handle *h, nacre_file **below)
{
    if (h->reopens) {
        /* Acquire: pairs with the release of who opened it again. */
        if (atomic_fetch_add_explicit(&h->users, 1, memory_order_acquire) < 0) {
            atomic_fetch_sub_explicit(&h->users, 1, memory_order_relaxed);
            return reopen(h, below);
        }
        if (!atomic_load_explicit(&h->touched, memory_order_relaxed)) {
            atomic_store_explicit(&h->touched, true, memory_order_relaxed);
        }
    }
    *below = atomic_load_explicit(&h->below, memory_order_relaxed);
    return NACRE_OK;
}

static void leave(struct handle *h)
{
    if (h->reopens) {
        /* Release: what was done with the handle comes before its close. */
        atomic_fetch_sub_explicit(&h->users, 1, memory_order_release);
    }
}

/* The call on the file below; `below` is its handle, `os` its layer. */
#define THROUGH(file, call) \
    struct handle *h = of(file); \
    const nacre_os *os = h->owner->below; \
    nacre_file *below = NULL; \
    int status = enter(h, &below); \
    if (status == NACRE_OK) { \
        status = os->call; \
        leave(h); \
    } \
    return status

static int handles_read(nacre_file *file, uint64_t offset, void *bytes, size_t size, size_t *got)
{
    THROUGH(file, read(below, offset, bytes, size, got));
}

static int handles_write(nacre_file *file, uint64_t offset, const void *bytes, size_t size)
{
    THROUGH(file, write(below, offset, bytes, size));
}

static int handles_sync(nacre_file *file)
{
    THROUGH(file, sync(below));
}

static int handles_write_behind(nacre_file *file, uint64_t offset, uint64_t size)
{
    THROUGH(file, write_behind(below, offset, size));
}

static int handles_allocate(nacre_file *file, uint64_t size)
{
    THROUGH(file, allocate(below, size));
}

static int handles_truncate(nacre_file *file, uint64_t size)
{
    THROUGH(file, truncate(below, size));
}

static int handles_size(nacre_file *file, uint64_t *size)
{
    THROUGH(file, size(below, size));
}

static int handles_map(nacre_file *file, uint64_t size, bool writable, void **address)
{
    THROUGH(file, map(below, size, writable, address));
}

static int handles_pin(nacre_file *file, uint64_t offset, bool held)
{
    THROUGH(file, pin(below, offset, held));
}

static int handles_pinned(nacre_file *file, uint64_t begin, uint64_t end, uint64_t *first)
{
    THROUGH(file, pinned(below, begin, end, first));
}

/* ---- names ---- */

static int handles_rename(void *context, const char *from, const char *to)
{
    const nacre_os *os = ((struct os_handles *)context)->below;
    return os->rename(os->context, from, to);
}

static int handles_link(void *context, const char *from, const char *to)
{
    const nacre_os *os = ((struct os_handles *)context)->below;
    return os->link(os->context, from, to);
}

static int handles_remove(void *context, const char *path)
{
    const nacre_os *os = ((struct os_handles *)context)->below;
    return os->remove(os->context, path);
}

static int handles_make_directory(void *context, const char *path)
{
    const nacre_os *os = ((struct os_handles *)context)->below;
    return os->make_directory(os->context, path);
}

static int handles_remove_directory(void *context, const char *path)
{
    const nacre_os *os = ((struct os_handles *)context)->below;
    return os->remove_directory(os->context, path);
}

static int handles_sync_directory(void *context, const char *path)
{
    struct os_handles *o = context;
    int status;
    do {
        status = o->below->sync_directory(o->below->context, path);
    } while (status == NACRE_LIMIT && mend(o));
    return none_left(status);
}

static int handles_list(void *context, const char *path, void (*visit)(void *visitor, const char *name), void *visitor)
{
    struct os_handles *o = context;
    int status;
    do { /* without a handle nothing was visited */
        status = o->below->list(o->below->context, path, visit, visitor);
    } while (status == NACRE_LIMIT && mend(o));
    return none_left(status);
}

static int handles_space(void *context, const char *path, uint64_t *free_bytes)
{
    const nacre_os *os = ((struct os_handles *)context)->below;
    return os->space(os->context, path, free_bytes);
}

/* ---- life ---- */

int os_handles_create(const nacre_os *below, struct os_handles **out)
{
    struct os_handles *o = memory_zalloc(sizeof *o);
    if (!o) {
        return NACRE_NO_MEMORY;
    }
    pthread_mutex_init(&o->lock, NULL);
    o->below = below;
    o->layer = (nacre_os){ .struct_size = sizeof o->layer,
                           .context = o,
                           .open = handles_open,
                           .close = handles_close,
                           .read = handles_read,
                           .write = handles_write,
                           .sync = handles_sync,
                           .write_behind = handles_write_behind,
                           .allocate = handles_allocate,
                           .truncate = handles_truncate,
                           .size = handles_size,
                           .map = handles_map,
                           .populate = below->populate,
                           .unmap = below->unmap,
                           .rename = handles_rename,
                           .link = handles_link,
                           .remove = handles_remove,
                           .make_directory = handles_make_directory,
                           .remove_directory = handles_remove_directory,
                           .sync_directory = handles_sync_directory,
                           .list = handles_list,
                           .lock = handles_lock,
                           .space = handles_space,
                           .pin = os_has_pins(below) ? handles_pin : NULL,
                           .pinned = os_has_pins(below) ? handles_pinned : NULL };
    o->reopening = o->layer;
    o->reopening.open = handles_open_reopening;
    *out = o;
    return NACRE_OK;
}

void os_handles_free(struct os_handles *o)
{
    if (o) {
        pthread_mutex_destroy(&o->lock);
        memory_free(o);
    }
}

void os_handles_set_most(struct os_handles *o, uint64_t most)
{
    atomic_store_explicit(&o->most, most, memory_order_relaxed);
}

const nacre_os *os_handles_layer(const struct os_handles *o)
{
    return &o->layer;
}

const nacre_os *os_handles_reopening_layer(const struct os_handles *o)
{
    return &o->reopening;
}

void os_handles_count(const struct os_handles *o, struct os_handle_counts *counts)
{
    counts->open = atomic_load_explicit(&o->open, memory_order_relaxed);
    counts->most = atomic_load_explicit(&o->most, memory_order_relaxed);
    counts->reopened = atomic_load_explicit(&o->reopened, memory_order_relaxed);
}
