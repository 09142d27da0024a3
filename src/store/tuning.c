/* The tuning table's values, their file and their JSON (see tuning.h). */
#include "store/tuning.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/status.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

struct parameter {
    const char *name, *unit, *text, *wrong;
    uint64_t value, least, most;
};
#define TUNING_ROW(name, unit, value, least, most, text, wrong) { #name, unit, text, wrong, value, least, most },
static const struct parameter parameters[TUNING_COUNT] = { TUNING_TABLE(TUNING_ROW) };

#define NAME_BYTES_MOST 64u

/* How many letters must be put in, taken out or replaced to make one name of the other. */
static size_t name_distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES_MOST + 1], size = strlen(b);
    for (size_t j = 0; j <= size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= size; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t one = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = replaced < one ? replaced : one;
        }
    }
    return row[size];
}

/* The parameter that was meant, perhaps; NULL: none is near. */
static const char *nearest_name(const char *name)
{
    size_t size = strlen(name), least = size / 2 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < TUNING_COUNT && size <= NAME_BYTES_MOST; i++) {
        size_t distance = name_distance(name, parameters[i].name);
        if (distance < least) {
            least = distance;
            nearest = parameters[i].name;
        }
    }
    return nearest;
}

static int unknown_name(int status, const char *name)
{
    const char *nearest = nearest_name(name);
    return nearest ? fail(status, "there is no tuning parameter '%.100s'; the nearest name is '%s'", name, nearest)
                   : fail(status, "there is no tuning parameter '%.100s'", name);
}

static int find(const char *name, size_t *index)
{
    for (size_t i = 0; i < TUNING_COUNT; i++) {
        if (strcmp(parameters[i].name, name) == 0) {
            *index = i;
            return NACRE_OK;
        }
    }
    return unknown_name(NACRE_INVALID, name);
}

static int check(size_t index, uint64_t value)
{
    const struct parameter *p = &parameters[index];
    if (value == p->value || (value >= p->least && value <= p->most)) {
        return NACRE_OK;
    }
    return fail(NACRE_INVALID, "tuning parameter %s: %llu is outside of %llu to %llu (%s)", p->name,
                (unsigned long long)value, (unsigned long long)p->least, (unsigned long long)p->most, p->unit);
}

static int load_object(struct tuning *t, json_t *root, const char *path)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        size_t index = 0;
        if (find(name, &index) != NACRE_OK) {
            (void)unknown_name(NACRE_CORRUPT, name);
            return fail(NACRE_CORRUPT,
                        "%s: %s: rename or remove it there, or remove the file: without it all "
                        "parameters are the defaults",
                        path, fail_detail());
        }
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            check(index, (uint64_t)json_integer_value(value)) != NACRE_OK) {
            const struct parameter *p = &parameters[index];
            return fail(NACRE_CORRUPT,
                        "%s: '%s' is not a whole number from %llu to %llu (%s); mend or remove it there, or "
                        "remove the file: without it all parameters are the defaults",
                        path, name, (unsigned long long)p->least, (unsigned long long)p->most, p->unit);
        }
        atomic_store_explicit(&t->values[index], (uint64_t)json_integer_value(value), memory_order_relaxed);
        t->set[index] = true;
    }
    return NACRE_OK;
}

static int load_text(struct tuning *t, const struct buffer *text, const char *path)
{
    json_error_t detail;
    json_t *root = json_loadb((const char *)text->data, text->size, JSON_REJECT_DUPLICATES, &detail);
    int status = json_is_object(root) ? load_object(t, root, path)
                                      : fail(NACRE_CORRUPT, "%s: line %d: %s; mend or remove the file", path,
                                             detail.line, root ? "no object" : detail.text);
    json_decref(root);
    return status;
}

static int load(struct tuning *t, const nacre_os *os, const char *store_path)
{
    char path[OS_PATH_MAX];
    struct buffer text = { 0 };
    int status = os_path(path, store_path, "tuning.json");
    if (status != NACRE_OK) {
        return status;
    }
    status = os_read_file(os, path, 1 << 20, &text);
    uint64_t hash = status == NACRE_OK ? hash_bytes(text.data, text.size) | 1 : 0;
    if (status == NACRE_OK && hash == t->text_hash) {
        status = NACRE_EXISTS;
    } else if (status == NACRE_OK) {
        t->text_hash = hash;
        status = load_text(t, &text, path);
    } else if (status == NACRE_NOT_FOUND) {
        t->text_hash = 0;
        status = NACRE_OK;
    }
    buffer_free(&text);
    return status;
}

static void set_defaults(struct tuning *t)
{
    for (size_t i = 0; i < TUNING_COUNT; i++) {
        atomic_init(&t->values[i], parameters[i].value);
        atomic_init(&t->chosen[i], 0);
        atomic_init(&t->worked_out[i], 0);
        t->set[i] = false;
    }
}

