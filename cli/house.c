/* flush, seal, compact, checkpoint, tune, resume. */
#include "print.h"
#include "session.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Runs one call on the collection that the first argument names. */
static int on_collection(const struct arguments *arguments, int (*call)(nacre_collection *))
{
    struct session session;
    if (session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int status = call(session.collection);
    return session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status(arguments->command->name, status));
}

int run_flush(const struct arguments *arguments)
{
    return on_collection(arguments, nacre_flush);
}

int run_seal(const struct arguments *arguments)
{
    return on_collection(arguments, nacre_seal);
}

int run_compact(const struct arguments *arguments)
{
    struct session session;
    struct bytes begin = { NULL, 0 }, end = { NULL, 0 };
    int result = RESULT_ERROR;
    if (key_from_option(arguments, OPTION_BEGIN, &begin) && key_from_option(arguments, OPTION_END, &end) &&
        session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, arguments->items[0]) == RESULT_OK) {
        int status = nacre_compact(session.collection, slice_of(&begin), slice_of(&end));
        /* Else the indexes of what was merged would wait for the next who opens the store for writing. */
        status = status == NACRE_OK ? nacre_build_indexes(session.collection) : status;
        result = session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("compact", status));
    }
    free(begin.data);
    free(end.data);
    return result;
}

static int make_checkpoint(nacre_store *store, void *context)
{
    return nacre_checkpoint(store, context);
}

int run_checkpoint(const struct arguments *arguments)
{
    return session_read(arguments, make_checkpoint, (void *)arguments->items[0]);
}

int run_resume(const struct arguments *arguments)
{
    struct session session;
    if (session_open(&session, arguments, SESSION_WRITE, NACRE_DURABILITY_DEFAULT, NULL) != RESULT_OK) {
        return RESULT_ERROR;
    }
    int status = nacre_resume(session.store);
    return session_close(&session, status == NACRE_OK ? RESULT_OK : complain_status("resume", status));
}

static void print_parameter(const char *name, const json_t *parameter)
{
    char range[64];
    snprintf(range, sizeof range, "%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(parameter, "least")),
             json_integer_value(json_object_get(parameter, "most")));
    printf("%-20s %14" JSON_INTEGER_FORMAT " %-8s %s: %s (%s). Wrong when: %s\n", name,
           json_integer_value(json_object_get(parameter, "in_force")),
           json_is_true(json_object_get(parameter, "auto"))  ? "auto"
           : json_is_true(json_object_get(parameter, "set")) ? "set"
                                                             : "default",
           json_string_value(json_object_get(parameter, "unit")), json_string_value(json_object_get(parameter, "text")),
           range, json_string_value(json_object_get(parameter, "wrong_when")));
}

/* All parameters, or the one of that name. */
static int show_tuning(const struct arguments *arguments, const char *text, const char *wanted)
{
    json_t *tuning = json_loads(text, 0, NULL);
    if (!json_is_object(tuning)) {
        json_decref(tuning);
        return complain("tune: the library's answer is not understood");
    }
    int result = RESULT_OK;
    const char *name;
    json_t *parameter;
    if (wanted && !(parameter = json_object_get(tuning, wanted))) {
        result = complain("tune: there is no parameter %s; `nacre tune` lists them", wanted);
    } else if (option_given(arguments, OPTION_JSON)) {
        json_dumpf(wanted ? parameter : tuning, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (wanted) {
        print_parameter(wanted, parameter);
    } else {
        json_object_foreach(tuning, name, parameter)
        {
            print_parameter(name, parameter);
        }
    }
    json_decref(tuning);
    return result;
}

int run_tune(const struct arguments *arguments)
{
    struct session session;
    bool sets = arguments->count == 2;
    if (session_open(&session, arguments, sets ? SESSION_WRITE : SESSION_READ, NACRE_DURABILITY_DEFAULT, NULL) !=
        RESULT_OK) {
        return RESULT_ERROR;
    }
    int result = RESULT_OK;
    char *text = NULL;
    int status =
        sets ? nacre_tune(session.store, arguments->items[0], arguments->items[1]) : nacre_tuning(session.store, &text);
    if (status != NACRE_OK) {
        result = sets && status == NACRE_INVALID
                     ? complain("tune: %s; `nacre tune` lists the parameters and their ranges", nacre_last_error())
                     : complain_status("tune", status);
    } else if (!sets) {
        result = show_tuning(arguments, text, arguments->count ? arguments->items[0] : NULL);
    }
    nacre_free(text);
    return session_close(&session, result);
}
