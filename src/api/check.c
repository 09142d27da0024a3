/* Argument checks (see check.h). */
#include "api/check.h"
#include "base/status.h"
#include "distance/distance.h"
#include "merge/operators.h"

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
    if (value.size + collection->kind->key_max + collection->vector_bytes + 64 > NACRE_BATCH_MAX) {
        return fail(NACRE_LIMIT, "the value has %zu bytes; a write takes at most %llu", value.size,
                    (unsigned long long)NACRE_BATCH_MAX);
    }
    return value.data || value.size == 0 ? NACRE_OK : fail(NACRE_INVALID, "the value's data is NULL");
}

int check_holds_vectors(const nacre_collection *collection)
{
    return collection->kind->holds_vectors
               ? NACRE_OK
               : fail(NACRE_UNSUPPORTED, "collection '%s' is of kind %s, which holds no vectors", collection->name,
                      collection->kind->name);
}

int check_vector(const nacre_collection *collection, const float *vector)
{
    int status = check_holds_vectors(collection);
    if (status != NACRE_OK) {
        return status;
    }
    if (!vector) {
        return fail(NACRE_INVALID, "the vector is NULL; collection '%s' has %u dimensions", collection->name,
                    collection->dimension);
    }
    if (!vector_is_finite(vector, collection->dimension)) {
        return fail(NACRE_INVALID, "the vector has an element that is no finite number");
    }
    if (collection->metric == NACRE_COSINE && vector_is_zero(vector, collection->dimension)) {
        return fail(NACRE_INVALID, "the vector is all zero: it has no angle to any other, as the metric cosine needs");
    }
    return NACRE_OK;
}

int check_put(const nacre_collection *collection, nacre_slice key, nacre_slice value)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK ||
        (status = check_value(collection, value)) != NACRE_OK) {
        return status;
    }
    return !collection->kind->holds_vectors
               ? NACRE_OK
               : fail(NACRE_INVALID, "collection '%s' holds vectors: a put needs one", collection->name);
}

int check_put_vector(const nacre_collection *collection, nacre_slice key, const float *vector, nacre_slice value)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK ||
        (status = check_vector(collection, vector)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK) {
        return status;
    }
    return check_value(collection, value);
}

int check_merge(const nacre_collection *collection, nacre_slice key, nacre_slice operand)
{
    int status;
    if ((status = check_collection(collection)) != NACRE_OK || (status = check_key(collection, key)) != NACRE_OK ||
        (status = check_value(collection, operand)) != NACRE_OK) {
        return status;
    }
    return collection->merge_operator
               ? NACRE_OK
               : fail(NACRE_UNSUPPORTED, "collection '%s' was made without a merge operator", collection->name);
}

int check_write_options(const nacre_write_options *given, nacre_write_options *options)
{
    if (!given) {
        *options = (nacre_write_options)NACRE_WRITE_OPTIONS_INIT;
        return NACRE_OK;
    }
    int status = check_options(options, sizeof *options, given, "nacre_write_options");
    if (status == NACRE_OK && (unsigned)options->durability > NACRE_DISK) {
        status = fail(NACRE_INVALID, "durability %d is none of the levels", (int)options->durability);
    }
    return status;
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

int check_scan_options(const nacre_collection *collection, const nacre_scan_options *given, nacre_scan_options *options)
{
    int status = check_options(options, sizeof *options, given, "nacre_scan_options");
    if (status != NACRE_OK || (status = check_bound(collection, options->begin, "begin")) != NACRE_OK ||
        (status = check_bound(collection, options->end, "end")) != NACRE_OK ||
        (status = check_bound(collection, options->prefix, "prefix")) != NACRE_OK) {
        return status;
    }
    return check_snapshot(options->snapshot, collection->store);
}

static int check_hook_name(const char *name, const char *what)
{
    if (!name || !*name) {
        return fail(NACRE_INVALID, "hooks: the name of a %s is %s", what, name ? "empty" : "NULL");
    }
    if (strnlen(name, NACRE_NAME_MAX + 1) > NACRE_NAME_MAX) {
        return fail(NACRE_LIMIT, "hooks: the name of a %s has more than %u bytes", what, NACRE_NAME_MAX);
    }
    return NACRE_OK;
}

static int check_operators(const nacre_merge_operator *operators, size_t count)
{
    int status = operators || count == 0 ? NACRE_OK : fail(NACRE_INVALID, "hooks: merge_operators is NULL");
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = check_hook_name(operators[i].name, "merge operator");
        if (status == NACRE_OK && !operators[i].merge) {
            status = fail(NACRE_INVALID, "hooks: the merge operator '%s' has no function merge", operators[i].name);
        }
        if (status == NACRE_OK && merge_operator_is_reserved(operators[i].name)) {
            status = fail(NACRE_EXISTS, "hooks: '%s' is a merge operator of the engine", operators[i].name);
        }
        for (size_t j = 0; j < i && status == NACRE_OK; j++) {
            if (strcmp(operators[i].name, operators[j].name) == 0) {
                status = fail(NACRE_EXISTS, "hooks: two merge operators are named '%s'", operators[i].name);
            }
        }
    }
    return status;
}

static int check_filters(const nacre_compaction_filter *filters, size_t count)
{
    int status = filters || count == 0 ? NACRE_OK : fail(NACRE_INVALID, "hooks: compaction_filters is NULL");
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = check_hook_name(filters[i].name, "compaction filter");
        if (status == NACRE_OK && !filters[i].filter) {
            status = fail(NACRE_INVALID, "hooks: the compaction filter '%s' has no function", filters[i].name);
        }
        for (size_t j = 0; j < i && status == NACRE_OK; j++) {
            if (strcmp(filters[i].name, filters[j].name) == 0) {
                status = fail(NACRE_EXISTS, "hooks: two compaction filters are named '%s'", filters[i].name);
            }
        }
    }
    return status;
}

int check_hooks(const nacre_hooks *hooks, nacre_hooks *known)
{
    int status = check_options(known, sizeof *known, hooks, "nacre_hooks");
    if (status == NACRE_OK) {
        status = check_operators(known->merge_operators, known->merge_operator_count);
    }
    return status == NACRE_OK ? check_filters(known->compaction_filters, known->compaction_filter_count) : status;
}

int check_os(const nacre_os *os)
{
    if (!os) {
        return NACRE_OK;
    }
    const size_t needed = offsetof(nacre_os, pin); /* the rest may be missing */
    if (os->struct_size < needed) {
        return fail(NACRE_INVALID, "nacre_os: struct_size is %zu instead of %zu", os->struct_size, sizeof *os);
    }
    static const size_t first = offsetof(nacre_os, open) / sizeof(void *),
                        end = offsetof(nacre_os, pin) / sizeof(void *);
    void *functions[offsetof(nacre_os, pin) / sizeof(void *)];
    memcpy(functions, os, sizeof functions);
    for (size_t i = first; i < end; i++) {
        if (!functions[i]) {
            return fail(NACRE_INVALID, "nacre_os: its function %zu is NULL", i - first);
        }
    }
    return NACRE_OK;
}
