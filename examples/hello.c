/* The shortest program: open a store, put, get, scan. It may be run any number of times. */
#include <nacre/nacre.h>
#include <stdio.h>

#define SLICE(text) ((nacre_slice){ text, sizeof text - 1 })

int main(void)
{
    nacre_store *store = NULL;
    nacre_collection *fruit = NULL;
    nacre_cursor *cursor = NULL;
    nacre_value color = { 0 };

    int status = nacre_open("hello.nacre", NULL, &store);
    if (status == NACRE_OK) {
        status = nacre_collection_open(store, "fruit", &fruit);
        if (status == NACRE_NOT_FOUND)
            status = nacre_collection_create(store, "fruit", NULL, &fruit);
    }
    if (status == NACRE_OK)
        status = nacre_put(fruit, SLICE("apple"), SLICE("red"), NULL); /* on the disk when it returns */
    if (status == NACRE_OK)
        status = nacre_put(fruit, SLICE("lemon"), SLICE("yellow"), NULL);
    if (status == NACRE_OK)
        status = nacre_get(fruit, SLICE("apple"), NULL, &color);
    if (status == NACRE_OK)
        printf("an apple is %.*s\n", (int)color.slice.size, (const char *)color.slice.data);
    if (status == NACRE_OK)
        status = nacre_scan(fruit, NULL, &cursor);
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        nacre_slice key = nacre_cursor_key(cursor), value = nacre_cursor_value(cursor);
        printf("%.*s: %.*s\n", (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
    }

    if (status != NACRE_OK)
        fprintf(stderr, "%s: %s\n", nacre_status_name(status), nacre_last_error());
    nacre_value_release(&color);
    nacre_cursor_close(cursor);
    nacre_collection_close(fruit);
    nacre_close(store);
    return status == NACRE_OK ? 0 : 1;
}
