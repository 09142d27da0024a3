/* RE2 in two ways: over the whole buffer, from match to match, and line by line. Which one is faster depends on how many lines match. */
#include <re2/re2.h>
#include <cstdio>
#include <string>
extern "C" {
#include "peer.h"
}

namespace {

constexpr size_t pattern_size = 4096;
constexpr int64_t program_bytes = int64_t{ 256 }
                                  << 20; /* room for large automata, where the default would fall back to slower ways */

struct re2_state {
    const corpus *lines;
    re2::RE2 *expression;
};

void re2_version(char *text, size_t size)
{
    snprintf(text, size, "RE2 %s", BENCH_RE2_VERSION);
}

void *re2_open(const corpus *lines, const char *)
{
    return new re2_state{ lines, nullptr };
}

void re2_close(void *opaque)
{
    delete static_cast<re2_state *>(opaque);
}

void re2_finish(void *opaque)
{
    auto *state = static_cast<re2_state *>(opaque);
    delete state->expression;
    state->expression = nullptr;
}

bool compile(re2_state *state, const std::string &pattern)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(program_bytes);
    state->expression = new re2::RE2(pattern, options);
    if (state->expression->ok()) {
        return true;
    }
    re2_finish(state);
    return false;
}

bool re2_prepare_buffer(void *opaque, const query *searched)
{
    char text[pattern_size];
    return query_for_buffer(searched->pattern, text, sizeof text) &&
           compile(static_cast<re2_state *>(opaque), std::string("(?m)") + text);
}

bool re2_prepare_lines(void *opaque, const query *searched)
{
    return compile(static_cast<re2_state *>(opaque), searched->pattern);
}

/* From one match to the end of its line, and on from there. */
uint64_t re2_count_buffer(void *opaque)
{
    const auto *state = static_cast<const re2_state *>(opaque);
    const corpus *lines = state->lines;
    const re2::StringPiece text(lines->bytes, lines->size - 1); /* behind the last newline one more line would begin */
    re2::StringPiece match;
    uint64_t count = 0;
    size_t at = 0;
    while (at <= text.size() && state->expression->Match(text, at, text.size(), re2::RE2::UNANCHORED, &match, 1)) {
        count++;
        at = static_cast<size_t>(line_end(lines, match.data()) - lines->bytes) + 1;
    }
    return count;
}

uint64_t re2_count_lines(void *opaque)
{
    const auto *state = static_cast<const re2_state *>(opaque);
    const char *at = state->lines->bytes, *const end = at + state->lines->size;
    uint64_t count = 0;
    while (at < end) {
        const char *newline = line_end(state->lines, at);
        const re2::StringPiece line(at, static_cast<size_t>(newline - at));
        count += state->expression->Match(line, 0, line.size(), re2::RE2::UNANCHORED, nullptr, 0);
        at = newline + 1;
    }
    return count;
}

} // namespace

extern "C" {
extern const struct peer peer_re2 = { "re2",     true,    re2_version,        re2_open,
                                      re2_close, nullptr, re2_prepare_buffer, re2_count_buffer,
                                      re2_finish };
extern const struct peer peer_re2_lines = { "re2-lines", true,    re2_version,       re2_open,
                                            re2_close,   nullptr, re2_prepare_lines, re2_count_lines,
                                            re2_finish };
}
