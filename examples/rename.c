/* A transaction over two kinds of collection: a picture gets another name, with its vector and its caption, unless the name is taken; how often pictures were renamed is counted. */
#include "example.h"

#define DIMENSION 4

static nacre_collection *made(nacre_store *store, const char *name, const nacre_collection_options *options)
{
    nacre_collection *found = NULL;
    int status = nacre_collection_create(store, name, options, &found);
    if (status == NACRE_EXISTS)
        status = nacre_collection_open(store, name, &found);
    must(status, name);
    return found;
}

static int move(nacre_txn *txn, nacre_collection *pictures, nacre_slice from, nacre_slice to)
{
    float vector[DIMENSION];
    nacre_value caption = { 0 };
    int status = nacre_txn_get_vector(txn, pictures, to, vector, &caption);
    nacre_value_release(&caption);
    if (status != NACRE_NOT_FOUND)
        return status == NACRE_OK ? NACRE_EXISTS : status;
    status = nacre_txn_get_vector(txn, pictures, from, vector, &caption);
    if (status == NACRE_OK)
        status = nacre_txn_put_vector(txn, pictures, to, vector, caption.slice);
    if (status == NACRE_OK)
        status = nacre_txn_delete(txn, pictures, from);
    nacre_value_release(&caption);
    return status;
}

/* NACRE_EXISTS: the name is taken; NACRE_NOT_FOUND: there is no such picture. */
static int rename_picture(nacre_store *store, nacre_collection *pictures, nacre_collection *counts, const char *from,
                          const char *to)
{
    static const unsigned char one[8] = { 1 }; /* little-endian */
    for (;;) {
        nacre_txn *txn;
        must(nacre_txn_begin(store, NULL, &txn), "begin");
        int status = move(txn, pictures, text(from), text(to));
        if (status == NACRE_OK)
            status = nacre_txn_merge(txn, counts, text("renamed"), (nacre_slice){ one, sizeof one });
        if (status == NACRE_OK)
            status = nacre_txn_commit(txn, NULL);
        if (status == NACRE_OK)
            return NACRE_OK;
        nacre_txn_abort(txn);
        if (status != NACRE_CONFLICT && status != NACRE_BUSY) /* somebody else was at these names: again */
            return status;
    }
}

int main(void)
{
    static const float sea[DIMENSION] = { 0.1f, 0.2f, 0.9f, 0.3f };
    nacre_collection_options vectors = NACRE_COLLECTION_OPTIONS_INIT, counters = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_store *store;
    nacre_neighbors near;
    vectors.kind = NACRE_VECTORS;
    vectors.dimension = DIMENSION;
    vectors.metric = NACRE_COSINE;
    counters.merge_operator = "add64";
    must(nacre_open("rename.nacre", NULL, &store), "open");
    nacre_collection *pictures = made(store, "pictures", &vectors), *counts = made(store, "counts", &counters);
    must(nacre_put_vector(pictures, text("IMG_0001"), sea, text("at the sea"), NULL), "put vector");

    check(rename_picture(store, pictures, counts, "IMG_0001", "holiday") == NACRE_OK, "it has its name");
    check(rename_picture(store, pictures, counts, "holiday", "holiday") == NACRE_EXISTS, "that name is taken");
    check(rename_picture(store, pictures, counts, "IMG_0001", "other") == NACRE_NOT_FOUND, "the old name is gone");
    must(nacre_nearest(pictures, sea, 1, NULL, &near), "nearest");
    check(near.count == 1 && near.items[0].key.size == strlen("holiday"), "it is found by its vector");
    printf("nearest to the sea: %.*s\n", (int)near.items[0].key.size, (const char *)near.items[0].key.data);
    nacre_neighbors_release(&near);

    nacre_collection_close(counts);
    nacre_collection_close(pictures);
    must(nacre_close(store), "close");
    return 0;
}
