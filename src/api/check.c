/* Argument checks (see check.h). */
#include "api/check.h"
#include "base/status.h"

int check_options(void *known, size_t known_size, const void *options, const char *what)
{
    size_t given = 0;
    memset(known, 0, known_size);
    if (options) {
        memcpy(&given, options, sizeof given);
        if (given < sizeof given || given > 4096) {
            return fail(NACRE_INVALID, "%s: struct_size is %zu; make the options with their _INIT macro", what, given);
        }
        memcpy(known, options, given < known_size ? given : known_size);
        for (size_t i = known_size; i < given; i++) {
            if (((const unsigned char *)options)[i] != 0) {
                return fail(NACRE_UNSUPPORTED,
                            "%s: the caller was built with a newer header and sets an option at byte %zu that this "
                            "library does not know",
                            what, i);
            }
        }
    }
    memcpy(known, &known_size, sizeof known_size);
    return NACRE_OK;
}

int check_store(const nacre_store *store)
{
    return store ? store_check_process(store) : fail(NACRE_INVALID, "the store is NULL");
}

int check_collection(const nacre_collection *collection)
{
    if (!collection) {
        return fail(NACRE_INVALID, "the collection is NULL");
    }
    if (atomic_load_explicit(&collection->dropped, memory_order_relaxed)) {
        return fail(NACRE_NOT_FOUND, "collection '%s' was dropped", collection->name);
    }
    return store_check_process(collection->store);
}

int check_key(const nacre_collection *collection, nacre_slice key)
{
    const struct kind *kind = collection->kind;
    if (key.size == 0) {
        return fail(NACRE_INVALID, "the key is empty; keys have 1 to %u bytes", kind->key_max);
    }
    if (key.size > kind->key_max) {
        return fail(NACRE_LIMIT, "the key has %zu bytes; the limit of the kind %s is %u", key.size, kind->name,
                    kind->key_max);
    }
    return key.data ? NACRE_OK : fail(NACRE_INVALID, "the key's data is NULL");
}

int check_value(const nacre_collection *collection, nacre_slice value)
{
    if (value.size > NACRE_VALUE_MAX) {
        return fail(NACRE_LIMIT, "the value has %zu bytes; the limit is %u", value.size, NACRE_VALUE_MAX);
    }
    if (value.size + collection->kind->key_max + 64 > NACRE_BATCH_MAX) {
        return fail(NACRE_LIMIT, "the value has %zu bytes; a write takes at most %llu", value.size,
                    (unsigned long long)NACRE_BATCH_MAX);
    }
    return value.data || value.size == 0 ? NACRE_OK : fail(NACRE_INVALID, "the value's data is NULL");
}

int check_bound(const nacre_collection *collection, nacre_slice bound, const char *which)
{
    const struct kind *kind = collection->kind;
    if (bound.size > kind->key_max) {
        return fail(NACRE_LIMIT, "%s has %zu bytes; the limit of keys of the kind %s is %u", which, bound.size,
                    kind->name, kind->key_max);
    }
    return bound.data || bound.size == 0 ? NACRE_OK : fail(NACRE_INVALID, "%s: its data is NULL", which);
}

int check_range(const nacre_collection *collection, nacre_slice begin, nacre_slice end)
{
    int status = check_bound(collection, begin, "begin");
    if (status == NACRE_OK) {
        status = check_bound(collection, end, "end");
    }
    if (status == NACRE_OK && end.size && slice_compare(begin, end) >= 0) {
        status = fail(NACRE_INVALID, "begin is not before end");
    }
    return status;
}

/* Length of one well-formed UTF-8 sequence at `at`, 0 when it is none or a control character. */
static size_t character(const unsigned char *at)
{
    if (at[0] < 0x80) {
        return at[0] >= 0x20 && at[0] != 0x7f;
    }
    size_t size = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                  : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                  : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                  : 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool outside = (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf4 && at[1] >= 0x90);
    return overlong || outside ? 0 : size;
}

int check_name(const char *name)
{
    if (!name || !*name) {
        return fail(NACRE_INVALID, "the collection's name is %s", name ? "empty" : "NULL");
    }
    size_t size = strnlen(name, NACRE_NAME_MAX + 1);
    if (size > NACRE_NAME_MAX) {
        return fail(NACRE_LIMIT, "the collection's name has more than %u bytes", NACRE_NAME_MAX);
    }
    for (size_t i = 0; i < size;) {
        size_t step = name[i] == '/' ? 0 : character((const unsigned char *)name + i);
        if (step == 0) {
            return fail(
                NACRE_INVALID,
                "the collection's name has a byte 0x%02x at %zu; names are UTF-8 without '/' and control characters",
                (unsigned)(unsigned char)name[i], i);
        }
        i += step;
    }
    return NACRE_OK;
}

int check_snapshot(const nacre_snapshot *snapshot, const nacre_store *store)
{
    return !snapshot || snapshot->store == store ? NACRE_OK : fail(NACRE_INVALID, "the snapshot is of another store");
}

int check_os(const nacre_os *os)
{
    if (!os) {
        return NACRE_OK;
    }
    if (os->struct_size < sizeof *os) {
        return fail(NACRE_INVALID, "nacre_os: struct_size is %zu instead of %zu", os->struct_size, sizeof *os);
    }
    static const size_t first = offsetof(nacre_os, open) / sizeof(void *), end = sizeof *os / sizeof(void *);
    void *functions[sizeof *os / sizeof(void *)];
    memcpy(functions, os, sizeof functions);
    for (size_t i = first; i < end; i++) {
        if (!functions[i]) {
            return fail(NACRE_INVALID, "nacre_os: its function %zu is NULL", i - first);
        }
    }
    return NACRE_OK;
}
