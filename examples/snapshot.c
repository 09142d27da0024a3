/* A snapshot sees one point of the whole store, whatever is written meanwhile; without one, each read sees what is newest. */
#include "example.h"

static size_t count(nacre_collection *from, nacre_snapshot *snapshot)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    size_t entries = 0;
    options.snapshot = snapshot;
    options.keys_only = true;
    must(nacre_scan(from, &options, &cursor), "scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor))
        entries++;
    must(nacre_cursor_status(cursor), "cursor"); /* the end, not an error */
    nacre_cursor_close(cursor);
    return entries;
}

int main(void)
{
    nacre_store *store;
    nacre_snapshot *before;
    must(nacre_open("snapshot.nacre", NULL, &store), "open");
    nacre_collection *users = collection(store, "users"), *mails = collection(store, "mails");
    must(nacre_put(users, text("ada"), text("Ada Lovelace"), NULL), "put");
    must(nacre_put(mails, text("ada"), text("ada@example.org"), NULL), "put");

    must(nacre_snapshot_create(store, &before), "snapshot");
    must(nacre_put(users, text("grace"), text("Grace Hopper"), NULL), "put");
    must(nacre_delete_prefix(mails, text("a"), NULL), "delete");
    must(nacre_flush(users), "flush");

    printf("then: %zu users, %zu mails\n", count(users, before), count(mails, before));
    printf("now:  %zu users, %zu mails\n", count(users, NULL), count(mails, NULL));
    check(count(mails, before) == 1 && count(mails, NULL) == 0, "the snapshot still sees what was deleted");

    nacre_snapshot_release(before);
    nacre_collection_close(mails);
    nacre_collection_close(users);
    must(nacre_close(store), "close");
    return 0;
}
