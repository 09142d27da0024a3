/* Names and numbers of the log files in a directory. */
#ifndef NACRE_LOG_WAL_DIRECTORY_H
#define NACRE_LOG_WAL_DIRECTORY_H
#include "log/wal.h"
#include "os/os.h"

struct wal_numbers {
    uint32_t *numbers; /* ascending; free with wal_numbers_free */
    size_t count, capacity;
    int status;
};

int wal_path(char out[OS_PATH_MAX], const char *directory, uint32_t number);
bool wal_parse_name(const char *name, uint32_t *number); /* only names that WAL_FILE_NAME makes */
int wal_list(const nacre_os *, const char *directory, struct wal_numbers *);
void wal_numbers_free(struct wal_numbers *);
#endif
