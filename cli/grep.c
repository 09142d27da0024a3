/* grep: the keys that a regular expression matches, or does not match: printed, counted, or explained. One snapshot is behind all that one
   call reads. An interrupt cancels the search; the store is closed, and the process ends by the signal. */
#include "explain.h"
#include "pattern.h"
#include "print.h"
#include "record.h"
#include "session.h"
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS_BETWEEN_CHECKS 4096u /* of those that are walked without a search */
#define OUTPUT_BUFFER       (1u << 16)

struct grep {
    const struct arguments *arguments;
    struct session session;
    struct bytes pattern, begin, end;
    nacre_regex_options options;
    nacre_snapshot *snapshot;
    bool nothing_in_range; /* the bounds leave no room for a key */
    bool inverted, coloured, escaped;
    double deadline; /* seconds of the clock; 0 = none */
};

static nacre_cancel *cancel;
static volatile sig_atomic_t interrupted; /* the signal */

static void interrupt(int signal_number)
{
    interrupted = signal_number;
    nacre_cancel_request(cancel);
}

/* A second signal ends the process at once. What is ignored, as behind nohup, stays so. */
static void catch_signal(int signal_number)
{
    struct sigaction before, action = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };
    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
        sigaction(signal_number, &action, NULL);
    }
}

static void release_signal(int signal_number)
{
    struct sigaction before;
    if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler == interrupt) {
        signal(signal_number, SIG_DFL);
    }
}

/* ---- What is looked for ---- */

static bool choose_colour(struct grep *grep)
{
    const char *when = grep->arguments->options[OPTION_COLOR], *terminal = getenv("TERM");
    bool screen = isatty(STDOUT_FILENO) != 0;
    grep->escaped = screen;
    if (!when || strcmp(when, "auto") == 0) {
        grep->coloured = screen && !getenv("NO_COLOR") && !(terminal && strcmp(terminal, "dumb") == 0);
    } else if (strcmp(when, "always") == 0) {
        grep->coloured = true;
    } else if (strcmp(when, "never") != 0) {
        complain("--color %s: expected auto, always or never", when);
        return false;
    }
    grep->coloured = grep->coloured && !option_given(grep->arguments, OPTION_HEX) &&
                     !option_given(grep->arguments, OPTION_JSON) && !grep->inverted;
    return true;
}

