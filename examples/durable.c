/* What a write survives is said per store and per write; a barrier makes everything durable; a state says whether the store
   takes writes. */
#include "example.h"

int main(void)
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_store *store;
    options.durability = NACRE_OS; /* of writes that do not say */
    options.memory_budget = 64 << 20;
    must(nacre_open("durable.nacre", &options, &store), "open");
    nacre_collection *orders = collection(store, "orders");

    must(nacre_put(orders, text("1"), text("seen"), NULL), "put"); /* survives this process */

    nacre_write_options paid = NACRE_WRITE_OPTIONS_INIT;
    paid.durability = NACRE_DISK;
    must(nacre_put(orders, text("2"), text("paid"), &paid), "put"); /* survives the loss of power, and so does 1 */

    must(nacre_put(orders, text("3"), text("seen"), NULL), "put");
    must(nacre_sync(store), "sync"); /* now all three do */

    char reason[256];
    if (nacre_store_state(store, reason, sizeof reason) == NACRE_STATE_READ_ONLY) {
        fprintf(stderr, "no writes now: %s\n", reason);
        must(nacre_resume(store), "resume"); /* once the cause is gone */
    }

    nacre_collection_close(orders);
    must(nacre_close(store), "close");
    printf("three orders are on the disk\n");
    return 0;
}
