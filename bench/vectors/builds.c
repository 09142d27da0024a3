/* An index by each engine. The figures of a build lie beside the index, for runs with --reuse. */
#include "builds.h"
#include "child.h"
#include "machine.h"
#include <ctype.h>
#include <stdio.h>

struct work {
    const struct engine *engine;
    const struct dataset *dataset;
    struct built *built;
    struct engine_place place;
    char directory[PATH_SIZE];
};

struct engine_place build_place(const struct options *options, const struct dataset *dataset, size_t engine,
                                char directory[PATH_SIZE])
{
    char name[64];
    snprintf(name, sizeof name, "%s", engines[engine]->name);
    for (size_t i = 0; name[i] != '\0'; i++) {
        name[i] = isalnum((unsigned char)name[i]) ? name[i] : '-';
    }
    snprintf(directory, PATH_SIZE, "%s/%s-%zu-%s", options->directory, dataset->name, dataset->base.rows, name);
    return (struct engine_place){
        .metric = dataset->metric,
        .dimension = dataset->base.dimension,
        .rows = dataset->base.rows,
        .directory = directory,
        .threads = options->threads,
    };
}

static void build(void *context)
{
    struct work *work = context;
    struct built *built = work->built;
    uint64_t resident = process_status_bytes("VmRSS");
    process_reset_peak();
    double cpu = process_cpu_seconds();
    uint64_t start = clock_ns();
    work->engine->build(work->engine, &work->place, &work->dataset->base);
    built->wall = (double)(clock_ns() - start) / 1e9;
    built->cpu = process_cpu_seconds() - cpu;
    built->peak = (double)(process_status_bytes("VmHWM") - resident);
    built->on_disk = (double)directory_bytes(work->directory);
    built->present = true;
}

static bool figures(const struct work *work, const char *mode)
{
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s.built", work->directory);
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        return false;
    }
    bool done = mode[0] == 'w' ? fwrite(work->built, sizeof *work->built, 1, file) == 1
                               : fread(work->built, sizeof *work->built, 1, file) == 1;
    return fclose(file) == 0 && done;
}

void builds_run(const struct options *options, const struct dataset *dataset,
                bool (*wanted)(const struct engine *engine), struct built *builds)
{
    for (size_t i = 0; engines[i] != NULL; i++) {
        struct work work = { engines[i], dataset, &builds[i], .directory = "" };
        work.place = build_place(options, dataset, i, work.directory);
        if (!option_takes_engine(options, engines[i]) || (wanted != NULL && !wanted(engines[i])) ||
            (options->reuse && figures(&work, "re"))) {
            continue;
        }
        directory_remove(work.directory);
        directory_make(work.directory);
        child_run(engines[i]->name, build, &work);
        if (builds[i].present) {
            fprintf(stderr, "%s: built in %.1f s, %.1f s of processor time\n", engines[i]->name, builds[i].wall,
                    builds[i].cpu);
            figures(&work, "we");
        }
    }
}
