/* Bulk load: a dictionary that is sorted already goes into the store past its log, by two writers, and appears at one instant; then vectors. */
#include "example.h"

#define WORDS 200000

static nacre_slice word(unsigned number, char *room, size_t size)
{
    return (nacre_slice){ room, (size_t)snprintf(room, size, "word %06u", number) };
}

/* Keys ascend within a writer; each writer could be filled by a thread of its own. */
static nacre_segment_writer *fill(nacre_collection *words, unsigned begin, unsigned end)
{
    nacre_segment_writer *writer;
    char key[32], value[32];
    must(nacre_segment_writer_create(words, NULL, &writer), "segment writer");
    for (unsigned number = begin; number < end; number++) {
        snprintf(value, sizeof value, "%u", number * 7);
        must(nacre_segment_writer_put(writer, word(number, key, sizeof key), text(value)), "segment writer put");
    }
    return writer;
}

/* Vectors come by writers, too; a graph over them is built behind. */
static void load_vectors(nacre_store *store)
{
    nacre_collection_options options = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_segment_writer *writer;
    nacre_collection *colours;
    options.kind = NACRE_VECTORS;
    options.dimension = 3;
    options.metric = NACRE_L2;
    must(nacre_collection_create(store, "colours", &options, &colours), "colours");
    must(nacre_segment_writer_create(colours, NULL, &writer), "segment writer");
    for (unsigned i = 0; i < 4096; i++) {
        const float colour[] = { (float)(i >> 8), (float)(i >> 4 & 15), (float)(i & 15) };
        char key[32];
        snprintf(key, sizeof key, "#%03x", i);
        must(nacre_segment_writer_put_vector(writer, text(key), colour, text("")), "segment writer put vector");
    }
    must(nacre_ingest(colours, &writer, 1), "ingest");
    nacre_segment_writer_free(writer);
    nacre_collection_close(colours);
}

static unsigned count(nacre_collection *words)
{
    nacre_cursor *cursor;
    unsigned seen = 0;
    must(nacre_scan(words, NULL, &cursor), "scan");
    for (; nacre_cursor_valid(cursor); nacre_cursor_next(cursor))
        seen++;
    must(nacre_cursor_status(cursor), "cursor");
    nacre_cursor_close(cursor);
    return seen;
}

int main(void)
{
    nacre_store *store;
    must(nacre_open("bulk.nacre", NULL, &store), "open");
    nacre_collection *words = collection(store, "words");
    must(nacre_put(words, text("word 000007"), text("an older value"), NULL), "put");

    nacre_segment_writer *writers[2] = { fill(words, 0, WORDS / 2), fill(words, WORDS / 2, WORDS) };
    check(count(words) == 1, "nothing of it is visible yet");
    check(nacre_segment_writer_put(writers[0], text("a"), text("")) == NACRE_INVALID, "a key that comes too late");
    printf("refused: %s\n", nacre_last_error());

    must(nacre_ingest(words, writers, 2), "ingest"); /* durable, and visible as a whole */
    nacre_segment_writer_free(writers[0]);
    nacre_segment_writer_free(writers[1]);
    printf("%u words\n", count(words));
    check(count(words) == WORDS, "all of them are there");

    nacre_value value;
    must(nacre_get(words, text("word 000007"), NULL, &value), "get");
    check(value.slice.size == 2 && memcmp(value.slice.data, "49", 2) == 0, "what was there before is overwritten");
    nacre_value_release(&value);
    load_vectors(store);

    nacre_collection_close(words);
    must(nacre_close(store), "close");
    return 0;
}
