/* The file layer of this machine. Files are 0600, directories 0700. Any thread; no locks.

   Invariants:
   1. A handle's descriptor is its own: never shared, never inherited over exec.
   2. A sync that failed is not tried again here: the kernel calls its pages clean then, and the next one would succeed
      for nothing. Only one that was interrupted before it told anything is.
   3. A lock belongs to the open file, not to the process. It is given up before the descriptor is closed: a forked
      child may have inherited that, and would hold the lock on. */
#include "base/memory.h"
#include "base/status.h"
#include "os/os.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct nacre_file {
    int fd;
    bool holds_lock;
    char path[];
};

static int code_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return NACRE_NO_SPACE;
    case ENOENT:
        return NACRE_NOT_FOUND;
    case EEXIST:
        return NACRE_EXISTS;
    case ENOMEM:
        return NACRE_NO_MEMORY;
    case EMFILE:
    case ENFILE:
        return NACRE_LIMIT;
    default:
        return NACRE_IO;
    }
}

static int failed(const char *path, const char *operation)
{
    int number = errno;
    char text[128];
    return fail(code_of(number), "%s: %s: %s", path, operation, strerror_r(number, text, sizeof text));
}

static int posix_open(void *context, const char *path, uint32_t flags, nacre_file **file)
{
    (void)context;
    int mode = (flags & NACRE_FILE_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC;
    if (flags & NACRE_FILE_CREATE) {
        mode |= flags & NACRE_FILE_EXCLUSIVE ? O_CREAT | O_EXCL : O_CREAT;
    }
    size_t size = strlen(path) + 1;
    nacre_file *f = memory_alloc(sizeof *f + size);
    if (!f) {
        return NACRE_NO_MEMORY;
    }
    f->holds_lock = false;
    memcpy(f->path, path, size);
    do {
        f->fd = open(path, mode, 0600);
    } while (f->fd < 0 && errno == EINTR);
    if (f->fd < 0) {
        bool refused = errno == EROFS || errno == EACCES || errno == EPERM;
        int status = failed(path, "open");
        memory_free(f);
        return refused && (flags & NACRE_FILE_WRITE) ? NACRE_READ_ONLY : status;
    }
    *file = f;
    return NACRE_OK;
}

static int posix_close(nacre_file *f)
{
    int status = NACRE_OK;
    if (f->holds_lock) {
        struct flock whole = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
        status = fcntl(f->fd, F_OFD_SETLK, &whole) == 0 ? NACRE_OK : failed(f->path, "unlock"); /* invariant 3 */
    }
    if (close(f->fd) != 0 && errno != EINTR) { /* interrupted or not, Linux has closed it */
        status = failed(f->path, "close");
    }
    memory_free(f);
    return status;
}

static int posix_read(nacre_file *f, uint64_t offset, void *bytes, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = pread(f->fd, (char *)bytes + *got, size - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failed(f->path, "read");
        }
        if (n == 0) {
            break;
        }
        *got += (size_t)n;
    }
    return NACRE_OK;
}

static int posix_write(nacre_file *f, uint64_t offset, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(f->fd, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return failed(f->path, "write");
        }
        if (n == 0) {
            return fail(NACRE_IO, "%s: write: offset %llu: nothing was written", f->path,
                        (unsigned long long)(offset + done));
        }
        done += (size_t)n;
    }
    return NACRE_OK;
}

static int posix_sync(nacre_file *f)
{
    int result;
    do {
        result = fdatasync(f->fd);           /* the contents, and the length where it changed */
    } while (result != 0 && errno == EINTR); /* invariant 2 */
    return result == 0 ? NACRE_OK : failed(f->path, "fdatasync");
}