static int compare(nacre_slice a, nacre_slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* The least key beyond all that begin with the prefix: it without its last bytes 0xff, and the one before raised. Empty: there is none. */
static void make_successor(struct bytes *prefix)
{
    while (prefix->size && prefix->data[prefix->size - 1] == 0xff) {
        prefix->size--;
    }
    if (prefix->size) {
        prefix->data[prefix->size - 1]++;
    }
}

/* Narrows [begin, end) by --prefix. */
static bool add_prefix(struct grep *grep)
{
    struct bytes begin, end;
    if (!key_from_option(grep->arguments, OPTION_PREFIX, &begin) ||
        !key_from_option(grep->arguments, OPTION_PREFIX, &end)) {
        free(begin.data);
        return false;
    }
    make_successor(&end);
    if (compare(slice_of(&begin), slice_of(&grep->begin)) > 0) {
        struct bytes other = grep->begin;
        grep->begin = begin;
        begin = other;
    }
    if (end.size && (!grep->end.size || compare(slice_of(&end), slice_of(&grep->end)) < 0)) {
        struct bytes other = grep->end;
        grep->end = end;
        end = other;
    }
    free(begin.data);
    free(end.data);
    return true;
}

/* All that the command line says, before anything is opened. */
static int take_options(struct grep *grep)
{
    const struct arguments *arguments = grep->arguments;
    nacre_regex_options *options = &grep->options;
    uint64_t threads = 0, timeout = 0;
    grep->inverted = option_given(arguments, OPTION_INVERT_MATCH);
    if (!key_from_option(arguments, OPTION_BEGIN, &grep->begin) ||
        !key_from_option(arguments, OPTION_END, &grep->end) || !add_prefix(grep) || !choose_colour(grep) ||
        !option_number(arguments, OPTION_LIMIT, 1, UINT64_MAX, &options->limit) ||
        !option_number(arguments, OPTION_THREADS, 1, 1024, &threads) ||
        !option_number(arguments, OPTION_TIMEOUT, 1, UINT32_MAX, &timeout)) {
        return RESULT_ERROR;
    }
    if (option_given(arguments, OPTION_EXPLAIN) && grep->inverted) {
        return complain("grep: --explain tells how matches are found, and --invert-match asks for the others");
    }
    if (option_given(arguments, OPTION_QUIET)) {
        options->limit = 1;
    }
    options->parallelism = (uint32_t)threads;
    options->timeout_ms = (uint32_t)timeout;
    options->reverse = option_given(arguments, OPTION_REVERSE);
    options->keys_only = !option_given(arguments, OPTION_VALUES);
    options->begin = slice_of(&grep->begin);
    options->end = slice_of(&grep->end);
    grep->nothing_in_range = options->end.size && compare(options->begin, options->end) >= 0;
    return pattern_make(arguments, options, &grep->pattern);
}

/* ---- Printing ---- */

static void print_part(const struct grep *grep, nacre_slice key, size_t begin, size_t end)
{
    nacre_slice part = { (const char *)key.data + begin, end - begin };
    if (grep->escaped) {
        print_escaped(stdout, part);
    } else if (part.size) {
        fwrite(part.data, 1, part.size, stdout);
    }
}

/* Where the next search may begin behind an empty match: at the next character. */
static size_t next_character(const struct grep *grep, nacre_slice key, size_t at)
{
    const unsigned char *bytes = key.data;
    do {
        at++;
    } while (!grep->options.bytes && at < key.size && (bytes[at] & 0xc0) == 0x80);
    return at;
}

static void print_coloured(const struct grep *grep, nacre_slice key)
{
    size_t done = 0, from = 0, begin, size;
    while (from <= key.size &&
           nacre_regex_find(slice_of(&grep->pattern), &grep->options, key, from, &begin, &size) == NACRE_OK) {
        if (!size) {
            from = next_character(grep, key, begin);
            continue;
        }
        print_part(grep, key, done, begin);
        fputs("\033[1;31m", stdout);
        print_part(grep, key, begin, begin + size);
        fputs("\033[m", stdout);
        done = from = begin + size;
    }
    print_part(grep, key, done, key.size);
}

static void print_entry(const struct grep *grep, nacre_slice key, nacre_slice value)
{
    bool hex = option_given(grep->arguments, OPTION_HEX);
    if (option_given(grep->arguments, OPTION_JSON)) {
        record_write(stdout, RECORD_JSONL, key, value, hex, !grep->options.keys_only);
        return;
    }
    if (hex) {
        print_hex(stdout, key);
    } else if (grep->coloured) {
        print_coloured(grep, key);
    } else {
        print_part(grep, key, 0, key.size);
    }
    if (!grep->options.keys_only) {
        putchar('\t');
        print_part(grep, value, 0, value.size);
    }
    putchar(option_given(grep->arguments, OPTION_NULL_BYTE) ? 0 : '\n');
}

/* ---- Searching ---- */

/* What an end means: a match or none, an interrupt that is told by the process's end, or an error. */
static int conclude(int status, uint64_t found)
{
    if (status == NACRE_OK) {
        return found ? RESULT_OK : RESULT_NO_MATCH;
    }
    if (status == NACRE_TIMEOUT) {
        return complain("grep: %s", nacre_status_text(status));
    }
    return interrupted ? RESULT_ERROR : complain_status("grep", status);
}

static int print_matches(const struct grep *grep)
{
    nacre_cursor *cursor = NULL;
    uint64_t found = 0;
    int status = nacre_regex_scan(grep->session.collection, slice_of(&grep->pattern), &grep->options, &cursor);
    for (; nacre_cursor_valid(cursor) && !ferror(stdout); nacre_cursor_next(cursor), found++) {
        if (!option_given(grep->arguments, OPTION_QUIET)) {
            print_entry(grep, nacre_cursor_key(cursor), nacre_cursor_value(cursor));
        }
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return conclude(status, found);
}

static int open_all_keys(const struct grep *grep, nacre_cursor **cursor)
{
    nacre_scan_options options = NACRE_SCAN_OPTIONS_INIT;
    options.snapshot = grep->snapshot;
    options.begin = grep->options.begin;
    options.end = grep->options.end;
    options.reverse = grep->options.reverse;
    options.keys_only = grep->options.keys_only;
    return nacre_scan(grep->session.collection, &options, cursor);
}

/* Whether a walk over keys must end before it is at its end: cursors of scans know neither cancelling nor timeouts. */
static int check_walk(const struct grep *grep, uint64_t walked)
{
    if (interrupted) {
        return NACRE_CANCELLED;
    }
    return grep->deadline > 0 && walked % KEYS_BETWEEN_CHECKS == 0 && clock_seconds() > grep->deadline ? NACRE_TIMEOUT
                                                                                                       : NACRE_OK;
}

/* Goes on to the first match that is not before `key`. Returns whether it is that key. */
static bool meets_match(const struct grep *grep, nacre_cursor *matches, nacre_slice key)
{
    int order = 1;
    while (nacre_cursor_valid(matches) && (order = compare(nacre_cursor_key(matches), key)) != 0 &&
           (order < 0) != grep->options.reverse) {
        nacre_cursor_next(matches);
    }
    return nacre_cursor_valid(matches) && order == 0;
}

/* All keys but the matches: two cursors side by side. */
static int print_others(const struct grep *grep)
{
    nacre_regex_options options = grep->options;
    nacre_cursor *matches = NULL, *keys = NULL;
    uint64_t found = 0, walked = 0, most = options.limit ? options.limit : UINT64_MAX;
    options.limit = 0;
    options.keys_only = true;
    int status = nacre_regex_scan(grep->session.collection, slice_of(&grep->pattern), &options, &matches);
    status = status == NACRE_OK ? open_all_keys(grep, &keys) : status;
    for (; status == NACRE_OK && nacre_cursor_valid(keys) && found < most && !ferror(stdout); nacre_cursor_next(keys)) {
        nacre_slice key = nacre_cursor_key(keys);
        if (!meets_match(grep, matches, key)) {
            status = nacre_cursor_status(matches);
            found += status == NACRE_OK;
            if (status == NACRE_OK && !option_given(grep->arguments, OPTION_QUIET)) {
                print_entry(grep, key, nacre_cursor_value(keys));
            }
        }
        status = status == NACRE_OK ? check_walk(grep, ++walked) : status;
    }
    status = status == NACRE_OK && keys ? nacre_cursor_status(keys) : status;
    nacre_cursor_close(keys);
    nacre_cursor_close(matches);
    return conclude(status, found);
}

static int count_all_keys(const struct grep *grep, uint64_t *count)
{
    nacre_cursor *cursor = NULL;
    int status = open_all_keys(grep, &cursor);
    for (; status == NACRE_OK && nacre_cursor_valid(cursor); nacre_cursor_next(cursor)) {
        status = check_walk(grep, ++*count);
    }
    status = status == NACRE_OK ? nacre_cursor_status(cursor) : status;
    nacre_cursor_close(cursor);
    return status;
}

static void print_count(const struct grep *grep, uint64_t count)
{
    if (!option_given(grep->arguments, OPTION_QUIET)) {
        printf(option_given(grep->arguments, OPTION_JSON) ? "{\"count\":%" PRIu64 "}\n" : "%" PRIu64 "\n", count);
    }
}

static int count_matches(const struct grep *grep)
{
    nacre_regex_options options = grep->options;
    uint64_t count = 0, all = 0;
    options.limit = grep->inverted ? 0 : options.limit;
    int status = grep->nothing_in_range
                     ? NACRE_OK
                     : nacre_regex_count(grep->session.collection, slice_of(&grep->pattern), &options, &count);
    if (grep->inverted && status == NACRE_OK && !grep->nothing_in_range) {
        status = count_all_keys(grep, &all);
        count = all > count ? all - count : 0; /* entries may expire between the two */
        count = grep->options.limit && count > grep->options.limit ? grep->options.limit : count;
    }
    if (status == NACRE_OK) {
        print_count(grep, count);
    }
    return conclude(status, count);
}

static int explain_matches(const struct grep *grep)
{
    char *json = NULL;
    int status = nacre_regex_explain(grep->session.collection, slice_of(&grep->pattern), &grep->options, &json);
    int result =
        status == NACRE_OK ? explain_print(json, option_given(grep->arguments, OPTION_JSON)) : conclude(status, 0);
    nacre_free(json);
    return result;
}

static int search(const struct grep *grep)
{
    if (option_given(grep->arguments, OPTION_EXPLAIN)) {
        return explain_matches(grep);
    }
    if (option_given(grep->arguments, OPTION_COUNT_ONLY)) {
        return count_matches(grep);
    }
    if (grep->nothing_in_range) {
        return RESULT_NO_MATCH;
    }
    return grep->inverted ? print_others(grep) : print_matches(grep);
}

/* The search between the making and the giving back of what can interrupt it. */
static int search_interruptibly(struct grep *grep)
{
    int status = nacre_cancel_create(&cancel);
    status = status == NACRE_OK ? nacre_snapshot_create(grep->session.store, &grep->snapshot) : status;
    int result = RESULT_ERROR;
    if (status == NACRE_OK) {
        grep->options.cancel = cancel;
        grep->options.snapshot = grep->snapshot;
        grep->deadline = grep->options.timeout_ms ? clock_seconds() + grep->options.timeout_ms * 1e-3 : 0;
        catch_signal(SIGINT);
        catch_signal(SIGTERM);
        result = search(grep);
        release_signal(SIGINT);
        release_signal(SIGTERM);
    } else {
        complain_status("grep", status);
    }
    nacre_snapshot_release(grep->snapshot);
    nacre_cancel_free(cancel);
    return result;
}

int run_grep(const struct arguments *arguments)
{
    static char buffer[OUTPUT_BUFFER];
    struct grep grep = { .arguments = arguments, .options = NACRE_REGEX_OPTIONS_INIT };
    int result = take_options(&grep);
    if (!isatty(STDOUT_FILENO)) {
        setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    }
    if (result == RESULT_OK) {
        result = session_open(&grep.session, arguments, SESSION_READ, NACRE_DURABILITY_DEFAULT, arguments->items[0]);
        if (result == RESULT_OK) {
            result = session_close(&grep.session, search_interruptibly(&grep));
        }
    }
    free(grep.pattern.data);
    free(grep.begin.data);
    free(grep.end.data);
    if (interrupted) {
        fflush(stdout);
        raise((int)interrupted);
    }
    return result;
}
