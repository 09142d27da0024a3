/* put, get, delete, delete-range, delete-prefix, clear. */
#include "print.h"
#include "session.h"
#include <stdlib.h>
#include <string.h>

/* All of standard input; NULL data after saying what is wrong. */
static struct bytes read_input(void)
{
    struct bytes bytes = { malloc(65536), 0 };
    size_t space = 65536, got;
    while (bytes.data && (got = fread(bytes.data + bytes.size, 1, space - bytes.size, stdin)) > 0) {
        bytes.size += got;
        if (bytes.size == space) {
            unsigned char *larger = realloc(bytes.data, space *= 2);
            if (!larger) {
                free(bytes.data);
            }
            bytes.data = larger;
        }
    }
    if (!bytes.data) {
        complain("put: out of memory after %zu bytes of standard input", bytes.size);
    } else if (ferror(stdin)) {
        complain("put: standard input: %m");
        free(bytes.data);
        bytes.data = NULL;
    }
    return bytes;
}

int run_put(const struct arguments *arguments)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    struct session session;
    struct bytes key = { NULL, 0 }, input = { NULL, 0 };
    int result = RESULT_ERROR;
    const char *text = arguments->count > 2 ? arguments->items[2] : "";
    if (!option_number(arguments, OPTION_TTL, 1, UINT64_MAX, &options.ttl_ms) ||
        !option_durability(arguments, &options.durability) || !key_from_text(arguments, arguments->items[1], &key)) {
        return RESULT_ERROR;
    }
    nacre_slice value = { text, strlen(text) };
    if (strcmp(text, "-") == 0) {
        input = read_input();
        value = slice_of(&input);
        if (!input.data) {
            goto done;
        }
    }
    if (session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        int status = nacre_put(session.collection, slice_of(&key), value, &options);
        result = session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("put", status));
    }
done:
    free(input.data);
    free(key.data);
    return result;
}

static void print_value(const struct arguments *arguments, const struct bytes *key, nacre_slice value)
{
    if (option_given(arguments, OPTION_JSON)) {
        putchar('{');
        print_json_bytes(stdout, "key", slice_of(key), option_given(arguments, OPTION_HEX));
        putchar(',');
        print_json_bytes(stdout, "value", value, false);
        puts("}");
        return;
    }
    if (value.size) {
        fwrite(value.data, 1, value.size, stdout);
    }
    if (!option_given(arguments, OPTION_RAW)) {
        putchar('\n');
    }
}

int run_get(const struct arguments *arguments)
{
    struct session session;
    struct bytes key;
    nacre_value value;
    int result = RESULT_ERROR;
    if (!key_from_text(arguments, arguments->items[1], &key)) {
        return RESULT_ERROR;
    }
    if (session_open(&session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        int status = nacre_get(session.collection, slice_of(&key), NULL, &value);
        if (status == NACRE_OK) {
            print_value(arguments, &key, value.slice);
            nacre_value_release(&value);
            result = RESULT_OK;
        } else {
            result = status == NACRE_NOT_FOUND ? RESULT_NO_MATCH : complain_status("get", status);
        }
        result = session_close(&session, result);
    }
    free(key.data);
    return result;
}

static int fill_batch(const struct arguments *arguments, nacre_batch *batch, nacre_collection *collection)
{
    for (unsigned i = 1; i < arguments->count; i++) {
        struct bytes key;
        if (!key_from_text(arguments, arguments->items[i], &key)) {
            return RESULT_ERROR;
        }
        int status = nacre_batch_delete(batch, collection, slice_of(&key));
        free(key.data);
        if (status != NACRE_OK) {
            return complain_status("delete", status);
        }
    }
    return RESULT_OK;
}

int run_delete(const struct arguments *arguments)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    struct session session;
    nacre_batch *batch;
    if (!option_durability(arguments, &options.durability) ||
        session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int result = RESULT_OK;
    int status = nacre_batch_create(&batch);
    if (status == NACRE_OK && (result = fill_batch(arguments, batch, session.collection)) == RESULT_OK) {
        status = nacre_write(session.store, batch, &options);
    }
    if (status != NACRE_OK) {
        result = complain_status("delete", status);
    }
    nacre_batch_free(batch);
    return session_close(&session, result);
}

int run_delete_range(const struct arguments *arguments)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    struct session session;
    struct bytes begin = { NULL, 0 }, end = { NULL, 0 };
    int result = RESULT_ERROR;
    if (option_durability(arguments, &options.durability) && key_from_text(arguments, arguments->items[1], &begin) &&
        key_from_text(arguments, arguments->items[2], &end) &&
        session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        int status = nacre_delete_range(session.collection, slice_of(&begin), slice_of(&end), &options);
        result = session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("delete-range", status));
    }
    free(begin.data);
    free(end.data);
    return result;
}

int run_delete_prefix(const struct arguments *arguments)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    struct session session;
    struct bytes prefix = { NULL, 0 };
    int result = RESULT_ERROR;
    if (option_durability(arguments, &options.durability) && key_from_text(arguments, arguments->items[1], &prefix) &&
        session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        int status = nacre_delete_prefix(session.collection, slice_of(&prefix), &options);
        result = session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("delete-prefix", status));
    }
    free(prefix.data);
    return result;
}

int run_clear(const struct arguments *arguments)
{
    struct session session;
    if (session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int status = nacre_collection_clear(session.collection);
    return session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("clear", status));
}