static int posix_write_behind(nacre_file *f, uint64_t offset, uint64_t size)
{
    /* Only a hint: what went wrong with the data is for the next sync to say. */
    (void)sync_file_range(f->fd, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
    return NACRE_OK;
}

static int posix_size(nacre_file *f, uint64_t *size)
{
    struct stat status;
    if (fstat(f->fd, &status) != 0) {
        return failed(f->path, "fstat");
    }
    *size = (uint64_t)status.st_size;
    return NACRE_OK;
}

static int posix_allocate(nacre_file *f, uint64_t size)
{
    if (size == 0) {
        return NACRE_OK; /* posix_fallocate calls that invalid */
    }
    int result;
    do {
        result = posix_fallocate(f->fd, 0, (off_t)size); /* writes zeros where the file system cannot reserve */
    } while (result == EINTR);
    if (result != 0) {
        errno = result;
        return failed(f->path, "fallocate");
    }
    return NACRE_OK;
}

static int posix_truncate(nacre_file *f, uint64_t size)
{
    int result;
    do {
        result = ftruncate(f->fd, (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? NACRE_OK : failed(f->path, "ftruncate");
}

static int posix_map(nacre_file *f, uint64_t size, bool writable, void **address)
{
    uint64_t there = 0;
    int status = posix_size(f, &there);
    if (status != NACRE_OK) {
        return status;
    }
    if (there < size || size == 0) {
        return fail(NACRE_CORRUPT, "%s: has %llu bytes, %llu were expected", f->path, (unsigned long long)there,
                    (unsigned long long)size);
    }
    void *map = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED) {
        return failed(f->path, "mmap");
    }
    *address = map;
    return NACRE_OK;
}

/* The kernel's numbers (Linux 5.14), for C libraries that do not know them yet. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static int posix_populate(void *address, uint64_t size, bool writable)
{
    (void)madvise(address, size,
                  writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ); /* no promise; older kernels refuse */
    return NACRE_OK;
}

/* What is in memory already is not asked for: walking the pages of a window costs about as much as copying a part of it. Its end tells: windows
   follow one another. */
static int posix_read_ahead(void *address, uint64_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)address & ~(page - 1);
    const uintptr_t last = ((uintptr_t)address + size - 1) & ~(page - 1);
    unsigned char resident = 0;
    if (size == 0 || (mincore((void *)last, page, &resident) == 0 && (resident & 1))) {
        return NACRE_OK;
    }
    (void)madvise((void *)begin, (size_t)((uintptr_t)address + size - begin), MADV_WILLNEED); /* no promise */
    return NACRE_OK;
}

static int posix_unmap(void *address, uint64_t size)
{
    return munmap(address, size) == 0 ? NACRE_OK : failed("a map", "munmap");
}

static int posix_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to) == 0 ? NACRE_OK : failed(from, "rename");
}

static int posix_link(void *context, const char *from, const char *to)
{
    (void)context;
    if (link(from, to) == 0) {
        return NACRE_OK;
    }
    bool cannot = errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK;
    int status = failed(from, "link");
    return cannot ? NACRE_UNSUPPORTED : status;
}

static int posix_remove(void *context, const char *path)
{
    (void)context;
    return unlink(path) == 0 ? NACRE_OK : failed(path, "unlink");
}

static int posix_make_directory(void *context, const char *path)
{
    (void)context;
    return mkdir(path, 0700) == 0 ? NACRE_OK : failed(path, "mkdir");
}

static int posix_remove_directory(void *context, const char *path)
{
    (void)context;
    return rmdir(path) == 0 ? NACRE_OK : failed(path, "rmdir");
}

static int posix_sync_directory(void *context, const char *path)
{
    (void)context;
    int fd, result;
    do {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return failed(path, "open");
    }
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    int status = result == 0 ? NACRE_OK : failed(path, "fsync");
    (void)close(fd); /* nothing was written through it */
    return status;
}

static int posix_list(void *context, const char *path, void (*visit)(void *visitor, const char *name), void *visitor)
{
    (void)context;
    DIR *directory = opendir(path);
    if (!directory) {
        return failed(path, "opendir");
    }
    struct dirent *item;
    errno = 0;
    while ((item = readdir(directory)) != NULL) {
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0) {
            visit(visitor, item->d_name);
        }
        errno = 0;
    }
    int status = errno == 0 ? NACRE_OK : failed(path, "readdir");
    (void)closedir(directory);
    return status;
}

