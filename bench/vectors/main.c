/* nacre_bench_vectors: the nearest neighbours of vectors, nacre beside its peers, in one run, every answer checked
   (docs/benchmarks.md). */
#include "child.h"
#include "dataset.h"
#include "filters.h"
#include "inserts.h"
#include "machine.h"
#include "options.h"
#include "report.h"
#include "searches.h"
#include "support.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char program_name[] = "nacre_bench_vectors";

static bool search(const struct options *options, const struct dataset *dataset)
{
    struct built *builds = shared_allocate(ENGINES_MAX * sizeof *builds);
    struct engine_results *results = shared_allocate(ENGINES_MAX * sizeof *results);
    bool whole = true;
    searches_run(options, dataset, builds, results);
    report_searches(options, builds, results);
    report_searches_tsv(options, dataset, builds, results);
    for (size_t i = 0; engines[i] != NULL; i++) {
        if (option_takes_engine(options, engines[i]) && results[i].runs < options->runs) {
            printf("%s did not come to its end.\n", engines[i]->name);
            whole = false;
        }
    }
    return whole;
}

/* Lets malloc ask for huge pages, which hnswlib, whose index is one piece of memory, is a good part faster with. The
   C library reads that when a process begins. */
static void use_huge_pages(char **arguments)
{
    if (getenv("GLIBC_TUNABLES") == NULL && setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) == 0) {
        execv("/proc/self/exe", arguments); /* where it fails, pages stay small */
    }
}

/* A matrix product by several threads is not what one thread of a search is to be measured with. */
void openblas_set_num_threads(int count) __attribute__((weak));

int main(int count, char **arguments)
{
    struct options options;
    struct dataset dataset;
    use_huge_pages(arguments);
    options_parse(&options, count, arguments);
    if (openblas_set_num_threads != NULL) {
        openblas_set_num_threads(1);
    }
    if (!options.reuse) {
        directory_remove(options.directory);
    }
    directory_make(options.directory);
    dataset_read(&dataset, options.set, options.metric, options.rows, options.queries);
    report_heading(&options, &dataset);
    bool whole = options.mode == MODE_SEARCH   ? search(&options, &dataset)
                 : options.mode == MODE_INSERT ? inserts_run(&options, &dataset)
                                               : filters_run(&options, &dataset);
    dataset_free(&dataset);
    if (!options.reuse) {
        directory_remove(options.directory);
    }
    return whole ? 0 : 1;
}
