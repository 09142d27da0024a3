/* Structured log lines (see log.h). */
#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 4096

void log_line(const nacre_logger *logger, nacre_log_level level, const char *event, const char *fields, ...)
{
    if (!logger || !logger->write || level > logger->level) {
        return;
    }
    char line[LINE_BYTES];
    va_list arguments;
    line[0] = '{';
    va_start(arguments, fields);
    int size = vsnprintf(line + 1, sizeof line - 2, fields, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof line - 2) {
        logger->write(logger->context, level, event, "{\"error\":\"the line was too long\"}");
        return;
    }
    line[1 + size] = '}';
    line[2 + size] = 0;
    logger->write(logger->context, level, event, line);
}

const char *log_escape(const char *text, char *out, size_t out_size)
{
    size_t used = 0;
    for (; *text && used + 7 < out_size; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            out[used++] = '\\';
            out[used++] = (char)byte;
        } else if (byte < 0x20) {
            used += (size_t)snprintf(out + used, out_size - used, "\\u%04x", byte);
        } else {
            out[used++] = (char)byte;
        }
    }
    if (out_size) {
        out[used < out_size ? used : out_size - 1] = 0;
    }
    return out;
}
