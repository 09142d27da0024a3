/* Transactions: a transfer that reads, decides and writes; what two of them at once lead to; a savepoint; and a range that must not change
   beneath a decision. */
#include "example.h"

static long balance_in(nacre_txn *txn, nacre_collection *accounts, const char *name)
{
    nacre_value value;
    char digits[32] = "0";
    int status = nacre_txn_get(txn, accounts, text(name), &value);
    if (status == NACRE_NOT_FOUND)
        return 0;
    must(status, "get");
    check(value.slice.size < sizeof digits, "a balance is short");
    memcpy(digits, value.slice.data, value.slice.size);
    nacre_value_release(&value);
    return strtol(digits, NULL, 10);
}

static void set_balance(nacre_txn *txn, nacre_collection *accounts, const char *name, long amount)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%ld", amount);
    must(nacre_txn_put(txn, accounts, text(name), text(digits)), "put");
}

/* Moves the sum if it is there, however many others do the same at the same time. */
static int transfer(nacre_store *store, nacre_collection *accounts, const char *from, const char *to, long sum)
{
    for (;;) {
        nacre_txn *txn;
        must(nacre_txn_begin(store, NULL, &txn), "begin");
        long left = balance_in(txn, accounts, from) - sum;
        if (left < 0) {
            nacre_txn_abort(txn);
            return 0;
        }
        set_balance(txn, accounts, from, left);
        set_balance(txn, accounts, to, balance_in(txn, accounts, to) + sum);
        int status = nacre_txn_commit(txn, NULL);
        if (status == NACRE_OK)
            return 1;
        nacre_txn_abort(txn);
        if (status != NACRE_CONFLICT && status != NACRE_BUSY)
            must(status, "commit");
    }
}

static void show_conflict(nacre_store *store, nacre_collection *accounts)
{
    nacre_txn *txn;
    const char *where;
    nacre_slice key;
    must(nacre_txn_begin(store, NULL, &txn), "begin");
    set_balance(txn, accounts, "alice", balance_in(txn, accounts, "alice") + 1);
    must(nacre_put(accounts, text("alice"), text("70"), NULL), "put"); /* somebody else */
    int status = nacre_txn_commit(txn, NULL);
    check(status == NACRE_CONFLICT, "the first to commit wins");
    must(nacre_txn_conflict(txn, &where, &key), "conflict");
    printf("conflict: %s/%.*s\n", where, (int)key.size, (const char *)key.data);
    nacre_txn_abort(txn);
}

static void show_savepoint(nacre_store *store, nacre_collection *accounts)
{
    nacre_txn *txn;
    uint64_t before;
    must(nacre_txn_begin(store, NULL, &txn), "begin");
    set_balance(txn, accounts, "carol", 1);
    must(nacre_txn_savepoint(txn, &before), "savepoint");
    set_balance(txn, accounts, "carol", 2);
    must(nacre_txn_rollback_to(txn, before), "rollback");
    check(balance_in(txn, accounts, "carol") == 1, "the second put never was");
    must(nacre_txn_commit(txn, NULL), "commit");
}

/* A name that nobody of its initial has: a range that must stay empty. */
static int add_if_first(nacre_store *store, nacre_collection *accounts, const char *name)
{
    nacre_txn *txn;
    nacre_cursor *cursor;
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    options.prefix = (nacre_slice){ name, 1 };
    must(nacre_txn_begin(store, NULL, &txn), "begin");
    must(nacre_txn_scan(txn, accounts, &options, &cursor), "scan");
    bool taken = nacre_cursor_valid(cursor);
    nacre_cursor_close(cursor);
    if (!taken)
        set_balance(txn, accounts, name, 0);
    int status = taken ? NACRE_EXISTS : nacre_txn_commit(txn, NULL);
    if (status != NACRE_OK)
        nacre_txn_abort(txn);
    return status;
}

int main(void)
{
    nacre_store *store;
    must(nacre_open("transaction.nacre", NULL, &store), "open");
    nacre_collection *accounts = collection(store, "accounts");
    must(nacre_collection_clear(accounts), "clear");
    must(nacre_put(accounts, text("alice"), text("100"), NULL), "put");

    check(transfer(store, accounts, "alice", "bob", 30), "there is enough");
    check(!transfer(store, accounts, "bob", "alice", 31), "there is not");
    show_conflict(store, accounts);
    show_savepoint(store, accounts);
    check(add_if_first(store, accounts, "dave") == NACRE_OK, "nobody begins with d");
    check(add_if_first(store, accounts, "dora") == NACRE_EXISTS, "somebody does now");

    nacre_collection_close(accounts);
    must(nacre_close(store), "close");
    return 0;
}
