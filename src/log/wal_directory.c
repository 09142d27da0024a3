/* Which log files a directory holds. Other names in it (copies of damaged files) are left alone. Any thread; no locks. */
#include "log/wal_directory.h"
#include "base/memory.h"
#include <stdlib.h>

int wal_path(char out[OS_PATH_MAX], const char *directory, uint32_t number)
{
    return os_path(out, directory, WAL_FILE_NAME, number);
}

bool wal_parse_name(const char *name, uint32_t *number)
{
    uint32_t value = 0;
    for (int i = 0; i < 8; i++) {
        char c = name[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *number = value;
    return value != 0 && strcmp(name + 8, ".log") == 0;
}

static void note_name(void *visitor, const char *name)
{
    struct wal_numbers *list = visitor;
    uint32_t number;
    if (list->status != NACRE_OK || !wal_parse_name(name, &number)) {
        return;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 32;
        uint32_t *more = memory_realloc(list->numbers, capacity * sizeof *more);
        if (!more) {
            list->status = NACRE_NO_MEMORY;
            return;
        }
        list->numbers = more;
        list->capacity = capacity;
    }
    list->numbers[list->count++] = number;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int wal_list(const nacre_os *os, const char *directory, struct wal_numbers *list)
{
    *list = (struct wal_numbers){ .status = NACRE_OK };
    int status = os->list(os->context, directory, note_name, list);
    status = status == NACRE_OK ? list->status : status;
    if (status != NACRE_OK) {
        wal_numbers_free(list);
        return status;
    }
    if (list->count > 1) {
        qsort(list->numbers, list->count, sizeof *list->numbers, compare_numbers);
    }
    return NACRE_OK;
}

void wal_numbers_free(struct wal_numbers *list)
{
    memory_free(list->numbers);
    *list = (struct wal_numbers){ .status = NACRE_OK };
}
