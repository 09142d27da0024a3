/* Any bytes as a file to import, in each format (the first byte chooses): the reader ends, keeps its slices in its memory, and what it read is
   read back the same from what `nacre dump` and export would write of it. */
#include "../../cli/record.h"
#include <stdlib.h>

static void must(bool fine)
{
    if (!fine) {
        abort();
    }
}

static uint64_t sum_of(nacre_slice bytes)
{
    uint64_t sum = bytes.size;
    for (size_t i = 0; i < bytes.size; i++) {
        sum = sum * 31 + ((const unsigned char *)bytes.data)[i];
    }
    return sum;
}

static void read_back(const struct record_reader *reader)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out);
    record_write(out, RECORD_JSONL, reader->key, reader->value, false, true);
    must(fclose(out) == 0 && size > 0);
    struct record_reader again = { .file = fmemopen(text, size, "r"), .name = "again", .format = RECORD_JSONL };
    must(again.file && record_read(&again) == 1);
    must(again.key.size == reader->key.size && sum_of(again.key) == sum_of(reader->key));
    must(again.value.size == reader->value.size && sum_of(again.value) == sum_of(reader->value));
    fclose(again.file);
    record_reader_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    if (!nowhere) { /* what is wrong with a line is said on stderr; the sanitizers write to descriptor 2, which stays */
        must((nowhere = fopen("/dev/null", "w")) != NULL);
        stderr = nowhere;
    }
    if (size < 2) {
        return 0;
    }
    struct record_reader reader = { .file = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r"),
                                    .name = "input",
                                    .format = (enum record_format)(data[0] % 4),
                                    .hex = data[0] / 4 % 2 };
    must(reader.file);
    uint64_t records = 0;
    for (int got = 1; got != 0 && records < 1000; records++) {
        got = record_read(&reader);
        if (got > 0) {
            read_back(&reader);
        } else if (got < 0) {
            break;
        }
    }
    fclose(reader.file);
    record_reader_free(&reader);
    return 0;
}
