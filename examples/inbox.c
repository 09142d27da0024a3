/* A batch as a unit of work: messages move from the inbox to an archive, each sender's count goes up, and what is old is deleted, in batches that are written when they are large enough. Whatever
   happens in between, no message is in both places or in none, and the counts are right. */
#include "example.h"

#define LARGE_ENOUGH (16 * 1024)

static nacre_collection *counters(nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_collection *found = NULL;
    options.merge_operator = "add64";
    int status = nacre_collection_create(store, "senders", &options, &found);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, "senders", &found);
    must(status, "senders");
    return found;
}

static void receive(nacre_collection *inbox)
{
    char key[64];
    for (int day = 1; day <= 28; day++) {
        for (int n = 0; n < 20; n++) {
            snprintf(key, sizeof key, "2026-02-%02d/%02d", day, n);
            must(nacre_put(inbox, text(key), text(n % 3 ? "alice: the minutes" : "bob: lunch?"), NULL), "put");
        }
    }
}

static void write_and_clear(nacre_store *store, nacre_batch *batch)
{
    must(nacre_write(store, batch, NULL), "write");
    nacre_batch_clear(batch); /* its memory is used again */
}

/* The cursor stays at the point of its making, whatever is written meanwhile. */
static unsigned archive(nacre_store *store, nacre_collection *inbox, nacre_collection *kept, nacre_collection *senders)
{
    static const unsigned char one[8] = { 1 }; /* little-endian */
    nacre_batch *batch;
    nacre_cursor *cursor;
    unsigned moved = 0;
    must(nacre_batch_create(&batch), "batch");
    must(nacre_scan(inbox, NULL, &cursor), "scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor), moved++) {
        nacre_slice key = nacre_cursor_key(cursor), message = nacre_cursor_value(cursor);
        const char *colon = memchr(message.data, ':', message.size);
        check(colon != NULL, "a message names its sender");
        nacre_slice sender = { message.data, (size_t)(colon - (const char *)message.data) };
        must(nacre_batch_put(batch, kept, key, message), "batch put");
        must(nacre_batch_delete(batch, inbox, key), "batch delete");
        must(nacre_batch_merge(batch, senders, sender, (nacre_slice){ one, sizeof one }), "batch merge");
        if (nacre_batch_bytes(batch) >= LARGE_ENOUGH)
            write_and_clear(store, batch);
    }
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    /* What is older than two weeks goes: one record, however much it is. */
    must(nacre_batch_delete_range(batch, kept, text(""), text("2026-02-15")), "batch delete range");
    write_and_clear(store, batch);
    nacre_batch_free(batch);
    return moved;
}

static bool is_empty(nacre_collection *messages, const char *begin, const char *end)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.begin = text(begin);
    options.end = text(end);
    must(nacre_scan(messages, &options, &cursor), "scan");
    bool empty = !nacre_cursor_valid(cursor);
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    return empty;
}

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    options.durability = NACRE_OS;
    must(nacre_open("inbox.nacre", &options, &store), "open");
    nacre_collection *inbox = collection(store, "inbox"), *kept = collection(store, "archive"),
                     *senders = counters(store);
    receive(inbox);
    printf("%u messages archived\n", archive(store, inbox, kept, senders));
    check(is_empty(inbox, "", ""), "the inbox is empty");
    check(is_empty(kept, "", "2026-02-15") && !is_empty(kept, "2026-02-15", ""), "the newer half is kept");

    nacre_collection_close(senders);
    nacre_collection_close(kept);
    nacre_collection_close(inbox);
    must(nacre_close(store), "close");
    return 0;
}
