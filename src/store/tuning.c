/* The tuning table's values, their file and their JSON (see tuning.h). */
#include "store/tuning.h"
#include "base/memory.h"
#include "base/status.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

struct parameter {
    const char *name, *unit, *text;
    uint64_t value, least, most;
};
#define TUNING_ROW(name, unit, value, least, most, text) { #name, unit, text, value, least, most },
static const struct parameter parameters[TUNING_COUNT] = { TUNING_TABLE(TUNING_ROW) };

static int find(const char *name, size_t *index)
{
    for (size_t i = 0; i < TUNING_COUNT; i++) {
        if (strcmp(parameters[i].name, name) == 0) {
            *index = i;
            return NACRE_OK;
        }
    }
    return fail(NACRE_INVALID, "there is no tuning parameter '%s'; nacre_tuning lists them", name);
}

static int check(size_t index, uint64_t value)
{
    const struct parameter *p = &parameters[index];
    if (value == p->value || (value >= p->least && value <= p->most)) {
        return NACRE_OK;
    }
    return fail(NACRE_INVALID, "tuning parameter %s: %llu is outside of %llu to %llu %s", p->name,
                (unsigned long long)value, (unsigned long long)p->least, (unsigned long long)p->most, p->unit);
}

static int load_object(struct tuning *t, json_t *root, const char *path)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        size_t index = 0;
        if (find(name, &index) != NACRE_OK || !json_is_integer(value) || json_integer_value(value) < 0 ||
            check(index, (uint64_t)json_integer_value(value)) != NACRE_OK) {
            return fail(NACRE_CORRUPT,
                        "%s: '%s' is not a tuning parameter with a value in its range; mend or remove the file", path,
                        name);
        }
        atomic_store_explicit(&t->values[index], (uint64_t)json_integer_value(value), memory_order_relaxed);
        t->set[index] = true;
    }
    return NACRE_OK;
}

int tuning_load(struct tuning *t, const nacre_os *os, const char *store_path)
{
    for (size_t i = 0; i < TUNING_COUNT; i++) {
        atomic_init(&t->values[i], parameters[i].value);
        t->set[i] = false;
    }
    char path[OS_PATH_MAX];
    int status = os_path(path, store_path, "tuning.json");
    if (status != NACRE_OK) {
        return status;
    }
    struct buffer text = { 0 };
    json_t *root = NULL;
    json_error_t detail;
    status = os_read_file(os, path, 1 << 20, &text);
    if (status != NACRE_OK) {
        status = status == NACRE_NOT_FOUND ? NACRE_OK : status;
        goto done;
    }
    root = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &detail);
    if (!json_is_object(root)) {
        status = fail(NACRE_CORRUPT, "%s: line %d: %s; mend or remove the file", path, detail.line,
                      root ? "no object" : detail.text);
        goto done;
    }
    status = load_object(t, root, path);
done:
    json_decref(root);
    buffer_free(&text);
    return status;
}

static int save(struct tuning *t, const nacre_os *os, const char *store_path)
{
    struct buffer text = { 0 };
    int status = buffer_append_format(&text, "{");
    const char *comma = "";
    for (size_t i = 0; i < TUNING_COUNT && status == NACRE_OK; i++) {
        if (t->set[i]) {
            status =
                buffer_append_format(&text, "%s\n  \"%s\": %llu", comma, parameters[i].name,
                                     (unsigned long long)atomic_load_explicit(&t->values[i], memory_order_relaxed));
            comma = ",";
        }
    }
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "\n}\n");
    }
    if (status == NACRE_OK) {
        status = os_replace_file(os, store_path, "tuning.json", buffer_slice(&text));
    }
    buffer_free(&text);
    return status;
}

static int parse(size_t index, const char *text, uint64_t *value, bool *by_user)
{
    *by_user = strcmp(text, "default") != 0;
    if (!*by_user) {
        *value = parameters[index].value;
        return NACRE_OK;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || *text == '-') {
        return fail(NACRE_INVALID, "tuning parameter %s: '%s' is not a number (%s) nor 'default'",
                    parameters[index].name, text, parameters[index].unit);
    }
    *value = number;
    return check(index, number);
}

int tuning_set(struct tuning *t, const nacre_os *os, const char *store_path, const char *name, const char *value,
               enum tuning_name *which)
{
    size_t index = 0;
    uint64_t number;
    bool by_user;
    int status = find(name, &index);
    if (status != NACRE_OK || (status = parse(index, value, &number, &by_user)) != NACRE_OK) {
        return status;
    }
    pthread_mutex_lock(&t->lock);
    uint64_t before = atomic_load_explicit(&t->values[index], memory_order_relaxed);
    bool set_before = t->set[index];
    atomic_store_explicit(&t->values[index], number, memory_order_relaxed);
    t->set[index] = by_user;
    status = save(t, os, store_path);
    if (status != NACRE_OK) {
        atomic_store_explicit(&t->values[index], before, memory_order_relaxed);
        t->set[index] = set_before;
    }
    pthread_mutex_unlock(&t->lock);
    *which = (enum tuning_name)index;
    return status;
}

int tuning_json(struct tuning *t, char **json)
{
    struct buffer text = { 0 };
    int status = buffer_append_format(&text, "{");
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TUNING_COUNT && status == NACRE_OK; i++) {
        const struct parameter *p = &parameters[i];
        status = buffer_append_format(&text,
                                      "%s\"%s\":{\"value\":%llu,\"unit\":\"%s\",\"default\":%llu,\"least\":%llu,"
                                      "\"most\":%llu,\"set\":%s,\"text\":\"%s\"}",
                                      i ? "," : "", p->name,
                                      (unsigned long long)atomic_load_explicit(&t->values[i], memory_order_relaxed),
                                      p->unit, (unsigned long long)p->value, (unsigned long long)p->least,
                                      (unsigned long long)p->most, t->set[i] ? "true" : "false", p->text);
    }
    pthread_mutex_unlock(&t->lock);
    if (status == NACRE_OK) {
        status = buffer_append_format(&text, "}");
    }
    if (status != NACRE_OK) {
        buffer_free(&text);
        return status;
    }
    *json = (char *)text.data; /* the buffer keeps a NUL behind */
    return NACRE_OK;
}

void tuning_destroy(struct tuning *t)
{
    pthread_mutex_destroy(&t->lock);
}
