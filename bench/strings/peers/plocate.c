/* plocate, a process for each count, over a database made of the same lines. Literals go through its index of trigrams; other patterns, where POSIX says the
   same by them, through --regex, which reads all of it. It cannot anchor literals but by --regex. */
#include "machine.h"
#include "measure.h"
#include "peer.h"
#include "process.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUILD_SECONDS 600
#define LIMIT_SECONDS 20

struct plocate {
    char database[PATH_SIZE + 16], pattern[QUERY_LITERAL_MAX];
    const char *arguments[9];
};

static void plocate_version(char *text, size_t size)
{
    const char *const arguments[] = { "plocate", "--version", NULL };
    char output[256] = "";
    if (process_run(arguments, output, sizeof output, LIMIT_SECONDS) == 0 && process_known("plocate-build")) {
        output[strcspn(output, "\n")] = '\0';
        snprintf(text, size, "%.60s", output);
    }
}

static void *plocate_open(const struct corpus *corpus, const char *directory)
{
    struct plocate *peer = allocate(sizeof *peer);
    char output[256];
    snprintf(peer->database, sizeof peer->database, "%s/plocate.db", directory);
    const char *const arguments[] = { "plocate-build", "-l", "no", "-p", corpus->path, peer->database, NULL };
    if (process_run(arguments, output, sizeof output, BUILD_SECONDS) != 0) {
        die("plocate-build failed");
    }
    return peer;
}

static uint64_t plocate_bytes(void *opaque)
{
    const struct plocate *peer = opaque;
    struct stat status;
    return stat(peer->database, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

static bool plocate_prepare(void *opaque, const struct query *query)
{
    struct plocate *peer = opaque;
    struct query_literal literal;
    size_t used = 0;
    peer->arguments[used++] = "plocate";
    peer->arguments[used++] = "-d";
    peer->arguments[used++] = peer->database;
    peer->arguments[used++] = "-c";
    if (query_literal(query->pattern, &literal) && !literal.at_begin && !literal.at_end &&
        memchr(literal.bytes, '*', literal.size) == NULL) {
        memcpy(peer->pattern, literal.bytes, literal.size + 1);
        if (literal.ignore_case) {
            peer->arguments[used++] = "-i";
        }
        peer->arguments[used++] = "--";
        peer->arguments[used++] = peer->pattern;
    } else if (query_is_posix(query->pattern)) {
        peer->arguments[used++] = "--regex";
        peer->arguments[used++] = "--";
        peer->arguments[used++] = query->pattern;
    } else {
        return false;
    }
    peer->arguments[used] = NULL;
    return true;
}

static uint64_t plocate_count(void *opaque)
{
    const struct plocate *peer = opaque;
    char output[64] = "";
    int code = process_run(peer->arguments, output, sizeof output, LIMIT_SECONDS);
    return (code == 0 || code == 1) && output[0] != '\0' ? strtoull(output, NULL, 10) : COUNT_FAILED;
}

static void plocate_finish(void *opaque)
{
    struct plocate *peer = opaque;
    peer->arguments[0] = NULL;
}

const struct peer peer_plocate = {
    .name = "plocate",
    .by_default = true,
    .version = plocate_version,
    .open = plocate_open,
    .close = free,
    .index_bytes = plocate_bytes,
    .prepare = plocate_prepare,
    .count = plocate_count,
    .finish = plocate_finish,
};
