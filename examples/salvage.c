/* What to do with a log that a disk has damaged: look at it, have it repaired, open the store. */
#include "example.h"

#define LOG "salvage.nacre/log/00000001.log"

static void fill(void)
{
    nacre_store *store;
    char key[32];
    must(nacre_open("salvage.nacre", NULL, &store), "open");
    nacre_collection *notes = collection(store, "notes");
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "note %02d", i);
        must(nacre_put(notes, text(key), text("written"), NULL), "put");
    }
    nacre_collection_close(notes);
    must(nacre_close(store), "close");
}

/* One byte in the middle of the log is not what was written. */
static void damage(void)
{
    static char bytes[8192];
    FILE *file = fopen(LOG, "r+b");
    check(file != NULL, "the store's first log file is there");
    size_t size = fread(bytes, 1, sizeof bytes, file), at = 0;
    while (at + 7 < size && memcmp(bytes + at, "note 10", 7) != 0)
        at++;
    check(at + 7 < size, "the note is in it");
    check(fseek(file, (long)at, SEEK_SET) == 0 && fputc('N', file) != EOF && fclose(file) == 0, "written");
}

static void count_line(void *context, const char *json)
{
    (void)json; /* one record of the log */
    ++*(unsigned *)context;
}

int main(void)
{
    nacre_store *store;
    unsigned lines = 0;
    char *report;
    fill();
    damage();
    check(nacre_open("salvage.nacre", NULL, &store) == NACRE_CORRUPT, "a damaged log is not passed over");
    printf("%s\n", nacre_last_error());

    int status = nacre_dump("log", LOG, NULL, count_line, &lines);
    printf("%u lines can be read (%s)\n", lines, nacre_status_name(status));
    check(status == NACRE_CORRUPT && lines > 10, "what is not damaged can be looked at");

    must(nacre_salvage("salvage.nacre", NULL, &report), "salvage");
    printf("%s\n", report); /* what was found, kept and lost */
    nacre_free(report);

    nacre_value value;
    must(nacre_open("salvage.nacre", NULL, &store), "open");
    nacre_collection *notes = collection(store, "notes");
    check(nacre_get(notes, text("note 10"), NULL, &value) == NACRE_NOT_FOUND, "the damaged record is lost");
    must(nacre_get(notes, text("note 11"), NULL, &value), "those behind it are not");
    nacre_value_release(&value);
    nacre_collection_close(notes);
    must(nacre_close(store), "close");
    return 0;
}
