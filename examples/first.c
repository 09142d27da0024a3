/* The program on the first page of README.md: as little as it takes to store a value and read it back. */
#include <nacre/nacre.h>
#include <stdio.h>

int main(void)
{
    nacre_store *store = NULL;
    nacre_collection *fruit = NULL;
    nacre_value color = { 0 };
    nacre_slice key = { "apple", 5 }, value = { "red", 3 };

    int failed =
        nacre_open("first.nacre", NULL, &store) ||
        (nacre_collection_open(store, "fruit", &fruit) && nacre_collection_create(store, "fruit", NULL, &fruit)) ||
        nacre_put(fruit, key, value, NULL) || /* on the disk when it returns */
        nacre_get(fruit, key, NULL, &color);
    if (failed)
        fprintf(stderr, "%s\n", nacre_last_error());
    else
        printf("an apple is %.*s\n", (int)color.slice.size, (const char *)color.slice.data);

    nacre_value_release(&color);
    nacre_collection_close(fruit);
    return nacre_close(store) || failed;
}