/* "pid <n> <command line>", for whoever finds the store locked. */
static void describe_self(char *text, size_t size)
{
    char command[160] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) { /* else the number has to do */
        ssize_t got = read(fd, command, sizeof command - 1);
        (void)close(fd);
        while (got > 0 && command[got - 1] == 0) {
            got--;
        }
        for (ssize_t i = 0; i < got; i++) {
            command[i] = (unsigned char)command[i] < ' ' ? ' ' : command[i];
        }
    }
    (void)snprintf(text, size, "pid %ld %s", (long)getpid(), command);
}

/* The text is help, not the lock: a full disk must not keep a store from being opened. Shortened last, so that whoever
   is refused meanwhile reads something. */
static void sign(nacre_file *f)
{
    char text[256] = "";
    describe_self(text, sizeof text);
    if (posix_write(f, 0, text, strlen(text)) == NACRE_OK) {
        (void)posix_truncate(f, strlen(text));
    }
}

static int refused(nacre_file *f, char *holder, size_t holder_size)
{
    char text[256] = "";
    size_t got = 0;
    if (posix_read(f, 0, text, sizeof text - 1, &got) != NACRE_OK || got == 0) {
        (void)snprintf(text, sizeof text, "an unknown process");
    }
    if (holder_size > 0) {
        (void)snprintf(holder, holder_size, "%s", text);
    }
    return fail(NACRE_LOCKED, "%s: lock: held by %s", f->path, text);
}

static int posix_lock(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size)
{
    nacre_file *f = NULL;
    int status = posix_open(context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &f);
    if (status != NACRE_OK) {
        return status;
    }
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(f->fd, F_OFD_SETLK, &whole) != 0) { /* invariant 3: a second opening in this process is refused as well */
        bool held = errno == EAGAIN || errno == EACCES;
        status = held ? refused(f, holder, holder_size) : failed(path, "lock");
        (void)posix_close(f);
        return status;
    }
    f->holds_lock = true;
    sign(f);
    *file = f;
    return NACRE_OK;
}

static int posix_space(void *context, const char *path, uint64_t *free_bytes)
{
    (void)context;
    struct statvfs status;
    if (statvfs(path, &status) != 0) {
        return failed(path, "statvfs");
    }
    *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return NACRE_OK;
}

/* Invariant 3 holds for these too. A read lock needs no more than a handle for reading, also on file systems that cannot be written. */
static int posix_pin(nacre_file *f, uint64_t offset, bool held)
{
    struct flock byte = {
        .l_type = held ? F_RDLCK : F_UNLCK, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = 1
    };
    if (fcntl(f->fd, F_OFD_SETLK, &byte) != 0) {
        return failed(f->path, held ? "lock" : "unlock");
    }
    f->holds_lock = f->holds_lock || held;
    return NACRE_OK;
}

/* The kernel tells some lock in the range; asking again for what lies before it leads to the first. */
static int posix_pinned(nacre_file *f, uint64_t begin, uint64_t end, uint64_t *first)
{
    *first = end;
    while (*first > begin) {
        struct flock range = {
            .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)begin, .l_len = (off_t)(*first - begin)
        };
        if (fcntl(f->fd, F_OFD_GETLK, &range) != 0) {
            return failed(f->path, "look for a lock");
        }
        if (range.l_type == F_UNLCK) {
            break;
        }
        *first = (uint64_t)range.l_start > begin ? (uint64_t)range.l_start : begin;
    }
    return NACRE_OK;
}

const nacre_os *os_posix(void)
{
    static const nacre_os os = {
        .struct_size = sizeof os,
        .open = posix_open,
        .close = posix_close,
        .read = posix_read,
        .write = posix_write,
        .sync = posix_sync,
        .write_behind = posix_write_behind,
        .allocate = posix_allocate,
        .truncate = posix_truncate,
        .size = posix_size,
        .map = posix_map,
        .populate = posix_populate,
        .unmap = posix_unmap,
        .rename = posix_rename,
        .link = posix_link,
        .remove = posix_remove,
        .make_directory = posix_make_directory,
        .remove_directory = posix_remove_directory,
        .sync_directory = posix_sync_directory,
        .list = posix_list,
        .lock = posix_lock,
        .space = posix_space,
        .pin = posix_pin,
        .pinned = posix_pinned,
        .read_ahead = posix_read_ahead,
    };
    return &os;
}
