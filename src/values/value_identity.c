/* What tells two value files apart without reading their values. Pure but for reading. */
#include "base/hash.h"
#include "os/os.h"
#include "values/value_format.h"

int value_file_identity(const nacre_os *os, const char *path, uint64_t id, uint64_t bytes, uint64_t *identity)
{
    nacre_file *file = NULL;
    uint64_t at = VALUE_HEADER_BYTES, sum = hash_seeded(&bytes, sizeof bytes, id);
    bool whole = true;
    int status = os->open(os->context, path, NACRE_FILE_READ, &file);
    if (status != NACRE_OK) {
        return status;
    }
    while (status == NACRE_OK && whole && at < bytes) {
        uint8_t header[VALUE_RECORD_HEADER_BYTES];
        struct value_record_header record;
        size_t got = 0;
        status = os->read(file, at, header, sizeof header, &got);
        whole = status == NACRE_OK && got == sizeof header && value_record_decode(header, id, at, &record);
        if (whole) {
            sum = hash_seeded(header, sizeof header, sum);
            at += value_record_bytes(record.key_size, record.value_size);
        }
    }
    (void)os->close(file); /* only read: nothing can be lost */
    *identity = whole && sum ? sum : 0;
    return status;
}
