/* Structured lines to the caller's logger. The library never prints. */
#ifndef NACRE_BASE_LOG_H
#define NACRE_BASE_LOG_H
#include <nacre/nacre.h>
/* fields: a JSON object's inside made by a format, e.g. log_line(l, NACRE_LOG_INFO, "flush", "\"bytes\":%llu", n).
   Text that comes from outside goes through log_escape first. A NULL logger costs one test. */
void log_line(const nacre_logger *, nacre_log_level, const char *event, const char *fields, ...)
    __attribute__((format(printf, 4, 5)));
const char *log_escape(const char *text, char *out, size_t out_size); /* JSON string inside; returns out */
#endif
