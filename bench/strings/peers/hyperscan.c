/* Hyperscan over the whole buffer in one call. It tells where matches end; the lines are told apart while it goes.

   There are four ways to ask, and none is always the best: by characters of UTF-8 or by bytes, and for the first end in a line or for the end of the
   line. Each is tried once, before the clock runs, and the fastest one that counts the same as the first is used. */
#include "machine.h"
#include "measure.h"
#include "peer.h"
#include "support.h"
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_SIZE 4096

struct hyperscan {
    const struct corpus *corpus;
    hs_database_t *database;
    hs_scratch_t *scratch;
    uint64_t lines;
    int64_t line_end; /* of the last line that matched; -1 before */
};

static void hyperscan_version(char *text, size_t size)
{
    const char *version = hs_version(); /* followed by a date */
    snprintf(text, size, "Hyperscan %.*s", (int)strcspn(version, " "), version);
}

static void *hyperscan_open(const struct corpus *corpus, const char *directory)
{
    (void)directory;
    struct hyperscan *peer = allocate(sizeof *peer);
    peer->corpus = corpus;
    return peer;
}

static void hyperscan_close(void *opaque)
{
    struct hyperscan *peer = opaque;
    hs_free_scratch(peer->scratch);
    free(peer);
}

/* Ends come in order, and none lies behind the newline of its line. */
static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *opaque)
{
    (void)id, (void)from, (void)flags;
    struct hyperscan *peer = opaque;
    if ((int64_t)to > peer->line_end) {
        const char *end = line_end(peer->corpus, peer->corpus->bytes + to);
        peer->lines++;
        peer->line_end = end - peer->corpus->bytes;
    }
    return 0;
}

static uint64_t hyperscan_count(void *opaque)
{
    struct hyperscan *peer = opaque;
    peer->lines = 0;
    peer->line_end = -1;
    /* Without the last newline, behind which one more empty line would begin. */
    hs_error_t code = hs_scan(peer->database, peer->corpus->bytes, (unsigned)(peer->corpus->size - 1), 0, peer->scratch,
                              on_match, peer);
    return code == HS_SUCCESS ? peer->lines : COUNT_FAILED;
}

static bool compile(struct hyperscan *peer, const char *pattern, unsigned flags)
{
    hs_compile_error_t *error = NULL;
    if (hs_compile(pattern, flags | HS_FLAG_MULTILINE | HS_FLAG_ALLOWEMPTY, HS_MODE_BLOCK, NULL, &peer->database,
                   &error) != HS_SUCCESS) {
        hs_free_compile_error(error);
        peer->database = NULL;
        return false;
    }
    if (hs_alloc_scratch(peer->database, &peer->scratch) != HS_SUCCESS) {
        die("hyperscan: no memory to search with");
    }
    return true;
}

static void hyperscan_finish(void *opaque)
{
    struct hyperscan *peer = opaque;
    hs_free_database(peer->database);
    peer->database = NULL;
}

static bool hyperscan_prepare(void *opaque, const struct query *query)
{
    struct hyperscan *peer = opaque;
    char plain[PATTERN_SIZE], to_end[PATTERN_SIZE + 16];
    if (!query_for_buffer(query->pattern, plain, sizeof plain)) {
        return false;
    }
    snprintf(to_end, sizeof to_end, "(?:%s)[^\\n]*$", plain);
    const struct {
        const char *pattern;
        unsigned flags;
    } ways[] = { { plain, HS_FLAG_UTF8 }, { plain, 0 }, { to_end, HS_FLAG_UTF8 }, { to_end, 0 } };
    hs_database_t *best = NULL;
    double best_us = 0;
    uint64_t lines = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!compile(peer, ways[i].pattern, ways[i].flags)) {
            if (i == 0) {
                return false;
            }
            continue;
        }
        double start = thread_cpu_us();
        uint64_t counted = hyperscan_count(peer);
        double taken = thread_cpu_us() - start;
        if (i == 0 || (counted == lines && taken < best_us)) {
            hs_free_database(best);
            best = peer->database;
            best_us = taken;
            lines = i == 0 ? counted : lines;
            peer->database = NULL;
        }
        hyperscan_finish(peer);
    }
    peer->database = best;
    return true;
}

const struct peer peer_hyperscan = {
    .name = "hyperscan",
    .by_default = true,
    .version = hyperscan_version,
    .open = hyperscan_open,
    .close = hyperscan_close,
    .prepare = hyperscan_prepare,
    .count = hyperscan_count,
    .finish = hyperscan_finish,
};
