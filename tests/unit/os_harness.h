/* Short words for tests of a file layer. Include it first: cmocka's macro `fail` must not meet base/status.h. */
#ifndef TESTS_OS_HARNESS_H
#define TESTS_OS_HARNESS_H
#include "base/status.h"
#include "os/os.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OPEN_NEW (NACRE_FILE_READ | NACRE_FILE_WRITE | NACRE_FILE_CREATE)

#define assert_os(call, code) assert_os_at((call), (code), #call, __FILE__, __LINE__)
static inline void assert_os_at(int got, int want, const char *call, const char *file, int line)
{
    if (got != want) {
        print_error("%s gave %s, not %s: %s\n", call, nacre_status_name(got), nacre_status_name(want), fail_detail());
        _fail(file, line);
    }
}
#define assert_fine(call) assert_os(call, NACRE_OK)

static inline nacre_file *open_file(const nacre_os *os, const char *path, uint32_t flags)
{
    nacre_file *file = NULL;
    assert_fine(os->open(os->context, path, flags, &file));
    assert_non_null(file);
    return file;
}

/* A file with these bytes; synced or not. */
static inline void make_file(const nacre_os *os, const char *path, const char *text, bool synced)
{
    nacre_file *file = open_file(os, path, OPEN_NEW);
    assert_fine(os->write(file, 0, text, strlen(text)));
    if (synced) {
        assert_fine(os->sync(file));
    }
    assert_fine(os->close(file));
}

/* All bytes as text; "<none>" when there is no such file. A static buffer. */
static inline const char *contents(const nacre_os *os, const char *path)
{
    static char text[1 << 16];
    nacre_file *file = NULL;
    size_t got = 0;
    int status = os->open(os->context, path, NACRE_FILE_READ, &file);
    if (status == NACRE_NOT_FOUND) {
        return "<none>";
    }
    assert_fine(status);
    assert_fine(os->read(file, 0, text, sizeof text - 1, &got));
    assert_fine(os->close(file));
    text[got] = 0;
    return text;
}

static inline uint64_t length_of(const nacre_os *os, const char *path)
{
    uint64_t size = 0;
    nacre_file *file = open_file(os, path, NACRE_FILE_READ);
    assert_fine(os->size(file, &size));
    assert_fine(os->close(file));
    return size;
}

static inline void append_name(void *visitor, const char *name)
{
    char *all = visitor;
    size_t used = strlen(all);
    (void)snprintf(all + used, 1024 - used, "[%s]", name);
}

static inline bool has_name(const nacre_os *os, const char *directory, const char *name)
{
    char all[1024] = "", wanted[128];
    assert_fine(os->list(os->context, directory, append_name, all));
    (void)snprintf(wanted, sizeof wanted, "[%s]", name);
    return strstr(all, wanted) != NULL;
}

/* Pins of single bytes, as other handles see them. */
static inline void check_pins(const nacre_os *os, const char *path)
{
    nacre_file *writer = open_file(os, path, OPEN_NEW), *one, *two;
    uint64_t first = 0;
    one = open_file(os, path, NACRE_FILE_READ);
    two = open_file(os, path, NACRE_FILE_READ);
    assert_fine(os->pinned(writer, 0, UINT64_C(1) << 62, &first));
    assert_true(first == UINT64_C(1) << 62);
    assert_fine(os->pin(one, UINT64_C(5) << 32, true));
    assert_fine(os->pin(one, UINT64_C(7) << 32, true));
    assert_fine(os->pin(two, UINT64_C(7) << 32, true));
    assert_fine(os->pin(two, 0, true));
    assert_fine(os->pinned(writer, 0, UINT64_C(1) << 62, &first));
    assert_true(first == 0);
    assert_fine(os->pinned(writer, 1, UINT64_C(1) << 62, &first));
    assert_true(first == UINT64_C(5) << 32);
    assert_fine(os->pinned(writer, 1, UINT64_C(5) << 32, &first));
    assert_true(first == UINT64_C(5) << 32); /* none before it */
    assert_fine(os->pin(one, UINT64_C(5) << 32, false));
    assert_fine(os->pinned(writer, 1, UINT64_C(1) << 62, &first));
    assert_true(first == UINT64_C(7) << 32);
    assert_fine(os->close(one));
    assert_fine(os->pinned(writer, 1, UINT64_C(1) << 62, &first));
    assert_true(first == UINT64_C(7) << 32);
    assert_fine(os->close(two));
    assert_fine(os->pinned(writer, 0, UINT64_C(1) << 62, &first));
    assert_true(first == UINT64_C(1) << 62);
    uint64_t size = 1;
    assert_fine(os->size(writer, &size));
    assert_int_equal(size, 0);
    assert_fine(os->close(writer));
}
#endif
