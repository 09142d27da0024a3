/* nacre_bench: nacre beside RocksDB, LevelDB, LMDB and WiredTiger. The parent starts one child process for each engine, group of workloads and
   repetition, each in a fresh directory, the engines in turn and beginning with another one each time; it collects what they print and shows medians. */
#include "harness.h"
#include "machine.h"
#include "report.h"
#include "workloads.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CACHE_BYTES         (UINT64_C(256) << 20)
#define WRITE_BUFFER_BYTES  (UINT64_C(64) << 20)
#define WRITE_BUFFERS       3
#define BACKGROUND_THREADS  2
#define CHILD_LIMIT_SECONDS 1800
#define ARGUMENTS_MAX       64

const char program_name[] = "nacre_bench";

struct child {
    const char *engine, *group; /* NULL in the parent */
};

static const char usage[] =
    "nacre_bench [options]\n"
    "  --engines A,B      which engines (default: all of this build)\n"
    "  --workloads X,Y    which workloads or groups of them (default: all; --list shows them)\n"
    "  --num N            entries (default 5000000)\n"
    "  --value-size N     bytes of a value, 16 to 65536 (default 100)\n"
    "  --threads N        threads of the rows with several threads (default 2)\n"
    "  --seconds S        length of the rows that are bounded by time (default 4)\n"
    "  --runs N           repetitions, of which the medians are shown (default 3)\n"
    "  --dir D            where the stores go; removed at the end (default build/bench-data)\n"
    "  --json F           where the figures go (default build/bench-results/DATE.json)\n"
    "  --quick            500000 entries, one run, short\n"
    "  --list             the workloads and the engines of this build\n"
    "  --child ENGINE --group GROUP   one group in this process, as the parent would start it (for perf)\n";

static void list_all(void)
{
    for (const struct workload_group *group = workload_groups; group->name != NULL; group++) {
        printf("%-16s %s\n", group->name, group->workloads);
    }
    printf("engines: ");
    for (size_t i = 0; engines[i] != NULL; i++) {
        printf("%s ", engines[i]->name);
    }
    putchar('\n');
}

static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most)
{
    uint64_t value;
    if (!number_parse(text, &value) || value < least || value > most) {
        die("--%s takes a number from %llu to %llu", option, (unsigned long long)least, (unsigned long long)most);
    }
    return value;
}

static void set_quick(struct options *options)
{
    options->quick = true;
    options->num = 500000;
    options->runs = 1;
    options->seconds = 1;
}

