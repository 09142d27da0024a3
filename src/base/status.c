/* Status names and texts, and the calling thread's detail of its last failed call. */
#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DETAIL_BYTES 1024

static _Thread_local char detail[DETAIL_BYTES];

int fail(int status, const char *format, ...)
{
    char text[DETAIL_BYTES] = ""; /* the arguments may point into the detail itself */
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut where it is too long */
    va_end(arguments);
    memcpy(detail, text, strlen(text) + 1);
    return status;
}

int fail_context(int status, const char *format, ...)
{
    char text[DETAIL_BYTES] = "";
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fail(status, "%s: %s", text, detail);
}

const char *fail_detail(void)
{
    return detail;
}

const char *nacre_last_error(void)
{
    return detail;
}

#define STATUS_STRING(x) #x
#define STATUS_TEXT(x)   STATUS_STRING(x)
const char *nacre_version(void)
{
    return STATUS_TEXT(NACRE_VERSION_MAJOR) "." STATUS_TEXT(NACRE_VERSION_MINOR) "." STATUS_TEXT(NACRE_VERSION_PATCH);
}

const char *nacre_status_name(int status)
{
    switch (status) {
#define STATUS_NAME(name, value, text) \
    case value: \
        return "NACRE_" #name;
        NACRE_STATUS_TABLE(STATUS_NAME)
    default:
        return "NACRE_?";
    }
}

const char *nacre_status_text(int status)
{
    switch (status) {
#define STATUS_LINE(name, value, text) \
    case value: \
        return text;
        NACRE_STATUS_TABLE(STATUS_LINE)
    default:
        return "this is none of nacre's status codes";
    }
}
