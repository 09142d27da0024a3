/* Ways to read: one prefix, a range downwards, all of it twice, on from a key, the last entry, and several keys at once. */
#include "example.h"

static void print_all(nacre_cursor *cursor)
{
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        printf("  %.*s = %.*s\n", (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
    }
    must(nacre_cursor_status(cursor), "cursor"); /* the end, not an error */
}

static void print_prefix(nacre_collection *files, const char *prefix)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.prefix = text(prefix);
    options.limit = 10;
    must(nacre_scan(files, &options, &cursor), "scan");
    print_all(cursor);
    nacre_cursor_close(cursor);
}

/* From `end` (not with it) down to `begin` (with it). */
static void print_downwards(nacre_collection *files, const char *begin, const char *end)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.begin = text(begin);
    options.end = text(end);
    options.reverse = true;
    must(nacre_scan(files, &options, &cursor), "scan");
    print_all(cursor);
    nacre_cursor_close(cursor);
}

/* A table whose first column is as wide as it must be: the same cursor goes over the entries twice. */
static void print_table(nacre_collection *files)
{
    nacre_cursor *cursor;
    size_t width = 0;
    must(nacre_scan(files, NULL, &cursor), "scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor))
        width = nacre_cursor_key(cursor).size > width ? nacre_cursor_key(cursor).size : width;
    for (nacre_cursor_first(cursor); nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        printf("  %-*.*s  %.*s\n", (int)width, (int)key.size, (const char *)key.data, (int)value.size,
               (const char *)value.data);
    }
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
}

/* One cursor that is moved about. */
static void walk(nacre_collection *files)
{
    nacre_cursor *cursor;
    must(nacre_scan(files, NULL, &cursor), "scan");
    nacre_cursor_seek(cursor, text("/etc/m")); /* the first key from here on */
    check(nacre_cursor_valid(cursor), "there is one");
    nacre_cursor_prev(cursor); /* the one before it */
    nacre_cursor_last(cursor); /* the greatest of all */
    printf("  the last: %.*s\n", (int)nacre_cursor_key(cursor).size, (const char *)nacre_cursor_key(cursor).data);
    nacre_cursor_close(cursor);
}

static void print_several(nacre_collection *files)
{
    nacre_slice keys[] = { text("/etc/passwd"), text("/etc/none"), text("/bin/ls") };
    nacre_value values[3];
    int statuses[3];
    must(nacre_multi_get(files, keys, 3, NULL, values, statuses), "multi_get");
    for (int i = 0; i < 3; i++) {
        printf("  %s: %.*s\n", nacre_status_name(statuses[i]), (int)values[i].slice.size,
               (const char *)values[i].slice.data);
        nacre_value_release(&values[i]);
    }
}

int main(void)
{
    static const char *const owners[][2] = { { "/bin/ls", "coreutils" },
                                             { "/etc/hosts", "base-files" },
                                             { "/etc/motd", "base-files" },
                                             { "/etc/passwd", "passwd" } };
    nacre_store *store;
    must(nacre_open("scan.nacre", NULL, &store), "open");
    nacre_collection *files = collection(store, "files");
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++)
        must(nacre_put(files, text(owners[i][0]), text(owners[i][1]), NULL), "put");

    printf("what begins with /etc/:\n");
    print_prefix(files, "/etc/");
    printf("from /etc/p down to /bin:\n");
    print_downwards(files, "/bin", "/etc/p");
    printf("as a table:\n");
    print_table(files);
    printf("moved about:\n");
    walk(files);
    printf("three keys at one point:\n");
    print_several(files);

    nacre_collection_close(files);
    must(nacre_close(store), "close");
    return 0;
}
