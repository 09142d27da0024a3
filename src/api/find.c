/* Public calls: where a regular expression matches in a text. */
#include "api/check.h"
#include "base/status.h"
#include "regex/find.h"

int nacre_regex_find(nacre_slice pattern, const nacre_regex_options *given, nacre_slice text, size_t from,
                     size_t *begin, size_t *size)
{
    nacre_regex_options options;
    if (!begin || !size) {
        return fail(NACRE_INVALID, "the places for begin and size are NULL");
    }
    *begin = *size = 0;
    int status = check_options(&options, sizeof options, given, "nacre_regex_options");
    if (status != NACRE_OK) {
        return status;
    }
    if ((!pattern.data && pattern.size) || (!text.data && text.size)) {
        return fail(NACRE_INVALID, "the %s has a size but no data", pattern.data ? "text" : "pattern");
    }
    if (from > text.size) {
        return fail(NACRE_INVALID, "the search begins at byte %zu of a text of %zu bytes", from, text.size);
    }
    const struct regex_options regex = { .ignore_case = options.ignore_case, .bytes = options.bytes };
    return regex_find(pattern, &regex, text, from, begin, size);
}
