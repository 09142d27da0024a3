/* The file layer of this machine. Files are 0600, directories 0700. Any thread; no locks. */
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
    case EROFS:
    case EACCES:
    case EPERM:
        return NACRE_READ_ONLY;
    case ENOMEM:
        return NACRE_NO_MEMORY;
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
    mode |= flags & NACRE_FILE_CREATE ? O_CREAT : 0;
    mode |= flags & NACRE_FILE_EXCLUSIVE ? O_EXCL : 0;
    size_t size = strlen(path) + 1;
    nacre_file *f = memory_alloc(sizeof *f + size);
    if (!f) {
        return NACRE_NO_MEMORY;
    }
    memcpy(f->path, path, size);
    do {
        f->fd = open(path, mode, 0600);
    } while (f->fd < 0 && errno == EINTR);
    if (f->fd < 0) {
        int status = failed(path, "open");
        memory_free(f);
        return status;
    }
    *file = f;
    return NACRE_OK;
}

static int posix_close(nacre_file *f)
{
    int status = close(f->fd) == 0 ? NACRE_OK : failed(f->path, "close");
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
        done += (size_t)n;
    }
    return NACRE_OK;
}

static int posix_sync(nacre_file *f)
{
    /* fdatasync: contents, and the length where it changed. Never retried: after a failure the kernel calls the pages clean. */
    return fdatasync(f->fd) == 0 ? NACRE_OK : failed(f->path, "fdatasync");
}

static int posix_write_behind(nacre_file *f, uint64_t offset, uint64_t size)
{
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
    int result;
    do {
        result = posix_fallocate(f->fd, 0, (off_t)size);
    } while (result == EINTR);
    if (result != 0) {
        errno = result;
        return failed(f->path, "fallocate");
    }
    return NACRE_OK;
}

static int posix_truncate(nacre_file *f, uint64_t size)
{
    return ftruncate(f->fd, (off_t)size) == 0 ? NACRE_OK : failed(f->path, "ftruncate");
}

static int posix_map(nacre_file *f, uint64_t size, bool writable, void **address)
{
    uint64_t there = 0;
    int status = posix_size(f, &there);
    if (status != NACRE_OK) {
        return status;
    }
    if (there < size || size == 0) {
        return fail(NACRE_CORRUPT, "%s: has %llu bytes, %llu were expected", f->path, (unsigned long long)there, (unsigned long long)size);
    }
    void *map = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED) {
        return failed(f->path, "mmap");
    }
    *address = map;
    return NACRE_OK;
}

static int posix_populate(void *address, uint64_t size, bool writable)
{
    (void)madvise(address, size, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ); /* no promise; older kernels refuse */
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
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed(path, "open");
    }
    int status = fsync(fd) == 0 ? NACRE_OK : failed(path, "fsync");
    close(fd);
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
    closedir(directory);
    return status;
}

/* "pid <n> <command line>", for whoever finds the store locked. */
static void describe_self(char *text, size_t size)
{
    char command[160] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, command, sizeof command - 1);
        close(fd);
        for (ssize_t i = 0; i + 1 < got; i++) {
            command[i] = command[i] ? command[i] : ' ';
        }
    }
    (void)snprintf(text, size, "pid %ld %s", (long)getpid(), command);
}

static int posix_lock(void *context, const char *path, nacre_file **file, char *holder, size_t holder_size)
{
    int status = posix_open(context, path, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, file);
    if (status != NACRE_OK) {
        return status;
    }
    /* Owned by the open file, not the process: a second opening here is refused as well. */
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char text[256] = "";
    if (fcntl((*file)->fd, F_OFD_SETLK, &whole) != 0) {
        bool held = errno == EAGAIN || errno == EACCES;
        status = failed(path, "lock");
        size_t got = 0;
        if (held && posix_read(*file, 0, text, sizeof text - 1, &got) == NACRE_OK && holder_size > 0) {
            (void)snprintf(holder, holder_size, "%s", text);
        }
        posix_close(*file);
        *file = NULL;
        return held ? NACRE_LOCKED : status;
    }
    describe_self(text, sizeof text);
    status = posix_truncate(*file, 0);
    if (status == NACRE_OK) {
        status = posix_write(*file, 0, text, strlen(text));
    }
    if (status != NACRE_OK) {
        posix_close(*file);
        *file = NULL;
    }
    return status;
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

const nacre_os *os_posix(void)
{
    static const nacre_os os = {
        .struct_size = sizeof os, .open = posix_open, .close = posix_close, .read = posix_read, .write = posix_write, .sync = posix_sync,
        .write_behind = posix_write_behind, .allocate = posix_allocate, .truncate = posix_truncate, .size = posix_size, .map = posix_map,
        .populate = posix_populate, .unmap = posix_unmap, .rename = posix_rename, .link = posix_link, .remove = posix_remove,
        .make_directory = posix_make_directory, .remove_directory = posix_remove_directory, .sync_directory = posix_sync_directory,
        .list = posix_list, .lock = posix_lock, .space = posix_space,
    };
    return &os;
}
