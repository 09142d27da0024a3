/* The pattern of `grep` (see pattern.h). Several patterns become (?:one)|(?:two), --line-regexp makes \A(?:one)\z of it. A pattern in
   which \Q is not closed is closed before what is added behind it. */
#include "pattern.h"
#include "print.h"
#include <stdlib.h>
#include <string.h>

/* Characters of a piece on the terminal: print_escaped writes nothing but printable UTF-8. */
static size_t shown_width(nacre_slice piece)
{
    char *text = NULL;
    size_t size = 0, width = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory) {
        return 0;
    }
    print_escaped(memory, piece);
    if (fclose(memory) == 0) {
        for (size_t i = 0; i < size; i++) {
            width += ((unsigned char)text[i] & 0xc0) != 0x80;
        }
    }
    free(text);
    return width;
}

/* What is wrong with a pattern, and a caret under the place. */
static int complain_pattern(nacre_slice pattern, int status, size_t position)
{
    complain_status("grep", status);
    if (status == NACRE_INVALID) {
        nacre_slice before = { pattern.data, position < pattern.size ? position : pattern.size };
        fputs("  ", stderr);
        print_escaped(stderr, pattern);
        fprintf(stderr, "\n  %*s^\n", (int)shown_width(before), "");
    }
    return RESULT_ERROR;
}

/* Whether a \Q of a good pattern is still open at its end. */
static bool quote_is_open(nacre_slice pattern)
{
    const char *text = pattern.data;
    for (size_t i = 0; i + 1 < pattern.size; i++) {
        if (text[i] != '\\') {
            continue;
        }
        i++;
        if (text[i] != 'Q') {
            continue;
        }
        const char *end = memmem(text + i + 1, pattern.size - i - 1, "\\E", 2);
        if (!end) {
            return true;
        }
        i = (size_t)(end - text) + 1;
    }
    return false;
}

/* A text as a regular expression: what is special has a backslash. */
static void write_quoted(FILE *out, nacre_slice text)
{
    const char *bytes = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (bytes[i] && strchr("\\.+*?()|[]{}^$", bytes[i])) {
            fputc('\\', out);
        }
        fputc(bytes[i], out);
    }
}

static int write_piece(FILE *out, const struct arguments *arguments, const nacre_regex_options *options,
                       const char *text, bool grouped)
{
    nacre_slice piece = { text, strlen(text) };
    struct bytes decoded = { NULL, 0 };
    size_t position = 0;
    fputs(grouped ? "(?:" : "", out);
    if (option_given(arguments, OPTION_FIXED_STRINGS)) {
        if (!key_from_text(arguments, text, &decoded)) {
            return RESULT_ERROR;
        }
        write_quoted(out, slice_of(&decoded));
        free(decoded.data);
    } else {
        int status = nacre_regex_check(piece, options, &position);
        if (status != NACRE_OK) {
            return complain_pattern(piece, status, position);
        }
        fwrite(piece.data, 1, piece.size, out);
        fputs(grouped && quote_is_open(piece) ? "\\E" : "", out);
    }
    fputs(grouped ? ")" : "", out);
    return RESULT_OK;
}

int pattern_make(const struct arguments *arguments, nacre_regex_options *options, struct bytes *pattern)
{
    const char *const *pieces = arguments->patterns;
    const char *alone[] = { arguments->count > 1 ? arguments->items[1] : NULL };
    unsigned count = arguments->pattern_count;
    bool whole = option_given(arguments, OPTION_LINE_REGEXP), fixed = option_given(arguments, OPTION_FIXED_STRINGS);
    char *text = NULL;
    int result = RESULT_OK;
    *pattern = (struct bytes){ NULL, 0 };
    if ((count > 0) == (alone[0] != NULL)) {
        return complain(count ? "grep: a pattern is given by --regexp, so NAME is the only argument"
                              : "grep: which pattern? usage: nacre [OPTIONS] grep NAME PATTERN");
    }
    if (!count) {
        pieces = alone;
        count = 1;
    }
    options->ignore_case = option_given(arguments, OPTION_IGNORE_CASE);
    /* a text is found byte by byte, whatever it is, unless letters have cases */
    options->bytes = option_given(arguments, OPTION_BYTES) || (fixed && !options->ignore_case);
    FILE *memory = open_memstream(&text, &pattern->size);
    if (!memory) {
        return complain("out of memory");
    }
    fputs(whole ? "\\A(?:" : "", memory);
    for (unsigned i = 0; i < count && result == RESULT_OK; i++) {
        fputs(i ? "|" : "", memory);
        result = write_piece(memory, arguments, options, pieces[i], whole || count > 1);
    }
    fputs(whole ? ")\\z" : "", memory);
    if (fclose(memory) != 0 && result == RESULT_OK) {
        result = complain("out of memory");
    }
    pattern->data = (unsigned char *)text;
    return result;
}
