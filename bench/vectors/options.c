/* Reads the command line. */
#include "options.h"
#include "engine.h"
#include "support.h"
#include "truth.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "nacre_bench_vectors [options] SET\n"
    "SET stands for SET.base.fvecs, SET.query.fvecs and SET.truth.ivecs (scripts/bench_vectors_data.sh makes such "
    "files)\n"
    "Searches for the nearest, unless one of these is given:\n"
    "  --insert           inserts one by one while two threads search\n"
    "  --filter           searches among a part of the rows\n"
    "Options:\n"
    "  --engines A,B      which engines (default: those that --list shows without a star)\n"
    "  --metric M         l2 or cosine (default: cosine where the name of the set begins with glove, else l2)\n"
    "  --rows N           only the first N rows; the exact neighbours are then computed first\n"
    "  --queries N        only the first N queries (default 1000)\n"
    "  --k N              so many neighbours (default 10)\n"
    "  --runs N           repetitions; medians are shown (default 3)\n"
    "  --threads N        threads to build with, and of the searches by several threads (default 2)\n"
    "  --seconds S        each measurement of searches takes so long at least (default 0.3); with --insert the length "
    "of "
    "the\n"
    "                     phases bounded by time is ten times that\n"
    "  --phases X,Y       with --insert: inserts, writers, seals (default: all)\n"
    "  --dir D            where indexes and stores go; removed at the end (default build/bench-vectors-data)\n"
    "  --reuse            use the indexes that an earlier run with --reuse left in the directory, and leave them there "
    "again\n"
    "  --tsv F            all figures, one a line\n"
    "  --list             the engines of this build\n";

bool option_takes_engine(const struct options *options, const struct engine *engine)
{
    return options->engines == NULL ? engine->by_default : name_listed(options->engines, engine->name);
}

static bool engine_known(const char *name)
{
    for (size_t i = 0; engines[i] != NULL; i++) {
        if (strcmp(engines[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void list_engines(void)
{
    char version[64];
    for (size_t i = 0; engines[i] != NULL; i++) {
        engines[i]->version(version, sizeof version);
        printf("%s%s (%s)\n", engines[i]->name, engines[i]->by_default ? "" : " *", version);
    }
}

static void take_figure(struct options *options, int option)
{
    switch (option) {
    case 'r':
        options->rows = number_of(optarg);
        break;
    case 'q':
        options->queries = number_of(optarg);
        break;
    case 'k':
        options->k = number_of(optarg);
        break;
    case 'n':
        options->runs = (unsigned)number_of(optarg);
        break;
    case 't':
        options->threads = (unsigned)number_of(optarg);
        break;
    case 's':
        options->seconds = strtod(optarg, NULL);
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void take_option(struct options *options, int option)
{
    switch (option) {
    case 'I':
        options->mode = MODE_INSERT;
        break;
    case 'F':
        options->mode = MODE_FILTER;
        break;
    case 'e':
        options->engines = optarg;
        break;
    case 'm':
        if (!metric_parse(optarg, &options->metric)) {
            die("there is no metric '%s'", optarg);
        }
        break;
    case 'p':
        options->phases = optarg;
        break;
    case 'd':
        options->directory = optarg;
        break;
    case 'R':
        options->reuse = true;
        break;
    case 'T':
        options->tsv = optarg;
        break;
    case 'l':
        list_engines();
        exit(0);
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default:
        take_figure(options, option);
    }
}

static void check_options(const struct options *options)
{
    check_names(options->engines, "engine", engine_known);
    if (options->k == 0 || options->k > TRUTH_NEIGHBORS) {
        die("--k takes 1 to %d", TRUTH_NEIGHBORS);
    }
    if (options->runs == 0 || options->runs > RUNS_MAX || options->threads == 0 || options->threads > THREADS_MAX) {
        die("--runs takes 1 to %d, --threads 1 to %d", RUNS_MAX, THREADS_MAX);
    }
    if (!(options->seconds > 0)) {
        die("--seconds takes a number above 0");
    }
}

void options_parse(struct options *options, int count, char **arguments)
{
    static const struct option known[] = {
        { "insert", no_argument, NULL, 'I' },
        { "filter", no_argument, NULL, 'F' },
        { "engines", required_argument, NULL, 'e' },
        { "metric", required_argument, NULL, 'm' },
        { "rows", required_argument, NULL, 'r' },
        { "queries", required_argument, NULL, 'q' },
        { "k", required_argument, NULL, 'k' },
        { "runs", required_argument, NULL, 'n' },
        { "threads", required_argument, NULL, 't' },
        { "seconds", required_argument, NULL, 's' },
        { "phases", required_argument, NULL, 'p' },
        { "dir", required_argument, NULL, 'd' },
        { "reuse", no_argument, NULL, 'R' },
        { "tsv", required_argument, NULL, 'T' },
        { "list", no_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;
    bool metric_given = false;
    *options = (struct options){
        .queries = 1000, .k = 10, .runs = 3, .threads = 2, .seconds = 0.3, .directory = "build/bench-vectors-data"
    };
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        metric_given |= option == 'm';
        take_option(options, option);
    }
    if (optind + 1 != count) {
        fputs(usage, stderr);
        exit(2);
    }
    options->set = arguments[optind];
    const char *slash = strrchr(options->set, '/');
    if (!metric_given && strncmp(slash != NULL ? slash + 1 : options->set, "glove", 5) == 0) {
        options->metric = METRIC_COSINE;
    }
    check_options(options);
}
