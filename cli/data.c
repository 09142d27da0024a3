/* put, get, merge, delete, delete-range, delete-prefix, clear. */
#include "print.h"
#include "session.h"
#include "vector_file.h"
#include <errno.h>
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
        complain("standard input: %m");
        free(bytes.data);
        bytes.data = NULL;
    }
    return bytes;
}

/* The vector of --vector, as long as the collection has it. */
static int put_vector(const struct arguments *arguments, const struct session *session, nacre_slice key,
                      nacre_slice value, const nacre_write_options *options)
{
    nacre_collection_info info = { 0 };
    float *vector;
    uint32_t count;
    bool found;
    if (!vector_from_text("--vector", arguments->options[OPTION_VECTOR], &vector, &count)) {
        return RESULT_ERROR;
    }
    int result = RESULT_OK, status = session_find(session, arguments->items[0], &info, &found);
    if (status == NACRE_OK && info.dimension != count) {
        result =
            complain("put: --vector has %u numbers; %s has %u dimensions", count, arguments->items[0], info.dimension);
    } else if (status == NACRE_OK) {
        status = nacre_put_vector(session->collection, key, vector, value, options);
    }
    free(vector);
    return status == NACRE_OK ? result : complain_status("put", status);
}

static int put(const struct arguments *arguments, const struct session *session, nacre_slice key, nacre_slice value,
               const nacre_write_options *options)
{
    if (option_given(arguments, OPTION_VECTOR)) {
        return put_vector(arguments, session, key, value, options);
    }
    int status = nacre_put(session->collection, key, value, options);
    return status == NACRE_OK ? RESULT_OK : complain_status("put", status);
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
        result = session_close(&session, put(arguments, &session, slice_of(&key), value, &options));
    }
done:
    free(input.data);
    free(key.data);
    return result;
}

/* A number as add64 takes it. */
static bool number_operand(const char *text, uint8_t bytes[8])
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end) {
        complain("merge: add64 takes a decimal number, not '%s'", text);
        return false;
    }
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((unsigned long long)number >> (8 * i));
    }
    return true;
}

/* Whether the collection's operands are numbers. */
static int look_for_sum(const struct session *session, const char *name, bool *adds)
{
    nacre_collection_info *list = NULL;
    size_t count = 0;
    int status = nacre_collection_list(session->store, &list, &count);
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        *adds |=
            strcmp(list[i].name, name) == 0 && list[i].merge_operator && strcmp(list[i].merge_operator, "add64") == 0;
    }
    nacre_free(list);
    return status;
}

static int merge(const struct arguments *arguments, const struct session *session, nacre_slice key, nacre_slice operand,
                 const nacre_write_options *options)
{
    uint8_t number[8];
    bool adds = false;
    int status = look_for_sum(session, arguments->items[0], &adds);
    if (status == NACRE_OK && adds) {
        if (!number_operand(arguments->items[2], number)) {
            return RESULT_ERROR;
        }
        operand = (nacre_slice){ number, sizeof number };
    }
    if (status == NACRE_OK) {
        status = nacre_merge(session->collection, key, operand, options);
    }
    return status == NACRE_OK ? RESULT_OK : complain_status("merge", status);
}

int run_merge(const struct arguments *arguments)
{
    nacre_write_options options = NACRE_WRITE_OPTIONS_INIT;
    struct session session;
    struct bytes key = { NULL, 0 }, input = { NULL, 0 };
    int result = RESULT_ERROR;
    const char *text = arguments->items[2];
    if (!option_number(arguments, OPTION_TTL, 1, UINT64_MAX, &options.ttl_ms) ||
        !option_durability(arguments, &options.durability) || !key_from_text(arguments, arguments->items[1], &key)) {
        return RESULT_ERROR;
    }
    nacre_slice operand = { text, strlen(text) };
    if (strcmp(text, "-") == 0) {
        input = read_input();
        operand = slice_of(&input);
        if (!input.data) {
            goto done;
        }
    }
    if (session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        result = session_close(&session, merge(arguments, &session, slice_of(&key), operand, &options));
    }
done:
    free(input.data);
    free(key.data);
    return result;
}

static void print_numbers(const float *vector, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++) {
        printf(i ? ",%.9g" : "%.9g", (double)vector[i]);
    }
}

/* vector: NULL where it is not asked for. */
static void print_value(const struct arguments *arguments, const struct bytes *key, nacre_slice value,
                        const float *vector, uint32_t dimension)
{
    if (option_given(arguments, OPTION_JSON)) {
        putchar('{');
        print_json_bytes(stdout, "key", slice_of(key), option_given(arguments, OPTION_HEX));
        if (vector) {
            fputs(",\"vector\":[", stdout);
            print_numbers(vector, dimension);
            putchar(']');
        }
        putchar(',');
        print_json_bytes(stdout, "value", value, false);
        puts("}");
        return;
    }
    if (vector) {
        print_numbers(vector, dimension);
        putchar('\n');
    }
    if (value.size) {
        fwrite(value.data, 1, value.size, stdout);
    }
    if (!option_given(arguments, OPTION_RAW)) {
        putchar('\n');
    }
}

static int get(const struct arguments *arguments, const struct session *session, const struct bytes *key)
{
    nacre_collection_info info = { 0 };
    nacre_value value;
    float *vector = NULL;
    bool with_vector = option_given(arguments, OPTION_WITH_VECTOR), found;
    int status = with_vector ? session_find(session, arguments->items[0], &info, &found) : NACRE_OK;
    if (status == NACRE_OK && with_vector && !(vector = malloc((info.dimension + 1) * sizeof *vector))) {
        return complain("get: out of memory");
    }
    if (status == NACRE_OK) {
        status = with_vector ? nacre_get_vector(session->collection, slice_of(key), NULL, vector, &value)
                             : nacre_get(session->collection, slice_of(key), NULL, &value);
    }
    if (status == NACRE_OK) {
        print_value(arguments, key, value.slice, vector, info.dimension);
        nacre_value_release(&value);
    }
    free(vector);
    return status == NACRE_OK          ? RESULT_OK
           : status == NACRE_NOT_FOUND ? RESULT_NO_MATCH
                                       : complain_status("get", status);
}

int run_get(const struct arguments *arguments)
{
    struct session session;
    struct bytes key;
    int result = RESULT_ERROR;
    if (!key_from_text(arguments, arguments->items[1], &key)) {
        return RESULT_ERROR;
    }
    if (session_open(&session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        result = session_close(&session, get(arguments, &session, &key));
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
