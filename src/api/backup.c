/* Public calls: backups. */
#include "store/backup.h"
#include "api/check.h"
#include "base/status.h"

static int check_path(const char *path, const char *what)
{
    return path && *path ? NACRE_OK : fail(NACRE_INVALID, "the path of the %s is %s", what, path ? "empty" : "NULL");
}

/* The file layer that the options name, or this machine's. */
static int read_os(const nacre_options *given, const nacre_os **os)
{
    nacre_options options;
    int status = check_options(&options, sizeof options, given, "nacre_options");
    if (status == NACRE_OK) {
        status = check_os(options.os);
    }
    *os = status == NACRE_OK && options.os ? options.os : os_posix();
    return status;
}

static int begin(const char *directory, const nacre_options *options, const nacre_os **os)
{
    int status = check_path(directory, "backups");
    return status == NACRE_OK ? read_os(options, os) : status;
}

int nacre_backup(nacre_store *store, const char *directory, const nacre_backup_options *given, uint64_t *id)
{
    nacre_backup_options options;
    uint64_t made = 0;
    int status = check_store(store);
    if (status == NACRE_OK) {
        status = check_path(directory, "backups");
    }
    if (status == NACRE_OK) {
        status = check_options(&options, sizeof options, given, "nacre_backup_options");
    }
    if (status == NACRE_OK) {
        status = store_backup(store, directory, &options, &made);
    }
    if (status == NACRE_OK && id) {
        *id = made;
    }
    return status;
}

int nacre_backup_list(const char *directory, const nacre_options *options, char **json)
{
    const nacre_os *os;
    int status = begin(directory, options, &os);
    if (status == NACRE_OK && !json) {
        status = fail(NACRE_INVALID, "the place for the text is NULL");
    }
    return status == NACRE_OK ? backup_list_json(os, directory, json) : status;
}

int nacre_backup_verify(const char *directory, uint64_t id, const nacre_options *options, nacre_verify_report *report)
{
    const nacre_os *os;
    int status = begin(directory, options, &os);
    if (status == NACRE_OK && (!report || report->struct_size < sizeof *report)) {
        status = fail(NACRE_INVALID, "the report is %s",
                      report ? "shorter than this library's; make it with NACRE_VERIFY_REPORT_INIT" : "NULL");
    }
    return status == NACRE_OK ? backup_verify(os, directory, id, report) : status;
}

int nacre_backup_remove(const char *directory, uint64_t id, const nacre_options *options)
{
    const nacre_os *os;
    int status = begin(directory, options, &os);
    if (status == NACRE_OK && id == 0) {
        status = fail(NACRE_INVALID, "backups are numbered from 1");
    }
    return status == NACRE_OK ? backup_remove(os, directory, id) : status;
}

int nacre_backup_keep(const char *directory, uint64_t count, const nacre_options *options)
{
    const nacre_os *os;
    int status = begin(directory, options, &os);
    return status == NACRE_OK ? backup_keep(os, directory, count) : status;
}

int nacre_restore(const char *directory, uint64_t id, const char *path, const nacre_options *options)
{
    const nacre_os *os;
    int status = begin(directory, options, &os);
    if (status == NACRE_OK) {
        status = check_path(path, "store");
    }
    return status == NACRE_OK ? backup_restore(os, directory, id, path) : status;
}
