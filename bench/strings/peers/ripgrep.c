/* ripgrep, a process for each count: the file is in the page cache, and mapped. Its time is that of the process, start and all. */
#include "measure.h"
#include "peer.h"
#include "process.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_SECONDS 60

struct ripgrep {
    const char *path, *pattern;
};

static void ripgrep_version(char *text, size_t size)
{
    const char *const arguments[] = { "rg", "--version", NULL };
    char output[256] = "";
    if (process_run(arguments, output, sizeof output, LIMIT_SECONDS) == 0) {
        output[strcspn(output, "\n")] = '\0';
        snprintf(text, size, "%.60s", output);
    }
}

static void *ripgrep_open(const struct corpus *corpus, const char *directory)
{
    (void)directory;
    struct ripgrep *peer = allocate(sizeof *peer);
    peer->path = corpus->path;
    return peer;
}

static bool ripgrep_prepare(void *opaque, const struct query *query)
{
    struct ripgrep *peer = opaque;
    peer->pattern = query->pattern;
    return true;
}

static uint64_t ripgrep_count(void *opaque)
{
    const struct ripgrep *peer = opaque;
    const char *const arguments[] = { "rg",  "--no-config", "--count",     "--text",   "--mmap", "--dfa-size-limit=1G",
                                      "-j1", "-e",          peer->pattern, peer->path, NULL };
    char output[64] = "";
    int code = process_run(arguments, output, sizeof output, LIMIT_SECONDS);
    if (code == 1) {
        return 0; /* no line matches, and nothing is printed */
    }
    return code == 0 ? strtoull(output, NULL, 10) : COUNT_FAILED;
}

static void ripgrep_finish(void *opaque)
{
    struct ripgrep *peer = opaque;
    peer->pattern = NULL;
}

const struct peer peer_ripgrep = {
    .name = "ripgrep",
    .by_default = true,
    .version = ripgrep_version,
    .open = ripgrep_open,
    .close = free,
    .prepare = ripgrep_prepare,
    .count = ripgrep_count,
    .finish = ripgrep_finish,
};
