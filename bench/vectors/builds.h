/* An index by each engine, each built in a process of its own. */
#ifndef BENCH_VECTORS_BUILDS_H
#define BENCH_VECTORS_BUILDS_H
#include "dataset.h"
#include "engine.h"
#include "options.h"
#include "support.h"

struct built {
    bool present;
    double wall, cpu;     /* seconds */
    double peak, on_disk; /* bytes */
};

/* Where an engine's index lies. directory: gets the path that the place points to. */
struct engine_place build_place(const struct options *options, const struct dataset *dataset, size_t engine,
                                char directory[PATH_SIZE]);

/* Builds, or with --reuse takes what is there, by the engines that the options take and `wanted` says true to (NULL:
   all). builds: one for each of `engines`, in shared memory. */
void builds_run(const struct options *options, const struct dataset *dataset,
                bool (*wanted)(const struct engine *engine), struct built *builds);

#endif
