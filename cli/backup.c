/* backup, restore. */
#include "print.h"
#include "session.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

/* One line per backup; damage in words. */
static void print_backup(const json_t *backup)
{
    char when[32] = "", bytes[FIGURE_SIZE], copied[FIGURE_SIZE];
    const char *damage = json_string_value(json_object_get(backup, "damage"));
    time_t created = (time_t)(json_integer_value(json_object_get(backup, "created_ms")) / 1000);
    struct tm parts;
    printf("%6" JSON_INTEGER_FORMAT "  ", json_integer_value(json_object_get(backup, "id")));
    if (damage) {
        printf("damaged: %s\n", damage);
        return;
    }
    if (gmtime_r(&created, &parts)) {
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &parts);
    }
    printf("%s  %s in %" JSON_INTEGER_FORMAT " files, %s of it new\n", when,
           figure_bytes((double)json_integer_value(json_object_get(backup, "bytes")), bytes),
           json_integer_value(json_object_get(backup, "files")),
           figure_bytes((double)json_integer_value(json_object_get(backup, "copied_bytes")), copied));
}

/* All of them, or the one of that number. */
static int print_backups(const struct arguments *arguments, uint64_t wanted)
{
    char *text = NULL;
    int status = nacre_backup_list(arguments->items[0], NULL, &text);
    if (status != NACRE_OK) {
        return complain_status("backup", status);
    }
    json_t *list = json_loads(text, 0, NULL), *backup;
    size_t i;
    if (option_given(arguments, OPTION_JSON) && !wanted) {
        puts(text);
    } else {
        json_array_foreach(json_object_get(list, "backups"), i, backup)
        {
            uint64_t id = (uint64_t)json_integer_value(json_object_get(backup, "id"));
            if (wanted && id != wanted) {
                continue;
            }
            if (option_given(arguments, OPTION_JSON)) {
                json_dumpf(backup, stdout, 0);
                putchar('\n');
            } else {
                print_backup(backup);
            }
        }
    }
    json_decref(list);
    nacre_free(text);
    return RESULT_OK;
}

/* The newest, or the one that --id names. */
static int verify(const struct arguments *arguments, uint64_t id)
{
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    int status = nacre_backup_verify(arguments->items[0], id, NULL, &report);
    if (status == NACRE_OK || (status == NACRE_CORRUPT && report.damaged)) {
        print_verified(arguments, &report, false);
    }
    nacre_free(report.damage);
    return status == NACRE_OK ? RESULT_OK : complain_status("backup", status);
}

struct making {
    const char *directory;
    nacre_backup_options options;
    uint64_t id;
};

static int make_backup(nacre_store *store, void *context)
{
    struct making *making = context;
    return nacre_backup(store, making->directory, &making->options, &making->id);
}

static int make(const struct arguments *arguments, uint64_t *id)
{
    struct making making = { .directory = arguments->items[0], .options = NACRE_BACKUP_OPTIONS_INIT };
    making.options.without_indexes = option_given(arguments, OPTION_NO_INDEX);
    int result = session_read(arguments, make_backup, &making);
    *id = making.id;
    return result;
}

int run_backup(const struct arguments *arguments)
{
    uint64_t keep = 0, id = 0;
    bool removes = option_given(arguments, OPTION_NEWEST);
    if (!option_number(arguments, OPTION_NEWEST, 1, UINT64_MAX, &keep) ||
        !option_number(arguments, OPTION_ID, 1, UINT64_MAX, &id)) {
        return RESULT_ERROR;
    }
    if (option_given(arguments, OPTION_LIST)) {
        return print_backups(arguments, 0);
    }
    if (option_given(arguments, OPTION_VERIFY)) {
        return verify(arguments, id);
    }
    int result = make(arguments, &id);
    if (result == RESULT_OK && removes) {
        int status = nacre_backup_keep(arguments->items[0], keep, NULL);
        result = status == NACRE_OK ? RESULT_OK : complain_status("backup", status);
    }
    return result == RESULT_OK ? print_backups(arguments, id) : result;
}

int run_restore(const struct arguments *arguments)
{
    uint64_t id = 0;
    if (!option_number(arguments, OPTION_ID, 1, UINT64_MAX, &id)) {
        return RESULT_ERROR;
    }
    int status = nacre_restore(arguments->items[0], id, arguments->items[1], NULL);
    return status == NACRE_OK ? RESULT_OK : complain_status("restore", status);
}
