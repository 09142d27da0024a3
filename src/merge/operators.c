/* The engine's merge operators, and calls to any; see operators.h. */
#include "merge/operators.h"
#include "base/endian.h"
#include "base/status.h"
#include "merge/json_merge_patch.h"

#define APPEND      "append"
#define APPEND_WITH "append:"

/* ---- append ---- */

static int append_one(nacre_output *value, const char *separator, bool first, nacre_slice bytes)
{
    int status = first ? NACRE_OK : output_append(value, slice_text(separator));
    return status == NACRE_OK ? output_append(value, bytes) : status;
}

static int append_merge(void *separator, nacre_slice key, const nacre_slice *base, const nacre_slice *operands,
                        size_t count, nacre_output *value)
{
    (void)key;
    int status = base ? append_one(value, separator, true, *base) : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = append_one(value, separator, !base && i == 0, operands[i]);
    }
    return status;
}

static int append_combine(void *separator, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    (void)key;
    int status = append_one(operand, separator, true, older);
    return status == NACRE_OK ? append_one(operand, separator, false, newer) : status;
}

/* ---- add64 ---- */

static int add_one(uint64_t *sum, nacre_slice number, const char *what)
{
    if (number.size != 8) {
        return fail(NACRE_INVALID, "add64: the %s has %zu bytes instead of 8", what, number.size);
    }
    *sum += load_u64(number.data); /* unsigned: it wraps */
    return NACRE_OK;
}

static int append_sum(uint64_t sum, nacre_output *output)
{
    uint8_t bytes[8];
    store_u64(bytes, sum);
    return output_append(output, slice_of(bytes, sizeof bytes));
}

static int add64_merge(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands,
                       size_t count, nacre_output *value)
{
    (void)context;
    (void)key;
    uint64_t sum = 0;
    int status = base ? add_one(&sum, *base, "value") : NACRE_OK;
    for (size_t i = 0; i < count && status == NACRE_OK; i++) {
        status = add_one(&sum, operands[i], "operand");
    }
    return status == NACRE_OK ? append_sum(sum, value) : status;
}

static int add64_combine(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    (void)context;
    (void)key;
    uint64_t sum = 0;
    int status = add_one(&sum, older, "operand");
    if (status == NACRE_OK) {
        status = add_one(&sum, newer, "operand");
    }
    return status == NACRE_OK ? append_sum(sum, operand) : status;
}

/* ---- min, max ---- */

static int choose(int sign, const nacre_slice *base, const nacre_slice *operands, size_t count, nacre_output *value)
{
    nacre_slice best = base ? *base : operands[0];
    for (size_t i = 0; i < count; i++) {
        if (sign * slice_compare(operands[i], best) > 0) {
            best = operands[i];
        }
    }
    return output_append(value, best);
}

static int min_merge(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                     nacre_output *value)
{
    (void)context;
    (void)key;
    return choose(-1, base, operands, count, value);
}

static int min_combine(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    return min_merge(context, key, &older, &newer, 1, operand);
}

static int max_merge(void *context, nacre_slice key, const nacre_slice *base, const nacre_slice *operands, size_t count,
                     nacre_output *value)
{
    (void)context;
    (void)key;
    return choose(1, base, operands, count, value);
}

static int max_combine(void *context, nacre_slice key, nacre_slice older, nacre_slice newer, nacre_output *operand)
{
    return max_merge(context, key, &older, &newer, 1, operand);
}

/* ---- by name ---- */

static const nacre_merge_operator own[] = {
    { APPEND, (char[]){ "" }, append_merge, append_combine },
    { "add64", NULL, add64_merge, add64_combine },
    { "min", NULL, min_merge, min_combine },
    { "max", NULL, max_merge, max_combine },
    { "json_merge_patch", NULL, json_merge_patch, NULL },
};
#define OWN_COUNT (sizeof own / sizeof own[0])

bool merge_operator_built_in(const char *name, nacre_merge_operator *operator)
{
    if (strncmp(name, APPEND_WITH, sizeof APPEND_WITH - 1) == 0) {
        char *separator = (char *)(uintptr_t)name + sizeof APPEND_WITH - 1; /* nothing is changed through it */
        *operator=(nacre_merge_operator){ name, separator, append_merge, append_combine };
        return true;
    }
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (strcmp(own[i].name, name) == 0) {
            *operator= own[i];
            return true;
        }
    }
    return false;
}

bool merge_operator_is_reserved(const char *name)
{
    nacre_merge_operator found;
    return merge_operator_built_in(name, &found);
}

/* ---- calls ---- */

/* The engine's own operators tell what is wrong; of others only the code is known. */
static bool tells(const nacre_merge_operator *operator)
{
    for (size_t i = 0; i < OWN_COUNT; i++) {
        if (own[i].merge == operator->merge) {
            return true;
        }
    }
    return false;
}

static int end_call(const nacre_merge_operator *operator, nacre_slice key, int status,
                    const struct nacre_output *output)
{
    if (status == NACRE_OK && output->status == NACRE_OK) {
        return NACRE_OK;
    }
    if (status == NACRE_OK || status == output->status) {
        return output->status; /* with the detail of who noticed */
    }
    if (tells(operator)) {
        return fail_context(status, "merge operator '%s', key of %zu bytes", operator->name, key.size);
    }
    int code = status < 0 && status != NACRE_NOT_FOUND ? status : NACRE_INVALID;
    return fail(code, "merge operator '%s' gave %d for a key of %zu bytes", operator->name, status, key.size);
}

int merge_operator_merge(const nacre_merge_operator *operator, nacre_slice key, const nacre_slice *base,
                         const nacre_slice *operands, size_t count, struct nacre_output *value)
{
    output_clear(value);
    return end_call(operator, key, operator->merge(operator->context, key, base, operands, count, value), value);
}

int merge_operator_combine(const nacre_merge_operator *operator, nacre_slice key, nacre_slice older, nacre_slice newer,
                           struct nacre_output *operand)
{
    output_clear(operand);
    return end_call(operator, key, operator->combine(operator->context, key, older, newer, operand), operand);
}
