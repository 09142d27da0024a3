/* The demo's output: short lines, aligned; colours on a terminal only. */
#include "demo.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMES_MOST 32
#define BAR_MOST   30
#define TEXTS      4 /* numbers that are good at the same time */

static struct {
    const char *what;
    double seconds;
} times[TIMES_MOST];
static size_t time_count;

static const char *colour(const char *code)
{
    static int allowed = -1;
    if (allowed < 0) {
        allowed = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    }
    return allowed ? code : "";
}

void show_title(const char *format, ...)
{
    va_list arguments;
    printf("\n%s", colour("\033[1m"));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("%s\n", colour("\033[0m"));
    fflush(stdout);
}

void show_line(const char *label, const char *format, ...)
{
    va_list arguments;
    printf("  %s%-22s%s ", colour("\033[2m"), label, colour("\033[0m"));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

void show_good(const char *format, ...)
{
    va_list arguments;
    printf("  %sok%s  ", colour("\033[32m"), colour("\033[0m"));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

bool show_failure(const char *format, ...)
{
    va_list arguments;
    printf("  %sFAILED%s  ", colour("\033[1;31m"), colour("\033[0m"));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    return false;
}

void show_time(const char *what, double seconds)
{
    size_t i = 0;
    while (i < time_count && strcmp(times[i].what, what) != 0) {
        i++;
    }
    if (i < TIMES_MOST) {
        times[i].what = what;
        times[i].seconds += seconds;
        time_count += i == time_count;
    }
}

void show_times(void)
{
    double longest = 1e-9;
    for (size_t i = 0; i < time_count; i++) {
        longest = times[i].seconds > longest ? times[i].seconds : longest;
    }
    for (size_t i = 0; i < time_count; i++) {
        int width = (int)(times[i].seconds / longest * BAR_MOST + 0.5);
        printf("  %-34s %9s  %s", times[i].what, show_seconds(times[i].seconds), colour("\033[36m"));
        for (int j = 0; j < width; j++) {
            putchar('#');
        }
        printf("%s\n", colour("\033[0m"));
    }
}

static char *next_text(void)
{
    static char texts[TEXTS][32];
    static unsigned next;
    return texts[next++ % TEXTS];
}

const char *show_number(uint64_t number)
{
    char *text = next_text(), digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number), used = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) {
            text[used++] = ' ';
        }
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}

const char *show_seconds(double seconds)
{
    char *text = next_text();
    if (seconds >= 0.9995) {
        snprintf(text, 32, "%.2f s", seconds);
    } else if (seconds >= 0.9995e-3) {
        snprintf(text, 32, "%.1f ms", seconds * 1e3);
    } else {
        snprintf(text, 32, "%.2f us", seconds * 1e6);
    }
    return text;
}
