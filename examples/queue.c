/* A queue, first in, first out: keys are big-endian numbers, so that the order of bytes is the order of arrival. Finding the
   front stays quick however much was deleted before it. */
#include "example.h"

static nacre_slice number_key(unsigned char key[8], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        key[i] = (unsigned char)(number >> (56 - 8 * i));
    return (nacre_slice){ key, 8 };
}

static uint64_t key_number(nacre_slice key)
{
    uint64_t number = 0;
    for (size_t i = 0; i < key.size; i++)
        number = number << 8 | ((const unsigned char *)key.data)[i];
    return number;
}

/* The number after the last entry; 1 in an empty queue. */
static uint64_t next_number(nacre_collection *queue)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    nacre_cursor *cursor;
    options.reverse = true;
    options.limit = 1;
    must(nacre_scan(queue, &options, &cursor), "scan");
    uint64_t next = nacre_cursor_valid(cursor) ? key_number(nacre_cursor_key(cursor)) + 1 : 1;
    nacre_cursor_close(cursor);
    return next;
}

/* Takes the first entry out; 0 where there is none. */
static int pop(nacre_collection *queue, char job[64])
{
    nacre_cursor *cursor;
    must(nacre_scan(queue, NULL, &cursor), "scan");
    int found = nacre_cursor_valid(cursor);
    if (found) {
        nacre_slice value = nacre_cursor_value(cursor);
        check(value.size < 64, "a job is short");
        memcpy(job, value.data, value.size);
        job[value.size] = '\0';
        must(nacre_delete(queue, nacre_cursor_key(cursor), NULL), "delete");
    }
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    return found;
}

int main(void)
{
    static const char *const jobs[] = { "wash", "peel", "cook" };
    nacre_store *store;
    must(nacre_open("queue.nacre", NULL, &store), "open");
    nacre_collection *queue = collection(store, "jobs");

    uint64_t number = next_number(queue);
    for (size_t i = 0; i < 3; i++) {
        unsigned char key[8];
        must(nacre_put(queue, number_key(key, number++), text(jobs[i]), NULL), "put");
    }
    char job[64];
    for (size_t i = 0; pop(queue, job); i++) {
        check(i < 3 && strcmp(job, jobs[i]) == 0, "they come out as they went in");
        printf("%s\n", job);
    }

    nacre_collection_close(queue);
    must(nacre_close(store), "close");
    return 0;
}
