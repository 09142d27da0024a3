/* Incremental backups, restoring one, and what to do when a store is damaged. */
#include "example.h"

static void fill(nacre_collection *notes, const char *value)
{
    char key[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "note %04d", i);
        must(nacre_put(notes, text(key), text(value), NULL), "put");
    }
}

static void print_backups(void)
{
    char *json;
    must(nacre_backup_list("backup.backups", NULL, &json), "list");
    printf("%.70s...\n", json);
    nacre_free(json);
}

/* A backup is made while the store is in use. The second one copies only what is new. */
static uint64_t back_up(nacre_store *store)
{
    nacre_backup_options options = NACRE_BACKUP_OPTIONS_INIT;
    uint64_t id;
    options.verify = true;
    must(nacre_backup(store, "backup.backups", &options, &id), "backup");
    return id;
}

static void look_at(const char *path, const char *key)
{
    nacre_store *store;
    nacre_value value;
    must(nacre_open(path, NULL, &store), "open the copy");
    nacre_collection *notes = collection(store, "notes");
    must(nacre_get(notes, text(key), NULL, &value), "get");
    printf("%s: %s is %.*s\n", path, key, (int)value.slice.size, (const char *)value.slice.data);
    nacre_value_release(&value);
    nacre_collection_close(notes);
    must(nacre_close(store), "close");
}

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    options.durability = NACRE_OS;
    must(nacre_open("backup.nacre", &options, &store), "open");
    nacre_collection *notes = collection(store, "notes");
    fill(notes, "first");
    uint64_t id = back_up(store);
    fill(notes, "second");
    uint64_t newest = back_up(store);
    print_backups();

    /* The newest two stay; a directory that exists is never written over. */
    int status = nacre_restore("backup.backups", id, "backup.restored", NULL);
    if (status != NACRE_EXISTS) /* of a run before */
        must(status, "restore");
    must(nacre_backup_keep("backup.backups", 2, NULL), "keep");

    /* Now and then all of the newest is read: a backup that cannot be read is none. */
    nacre_verify_report found = NACRE_VERIFY_REPORT_INIT;
    must(nacre_backup_verify("backup.backups", newest, NULL, &found), "verify");
    printf("%llu files of backup %llu are right\n", (unsigned long long)found.files, (unsigned long long)newest);
    must(nacre_backup_remove("backup.backups", id, NULL), "remove"); /* the files of the newest stay */
    nacre_collection_close(notes);
    must(nacre_close(store), "close");
    look_at("backup.restored", "note 0007");

    /* A store that damage keeps from opening is checked by its path: all that is damaged or missing is named. */
    nacre_verify_report restored = NACRE_VERIFY_REPORT_INIT;
    must(nacre_verify_path("backup.restored", NULL, &restored), "verify what was restored");

    /* Everything that can be read of a damaged store goes to a new one; the report says what could not. */
    char *report;
    status = nacre_salvage_copy("backup.nacre", "backup.salvaged", NULL, &report);
    if (status != NACRE_EXISTS) {
        must(status, "salvage");
        printf("%.60s...\n", report);
        nacre_free(report);
    }
    return 0;
}
