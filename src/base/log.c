/* Structured log lines (see log.h). */
#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* Bytes of the UTF-8 sequence that begins here, 0 where none does. What the sequence must not say (overlong forms,
   surrogates, beyond U+10FFFF) shows in its first two bytes. */
static size_t utf8_size(const unsigned char *at)
{
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) { /* also the NUL at the end */
            return 0;
        }
    }
    bool forbidden = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ||
                     (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F);
    return forbidden ? 0 : size;
}

#define ESCAPE_BYTES 6 /* \u0000, the longest that one step writes */

const char *log_escape(const char *text, char *out, size_t out_size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;
    while (*at && used + ESCAPE_BYTES < out_size) {
        size_t size = utf8_size(at);
        if (*at == '"' || *at == '\\') {
            out[used++] = '\\';
            out[used++] = (char)*at;
        } else if (*at < 0x20 || size == 0) { /* bytes of names that are not UTF-8 are shown as if they were Latin-1 */
            used += (size_t)snprintf(out + used, out_size - used, "\\u%04x", *at);
        } else {
            memcpy(out + used, at, size);
            used += size;
        }
        at += size ? size : 1;
    }
    if (out_size) {
        out[used] = 0;
    }
    return out;
}