int tuning_load(struct tuning *t, const nacre_os *os, const char *store_path)
{
    set_defaults(t);
    t->text_hash = 0;
    return load(t, os, store_path);
}

int tuning_reload(struct tuning *t, const nacre_os *os, const char *store_path)
{
    struct tuning fresh = { .text_hash = t->text_hash };
    set_defaults(&fresh);
    int status = load(&fresh, os, store_path);
    if (status == NACRE_OK && fresh.text_hash == t->text_hash) {
        return NACRE_EXISTS; /* missing as before */
    }
    pthread_mutex_lock(&t->lock);
    t->text_hash = fresh.text_hash; /* a bad one is not read again and again */
    for (size_t i = 0; i < TUNING_COUNT && status == NACRE_OK; i++) {
        atomic_store_explicit(&t->values[i], tuning_get(&fresh, (enum tuning_name)i), memory_order_relaxed);
        t->set[i] = fresh.set[i];
    }
    pthread_mutex_unlock(&t->lock);
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

/* The memory is shared by one choice, of the cache: whoever sets the size of memtables has shared it. Lock held. */
static bool is_users(const struct tuning *t, enum tuning_name name)
{
    return t->set[name] || (name == TUNING_cache_bytes && t->set[TUNING_seal_bytes]);
}

/* Choices go where the user has set something, and all of them with the autotuner. Lock held. */
static void drop_choices(struct tuning *t)
{
    for (size_t i = 0; i < TUNING_COUNT; i++) {
        if (!tuning_get(t, TUNING_autotune) || is_users(t, (enum tuning_name)i)) {
            atomic_store_explicit(&t->chosen[i], 0, memory_order_relaxed);
        }
    }
}

void tuning_note_worked_out(struct tuning *t, enum tuning_name name, uint64_t value)
{
    atomic_store_explicit(&t->worked_out[name], value, memory_order_relaxed); /* a figure: it is read alone */
}

bool tuning_choose(struct tuning *t, enum tuning_name name, uint64_t value)
{
    pthread_mutex_lock(&t->lock);
    bool may = value == 0 || (tuning_get(t, TUNING_autotune) && !is_users(t, name) && value >= parameters[name].least &&
                              value <= parameters[name].most);
    if (may) {
        atomic_store_explicit(&t->chosen[name], value, memory_order_relaxed);
    }
    pthread_mutex_unlock(&t->lock);
    return may;
}

bool tuning_is_set(struct tuning *t, enum tuning_name name)
{
    pthread_mutex_lock(&t->lock);
    bool set = is_users(t, name);
    pthread_mutex_unlock(&t->lock);
    return set;
}

const char *tuning_name_of(enum tuning_name name)
{
    return parameters[name].name;
}

uint64_t tuning_least(enum tuning_name name)
{
    return parameters[name].least;
}

uint64_t tuning_most(enum tuning_name name)
{
    return parameters[name].most;
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
    } else {
        drop_choices(t);
    }
    pthread_mutex_unlock(&t->lock);
    *which = (enum tuning_name)index;
    return status;
}

/* One that stands for a value 0; lock held. */
static bool is_worked_out(const struct tuning *t, enum tuning_name name)
{
    return tuning_now(t, name) == 0 && atomic_load_explicit(&t->worked_out[name], memory_order_relaxed) > 0;
}

int tuning_json(struct tuning *t, char **json)
{
    struct buffer text = { 0 };
    int status = buffer_append_format(&text, "{");
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < TUNING_COUNT && status == NACRE_OK; i++) {
        const struct parameter *p = &parameters[i];
        bool is_auto = is_worked_out(t, (enum tuning_name)i);
        uint64_t in_force = is_auto ? atomic_load_explicit(&t->worked_out[i], memory_order_relaxed)
                                    : tuning_now(t, (enum tuning_name)i);
        status = buffer_append_format(
            &text,
            "%s\"%s\":{\"value\":%llu,\"in_force\":%llu,\"auto\":%s,\"unit\":\"%s\",\"default\":%llu,\"least\":%llu,"
            "\"most\":%llu,\"set\":%s,\"chosen\":%llu,\"text\":\"%s\",\"wrong_when\":\"%s\"}",
            i ? "," : "", p->name, (unsigned long long)atomic_load_explicit(&t->values[i], memory_order_relaxed),
            (unsigned long long)in_force, is_auto ? "true" : "false", p->unit, (unsigned long long)p->value,
            (unsigned long long)p->least, (unsigned long long)p->most, t->set[i] ? "true" : "false",
            (unsigned long long)atomic_load_explicit(&t->chosen[i], memory_order_relaxed), p->text, p->wrong);
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
