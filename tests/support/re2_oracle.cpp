/* RE2 behind a C interface. */
#include "re2_oracle.h"
#include <re2/re2.h>
#include <cstdlib>
#include <memory>
#include <string>

static RE2 *compiled(nacre_slice pattern, const struct regex_options *options)
{
    static std::string last;
    static bool last_ignore_case, last_bytes;
    static std::unique_ptr<RE2> last_regex;
    std::string text(static_cast<const char *>(pattern.data), pattern.size);
    if (last_regex && last == text && last_ignore_case == options->ignore_case && last_bytes == options->bytes)
        return last_regex.get();
    RE2::Options re2_options(options->bytes ? RE2::Latin1 : RE2::DefaultOptions);
    re2_options.set_log_errors(false);
    re2_options.set_case_sensitive(!options->ignore_case);
    re2_options.set_max_mem(64 << 20);
    last = text;
    /* Over bytes this RE2 looks for a first literal that is not ASCII, as in `\xE9|\xE9a`, by its UTF-8, and finds nothing. With something before it,
       it does not look for it. */
    if (options->bytes)
        text = "(?s:.)*?(?:" + text + ")";
    last_ignore_case = options->ignore_case;
    last_bytes = options->bytes;
    last_regex.reset(new RE2(text, re2_options));
    return last_regex.get();
}

extern "C" bool re2_oracle_accepts(nacre_slice pattern, const struct regex_options *options)
{
    return compiled(pattern, options)->ok();
}

extern "C" bool re2_oracle_matches(nacre_slice pattern, const struct regex_options *options, nacre_slice key)
{
    RE2 *regex = compiled(pattern, options);
    if (!regex->ok())
        std::abort();
    return RE2::PartialMatch(re2::StringPiece(static_cast<const char *>(key.data), key.size), *regex);
}

extern "C" bool re2_oracle_finds(nacre_slice pattern, const struct regex_options *options, nacre_slice text,
                                 size_t from, size_t *begin, size_t *size)
{
    RE2::Options re2_options(options->bytes ? RE2::Latin1 : RE2::DefaultOptions);
    re2_options.set_log_errors(false);
    re2_options.set_case_sensitive(!options->ignore_case);
    re2_options.set_longest_match(true);
    RE2 regex(re2::StringPiece(static_cast<const char *>(pattern.data), pattern.size), re2_options);
    if (!regex.ok())
        std::abort();
    re2::StringPiece whole(static_cast<const char *>(text.data), text.size), match;
    if (!regex.Match(whole, from, text.size, RE2::UNANCHORED, &match, 1))
        return false;
    *begin = static_cast<size_t>(match.data() - whole.data());
    *size = match.size();
    return true;
}
