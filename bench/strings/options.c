/* Reads the command line. */
#include "options.h"
#include "peer.h"
#include "support.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "nacre_bench_strings [options] NAME.txt\n"
    "NAME.txt holds different lines, sorted bytewise; NAME.shuf.txt beside it the same ones shuffled "
    "(scripts/bench_data.sh makes such files)\n"
    "  --queries A,B      ids or classes of bench/strings/queries.tsv (default: all)\n"
    "  --peers A,B        which peers (default: all of this build but fts5, whose index takes minutes); none: nacre "
    "alone\n"
    "  --no-nacre         the peers alone\n"
    "  --phases X,Y       what nacre is measured at: queries, reads, writer (default: all; it is loaded in any case)\n"
    "  --limit-lines N    only so many lines, taken at random\n"
    "  --live-lines N     so many of the lines stay in the memtable while searching, but at most a twentieth (default "
    "50000)\n"
    "  --seconds S        length of the searches beside a writer (default 10)\n"
    "  --dir D            where the store and the peers' indexes go; removed at the end (default "
    "build/bench-strings-data)\n"
    "  --reuse            use the store that an earlier run with --reuse left in the directory, and leave it there "
    "again\n"
    "  --tsv F            all figures, one a line\n"
    "  --save-peers F     keep the peers' figures; --load-peers F: take them from there. For development: what is "
    "published\n"
    "                     comes from one run of both sides\n"
    "  --list             the peers of this build\n";

static void list_peers(void)
{
    for (size_t i = 0; peers[i] != NULL; i++) {
        printf("%s%s\n", peers[i]->name, peers[i]->by_default ? "" : " (where it is named)");
    }
}

static void set_option(struct options *options, int option)
{
    switch (option) {
    case 'q':
        options->queries = optarg;
        break;
    case 'p':
        options->peers = optarg;
        break;
    case 'n':
        options->engine = false;
        break;
    case 'f':
        options->phases = optarg;
        break;
    case 'i':
        options->limit_lines = number_of(optarg);
        break;
    case 'm':
        options->live_lines = number_of(optarg);
        break;
    case 's':
        options->seconds = strtod(optarg, NULL);
        break;
    case 'd':
        options->directory = optarg;
        break;
    case 'r':
        options->reuse = true;
        break;
    case 't':
        options->tsv = optarg;
        break;
    case 'S':
        options->save_peers = optarg;
        break;
    case 'L':
        options->load_peers = optarg;
        break;
    case 'l':
        list_peers();
        exit(0);
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static bool peer_known(const char *name)
{
    for (size_t i = 0; peers[i] != NULL; i++) {
        if (strcmp(peers[i]->name, name) == 0) {
            return true;
        }
    }
    return strcmp(name, "none") == 0;
}

static bool phase_known(const char *name)
{
    return name_listed("queries,reads,writer", name);
}

static void check_options(const struct options *options)
{
    check_names(options->peers, "peer", peer_known);
    check_names(options->phases, "phase", phase_known);
    if (!(options->seconds > 0)) {
        die("--seconds takes a number above 0");
    }
#ifndef BENCH_WITH_NACRE
    if (options->engine) {
        die("this build is without nacre: --no-nacre");
    }
#endif
}

void options_parse(struct options *options, int count, char **arguments)
{
    static const struct option known[] = {
        { "queries", required_argument, NULL, 'q' },
        { "peers", required_argument, NULL, 'p' },
        { "no-nacre", no_argument, NULL, 'n' },
        { "phases", required_argument, NULL, 'f' },
        { "limit-lines", required_argument, NULL, 'i' },
        { "live-lines", required_argument, NULL, 'm' },
        { "seconds", required_argument, NULL, 's' },
        { "dir", required_argument, NULL, 'd' },
        { "reuse", no_argument, NULL, 'r' },
        { "tsv", required_argument, NULL, 't' },
        { "save-peers", required_argument, NULL, 'S' },
        { "load-peers", required_argument, NULL, 'L' },
        { "list", no_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    *options =
        (struct options){ .directory = "build/bench-strings-data", .live_lines = 50000, .seconds = 10, .engine = true };
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        set_option(options, option);
    }
    if (optind + 1 != count) {
        fputs(usage, stderr);
        exit(2);
    }
    options->lines = arguments[optind];
    check_options(options);
}
