/* Output (see print.h). */
#include "print.h"
#include "command.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#define KEY_SHOWN 64u /* bytes of a key in an error */

int complain(const char *format, ...)
{
    va_list arguments;
    fflush(stdout); /* what was printed before stands before */
    fputs("nacre: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return RESULT_ERROR;
}

int complain_status(const char *what, int status)
{
    const char *detail = nacre_last_error();
    return complain("%s: %s", what, detail[0] ? detail : nacre_status_text(status));
}

int complain_key(const char *what, nacre_slice key, int status)
{
    const char *detail = nacre_last_error();
    if (!key.size) {
        return complain_status(what, status);
    }
    fflush(stdout);
    fprintf(stderr, "nacre: %s: key '", what);
    print_escaped(stderr, (nacre_slice){ key.data, key.size < KEY_SHOWN ? key.size : KEY_SHOWN });
    fprintf(stderr, "'%s: %s\n", key.size > KEY_SHOWN ? "..." : "", detail[0] ? detail : nacre_status_text(status));
    return RESULT_ERROR;
}

int complain_salvage(const char *what, const char *path, int status)
{
    const char *detail = nacre_last_error();
    return complain("%s: %s; `nacre salvage %s --to NEW` copies what can be read", what,
                    detail[0] ? detail : nacre_status_text(status), path);
}

/* The length of the UTF-8 sequence at `at`, or 0 where there is no valid one: overlong forms, surrogates and what is beyond
   U+10FFFF are none. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80) {
        return 1;
    }
    size_t length = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                    : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                    : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                    : 0;
    if (length == 0 || length > left) {
        return 0;
    }
    unsigned char least = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < least || at[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool text_is_utf8(nacre_slice text)
{
    const unsigned char *bytes = text.data;
    size_t length;
    for (size_t i = 0; i < text.size; i += length) {
        if ((length = sequence_length(bytes + i, text.size - i)) == 0) {
            return false;
        }
    }
    return true;
}

/* Control characters: C0, DEL and C1 (U+0080 to U+009F), which terminals obey too. */
static bool is_control(const unsigned char *at, size_t length)
{
    return (length == 1 && (at[0] < 0x20 || at[0] == 0x7f)) || (length == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

static void print_escape(FILE *out, unsigned char byte)
{
    static const char plain[] = "\t\n\r\\", names[] = "tnr\\";
    const char *found = byte ? strchr(plain, byte) : NULL;
    if (found) {
        fputc('\\', out);
        fputc(names[found - plain], out);
    } else {
        fprintf(out, "\\x%02x", byte);
    }
}

static void print_run(FILE *out, const unsigned char *begin, const unsigned char *end)
{
    if (end > begin) {
        fwrite(begin, 1, (size_t)(end - begin), out);
    }
}

/* Printable ASCII but for the backslash and the quote: what needs no thought, and is most of all text. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '"';
}

void print_escaped(FILE *out, nacre_slice text)
{
    const unsigned char *at = text.size ? text.data : (const void *)"", *end = at + text.size, *run = at;
    while (at < end) {
        size_t length = is_plain(*at) ? 1 : sequence_length(at, (size_t)(end - at));
        if (length == 0 || is_control(at, length) || *at == '\\') {
            print_run(out, run, at);
            print_escape(out, *at);
            run = at + 1;
            length = 1;
        }
        at += length;
    }
    print_run(out, run, end);
}

void print_hex(FILE *out, nacre_slice text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = text.data;
    for (size_t i = 0; i < text.size; i++) {
        fputc(digits[bytes[i] >> 4], out);
        fputc(digits[bytes[i] & 15], out);
    }
}

void print_json_text(FILE *out, nacre_slice text)
{
    const unsigned char *at = text.size ? text.data : (const void *)"", *end = at + text.size, *run = at;
    fputc('"', out);
    while (at < end) {
        size_t length = is_plain(*at) ? 1 : sequence_length(at, (size_t)(end - at));
        bool escaped = length == 0 || is_control(at, length) || *at == '"' || *at == '\\';
        if (escaped) {
            print_run(out, run, at);
        }
        if (length == 0) {
            fputs("\\ufffd", out);
            length = 1;
        } else if (is_control(at, length)) {
            fprintf(out, "\\u%04x", at[length - 1]); /* U+0080 to U+009F are c2 and that byte */
        } else if (escaped) {
            fputc('\\', out);
            fputc(*at, out);
        }
        at += length;
        run = escaped ? at : run;
    }
    print_run(out, run, end);
    fputc('"', out);
}

void print_json_bytes(FILE *out, const char *name, nacre_slice text, bool hex)
{
    if (hex || !text_is_utf8(text)) {
        fprintf(out, "\"%s_hex\":\"", name);
        print_hex(out, text);
        fputc('"', out);
    } else {
        fprintf(out, "\"%s\":", name);
        print_json_text(out, text);
    }
}

/* Three significant digits before a unit. */
static const char *with_unit(double value, const char *unit, char out[FIGURE_SIZE])
{
    int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, FIGURE_SIZE, "%.*f%s%s", decimals, value, unit[0] ? " " : "", unit);
    return out;
}

const char *figure_bytes(double bytes, char out[FIGURE_SIZE])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    unsigned unit = 0;
    while (bytes >= 999.5 && unit < 5) {
        bytes /= 1024;
        unit++;
    }
    if (unit == 0) {
        snprintf(out, FIGURE_SIZE, "%.0f B", bytes);
        return out;
    }
    return with_unit(bytes, units[unit], out);
}

const char *figure_count(double count, char out[FIGURE_SIZE])
{
    static const char *const units[] = { "", "k", "M", "G", "T" };
    unsigned unit = 0;
    while (count >= 999.5 && unit < 4) {
        count /= 1000;
        unit++;
    }
    if (unit == 0) {
        snprintf(out, FIGURE_SIZE, "%.0f", count);
        return out;
    }
    return with_unit(count, units[unit], out);
}

const char *figure_exact(uint64_t count, char out[FIGURE_SIZE])
{
    char digits[FIGURE_SIZE];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    size_t used = 0;
    for (int i = 0; i < length && used + 2 < FIGURE_SIZE; i++) {
        if (i && (length - i) % 3 == 0 && length < 16) {
            out[used++] = ' ';
        }
        out[used++] = digits[i];
    }
    out[used] = 0;
    return out;
}

const char *figure_time(double seconds, char out[FIGURE_SIZE])
{
    if (seconds >= 0.9995) {
        return with_unit(seconds, "s", out);
    }
    if (seconds >= 0.9995e-3) {
        return with_unit(seconds * 1e3, "ms", out);
    }
    return with_unit(seconds * 1e6, "us", out);
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
