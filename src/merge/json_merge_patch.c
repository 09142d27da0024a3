/* JSON merge patches (RFC 7386). Members keep the order in which they came, so that a value does not depend on when its patches were applied.

   There is no `combine`, as no one patch does what two do: {"a":1} and then {"a":{"b":2}} leave {"a":{"b":2}} of whatever there was, but any single patch
   that sets b leaves the other members that an object under "a" had. */
#include "merge/json_merge_patch.h"
#include "base/output.h"
#include "base/status.h"
#include <jansson.h>

static json_t *parse(nacre_slice text, const char *what)
{
    json_error_t error;
    json_t *json = json_loadb(text.data ? text.data : "", text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!json && json_error_code(&error) == json_error_out_of_memory) {
        (void)fail(NACRE_NO_MEMORY, "json_merge_patch: no memory for %zu bytes of JSON", text.size);
    } else if (!json) {
        (void)fail(NACRE_INVALID, "json_merge_patch: the %s is no JSON: %s at byte %d", what, error.text,
                   error.position);
    }
    return json;
}

/* Takes over `target`, which may be NULL. Returns what it becomes, or NULL without memory. Depth is bounded by the parser's. */
static json_t *apply(json_t *target, json_t *patch)
{
    if (!json_is_object(patch)) {
        json_decref(target);
        return json_incref(patch);
    }
    if (!json_is_object(target)) {
        json_decref(target);
        target = json_object();
    }
    const char *name;
    json_t *part;
    json_object_foreach(patch, name, part)
    {
        if (json_is_null(part)) {
            (void)json_object_del(target, name);
            continue;
        }
        json_t *made = apply(json_incref(json_object_get(target, name)), part);
        if (!made || json_object_set_new(target, name, made) != 0) {
            json_decref(target);
            return NULL;
        }
    }
    return target;
}

static int append_text(const char *text, size_t size, void *output)
{
    return output_append(output, slice_of(text, size)) == NACRE_OK ? 0 : -1;
}

int json_merge_patch(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                     nacre_output *value)
{
    (void)context;
    (void)key;
    json_t *target = base ? parse(*base, "value") : NULL;
    int status = base && !target ? NACRE_INVALID : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        json_t *patch = parse(operands[i], "operand");
        if (!patch) {
            status = NACRE_INVALID;
            break;
        }
        target = apply(target, patch);
        json_decref(patch);
        status = target ? NACRE_OK : fail(NACRE_NO_MEMORY, "json_merge_patch: no memory to apply a patch");
    }
    if (status == NACRE_OK && json_dump_callback(target, append_text, value, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
        status = value->status != NACRE_OK ? value->status
                                           : fail(NACRE_NO_MEMORY, "json_merge_patch: no memory to write the value");
    }
    json_decref(target);
    return status;
}
