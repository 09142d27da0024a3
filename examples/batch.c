/* A batch over two collections: a transfer and its receipt are written at one instant, or not at all. */
#include "example.h"

static long balance(nacre_collection *accounts, const char *name)
{
    nacre_value value;
    char digits[32] = "0";
    int status = nacre_get(accounts, text(name), NULL, &value);
    if (status == NACRE_NOT_FOUND)
        return 0;
    must(status, "get");
    check(value.slice.size < sizeof digits, "a balance is short");
    memcpy(digits, value.slice.data, value.slice.size);
    digits[value.slice.size] = '\0';
    nacre_value_release(&value);
    return strtol(digits, NULL, 10);
}

static void set_balance(nacre_batch *batch, nacre_collection *accounts, const char *name, long amount)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%ld", amount);
    must(nacre_batch_put(batch, accounts, text(name), text(digits)), "batch put");
}

int main(void)
{
    nacre_store *store;
    nacre_batch *batch;
    must(nacre_open("batch.nacre", NULL, &store), "open");
    nacre_collection *accounts = collection(store, "accounts"), *receipts = collection(store, "receipts");
    must(nacre_batch_create(&batch), "batch");

    long alice = balance(accounts, "alice"), bob = balance(accounts, "bob");
    set_balance(batch, accounts, "alice", alice - 5);
    set_balance(batch, accounts, "bob", bob + 5);
    must(nacre_batch_put(batch, receipts, text("alice-bob"), text("5 paid")), "batch put");
    check(nacre_batch_count(batch) == 3, "three operations wait in the batch");
    check(balance(accounts, "bob") == bob, "nothing of it is visible yet");

    must(nacre_write(store, batch, NULL), "write");
    check(balance(accounts, "alice") + balance(accounts, "bob") == 0, "the sum never changes");
    printf("alice %ld, bob %ld\n", balance(accounts, "alice"), balance(accounts, "bob"));

    nacre_batch_free(batch);
    nacre_collection_close(receipts);
    nacre_collection_close(accounts);
    must(nacre_close(store), "close");
    return 0;
}