static void set_option(struct options *options, struct child *child, int option)
{
    switch (option) {
    case 'e':
        options->engines = optarg;
        break;
    case 'w':
        options->workloads = optarg;
        break;
    case 'n':
        options->num = number("num", optarg, 1000, UINT32_MAX);
        break;
    case 'v':
        options->value_size = number("value-size", optarg, VALUE_SIZE_MIN, VALUE_SIZE_MAX);
        break;
    case 't':
        options->threads = (unsigned)number("threads", optarg, 1, NAMES_MAX);
        break;
    case 'r':
        options->runs = (unsigned)number("runs", optarg, 1, 9);
        break;
    case 's':
        options->seconds = strtod(optarg, NULL);
        break;
    case 'd':
        options->directory = optarg;
        break;
    case 'j':
        options->json = optarg;
        break;
    case 'q':
        set_quick(options);
        break;
    case 'c':
        child->engine = optarg;
        break;
    case 'g':
        child->group = optarg;
        break;
    case 'l':
        list_all();
        exit(0);
    case 'h':
        fputs(usage, stdout);
        exit(0);
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static void parse(int count, char **arguments, struct options *options, struct child *child)
{
    static const struct option known[] = { { "engines", required_argument, NULL, 'e' },
                                           { "workloads", required_argument, NULL, 'w' },
                                           { "num", required_argument, NULL, 'n' },
                                           { "value-size", required_argument, NULL, 'v' },
                                           { "threads", required_argument, NULL, 't' },
                                           { "runs", required_argument, NULL, 'r' },
                                           { "seconds", required_argument, NULL, 's' },
                                           { "dir", required_argument, NULL, 'd' },
                                           { "json", required_argument, NULL, 'j' },
                                           { "quick", no_argument, NULL, 'q' },
                                           { "child", required_argument, NULL, 'c' },
                                           { "group", required_argument, NULL, 'g' },
                                           { "list", no_argument, NULL, 'l' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        set_option(options, child, option);
    }
    if (optind != count || !(options->seconds > 0)) {
        fputs(usage, stderr);
        exit(2);
    }
}

static bool engine_known(const char *name)
{
    return engine_find(name) != NULL;
}

static const struct workload_group *group_of(const char *name)
{
    for (const struct workload_group *group = workload_groups; group->name != NULL; group++) {
        if (strcmp(group->name, name) == 0 || name_listed(group->workloads, name)) {
            return group;
        }
    }
    return NULL;
}

static bool workload_known(const char *name)
{
    return group_of(name) != NULL;
}

static bool group_wanted(const struct options *options, const struct workload_group *group)
{
    char copy[1024], *save = NULL;
    snprintf(copy, sizeof copy, "%s", options->workloads == NULL ? group->name : options->workloads);
    for (char *name = strtok_r(copy, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save)) {
        if (group_of(name) == group) {
            return true;
        }
    }
    return false;
}

static int run_child(const struct options *options, const struct child *child)
{
    char directory[PATH_SIZE];
    const struct workload_group *group = group_of(child->group == NULL ? "" : child->group);
    const struct engine *engine = engine_find(child->engine);
    if (group == NULL || engine == NULL) {
        die("--child takes an engine of this build and a --group of workloads (--list shows them)");
    }
    snprintf(directory, sizeof directory, "%s/%s-%s", options->directory, engine->name, group->name);
    directory_remove(directory);
    directory_make(directory);
    alarm(CHILD_LIMIT_SECONDS);
    struct context context = {
        .options = options, .engine = engine, .group = group->name, .value_size = options->value_size
    };
    context.config = (struct engine_config){ .directory = directory,
                                             .cache_bytes = CACHE_BYTES,
                                             .write_buffer_bytes = WRITE_BUFFER_BYTES,
                                             .write_buffers = WRITE_BUFFERS,
                                             .background_threads = BACKGROUND_THREADS };
    data_init();
    uint64_t start = clock_ns();
    double own = process_cpu_seconds(), all = machine_cpu_seconds();
    group->run(&context);
    if (strcmp(group->name, "recovery") != 0) { /* there another process of ours does the writing */
        double foreign =
            (machine_cpu_seconds() - all - (process_cpu_seconds() - own)) / ((double)(clock_ns() - start) / 1e9);
        emit("foreign", foreign > 0 ? foreign : 0);
    }
    directory_remove(directory);
    return 0;
}

struct plan {
    int argument_count;
    char **arguments;
    const struct options *options;
    struct report *report;
    unsigned done, total, failed;
};

static void exec_child(const struct plan *plan, const char *engine, const char *group, int output)
{
    char *arguments[ARGUMENTS_MAX];
    int count = 0;
    while (count < plan->argument_count && count < ARGUMENTS_MAX - 5) {
        arguments[count] = plan->arguments[count];
        count++;
    }
    arguments[count++] = "--child";
    arguments[count++] = (char *)(uintptr_t)engine;
    arguments[count++] = "--group";
    arguments[count++] = (char *)(uintptr_t)group;
    arguments[count] = NULL;
    dup2(output, STDOUT_FILENO);
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static void read_lines(struct plan *plan, size_t engine, int input)
{
    char line[512];
    FILE *lines = fdopen(input, "r");
    while (lines != NULL && fgets(line, sizeof line, lines) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (!report_line(plan->report, engine, line)) {
            fprintf(stderr, "%s says: %s\n", engines[engine]->name, line);
        }
    }
    if (lines != NULL) {
        fclose(lines);
    }
}

static void start_child(struct plan *plan, size_t engine, const struct workload_group *group, unsigned run)
{
    int channel[2];
    uint64_t start = clock_ns();
    fprintf(stderr, "[%3u/%u] run %u  %-15s %-11s", ++plan->done, plan->total, run + 1, group->name,
            engines[engine]->name);
    fflush(stdout);
    if (pipe(channel) != 0) {
        die("pipe: %s", strerror(errno));
    }
    pid_t process = fork();
    if (process < 0) {
        die("fork: %s", strerror(errno));
    }
    if (process == 0) {
        close(channel[0]);
        exec_child(plan, engines[engine]->name, group->name, channel[1]);
    }
    close(channel[1]);
    read_lines(plan, engine, channel[0]);
    int status = 0;
    waitpid(process, &status, 0);
    fprintf(stderr, " %7.1f s\n", (double)(clock_ns() - start) / 1e9);
    if (status != 0) {
        char text[128];
        snprintf(text, sizeof text, "%s failed in %s (%s %d)", engines[engine]->name, group->name,
                 WIFSIGNALED(status) ? "signal" : "code", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        report_note(plan->report, text);
        plan->failed++;
        char directory[PATH_SIZE];
        snprintf(directory, sizeof directory, "%s/%s-%s", plan->options->directory, engines[engine]->name, group->name);
        directory_remove(directory);
    }
    directory_settle(plan->options->directory);
}

static bool takes_part(const struct options *options, size_t engine, const struct workload_group *group)
{
    bool offered = options->engines != NULL || !engines[engine]->variant || group->run == run_values;
    return offered && name_listed(options->engines, engines[engine]->name) &&
           (group->run != run_seal || engines[engine]->seal != NULL);
}

/* Counts the children, and with `start` starts them. */
static void go_through(struct plan *plan, bool start)
{
    size_t count = 0;
    unsigned turn = 0;
    while (engines[count] != NULL) {
        count++;
    }
    for (unsigned run = 0; run < plan->options->runs; run++) {
        for (const struct workload_group *group = workload_groups; group->name != NULL; group++, turn++) {
            if (!group_wanted(plan->options, group)) {
                continue;
            }
            for (size_t i = 0; i < count; i++) {
                size_t engine = (i + turn) % count;
                if (!takes_part(plan->options, engine, group)) {
                    continue;
                }
                if (start) {
                    start_child(plan, engine, group, run);
                } else {
                    plan->total++;
                }
            }
        }
    }
}

static void check_space(const struct options *options)
{
    double needed = 6.0 * (double)options->num * (double)(KEY_SIZE + options->value_size) + 4e9;
    if ((double)directory_free_bytes(options->directory) < needed) {
        die("%s: %.1f GB must be free", options->directory, needed / 1e9);
    }
}

static void measure_disk(const struct options *options, struct disk_figures *disk)
{
    double seconds = options->quick ? 0.5 : 2;
    disk->append_syncs = disk_sync_rate(options->directory, true, seconds);
    disk->overwrite_syncs = disk_sync_rate(options->directory, false, seconds);
    disk->write_bytes = disk_write_rate(options->directory, UINT64_C(256) << 20);
}

static void write_json(const struct options *options, const struct report *report, const struct machine *machine,
                       const struct disk_figures *disk, const char *settings)
{
    char path[PATH_SIZE];
    if (options->json != NULL) {
        snprintf(path, sizeof path, "%s", options->json);
    } else {
        directory_make("build/bench-results");
        snprintf(path, sizeof path, "build/bench-results/%s.json", machine->date);
    }
    report_json(report, path, machine, disk, settings);
    printf("figures of every run: %s\n", path);
}

static int run_parent(const struct options *options, int count, char **arguments)
{
    struct machine machine;
    struct disk_figures disk;
    char settings[512];
    check_names(options->engines, "engine", engine_known);
    check_names(options->workloads, "workload", workload_known);
    directory_make(options->directory);
    check_space(options);
    machine_describe(&machine, options->directory);
    measure_disk(options, &disk);
    snprintf(settings, sizeof settings,
             "%llu entries, %d-byte random keys, %zu-byte incompressible values, no compression, cache %llu MiB, write "
             "buffers %d x %llu MiB, "
             "%d background threads, page cache warm, medians of %u, %.3g s per timed row, several threads = %u",
             (unsigned long long)options->num, KEY_SIZE, options->value_size, (unsigned long long)(CACHE_BYTES >> 20),
             WRITE_BUFFERS, (unsigned long long)(WRITE_BUFFER_BYTES >> 20), BACKGROUND_THREADS, options->runs,
             options->seconds, options->threads);
    report_heading(&machine, &disk, settings);
    struct plan plan = {
        .argument_count = count, .arguments = arguments, .options = options, .report = report_create()
    };
    go_through(&plan, false);
    go_through(&plan, true);
    report_table(plan.report);
    write_json(options, plan.report, &machine, &disk, settings);
    report_free(plan.report);
    directory_remove(options->directory);
    return plan.failed > 0 ? 1 : 0;
}

int main(int count, char **arguments)
{
    struct options options = {
        .num = 5000000, .value_size = 100, .threads = 2, .runs = 3, .seconds = 4, .directory = "build/bench-data"
    };
    struct child child = { NULL, NULL };
    parse(count, arguments, &options, &child);
    return child.engine != NULL ? run_child(&options, &child) : run_parent(&options, count, arguments);
}
