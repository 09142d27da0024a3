/* Helpers over the file layer (see os.h). */
#include "os/os.h"
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>

int os_path(char out[OS_PATH_MAX], const char *directory, const char *format, ...)
{
    int used = snprintf(out, OS_PATH_MAX, "%s/", directory);
    bool fits = used > 0 && used < OS_PATH_MAX;
    if (fits) {
        va_list arguments;
        va_start(arguments, format);
        int more = vsnprintf(out + used, (size_t)(OS_PATH_MAX - used), format, arguments);
        va_end(arguments);
        fits = more >= 0 && more < OS_PATH_MAX - used;
    }
    if (!fits) {
        return fail(NACRE_LIMIT, "a path below '%.64s...' is longer than %d bytes", directory, OS_PATH_MAX - 1);
    }
    return NACRE_OK;
}

int os_read_exact(const nacre_os *os, nacre_file *file, uint64_t offset, void *bytes, size_t size, const char *path)
{
    size_t got = 0;
    int status = os->read(file, offset, bytes, size, &got);
    if (status == NACRE_OK && got < size) {
        return fail(NACRE_CORRUPT, "%s: offset %llu: the file ends after %zu of %zu bytes", path,
                    (unsigned long long)offset, got, size);
    }
    return status;
}

int os_read_file(const nacre_os *os, const char *path, uint64_t limit, struct buffer *out)
{
    nacre_file *file = NULL;
    uint64_t size = 0;
    int status = os->open(os->context, path, NACRE_FILE_READ, &file);
    if (status != NACRE_OK) {
        return status;
    }
    status = os->size(file, &size);
    if (status == NACRE_OK && size > limit) {
        status = fail(NACRE_CORRUPT, "%s: has %llu bytes, at most %llu were expected", path, (unsigned long long)size,
                      (unsigned long long)limit);
    }
    buffer_clear(out);
    if (status == NACRE_OK) {
        status = buffer_reserve(out, (size_t)size + 1);
    }
    if (status == NACRE_OK) {
        size_t got = 0;
        status = os->read(file, 0, out->data, (size_t)size, &got);
        out->size = got;
    }
    (void)os->close(file); /* only read: nothing can be lost */
    return status;
}

static int write_aside(const nacre_os *os, const char *aside, nacre_slice contents)
{
    nacre_file *file = NULL;
    int status = os->open(os->context, aside, NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE, &file);
    if (status != NACRE_OK) {
        return status;
    }
    status = os->truncate(file, 0);
    if (status == NACRE_OK) {
        status = os->write(file, 0, contents.data, contents.size);
    }
    if (status == NACRE_OK) {
        status = os->sync(file);
    }
    int closed = os->close(file);
    return status == NACRE_OK ? closed : status;
}

/* So that a full disk does not get fuller; the detail stays that of the failure before. */
static void give_up(const nacre_os *os, const char *aside)
{
    char detail[1024];
    (void)snprintf(detail, sizeof detail, "%s", fail_detail());
    if (os->remove(os->context, aside) != NACRE_OK) { /* it does no harm: the next replacing writes over it */
        (void)fail(NACRE_IO, "%s", detail);
    }
}

int os_replace_file(const nacre_os *os, const char *directory, const char *name, nacre_slice contents)
{
    char path[OS_PATH_MAX], aside[OS_PATH_MAX];
    int status = os_path(path, directory, "%s", name);
    if (status == NACRE_OK) {
        status = os_path(aside, directory, "%s.tmp", name);
    }
    if (status != NACRE_OK) {
        return status;
    }
    status = write_aside(os, aside, contents);
    if (status == NACRE_OK) {
        status = os->rename(os->context, aside, path);
    }
    if (status != NACRE_OK) {
        give_up(os, aside);
        return status;
    }
    return os->sync_directory(os->context, directory);
}

int os_look(const nacre_os *os, const char *path, bool *present)
{
    nacre_file *file = NULL;
    int status = os->open(os->context, path, NACRE_FILE_READ, &file);
    if (status == NACRE_OK) {
        (void)os->close(file); /* only read: nothing can be lost */
    } else if (status != NACRE_NOT_FOUND) {
        return status;
    }
    *present = status == NACRE_OK;
    return NACRE_OK;
}

bool os_exists(const nacre_os *os, const char *path)
{
    bool present = false;
    return os_look(os, path, &present) == NACRE_OK && present;
}

bool os_has_pins(const nacre_os *os)
{
    return os->struct_size >= offsetof(nacre_os, pinned) + sizeof os->pinned && os->pin && os->pinned;
}

void os_read_ahead(const nacre_os *os, const void *address, uint64_t size)
{
    if (os->struct_size >= offsetof(nacre_os, read_ahead) + sizeof os->read_ahead && os->read_ahead) {
        (void)os->read_ahead((void *)(uintptr_t)address, size);
    }
}
